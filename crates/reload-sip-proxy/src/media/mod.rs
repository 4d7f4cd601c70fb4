//! The media of calls. Phones that cannot reach each other are given ports of their own proxies instead, which
//! carry RTP and RTCP over a pipe between the two nodes. Only what reaches a phone is rewritten: between
//! proxies an SDP stays as its phone wrote it, plus one attribute (see `attribute`). The phones' ICE, codecs,
//! keys and holds are their own affair.

mod attribute;
mod counters;
mod frame;
mod latch;
mod link;
mod ports;
mod reach;
mod sdp;
mod session;
mod table;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use reload_wire::NodeId;
use thiserror::Error;
use tokio::time::Instant;

pub use counters::{MediaFlow, MediaUse, MediaWay};
pub use frame::MediaFrame;

use self::attribute::Token;
use self::link::{Link, Sink};
use self::ports::{Owner, PortPair, SocketPair};
use self::sdp::Sdp;
use self::table::{Direction, Table};
use crate::{MediaMode, Overlay, Path, Pipe};

/// The media of all calls of a proxy. Every function returns at once; they are called inside a tokio runtime.
#[derive(Clone, Debug)]
pub struct Media(Arc<Inner>);

/// What the operator may choose, and the bounds.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// Whether media is carried.
    pub mode: MediaMode,
    /// The ports that face the phones; any free ones without it. A media stream takes two.
    pub ports: Option<RangeInclusive<u16>>,
    /// Branches of calls that are known at one time.
    pub branches: usize,
    /// Pairs of ports that are open at one time.
    pub pairs: usize,
    /// Nodes that media pipes are kept with.
    pub nodes: usize,
    /// How long a branch is kept of which there is neither SIP nor a packet.
    pub idle: Duration,
}

/// One phone in one call with one other node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The Call-ID.
    pub call_id: String,
    /// The node of the other proxy.
    pub peer: NodeId,
    /// How SIP goes to it, if that is known.
    pub path: Option<Path>,
    /// Which side of the call is ours.
    pub role: Role,
    /// A name for the phone, the same in all messages of the call; for callees only, of which several may
    /// ring.
    pub line: String,
    /// Where the phone's SIP comes from.
    pub phone: SocketAddr,
    /// The address of this machine that the phone reaches.
    pub local_ip: IpAddr,
}

/// Which side of a call a phone here is. It stays for the whole dialog, whoever sends a message in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It has called.
    Caller,
    /// It is called.
    Callee,
}

/// Why media cannot be carried.
#[derive(Debug, Error)]
pub enum MediaError {
    /// A bound is reached.
    #[error("the relay of media is full")]
    Full,
    /// The system gives no port.
    #[error("no port for media: {0}")]
    NoPort(std::io::Error),
    /// The SDP is longer than any is.
    #[error("an SDP of {size} bytes is longer than {limit}")]
    TooLong {
        /// Bytes of it.
        size: usize,
        /// Bytes that are read.
        limit: usize,
    },
}

#[derive(Debug)]
struct Inner {
    settings: MediaSettings,
    table: Mutex<Table<PortPair>>,
    links: Links,
    /// One more than there are pairs of ports.
    pairs: Arc<()>,
    turn: AtomicUsize,
}

