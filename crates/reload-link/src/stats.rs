//! What a link has counted; for `status` and metrics, never for decisions of the protocol.

use std::time::Duration;

use crate::liveness::LinkState;

/// A snapshot of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkStats {
    /// Alive, failing or dead.
    pub state: LinkState,
    /// Smoothed round-trip time, once an ACK came.
    pub rtt: Option<Duration>,
    /// The timeout after which the link counts as failing.
    pub rto: Duration,
    /// Counters since the link came up.
    pub counters: Counters,
    /// Frames sent that have no ACK yet.
    pub unacknowledged: usize,
    /// Messages that wait for the writer.
    pub queued: usize,
    /// Bytes of a frame that the path takes, frame header included; datagram links only.
    pub mtu: Option<usize>,
    /// Bytes that may be on their way at once; datagram links only.
    pub window: Option<usize>,
}

/// Counters since the link came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Data frames handed to the writer.
    pub frames_sent: u64,
    /// Data frames received whole.
    pub frames_received: u64,
    /// Bytes handed to the writer, ACKs and frame headers included.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// ACKs received, of whatever number.
    pub acks_received: u64,
    /// Frames whose ACK never came though that of a later frame did.
    pub acks_missing: u64,
    /// ACKs of ours thrown away because the peer does not read.
    pub acks_dropped: u64,
    /// Messages refused because the queue was full.
    pub messages_refused: u64,
    /// Data frames that carried a message again; this and what follows on datagram links only.
    pub frames_resent: u64,
    /// Data frames without an ACK, of which no later ACK said that they arrived.
    pub frames_lost: u64,
    /// Messages that were sent as often as allowed without an ACK, on a link that works.
    pub given_up: u64,
    /// Data frames that came twice, or too late to tell.
    pub duplicates: u64,
    /// Records that are not one frame, or hold nothing that can be read.
    pub noise: u64,
}
