//! An overlay in memory: users with nodes, registrations in a map, pipes as pairs of channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use reload_sip_proxy::{Overlay, OverlayError, Path, Peer, Pipe, Purpose};
use reload_usages::sip::{Aor, ContactPrefs, Gruu, Resolution, Scheme, SipTarget, SipUri};
use reload_wire::{Destination, Dialect, NodeId};
use tokio::sync::{mpsc, watch};

/// The domain of all users.
pub(crate) const DOMAIN: &str = "dht.example";

type Incoming = mpsc::UnboundedSender<(Purpose, Box<dyn Pipe>)>;

/// What all nodes share.
#[derive(Default)]
pub(crate) struct Net {
    nodes: Mutex<BTreeMap<NodeId, Node>>,
    registered: Mutex<BTreeMap<Aor, BTreeSet<NodeId>>>,
    forwards: Mutex<BTreeMap<Aor, Vec<String>>>,
    is_mute: AtomicBool,
    wants: Mutex<BTreeMap<NodeId, Scheme>>,
    /// Whether there is no restriction of domains.
    pub(crate) serves_all: AtomicBool,
    /// Connections that were made.
    pub(crate) connects: AtomicUsize,
    /// What went through pipes.
    pub(crate) seen: Mutex<Vec<String>>,
}

struct Node {
    incoming: Incoming,
    alive: watch::Sender<bool>,
    aor: Aor,
}

impl Net {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A node of a user.
    pub(crate) fn node(self: &Arc<Self>, user: &str, number: u8) -> Arc<TestOverlay> {
        let id = NodeId::new(&[number; 16]).unwrap();
        let aor = Aor::parse(&format!("{user}@{DOMAIN}")).unwrap();
        let (incoming, accepted) = mpsc::unbounded_channel();
        let (alive, _) = watch::channel(true);
        self.nodes.lock().unwrap().insert(id, Node { incoming, alive, aor: aor.clone() });
        Arc::new(TestOverlay {
            net: Arc::clone(self),
            id,
            aor,
            accepted: tokio::sync::Mutex::new(accepted),
        })
    }

    /// Calls to this user go to another one too.
    pub(crate) fn forward(&self, user: &str, to: &str) {
        let aor = Aor::parse(&format!("{user}@{DOMAIN}")).unwrap();
        self.forwards.lock().unwrap().entry(aor).or_default().push(to.to_owned());
    }

    /// A node has stored its registration.
    pub(crate) fn register(&self, user: &str, number: u8) {
        let aor = Aor::parse(&format!("{user}@{DOMAIN}")).unwrap();
        let id = NodeId::new(&[number; 16]).unwrap();
        self.registered.lock().unwrap().entry(aor).or_default().insert(id);
    }

    /// The registrations of a user are lost.
    pub(crate) fn forget(&self, user: &str) {
        let aor = Aor::parse(&format!("{user}@{DOMAIN}")).unwrap();
        self.registered.lock().unwrap().remove(&aor);
    }

    /// Whether what is sent gets lost.
    pub(crate) fn mute(&self, is_mute: bool) {
        self.is_mute.store(is_mute, Ordering::Relaxed);
    }

    /// All pipes of a node close; new ones can be made.
    pub(crate) fn cut(&self, number: u8) {
        let id = NodeId::new(&[number; 16]).unwrap();
        if let Some(node) = self.nodes.lock().unwrap().get_mut(&id) {
            std::mem::replace(&mut node.alive, watch::channel(true).0).send(false).ok();
        }
    }

    /// The machine of a node loses its power.
    pub(crate) fn kill(&self, number: u8) {
        let id = NodeId::new(&[number; 16]).unwrap();
        if let Some(node) = self.nodes.lock().unwrap().remove(&id) {
            node.alive.send(false).ok();
        }
    }
}

/// One node.
pub(crate) struct TestOverlay {
    net: Arc<Net>,
    id: NodeId,
    aor: Aor,
    accepted: tokio::sync::Mutex<mpsc::UnboundedReceiver<(Purpose, Box<dyn Pipe>)>>,
}

impl TestOverlay {
    fn target(&self, aor: &Aor, node: NodeId) -> SipTarget {
        SipTarget {
            aor: aor.clone(),
            registrant: Some(node),
            destinations: vec![Destination::Node(node)],
            prefs: match self.net.wants.lock().unwrap().get(&node) {
                Some(scheme) => ContactPrefs::only(*scheme),
                None => ContactPrefs::none(),
            },
            lifetime: Some(3600),
        }
    }

    fn follow(&self, aor: &Aor, found: &mut Resolution, visited: &mut BTreeSet<Aor>) {
        if !visited.insert(aor.clone()) {
            found.loops += 1;
            return;
        }
        for node in self.net.registered.lock().unwrap().get(aor).into_iter().flatten() {
            found.targets.push(self.target(aor, *node));
        }
        let forwards = self.net.forwards.lock().unwrap().get(aor).cloned().unwrap_or_default();
        for to in forwards {
            let uri = SipUri::parse(&to).unwrap();
            match Aor::of_uri(&uri) {
                Ok(next) if self.serves(next.domain()) => {
                    found.forwards.push((aor.clone(), to));
                    self.follow(&next, found, visited);
                }
                _ => found.external.push(uri),
            }
        }
    }

