//! What a node is made of.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reload_identity::{Credentials, OverlayConfig, Trust, Verified};

use crate::ListCompression;

/// Everything a node needs from outside, at its start.
#[derive(Clone)]
pub struct Setup {
    /// Its key and certificate.
    pub credentials: Arc<Credentials>,
    /// The configuration document, its signature checked.
    pub configuration: Verified<OverlayConfig>,
    /// What the configuration says about certificates.
    pub trust: Arc<Trust>,
    /// Peer or client.
    pub role: Role,
    /// Where randomness comes from: transaction ids, response ids. From the system, except in a
    /// simulation.
    pub seed: [u8; 32],
    /// Whether it compresses the via lists of the requests that it passes on (section 6.1.2).
    pub lists: ListCompression,
    /// Bounds.
    pub limits: Limits,
}

/// What the node wants to be (section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Routes and stores.
    Peer,
    /// Uses the overlay only.
    Client,
}

/// How to get into the overlay (section 11.4).
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Addresses to try, in this order: command line, cached peers, configuration.
    pub bootstrap: Vec<SocketAddr>,
    /// Found the overlay if none of them answers (section 6.4.2.1).
    pub first: bool,
}

/// Bounds of a node. What goes beyond is refused or dropped, and counted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Links, pending ones included.
    pub links: usize,
    /// Requests under way, of the application and the node's own.
    pub transactions: usize,
    /// Messages of one link that wait for their signature check.
    pub checks_per_link: usize,
    /// Answers remembered for repeated requests (section 6.2.1).
    pub answers: usize,
    /// Bytes of fragments held (section 6.7).
    pub fragment_bytes: usize,
    /// Requests that one node may make here in a second (that many at once); 0 for no limit.
    pub requests_per_second: u32,
    /// Certificates remembered as checked.
    pub certificates: usize,
    /// Stored values.
    pub storage: reload_storage::Limits,
    /// An idle link is pinged after this time.
    pub keepalive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links: 512,
            transactions: 4096,
            checks_per_link: 256,
            answers: 8192,
            fragment_bytes: 8 << 20,
            requests_per_second: 1000,
            certificates: 8192,
            storage: reload_storage::Limits::default(),
            keepalive: Duration::from_secs(15),
        }
    }
}
