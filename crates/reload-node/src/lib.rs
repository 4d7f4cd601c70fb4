//! The RELOAD node without I/O (section 6).
//!
//! [`Node`] takes link events, finished crypto jobs, timeouts and requests of the application, and
//! gives out what its driver has to do. It knows no socket and no TLS, has no clock and no thread.

mod event;
mod output;
mod request;
mod setup;
mod status;

pub use event::Event;
pub use output::{Deadline, JobId, LinkEvent, LinkId, Output, Plan};
pub use request::{
    Busy, FetchedKind, NewValue, Place, Reply, Request, RequestError, RequestId, Response,
    Specifier,
};
pub use setup::{Limits, Role, Setup, Start};
pub use status::{Counters, LinkStatus, Status};
