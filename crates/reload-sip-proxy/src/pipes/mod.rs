//! SIP over the connections to other peers (RFC 7904 section 5): each pipe is a datagram transport of the
//! SIP stack, kept for later calls. What is sent in them is decided elsewhere.

mod channel;
#[cfg(test)]
pub(crate) mod mutation;
mod names;
mod pool;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use channel::{Hold, SipPipe, is_invented};
pub(crate) use names::NoNames;
pub(crate) use pool::Pool;
