//! Where requests go: a stateful proxy (RFC 3261 section 16) between the phones of one user, the peers of
//! other users (RFC 7904), and the ordinary SIP world. One task for each request drives its branches.

mod ack;
mod acks_under_way;
mod best;
mod bodies;
mod branch;
mod checks;
mod contact;
mod dialogs;
mod dispatch;
mod fork;
mod forward;
mod header;
mod hop;
mod identity;
mod plain;
mod progress;
mod redirect;
mod route;
mod router;
mod sent_acks;
mod server;
mod shares;
mod stop;
mod targets;
mod via;

pub(crate) use ack::Seen;
pub(crate) use acks_under_way::AcksUnderWay;
pub(crate) use router::{Parts, Router};
pub(crate) use sent_acks::is_accepted_invite;
