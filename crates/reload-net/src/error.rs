//! What keeps a node from starting. One line each with its source, for the person who started it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Why the driver cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetError {
    /// The address is taken.
    #[error("{address} is in use: is another node running? give another --listen")]
    InUse {
        /// The address of `--listen`.
        address: SocketAddr,
    },
    /// The address cannot be listened on otherwise.
    #[error("can't listen on {address}")]
    Listen {
        /// The address of `--listen`.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The file for TLS secrets cannot be written.
    #[error("can't write TLS secrets to {}", path.display())]
    KeyLogFile {
        /// The file of `--keylog` or `SSLKEYLOGFILE`.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The private key of the node.
    #[error("the private key can't be used for TLS")]
    Key(#[source] rustls::Error),
    /// The certificate or the key cannot be used for DTLS.
    #[error("the certificate can't be used for DTLS")]
    Dtls(#[source] reload_link::DtlsError),
    /// The TLS settings do not fit together.
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
    /// The system gives no thread.
    #[error("can't start a thread")]
    Thread(#[source] io::Error),
}
