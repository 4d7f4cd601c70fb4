//! The control socket of a daemon: how the commands talk to the node of a home.
//!
//! One request a connection. Both directions are lines of JSON, bounded in size and with a version.
//! The socket is `control.sock` in the home, mode 0600.

mod client;
mod line;
mod protocol;
mod reply;
mod server;
mod socket;

pub use client::{ClientError, call};
pub use line::{LineError, MAX_LINE};
pub use protocol::{Answer, Asked, Failure, Place, Question, VERSION, Value, Which};
pub use reply::{
    FetchReply, FetchedEntry, Finger, FindEntry, FindReply, LinkEntry, LocateReply, Pong, Probed,
    Reply, RingEntry, RingReply, RouteReply, RouteStep, StatEntry, StatReply, StatusReply,
    StoreReply,
};
pub use server::{Handler, Progress, serve};
pub use socket::{ControlListener, SocketError, connect};
