//! Why a proxy does not start.

use std::net::SocketAddr;

use thiserror::Error;

/// Why a proxy does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Phones elsewhere could call as the user.
    #[error("{0} is not on this machine only: phones need a password there")]
    NeedsPassword(SocketAddr),
    /// An address is not to be had.
    #[error("SIP on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// The certificate or key of TLS is none.
    #[error("TLS for phones: {0}")]
    Tls(String),
    /// The file with the phones cannot be read.
    #[error("the list of phones: {0}")]
    Phones(String),
}
