//! The tokio driver of a node: sockets, TLS, timers, HTTPS.
//!
//! [`Bound::new`] listens, [`Bound::run`] runs a node and gives a [`NodeHandle`]. [`HttpsClient`] is for
//! enrollment and configuration (section 11). What is right in the overlay is decided in the crates
//! below: here are sockets, tasks and bounds.
//!
//! [`Discovery`] finds its server by DNS.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! // Nothing but https is asked for a configuration: the error says so.
//! let client = reload_net::HttpsClient::new(None, None);
//! if let Ok(client) = client {
//!     let error = client.get("http://overlay.example.org/", "*/*").await.unwrap_err();
//!     assert!(error.to_string().ends_with("only https is used"));
//! }
//! # });
//! ```

mod clock;
mod discover;
mod driver;
mod error;
mod handshake;
mod https;
mod inbox;
mod link;
mod listener;
mod pipe;
mod tls;
mod turn;
mod udp;

pub use clock::now;
pub use discover::{Discovery, DiscoveryError};
pub use driver::{
    Bound, CryptoPool, DatagramLinkSnapshot, Driven, LinkSnapshot, NodeHandle, OfferError,
    PipeListener, RequestFailure, Settings, Snapshot, Stopped,
};
pub use error::NetError;
pub use handshake::{Authenticated, accept, dial};
pub use https::{HttpsClient, HttpsError, HttpsResponse};
pub use listener::{AcceptLimits, Accepted, AddressPlace, Gate, Listener, Refused};
pub use pipe::{FIRST_PRIVATE_APPLICATION, Pipe, PipeError, PipePath, PipeStream};
pub use reload_datagram::{DatagramLinkStatus, EndpointCounters, LinkPhase};
pub use reload_ice::{TurnLogin, TurnQuotas};
pub use tls::{Refusal, TlsIdentity, key_log, key_log_from};
pub use turn::{TurnServer, TurnSettings, TurnStatus, turn_answers};
