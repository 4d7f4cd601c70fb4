//! ICE agent, STUN and TURN without I/O, as RELOAD uses them (RFC 6940 sections 6.5.1.3 to 6.5.1.14 and 9;
//! RFC 8445, RFC 8489, RFC 8656).
//!
//! * [`IceSession`]: one Attach or AppAttach: gathers candidates, runs the checks, keeps the pair alive
//!   and carries bytes over it.
//! * [`Relays`]: the allocations that one socket has at TURN servers. A session with a socket of its own
//!   has one inside. Sessions that share a socket must share one `Relays` too, as a TURN server knows a
//!   client by its address and gives it one allocation only: see [`IceSettings::shared_relays`].
//! * [`answer_binding`] and [`StunClient`]: both sides of plain STUN.
//! * [`TurnService`]: a TURN server with quotas.
//! * [`kind_of`]: what a datagram on a shared socket is.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::{Duration, Instant};
//! use reload_ice::{IceCredentials, IceEvent, IceSession, IceSettings};
//!
//! # #[allow(clippy::disallowed_methods)]
//! let mut now = Instant::now();
//! let hosts: [Vec<SocketAddr>; 2] =
//!     [vec!["192.0.2.1:4000".parse().unwrap()], vec!["192.0.2.2:4000".parse().unwrap()]];
//! let names = [IceCredentials::new("left", "a password of the left one"), IceCredentials::new("right", "a password of the right")];
//! let mut agents: Vec<IceSession> = (0..2)
//!     .map(|i| IceSession::new(now, IceSettings::new(names[i].clone(), i == 0, hosts[i].clone()), [7; 32]))
//!     .collect();
//! // Attach and its answer carry the candidates:
//! for i in 0..2 {
//!     let Some(IceEvent::Gathered(candidates)) = agents[i].poll_event() else { unreachable!() };
//!     agents[1 - i].set_remote(now, names[i].clone(), &candidates);
//! }
//! let mut selected = [false; 2];
//! while selected != [true; 2] {
//!     for i in 0..2 {
//!         agents[i].handle_timeout(now);
//!         while let Some(it) = agents[i].poll_transmit() {
//!             agents[1 - i].handle_datagram(now, it.remote, it.local, &it.data);
//!         }
//!         while let Some(event) = agents[i].poll_event() {
//!             selected[i] |= matches!(event, IceEvent::Selected(_));
//!         }
//!     }
//!     now += Duration::from_millis(10);
//! }
//! ```

mod binding;
mod candidates;
mod checks;
mod demux;
mod event;
mod gathering;
mod paths;
mod relays;
mod report;
mod scope;
mod session;
mod settings;
mod stun_client;
mod turn_service;

pub use binding::answer_binding;
pub use demux::{DatagramKind, kind_of};
pub use event::{Arrived, IceEvent, IceTransmit, SelectedPair};
pub use relays::{Relayed, Relays};
pub use report::{CandidateReport, IceReport, PairReport, PairState};
pub use session::IceSession;
pub use settings::{IceCredentials, IceSettings, TurnLogin};
pub use stun_client::{StunClient, StunEvent};
pub use turn_service::{RelaySocket, TurnOutput, TurnQuotas, TurnService};
