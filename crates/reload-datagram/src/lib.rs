//! All datagram links of a node, without I/O (RFC 6940 sections 6.5.1.3 to 6.5.2 and 6.6): what comes to
//! its UDP sockets is told apart (RFC 7983) and goes to the ICE session, the DTLS association or the
//! handshake it belongs to; links come up with a verified certificate and carry messages. Not here: sockets
//! (reload-net), what messages say (reload-node), how ICE, DTLS and Simple Reliability work inside.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//! use reload_config::Leniency;
//! use reload_datagram::{Endpoint, EndpointOutput, EndpointSettings, SocketId};
//! use reload_identity::{Algorithm, Issuer, KeyPair, Trust, TrustSettings, Validity, random_node_id};
//! use reload_link::{DtlsIdentity, LinkSettings};
//! use reload_node::{Gathering, LinkEvent, LinkId, LinkPurpose};
//! use reload_wire::{Dialect, NodeIdLength, Now, UnixTime};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[allow(clippy::disallowed_methods)]
//! let now = Now { mono: Instant::now(), wall: UnixTime::from_secs(1_800_000_000) };
//! let valid = Validity::starting(now.wall, Duration::from_secs(86_400));
//! let issuer = Issuer::create(KeyPair::generate(Algorithm::EcdsaP256)?, "CA", valid)?;
//! let (key, name) = (KeyPair::generate(Algorithm::EcdsaP256)?, "overlay.example.org");
//! let id = random_node_id(NodeIdLength::DEFAULT)?;
//! let certificate = issuer.node_certificate(key.spki(), name, &[id], None, valid)?;
//! let trust = Trust::from_settings(&TrustSettings {
//!     overlay: name,
//!     node_id_length: NodeIdLength::DEFAULT,
//!     root_certs: &[issuer.certificate_der().clone()],
//!     self_signed: None,
//!     bad_nodes: &[],
//!     leniency: Leniency::Strict,
//! })?;
//! let certificate = trust.check(&certificate, &[], now.wall)?;
//! let credentials = reload_identity::Credentials::new(key, certificate)?;
//!
//! let chain = vec![credentials.certificate().der().clone()];
//! let identity = DtlsIdentity::new(chain, credentials.key_pkcs8_der())?;
//! let settings = EndpointSettings::new(LinkSettings::new(Dialect::default(), 5000));
//! let mut endpoint = Endpoint::new(settings, identity, Arc::new(trust), [7; 32]);
//! endpoint.set_addresses(now, SocketId::OVERLAY, vec!["192.0.2.1:6084".parse()?]);
//!
//! let (link, purpose) = (LinkId::planned(1), LinkPurpose::Overlay);
//! endpoint.gather(now, link, Gathering { purpose, ice: None, own_socket: false });
//! let EndpointOutput::Link(_, LinkEvent::Candidates(ours)) = endpoint.poll_output() else {
//!     panic!("what a No-ICE Attach says");
//! };
//! assert_eq!(ours[0].addr_port.socket_addr(), Some("192.0.2.1:6084".parse()?));
//! assert!(matches!(endpoint.poll_output(), EndpointOutput::Idle(None)));
//! # Ok(())
//! # }
//! ```

mod accept;
mod association;
mod bare;
mod candidates;
mod demux;
mod direct;
mod endpoint;
mod ice_link;
mod link;
mod link_events;
mod link_status;
mod output;
mod plan;
mod relayed;
mod routes;
mod settings;
mod shared;
mod sockets;
mod status;
mod stun_header;
mod stun_servers;
mod timer;
mod verdict;

pub use endpoint::Endpoint;
pub use output::{EndpointOutput, LinkPath, SendError, SocketId};
pub use settings::{EndpointSettings, FIRST_DATAGRAM, Limits};
pub use status::{DatagramLinkStatus, EndpointCounters, LinkPhase};
