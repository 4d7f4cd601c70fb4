//! Why a link has to close (section 6.6), and why a message was not taken for sending.

use reload_wire::DecodeError;
use thiserror::Error;

/// The peer broke the framing; the link closes. The text goes to the log, never to the peer.
#[derive(Debug, Error)]
pub enum LinkError {
    /// A first byte that is neither `data` (128) nor `ack` (129), section 6.6.2.
    #[error("unknown frame type {0}")]
    UnknownFrameType(u8),
    /// The forwarding header alone is above max-message-size: close without an error (section 6.6).
    #[error("a forwarding header of {size} bytes is above max-message-size {limit}")]
    HeaderTooLarge {
        /// Bytes of the header as it announces itself.
        size: usize,
        /// max-message-size in bytes.
        limit: usize,
    },
    /// A message above max-message-size whose forwarding header cannot be read.
    #[error("a message of {size} bytes is above max-message-size and has no readable header")]
    OversizeNoise {
        /// Bytes of the message as the frame announces it.
        size: usize,
        /// What is wrong with the header.
        #[source]
        source: Option<DecodeError>,
    },
}

/// A message was not queued; the caller counts it as lost on this link.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// Larger than max-message-size (E57: senders check before sending).
    #[error("message of {size} bytes is above max-message-size {limit}")]
    TooLarge {
        /// Bytes of the message.
        size: usize,
        /// max-message-size in bytes.
        limit: usize,
    },
    /// The queue of the link is full: the peer takes less than is sent to it.
    #[error("the queue of the link is full")]
    QueueFull,
    /// The link is dead.
    #[error("the link is closed")]
    Closed,
}
