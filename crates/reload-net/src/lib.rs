//! The tokio driver of a node: sockets, TLS, timers, HTTPS.
//!
//! [`Bound::new`] listens, [`Bound::run`] runs a node and gives a [`NodeHandle`]. [`HttpsClient`] is for
//! enrollment and configuration (section 11). What is right in the overlay is decided in the crates
//! below: here are sockets, tasks and bounds.
//!
//! ```
//! // Found by DNS is not built in: the error says what to give instead.
//! let error = reload_net::discover("overlay.example.org").unwrap_err();
//! assert!(error.to_string().ends_with("give --config-url"));
//! ```

mod clock;
mod driver;
mod error;
mod handshake;
mod https;
mod inbox;
mod link;
mod listener;
mod tls;

pub use clock::now;
pub use driver::{
    Bound, CryptoPool, Driven, LinkSnapshot, NodeHandle, RequestFailure, Settings, Snapshot,
    Stopped,
};
pub use error::NetError;
pub use handshake::{Authenticated, accept, dial};
pub use https::{HttpsClient, HttpsError, HttpsResponse, discover};
pub use listener::{AcceptLimits, Accepted, AddressPlace, Gate, Listener};
pub use tls::{Refusal, TlsIdentity, key_log, key_log_from};
