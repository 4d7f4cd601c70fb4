//! The control socket of a daemon: how the commands talk to the node of a home.
//!
//! One request a connection. Both directions are lines of JSON, bounded in size and with a version.
//! The socket is `control.sock` in the home, mode 0600.

mod client;
mod line;
mod pipe;
mod protocol;
mod reply;
mod server;
mod sip;
mod socket;

pub(crate) use client::{call, open_pipe};
pub(crate) use pipe::receive as receive_pipe;
pub(crate) use protocol::{Answer, Asked, Failure, Place, Question, VERSION, Value, Which};
pub(crate) use reply::{
    FetchReply, FetchedEntry, FindEntry, FindReply, Finger, LinkEntry, LinksReply, LocateReply,
    PipeReply, Pong, Probed, RelayedByEntry, Reply, RingEntry, RingReply, RouteReply, RouteStep,
    StatEntry, StatReply, StatusReply, StoreReply, TurnServerEntry,
};
pub(crate) use server::{Handler, Progress, serve};
pub(crate) use sip::{
    CallEntry, PhoneEntry, SipCallsReply, SipDeviceEntry, SipEntry, SipFailedEntry,
    SipForwardEntry, SipListening, SipLookupReply, SipMessageEntry, SipRegisterReply,
    SipRegistrationEntry, SipTraceReply,
};
pub(crate) use socket::{ControlListener, SocketError, connect};
