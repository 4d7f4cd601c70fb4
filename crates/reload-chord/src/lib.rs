//! CHORD-RELOAD, the topology plug-in of RFC 6940 section 10.
//!
//! A [`Chord`] keeps the Neighbor and Finger Tables of one node, joins and leaves the ring, repairs it
//! after failures and says where messages go and who holds copies. It has no link, no clock and no
//! stored value: it is driven through [`reload_topology::Topology`].
//!
//! ```
//! use std::time::Instant;
//!
//! use reload_chord::{Chord, ChordConfig, Role};
//! use reload_topology::{Input, Route, Target, Topology};
//! use reload_wire::{NodeId, Now, UnixTime};
//!
//! # #[allow(clippy::disallowed_methods)]
//! let now = Now { mono: Instant::now(), wall: UnixTime(0) };
//! let config = ChordConfig::new(NodeId::from_u128(7), Role::Peer, 1);
//! let mut chord = Chord::new(&config)?;
//! chord.handle_input(now, Input::Found);
//! let id = chord.resource_id(b"alice@example.org");
//! assert!(chord.is_responsible(&id));
//! assert_eq!(chord.route(&Target::Resource(id)), Route::Here);
//! # Ok::<(), reload_chord::ChordError>(())
//! ```

mod admit;
mod candidates;
mod chord;
mod client;
mod failure;
mod fingers;
mod join;
mod leave;
mod links;
mod neighbors;
mod plugin;
mod replicas;
mod ring;
mod route;
mod seek;
mod stabilize;
mod tasks;
mod timer;
mod update;

pub use chord::{Chord, ChordConfig, ChordError, Role};
pub use ring::resource_id;
