//! What users may use.

use std::time::Duration;

/// Bounds on what users of a [`crate::TurnService`] may use.
#[derive(Clone, Debug)]
pub struct TurnQuotas {
    /// Users at a time.
    pub users: usize,
    /// Allocations in all.
    pub allocations: usize,
    /// Allocations of one user.
    pub allocations_per_user: usize,
    /// The longest time between refreshes of an allocation.
    pub lifetime: Duration,
    /// Permissions of one allocation, in IP addresses.
    pub permissions: usize,
    /// Channels of one allocation.
    pub channels: usize,
    /// Bytes a second of one user, both directions together; a burst of two seconds may pass.
    pub bytes_per_second: u32,
    /// Whether private addresses (RFC 1918, RFC 4193, RFC 6598) may be peers.
    pub allow_private: bool,
    /// Whether loopback addresses may be peers: for tests and demonstrations.
    pub allow_loopback: bool,
}

impl Default for TurnQuotas {
    fn default() -> Self {
        Self {
            users: 1024,
            allocations: 128,
            allocations_per_user: 2,
            lifetime: Duration::from_secs(600),
            permissions: 64,
            channels: 32,
            bytes_per_second: 256 << 10,
            allow_private: false,
            allow_loopback: false,
        }
    }
}
