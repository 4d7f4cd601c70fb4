//! One overlay link without I/O: framing, acknowledgements, round-trip timer (RFC 6940 section 6.6).
//!
//! ```
//! use std::time::Instant;
//! use bytes::Bytes;
//! use reload_link::{FrameEvent, FrameLink, LinkOutput, LinkSettings};
//! use reload_wire::Dialect;
//!
//! let settings = LinkSettings::new(Dialect::default(), 5000);
//! let (mut ours, mut theirs) = (FrameLink::new(settings.clone()), FrameLink::new(settings));
//! let now = Instant::now();
//! ours.send(Bytes::from_static(b"a message")).unwrap();
//! let Some(LinkOutput::Transmit(bytes)) = ours.poll(now) else { panic!("a frame") };
//! theirs.handle_bytes(now, &bytes).unwrap();
//! let Some(LinkOutput::Transmit(ack)) = theirs.poll(now) else { panic!("its ACK") };
//! ours.handle_bytes(now, &ack).unwrap();
//! assert!(ours.stats().rtt.is_some());
//! assert!(matches!(theirs.poll_event(), Some(FrameEvent::Message(_))));
//! ```

mod dtls;
mod error;
mod link;
mod liveness;
mod queue;
mod reader;
mod receipts;
mod reliability;
mod rtt;
mod stats;

#[cfg(feature = "openssl")]
pub use dtls::openssl_dtls;
pub use dtls::{
    CertificateCheck, DTLS_OVERHEAD, DtlsEngine, DtlsError, DtlsEvent, DtlsIdentity, DtlsRole,
    DtlsSettings, Hello, HelloGate, KeyLog, MAX_PLAINTEXT, Proven, dtls, dtls_with,
    is_client_hello,
};
pub use error::{LinkError, SendError};
pub use link::{ACK_QUEUE, FrameEvent, FrameLink, LinkOutput, LinkSettings};
pub use liveness::{DEAD_AFTER, LinkState};
pub use reliability::{ReliableLink, Sender};
pub use rtt::{INITIAL_RTO, MAX_RTO, MIN_RESEND_RTO, MIN_RTO, RoundTrip};
pub use stats::{Counters, LinkStats};
