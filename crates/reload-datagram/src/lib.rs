//! All datagram links of a node, without I/O (RFC 6940 sections 6.5.1.3 to 6.5.2 and 6.6): what comes to
//! its UDP sockets is told apart (RFC 7983) and goes to the ICE session, the DTLS association or the
//! handshake it belongs to; links come up with a verified certificate and carry messages.

mod accept;
mod association;
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
pub use output::{EndpointOutput, SendError, SocketId};
pub use settings::{EndpointSettings, FIRST_DATAGRAM, Limits};
pub use status::{DatagramLinkStatus, EndpointCounters, LinkPhase};