impl Media {
    /// Carries media as the settings say, over pipes of the overlay.
    #[must_use]
    pub fn new(settings: MediaSettings, overlay: Arc<dyn Overlay>) -> Self {
        let inner = Arc::new_cyclic(|inner: &Weak<Inner>| {
            let weak = inner.clone();
            let sink: Sink = Arc::new(move |node, datagram: &Bytes| {
                if let Some(inner) = weak.upgrade() {
                    inner.deliver(node, datagram);
                }
            });
            Inner {
                table: Mutex::new(Table::new(settings.branches)),
                links: Links { overlay, sink, limit: settings.nodes, by_node: Mutex::default() },
                settings,
                pairs: Arc::new(()),
                turn: AtomicUsize::new(0),
            }
        });
        tokio::spawn(sweep(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// The SDP of a phone, as it goes to the other node.
    ///
    /// # Errors
    /// Nothing more can be carried.
    pub fn outward(&self, leg: &Leg, sdp: &[u8]) -> Result<Vec<u8>, MediaError> {
        let inner = &*self.0;
        let Some(read) = inner.read(sdp)? else { return Ok(sdp.to_vec()) };
        let mut table = lock(&inner.table);
        let branch = table.entry(leg, Direction::Outward, Instant::now())?;
        let relay = branch.outward(inner.settings.mode, leg, &read);
        if let Some(opens) = branch.pipe() {
            inner.links.find(leg.peer)?.want(opens);
        }
        Ok(read.for_peer(relay))
    }

    /// The SDP of another node, as it goes to a phone.
    ///
    /// # Errors
    /// Nothing more can be carried.
    pub fn inward(&self, leg: &Leg, sdp: &[u8]) -> Result<Vec<u8>, MediaError> {
        let inner = &*self.0;
        let Some(read) = inner.read(sdp)? else { return Ok(sdp.to_vec()) };
        let leg = &leg.facing()?;
        let mut table = lock(&inner.table);
        let branch = table.entry(leg, Direction::Inward, Instant::now())?;
        let (token, counters) = (branch.token, branch.counters.clone());
        let open = |from: Token, line: usize| {
            let line = u8::try_from(line).map_err(|_| MediaError::Full)?;
            let (link, sip) = (inner.links.find(leg.peer)?, leg.phone.ip());
            let counters = counters.clone();
            inner.open(leg, &Owner { sip, line, to: from, from: token, link, counters })
        };
        match branch.inward(inner.settings.mode, leg, &read, open) {
            Ok(places) => {
                if let Some(opens) = branch.pipe() {
                    inner.links.find(leg.peer)?.want(opens);
                }
                Ok(match places {
                    Some(places) => read.for_phone(&places),
                    None => read.for_peer(None),
                })
            }
            Err(error) => {
                if branch.is_new() {
                    table.remove(&leg.call_id, |branch| branch.token == token);
                }
                Err(error)
            }
        }
    }

    /// A call is over.
    pub fn release(&self, call_id: &str) {
        lock(&self.0.table).remove(call_id, |_| true);
    }

    /// One branch of a call is over: its phone here or the other node has no part in it any more.
    pub fn release_branch(&self, leg: &Leg) {
        lock(&self.0.table).remove(&leg.call_id, |branch| branch.is_of(leg));
    }

    /// A media pipe that another node has opened.
    pub fn accepted(&self, pipe: Box<dyn Pipe>) {
        if let Ok(link) = self.0.links.find(pipe.peer().node) {
            link.accepted(pipe);
        }
    }

    /// How the media of a call goes; nothing if none has been spoken of.
    #[must_use]
    pub fn usage(&self, call_id: &str) -> Option<MediaUse> {
        lock(&self.0.table).usage(call_id)
    }

    /// Ends all calls and closes all media pipes.
    pub fn shutdown(&self) {
        lock(&self.0.table).clear();
        lock(&self.0.links.by_node).clear();
    }
}

impl Leg {
    /// The same with an address of ours that the phone reaches, if it names any.
    fn facing(&self) -> Result<Self, MediaError> {
        let mut leg = self.clone();
        if leg.local_ip.is_unspecified() {
            // Nothing is sent: the system tells which of its addresses it would use.
            let probe = std::net::UdpSocket::bind((leg.local_ip, 0)).map_err(MediaError::NoPort)?;
            probe.connect(leg.phone).map_err(MediaError::NoPort)?;
            leg.local_ip = probe.local_addr().map_err(MediaError::NoPort)?.ip();
        }
        Ok(leg)
    }
}

impl Inner {
    /// The SDP, if it is one and is ours to read.
    fn read<'a>(&self, sdp: &'a [u8]) -> Result<Option<Sdp<'a>>, MediaError> {
        if self.settings.mode == MediaMode::Direct {
            return Ok(None);
        }
        if sdp.len() > MAX_SDP {
            return Err(MediaError::TooLong { size: sdp.len(), limit: MAX_SDP });
        }
        Ok(Sdp::read(sdp))
    }

    fn open(&self, leg: &Leg, owner: &Owner) -> Result<PortPair, MediaError> {
        if Arc::strong_count(&self.pairs) > self.settings.pairs {
            return Err(MediaError::Full);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let pair = SocketPair::bind(leg.local_ip, self.settings.ports.as_ref(), turn)?;
        PortPair::open(pair, owner, self.pairs.clone())
    }

    /// A datagram has come from a node. What is of no call with that very node is noise.
    fn deliver(&self, node: NodeId, datagram: &Bytes) {
        let Some(frame) = MediaFrame::parse(datagram) else { return };
        let table = lock(&self.table);
        let Some(branch) = table.by_token(node, frame.to) else { return };
        if let Some(place) = branch.find(frame.from, frame.stream.line) {
            let went = place.deliver(frame.stream.is_rtcp, &frame.packet);
            branch.counters.received.count(frame.packet.len(), went);
        }
    }
}

/// The media pipes by node.
struct Links {
    overlay: Arc<dyn Overlay>,
    sink: Sink,
    limit: usize,
    by_node: Mutex<BTreeMap<NodeId, Arc<Link>>>,
}

impl Links {
    fn find(&self, node: NodeId) -> Result<Arc<Link>, MediaError> {
        let mut by_node = lock(&self.by_node);
        if by_node.len() >= self.limit && !by_node.contains_key(&node) {
            return Err(MediaError::Full);
        }
        let make = || Link::new(node, self.overlay.clone(), self.sink.clone());
        Ok(by_node.entry(node).or_insert_with(make).clone())
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Links").field(&lock(&self.by_node).len()).finish()
    }
}

impl MediaError {
    /// The SIP status that a request is answered with.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Full | Self::NoPort(_) => 503,
            Self::TooLong { .. } => 488,
        }
    }
}

impl Default for MediaSettings {
    fn default() -> Self {
        // A talk of half an hour without a packet and without a re-INVITE is none.
        Self {
            mode: MediaMode::default(),
            ports: None,
            branches: 16_384,
            pairs: 512,
            nodes: 256,
            idle: Duration::from_secs(1800),
        }
    }
}

/// Ends what nothing is heard of, until the owner is gone.
async fn sweep(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(inner) = inner.upgrade() else { return };
        let now = Instant::now();
        let used = {
            let mut table = lock(&inner.table);
            table.sweep(now, UNANSWERED, inner.settings.idle);
            table.nodes()
        };
        lock(&inner.links.by_node).retain(|node, link| !link.is_over(used.contains(node), now));
    }
}

/// What was locked by a task that panicked is still a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of an SDP.
const MAX_SDP: usize = 65_535;
/// Between two looks at what is idle.
const SWEEP: Duration = Duration::from_secs(5);
/// An INVITE is answered within 180 s (RFC 3261 section 16.6, timer C), or not at all.
const UNANSWERED: Duration = Duration::from_secs(300);
