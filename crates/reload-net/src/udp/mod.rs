//! The UDP side of a node: its sockets by name, read by tasks of their own, written to by the driver.
//! What a datagram means, `reload-datagram` decides.

mod hosts;
mod socket;
mod sockets;

pub(crate) use socket::{Buffers, Datagram, Socket};
pub(crate) use sockets::{Arrival, Sockets, is_of_one_remote};
