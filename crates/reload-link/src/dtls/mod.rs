//! DTLS 1.2 on one datagram link (RFC 6347; RFC 6940 sections 6.5.1.13 and 6.6.1): what an engine
//! is, what it is given and what it tells. Not here: who the other side is, which the caller's
//! [`CertificateCheck`] decides, nor addresses: an engine knows only datagrams.

mod assembler;
mod config;
mod engine;
mod error;
mod hello;
mod identity;
mod keylog;
#[cfg(feature = "openssl")]
mod openssl;
mod piece;
mod provider;
mod record;
mod resend;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use error::DtlsError;
pub use hello::{Hello, HelloGate, Proven, is_client_hello};
pub use identity::{DtlsIdentity, KeyLog};
#[cfg(feature = "openssl")]
pub use openssl::openssl_dtls;

/// One DTLS association, without I/O. Drain [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event) after every call.
pub trait DtlsEngine: Send {
    /// Takes one datagram as it arrived. Noise is dropped and counted, never an error: anyone who
    /// knows the addresses can send it.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]);

    /// Does what is due at `now`: resends of the handshake, and its end.
    fn handle_timeout(&mut self, now: Instant);

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next.
    fn next_timeout(&self) -> Option<Instant>;

    /// Sends `data` as one record.
    ///
    /// # Errors
    ///
    /// [`DtlsError::NotConnected`] before the handshake is done and after the end,
    /// [`DtlsError::TooLarge`] beyond [`MAX_PLAINTEXT`].
    fn send(&mut self, now: Instant, data: &[u8]) -> Result<(), DtlsError>;

    /// The next datagram to send.
    fn poll_transmit(&mut self) -> Option<Bytes>;

    /// What happened, in order.
    fn poll_event(&mut self) -> Option<DtlsEvent>;

    /// Ends the association and tells the other side (close_notify). There is no
    /// [`DtlsEvent::Closed`] for it.
    fn close(&mut self, now: Instant);

    /// Datagrams, or records in them, that were dropped as noise.
    fn dropped(&self) -> u64;
}

/// Makes the default engine, with [`DtlsSettings::default`].
///
/// # Errors
///
/// If the identity does not suit the engine.
pub fn dtls(
    role: DtlsRole,
    identity: &DtlsIdentity,
    check: CertificateCheck,
    now: Instant,
) -> Result<Box<dyn DtlsEngine>, DtlsError> {
    dtls_with(role, identity, check, &DtlsSettings::default(), now)
}

/// Makes the default engine. A client has its ClientHello ready at once.
///
/// # Errors
///
/// If the identity does not suit the engine.
pub fn dtls_with(
    role: DtlsRole,
    identity: &DtlsIdentity,
    check: CertificateCheck,
    settings: &DtlsSettings,
    now: Instant,
) -> Result<Box<dyn DtlsEngine>, DtlsError> {
    Ok(Box::new(engine::RtcEngine::new(role, identity, check, settings, None, now)?))
}

/// Which end of the handshake we are. The sender of an Attach is the server (section 6.5.1.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// Sends the ClientHello.
    Client,
    /// Awaits it, and asks for the client's certificate.
    Server,
}

/// Looks at the other side's certificates in DER, leaf first. An `Err` says why not: it is answered by
/// an alert and [`DtlsEvent::Closed`].
pub type CertificateCheck = Arc<dyn Fn(&[Bytes]) -> Result<(), String> + Send + Sync>;

/// What an engine tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// The handshake is done, and the check has passed the certificates.
    Connected {
        /// The other side's certificates in DER, leaf first.
        chain: Vec<Bytes>,
        /// The cipher suite by its IANA name.
        cipher: &'static str,
    },
    /// The plaintext of one record.
    Data(Bytes),
    /// The association has ended; nothing follows.
    Closed {
        /// Why, for a person.
        reason: String,
    },
}

/// Timers and sizes of one association.
#[derive(Clone, Copy, Debug)]
pub struct DtlsSettings {
    /// After this time without an answer a flight is sent again. RFC 6347 section 4.2.4.1 begins with
    /// one second; a link whose round trip is known from ICE can do with less.
    pub retransmit: Duration,
    /// A handshake that takes longer has failed.
    pub handshake_timeout: Duration,
    /// The largest datagram of the handshake, in bytes.
    pub mtu: usize,
}

impl Default for DtlsSettings {
    fn default() -> Self {
        Self {
            retransmit: Duration::from_secs(1), // RFC 6347 section 4.2.4.1
            handshake_timeout: Duration::from_secs(30), // more than five tries of a flight
            mtu: 1200, // fits an IPv6 path of 1280 with room for a TURN header
        }
    }
}

/// Bytes that a record adds to its plaintext, at most: header 13, explicit nonce 8, tag 16
/// (RFC 6347 section 4.1, RFC 5288 section 3).
pub const DTLS_OVERHEAD: usize = 37;

/// The most plaintext of one record (RFC 5246 section 6.2.1).
pub const MAX_PLAINTEXT: usize = 16_384;
