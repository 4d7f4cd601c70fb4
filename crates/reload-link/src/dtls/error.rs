//! Local misuse of a DTLS engine. What the other side does wrong is an event, not one of these.

use thiserror::Error;

/// Why a call of a DTLS engine was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DtlsError {
    /// There is no certificate to show.
    #[error("a DTLS link needs a certificate of its own")]
    NoCertificate,
    /// The private key cannot be used.
    #[error("the private key is not a PKCS#8 key that DTLS can use: {0}")]
    Key(String),
    /// The handshake is not done, or the association has ended.
    #[error("the DTLS link is not connected")]
    NotConnected,
    /// One record holds no more.
    #[error("{length} bytes do not fit one DTLS record of {limit}")]
    TooLarge {
        /// Bytes that were to be sent.
        length: usize,
        /// Bytes that a record holds.
        limit: usize,
    },
    /// The engine itself refused.
    #[error("the DTLS engine refused: {0}")]
    Engine(String),
}
