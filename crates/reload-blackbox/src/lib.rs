//! A RELOAD node of `reload-wire` and `reload-identity` alone. It speaks only the network: it
//! enrolls with the service, opens its own TLS links with its own framing, and sends a running peer
//! messages with one fault each (RFC 6940, sections 6 and 7). What must come back is in the tables of
//! `tests/it`; run them with `cargo xtask e2e`. Of the project's other code it uses nothing but the
//! rig that starts processes.
//!
//! ```no_run
//! use reload_blackbox::{Expect, Row, World};
//! use reload_wire::ErrorCode;
//!
//! let expect = Expect::Error(ErrorCode::TTL_EXCEEDED);
//! let row = Row::new("ttl above the initial one", expect, |w| w.ping().header(|h| h.ttl = 255));
//! # async fn run(world: &mut World, row: &Row) -> anyhow::Result<()> {
//! world.run(row).await?;
//! # Ok(())
//! # }
//! ```

mod draft;
mod enroll;
mod frame;
mod judge;
mod link;
mod people;
mod ring;
mod row;
mod store;
mod tls;
mod world;

pub use draft::{Draft, Edit, random};
pub use enroll::Enrollment;
pub use frame::{Frame, Frames, data_frame};
pub use judge::{Answer, Expect};
pub use link::{Event, Link};
pub use people::{People, resource_id};
pub use row::{Row, Story, Told, Via};
pub use store::{sign_raw, signed};
pub use tls::{Presented, Seen, Tls};
pub use world::{World, wall};
