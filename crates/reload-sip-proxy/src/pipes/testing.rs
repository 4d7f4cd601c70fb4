//! Pipes in memory, and an overlay of them, for tests.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reload_usages::sip::{Aor, ContactPrefs, Gruu, Resolution, Scheme, SipTarget, SipUri};
use reload_wire::{Destination, NodeId};
use rsipstack::EndpointBuilder;
use rsipstack::platform::CancellationToken;
use rsipstack::transaction::Endpoint;
use rsipstack::transaction::endpoint::EndpointOption;
use rsipstack::transport::TransportLayer;
use tokio::sync::mpsc;

use super::NoNames;
use crate::overlay::{Overlay, OverlayError, Path, Peer, Pipe, Purpose};

/// Datagrams that wait in one direction.
const WAITING: usize = 64;

/// One end of a pipe.
pub(crate) struct MemoryPipe {
    peer: Arc<Peer>,
    mtu: usize,
    out: mpsc::Sender<Bytes>,
    into: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
    lost: Arc<AtomicUsize>,
}

/// A pipe between two nodes; the first end belongs to `here`.
pub(crate) fn pair(here: &Peer, there: &Peer) -> (MemoryPipe, MemoryPipe) {
    let (to_there, from_here) = mpsc::channel(WAITING);
    let (to_here, from_there) = mpsc::channel(WAITING);
    (MemoryPipe::new(there, to_there, from_there), MemoryPipe::new(here, to_here, from_here))
}

impl MemoryPipe {
    fn new(peer: &Peer, out: mpsc::Sender<Bytes>, into: mpsc::Receiver<Bytes>) -> Self {
        Self {
            peer: Arc::new(peer.clone()),
            mtu: 4000,
            out,
            into: tokio::sync::Mutex::new(into),
            lost: Arc::default(),
        }
    }

    /// So many of the next datagrams from this end are lost.
    pub(crate) fn losses(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.lost)
    }

    /// The next datagram as text.
    pub(crate) async fn text(&self) -> String {
        let wait = Duration::from_secs(60);
        let datagram = tokio::time::timeout(wait, self.recv()).await.expect("a datagram in time");
        String::from_utf8(datagram.expect("an open pipe").to_vec()).unwrap()
    }

    pub(crate) async fn say(&self, text: &str) {
        self.send(Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
    }
}

#[async_trait]
impl Pipe for MemoryPipe {
    fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn path(&self) -> Option<Path> {
        None
    }

    async fn send(&self, datagram: Bytes) -> Result<(), OverlayError> {
        let lose = |left: usize| left.checked_sub(1);
        if self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose).is_ok() {
            return Ok(());
        }
        let sent = self.out.send(datagram).await;
        sent.map_err(|_| OverlayError::Closed("the other end is gone".to_owned()))
    }

    async fn recv(&self) -> Option<Bytes> {
        self.into.lock().await.recv().await
    }
}

/// An overlay of one node that connects to whomever it is asked for.
pub(crate) struct FakeOverlay {
    aor: Aor,
    /// Connections that were asked for.
    pub(crate) connects: AtomicUsize,
    /// Their other ends.
    pub(crate) ends: Mutex<Vec<MemoryPipe>>,
    /// What connecting ends with, if not with a pipe.
    pub(crate) refusal: Mutex<Option<OverlayError>>,
    /// Who answers, if not the one that was asked for.
    pub(crate) impostor: Mutex<Option<NodeId>>,
    /// The seconds of all registrations, in order.
    pub(crate) registered: Mutex<Vec<u32>>,
    /// What registrations end with, if not well.
    pub(crate) register_error: Mutex<Option<OverlayError>>,
    /// Milliseconds that each of them takes.
    pub(crate) delay: AtomicU32,
}

impl FakeOverlay {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            aor: Aor::parse("alice@o.example").unwrap(),
            connects: AtomicUsize::new(0),
            ends: Mutex::default(),
            refusal: Mutex::default(),
            impostor: Mutex::default(),
            registered: Mutex::default(),
            register_error: Mutex::default(),
            delay: AtomicU32::new(10),
        })
    }

    async fn wait(&self) {
        let delay = self.delay.load(Ordering::SeqCst).into();
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
}

#[async_trait]
impl Overlay for FakeOverlay {
    fn aor(&self) -> &Aor {
        &self.aor
    }

    fn node_id(&self) -> NodeId {
        node(1)
    }

    fn gruu(&self) -> Gruu {
        Gruu::new(self.aor.clone(), vec![Destination::Node(node(1))]).unwrap()
    }

    fn serves(&self, domain: &str) -> bool {
        domain == "o.example"
    }

    async fn resolve(&self, uri: &SipUri) -> Result<Resolution, OverlayError> {
        Err(OverlayError::Address(uri.to_string()))
    }

    async fn register(&self, expires: u32, _wants: Option<Scheme>) -> Result<u32, OverlayError> {
        self.wait().await;
        if let Some(error) = self.register_error.lock().unwrap().clone() {
            return Err(error);
        }
        self.registered.lock().unwrap().push(expires);
        Ok(expires)
    }

    async fn connect(
        &self,
        target: &SipTarget,
        _scheme: Scheme,
    ) -> Result<Box<dyn Pipe>, OverlayError> {
        self.connects.fetch_add(1, Ordering::SeqCst);
        self.wait().await;
        if let Some(error) = self.refusal.lock().unwrap().clone() {
            return Err(error);
        }
        let impostor = *self.impostor.lock().unwrap();
        let there = impostor.or(target.node()).expect("targets of tests have a node");
        let (here, there) = pair(&peer(1), &Peer { node: there, aor: Some(target.aor.clone()) });
        self.ends.lock().unwrap().push(there);
        Ok(Box::new(here))
    }

    async fn connect_media(&self, _node: NodeId) -> Result<Box<dyn Pipe>, OverlayError> {
        Err(OverlayError::NotReached("no media here".to_owned()))
    }

    async fn accept(&self) -> Option<(Purpose, Box<dyn Pipe>)> {
        std::future::pending().await
    }
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId::new(&[number; 16]).unwrap()
}

pub(crate) fn peer(number: u8) -> Peer {
    Peer { node: node(number), aor: Aor::parse(&format!("user{number}@o.example")).ok() }
}

pub(crate) fn target(number: u8) -> SipTarget {
    SipTarget {
        aor: peer(number).aor.unwrap(),
        registrant: Some(node(number)),
        destinations: vec![Destination::Node(node(number))],
        prefs: ContactPrefs::none(),
        lifetime: Some(600),
    }
}

/// A SIP stack whose first resend comes after so long.
pub(crate) fn stack(t1: Duration) -> Endpoint {
    let end = CancellationToken::new();
    let layer = TransportLayer::new_with_domain_resolver(end.clone(), Box::new(NoNames));
    let option =
        EndpointOption { t1, t1x64: 64 * t1, auto_ack_2xx: false, ..EndpointOption::default() };
    EndpointBuilder::new()
        .with_transport_layer(layer)
        .with_cancel_token(end)
        .with_option(option)
        .build()
}
