//! The last SIP messages that went through, for a person who looks for a fault. Bounded by bytes; what
//! proves that somebody knows a password, and the keys of media, are left out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::SystemTime;

use reload_wire::NodeId;
use rsipstack::sip::{Header, HeadersExt, SipMessage};
use rsipstack::transport::{SipAddr, SipConnection};

use crate::methods::reveal;
use crate::pipes::Pool;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// When it went through.
    pub at: SystemTime,
    /// Which way.
    pub direction: Direction,
    /// To or from whom.
    pub via: Hop,
    /// The message, without credentials.
    pub message: String,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It came.
    In,
    /// It was sent.
    Out,
}

/// The neighbour a message came from or went to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hop {
    /// A phone of the user, at this address.
    Phone(SocketAddr),
    /// Another peer.
    Node(NodeId),
    /// The ordinary SIP world, at this address.
    Outside(SocketAddr),
}

/// The last messages.
pub(crate) struct Trace {
    ring: Mutex<Ring>,
    limit: usize,
    route: Option<SocketAddr>,
    pipes: OnceLock<Weak<Pool>>,
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<(String, TraceEntry)>,
    bytes: usize,
}

impl Trace {
    pub(crate) fn new(limit: usize, route: Option<SocketAddr>) -> Self {
        Self { ring: Mutex::default(), limit, route, pipes: OnceLock::new() }
    }

    /// Tells it where pipes lead to.
    pub(crate) fn set_pipes(&self, pipes: &Arc<Pool>) {
        self.pipes.set(Arc::downgrade(pipes)).ok();
    }

    /// A message goes through.
    pub(crate) fn message(
        &self,
        direction: Direction,
        other: Option<&SipAddr>,
        message: &SipMessage,
    ) {
        let other = other.cloned().or_else(|| way_back(message));
        let Some(via) = other.and_then(|other| self.hop(&other)) else { return };
        let Ok(call_id) = message.call_id_header() else { return };
        let call_id = call_id.value().to_owned();
        let message = without_secrets(message.clone());
        self.ring().push(
            (call_id, TraceEntry { at: SystemTime::now(), direction, via, message }),
            self.limit,
        );
    }

    /// The messages of one call, or all.
    pub(crate) fn entries(&self, call_id: Option<&str>) -> Vec<TraceEntry> {
        let ring = self.ring();
        let fits = |known: &str| call_id.is_none_or(|wanted| wanted == known);
        let entries = ring.entries.iter().filter(|(known, _)| fits(known));
        entries.map(|(_, entry)| entry.clone()).collect()
    }

    fn hop(&self, other: &SipAddr) -> Option<Hop> {
        let pipes = self.pipes.get().and_then(Weak::upgrade);
        if let Some(pipe) = pipes.and_then(|pipes| pipes.of_address(other)) {
            return Some(Hop::Node(pipe.peer().node));
        }
        let address = other.get_socketaddr().ok()?;
        let is_outside = self.route.is_some_and(|route| route == address);
        Some(if is_outside { Hop::Outside(address) } else { Hop::Phone(address) })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, entry: (String, TraceEntry), limit: usize) {
        self.bytes += size(&entry);
        self.entries.push_back(entry);
        while self.bytes > limit
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= size(&oldest);
        }
    }
}

fn size((call_id, entry): &(String, TraceEntry)) -> usize {
    call_id.len() + entry.message.len() + size_of::<TraceEntry>()
}

/// Where an answer goes, if nothing else says so.
fn way_back(message: &SipMessage) -> Option<SipAddr> {
    let SipMessage::Response(response) = message else { return None };
    let (transport, address) =
        SipConnection::parse_target_from_via(response.via_header().ok()?).ok()?;
    Some(SipAddr::new(transport, address))
}

fn without_secrets(message: SipMessage) -> String {
    match message {
        SipMessage::Request(mut request) => {
            request.headers.retain(is_open);
            request.body = open_body(&request.body);
            shown(&request.to_bytes())
        }
        SipMessage::Response(mut response) => {
            response.headers.retain(is_open);
            response.body = open_body(&response.body);
            shown(&response.to_bytes())
        }
    }
}

fn shown(message: &[u8]) -> String {
    String::from_utf8_lossy(&reveal(message)).into_owned()
}

fn is_open(header: &Header) -> bool {
    !matches!(
        header,
        Header::Authorization(_)
            | Header::ProxyAuthorization(_)
            | Header::WwwAuthenticate(_)
            | Header::ProxyAuthenticate(_)
            | Header::AuthenticationInfo(_)
    )
}

/// What the lines of an SDP begin with that hold secrets.
const SECRETS: [&[u8]; 4] = [b"a=crypto:", b"a=key-mgmt:", b"k=", b"a=ice-pwd:"];

/// Without the keys of media (RFC 4566, 4567, 4568) and the passwords of ICE (RFC 8839).
fn open_body(body: &[u8]) -> Vec<u8> {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let is_secret = |line: &&[u8]| SECRETS.iter().any(|secret| line.starts_with(secret));
    lines.filter(|line| !is_secret(line)).flatten().copied().collect()
}