    /// A pipe to a node, as somebody who claims nothing.
    pub(crate) fn pipe_to(&self, node: NodeId, purpose: Purpose) -> Result<TestPipe, OverlayError> {
        let nodes = self.net.nodes.lock().unwrap();
        let gone = || OverlayError::NotReached("no such node".to_owned());
        let far = nodes.get(&node).ok_or_else(gone)?;
        let near = nodes.get(&self.id).ok_or(OverlayError::Stopped)?;
        let (to_far, at_far) = mpsc::unbounded_channel();
        let (to_near, at_near) = mpsc::unbounded_channel();
        let pipe = |peer, aor: &Aor, tx, rx| TestPipe {
            net: Arc::clone(&self.net),
            peer: Arc::new(Peer { node: peer, aor: Some(aor.clone()) }),
            tx,
            rx: tokio::sync::Mutex::new(rx),
            alive: tokio::sync::Mutex::new([near.alive.subscribe(), far.alive.subscribe()]),
        };
        let far_end = pipe(self.id, &self.aor, to_near, at_far);
        far.incoming.send((purpose, Box::new(far_end))).map_err(|_| gone())?;
        self.net.connects.fetch_add(1, Ordering::Relaxed);
        Ok(pipe(node, &far.aor, to_far, at_near))
    }
}

#[async_trait]
impl Overlay for TestOverlay {
    fn aor(&self) -> &Aor {
        &self.aor
    }

    fn node_id(&self) -> NodeId {
        self.id
    }

    fn gruu(&self) -> Gruu {
        Gruu::new(self.aor.clone(), vec![Destination::Node(self.id)]).unwrap()
    }

    fn serves(&self, domain: &str) -> bool {
        self.net.serves_all.load(Ordering::Relaxed) || domain.eq_ignore_ascii_case(DOMAIN)
    }

    async fn resolve(&self, uri: &SipUri) -> Result<Resolution, OverlayError> {
        let mut found = Resolution::default();
        if !self.serves(uri.host()) {
            found.external.push(uri.clone());
            return Ok(found);
        }
        if let Ok(gruu) = Gruu::of_uri(uri, &Dialect::default()) {
            found.targets.push(SipTarget::of_gruu(&gruu));
            return Ok(found);
        }
        let aor = Aor::of_uri(uri).map_err(|error| OverlayError::Address(error.to_string()))?;
        self.follow(&aor, &mut found, &mut BTreeSet::new());
        Ok(found)
    }

    async fn register(&self, expires: u32, wants: Option<Scheme>) -> Result<u32, OverlayError> {
        if let Some(wants) = wants {
            self.net.wants.lock().unwrap().insert(self.id, wants);
        }
        let mut registered = self.net.registered.lock().unwrap();
        let nodes = registered.entry(self.aor.clone()).or_default();
        if expires == 0 {
            nodes.remove(&self.id);
        } else {
            nodes.insert(self.id);
        }
        Ok(expires)
    }

    async fn connect(
        &self,
        target: &SipTarget,
        scheme: Scheme,
    ) -> Result<Box<dyn Pipe>, OverlayError> {
        let node = target.node().ok_or_else(|| OverlayError::NotReached("hidden".to_owned()))?;
        Ok(Box::new(self.pipe_to(node, Purpose::Sip(scheme))?))
    }

    async fn connect_media(&self, node: NodeId) -> Result<Box<dyn Pipe>, OverlayError> {
        Ok(Box::new(self.pipe_to(node, Purpose::Media)?))
    }

    async fn accept(&self) -> Option<(Purpose, Box<dyn Pipe>)> {
        self.accepted.lock().await.recv().await
    }
}

/// One end of a pipe.
pub(crate) struct TestPipe {
    net: Arc<Net>,
    peer: Arc<Peer>,
    tx: mpsc::UnboundedSender<Bytes>,
    rx: tokio::sync::Mutex<mpsc::UnboundedReceiver<Bytes>>,
    alive: tokio::sync::Mutex<[watch::Receiver<bool>; 2]>,
}

#[async_trait]
impl Pipe for TestPipe {
    fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    fn mtu(&self) -> usize {
        65_535
    }

    fn path(&self) -> Option<Path> {
        None
    }

    async fn send(&self, datagram: Bytes) -> Result<(), OverlayError> {
        let mut seen = self.net.seen.lock().unwrap();
        if seen.len() < 100 {
            seen.push(String::from_utf8_lossy(&datagram).into_owned());
        }
        drop(seen);
        if self.net.is_mute.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.tx.send(datagram).map_err(|_| OverlayError::Closed("gone".to_owned()))
    }

    async fn recv(&self) -> Option<Bytes> {
        let mut rx = self.rx.lock().await;
        let mut alive = self.alive.lock().await;
        let [near, far] = &mut *alive;
        tokio::select! {
            datagram = rx.recv() => datagram,
            _ = near.wait_for(|alive| !alive) => None,
            _ = far.wait_for(|alive| !alive) => None,
        }
    }
}
