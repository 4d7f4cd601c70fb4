//! An overlay of two nodes: ours, of bob, and one of carol, whose end of every connection the script holds.

use std::sync::Arc;

use bytes::Bytes;
use reload_sip_proxy::{Overlay, OverlayError, Path, Peer, Pipe, Purpose};
use reload_usages::sip::{Aor, ContactPrefs, Gruu, Resolution, Scheme, SipTarget, SipUri};
use reload_wire::{Destination, Dialect, NodeId};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub(crate) const DOMAIN: &str = "dht.example";

/// Datagrams and connections that may wait.
const WAITING: usize = 256;

pub(crate) fn aor(user: &str) -> Aor {
    Aor::parse(&format!("{user}@{DOMAIN}")).expect("it is an address")
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId::new(&[number; 16]).expect("it has 16 bytes")
}

/// Carol's ends of the connections, the newest last.
pub(crate) type Ends = Arc<std::sync::Mutex<Vec<(Purpose, End)>>>;

/// Bob's node.
pub(crate) struct Town {
    aor: Aor,
    incoming: Mutex<Receiver<(Purpose, Box<dyn Pipe>)>>,
    opened: Ends,
}

/// How carol opens connections.
pub(crate) type Opening = Sender<(Purpose, Box<dyn Pipe>)>;

impl Town {
    pub(crate) fn new() -> (Self, Opening, Ends) {
        let (opening, incoming) = channel(WAITING);
        let opened = Ends::default();
        let town =
            Self { aor: aor("bob"), incoming: Mutex::new(incoming), opened: Arc::clone(&opened) };
        (town, opening, opened)
    }

    fn open(&self, purpose: Purpose) -> Box<dyn Pipe> {
        let (end, pipe) = connection();
        let mut opened = self.opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        opened.push((purpose, end));
        Box::new(pipe)
    }
}

#[async_trait::async_trait]
impl Overlay for Town {
    fn aor(&self) -> &Aor {
        &self.aor
    }

    fn node_id(&self) -> NodeId {
        node(1)
    }

    fn gruu(&self) -> Gruu {
        let list = vec![Destination::Node(node(1))];
        Gruu::new(self.aor.clone(), list).expect("a list of one node")
    }

    fn serves(&self, domain: &str) -> bool {
        domain.eq_ignore_ascii_case(DOMAIN)
    }

    async fn resolve(&self, uri: &SipUri) -> Result<Resolution, OverlayError> {
        let mut found = Resolution::default();
        if !self.serves(uri.host()) {
            found.external.push(uri.clone());
        } else if let Ok(gruu) = Gruu::of_uri(uri, &Dialect::default()) {
            found.targets.push(SipTarget::of_gruu(&gruu));
        } else {
            let asked = Aor::of_uri(uri).map_err(|it| OverlayError::Address(it.to_string()))?;
            let number = match asked.user() {
                "bob" => 1,
                "carol" => 2,
                _ => return Ok(found),
            };
            found.targets.push(SipTarget {
                aor: asked,
                registrant: Some(node(number)),
                destinations: vec![Destination::Node(node(number))],
                prefs: ContactPrefs::none(),
                lifetime: Some(3600),
            });
        }
        Ok(found)
    }

    async fn register(&self, expires: u32, _: Option<Scheme>) -> Result<u32, OverlayError> {
        Ok(expires)
    }

    async fn connect(
        &self,
        target: &SipTarget,
        scheme: Scheme,
    ) -> Result<Box<dyn Pipe>, OverlayError> {
        match target.may_be(node(2)) {
            true => Ok(self.open(Purpose::Sip(scheme))),
            false => Err(OverlayError::NotReached("no such node".to_owned())),
        }
    }

    async fn connect_media(&self, _: NodeId) -> Result<Box<dyn Pipe>, OverlayError> {
        Ok(self.open(Purpose::Media))
    }

    async fn accept(&self) -> Option<(Purpose, Box<dyn Pipe>)> {
        self.incoming.lock().await.recv().await
    }
}

/// A connection: carol's end, and bob's.
pub(crate) fn connection() -> (End, TownPipe) {
    let (to_bob, at_bob) = channel(WAITING);
    let (to_carol, at_carol) = channel(WAITING);
    let peer = Arc::new(Peer { node: node(2), aor: Some(aor("carol")) });
    let pipe = TownPipe { peer, sender: to_carol, receiver: Mutex::new(at_bob) };
    (End { sender: to_bob, receiver: at_carol }, pipe)
}

/// Carol's end.
pub(crate) struct End {
    pub(crate) sender: Sender<Bytes>,
    pub(crate) receiver: Receiver<Bytes>,
}

/// Bob's end.
pub(crate) struct TownPipe {
    peer: Arc<Peer>,
    sender: Sender<Bytes>,
    receiver: Mutex<Receiver<Bytes>>,
}

/// As much as connections of nodes take.
const MTU: usize = 16_000;

#[async_trait::async_trait]
impl Pipe for TownPipe {
    fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    fn mtu(&self) -> usize {
        MTU
    }

    fn path(&self) -> Option<Path> {
        None
    }

    async fn send(&self, datagram: Bytes) -> Result<(), OverlayError> {
        let size = datagram.len();
        if size > MTU {
            return Err(OverlayError::TooLarge { size, limit: MTU });
        }
        // a full queue is loss
        let _ = self.sender.try_send(datagram);
        Ok(())
    }

    async fn recv(&self) -> Option<Bytes> {
        self.receiver.lock().await.recv().await
    }
}
