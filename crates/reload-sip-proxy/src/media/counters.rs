//! What went through the relay, for `reload sip calls`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the media of a call goes and what has gone through here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaUse {
    /// How it goes.
    pub way: MediaWay,
    /// From the phones here to other nodes.
    pub sent: MediaFlow,
    /// From other nodes to the phones here.
    pub received: MediaFlow,
    /// Packets at our ports that were none of the phone's.
    pub strangers: u64,
}

/// How the media of a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaWay {
    /// Between the phones.
    Direct,
    /// Not decided: the other side has not answered.
    Offered,
    /// Through the two proxies.
    Relayed,
}

/// Packets in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaFlow {
    /// Those that went on.
    pub packets: u64,
    /// Their bytes, headers of ours not counted.
    pub bytes: u64,
    /// Those that did not: too long, no room, no pipe yet, or nowhere to send them.
    pub lost: u64,
}

impl MediaUse {
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            way: self.way.max(other.way),
            sent: self.sent.with(other.sent),
            received: self.received.with(other.received),
            strangers: self.strangers + other.strangers,
        }
    }
}

impl fmt::Display for MediaUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.way {
            MediaWay::Direct => f.write_str("direct"),
            MediaWay::Offered => f.write_str("offered"),
            MediaWay::Relayed => {
                write!(f, "relayed sent {} received {}", self.sent, self.received)
            }
        }
    }
}

impl fmt::Display for MediaFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}B lost {}", self.packets, self.bytes, self.lost)
    }
}

impl MediaFlow {
    fn with(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            bytes: self.bytes + other.bytes,
            lost: self.lost + other.lost,
        }
    }
}

/// The counters of one branch.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: FlowCounter,
    pub(super) received: FlowCounter,
    pub(super) strangers: AtomicU64,
}

/// The counters of one direction.
#[derive(Debug, Default)]
pub(super) struct FlowCounter {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self, way: MediaWay) -> MediaUse {
        MediaUse {
            way,
            sent: self.sent.read(),
            received: self.received.read(),
            strangers: self.strangers.load(Ordering::Relaxed),
        }
    }

    /// All that came from the phone or from the other node.
    pub(super) fn packets(&self) -> u64 {
        let of = |flow: MediaFlow| flow.packets + flow.lost;
        of(self.sent.read()) + of(self.received.read())
    }

    pub(super) fn on_stranger(&self) {
        self.strangers.fetch_add(1, Ordering::Relaxed);
    }
}

impl FlowCounter {
    /// A packet of so many bytes went on, or did not.
    pub(super) fn count(&self, bytes: usize, went: bool) {
        if went {
            self.packets.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> MediaFlow {
        MediaFlow {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }
}
