//! The RELOAD node without I/O (section 6).
//!
//! [`Node`] takes link events, finished crypto jobs, timeouts and requests of the application, and
//! gives out what its driver has to do. It knows no socket and no TLS, has no clock and no thread.

mod acknowledge;
mod actions;
mod answered;
mod answers;
mod app_attach;
mod app_attach_answer;
mod application;
mod applications;
mod attach;
mod attach_answer;
mod attach_link;
mod bootstrap;
mod candidates;
mod configure;
mod copy;
mod crypto;
mod deliver;
mod event;
mod forget;
mod forward;
mod fragments;
mod job;
mod link_events;
mod links;
mod node;
mod opaque;
mod options;
mod originate;
mod output;
mod partition;
mod path_mtu;
mod purpose;
mod rate;
mod read;
mod request;
mod reroute;
mod respond;
mod resynchronise;
mod send;
mod setup;
mod slots;
mod status;
mod timer;
mod transactions;

pub use applications::{ApplicationAnswer, AskingId, Offer};
pub use event::Event;
pub use job::{Job, JobResult};
pub use node::Node;
pub use opaque::ListCompression;
pub use output::{
    Deadline, DialAddress, Gathering, IceGathering, JobId, LinkEvent, LinkId, Output, Plan, Way,
};
pub use purpose::{LinkPurpose, MEDIA, SIP, SIPS, Security};
pub use request::{
    Busy, NewValue, Place, Reply, Request, RequestError, RequestId, Response, Specifier,
};
pub use setup::{Limits, Role, Setup, Start};
pub use status::{Counters, LinkStatus, Status};
