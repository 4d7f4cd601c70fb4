//! The driver's end of a pipe.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use reload_datagram::LinkPath;
use reload_identity::VerifiedCertificate;
use reload_node::LinkId;
use reload_wire::NodeId;
use tokio::sync::{mpsc, oneshot};

use super::Pipe;

/// Datagrams that wait for the reader.
const INCOMING: usize = 256;

/// A datagram for a link.
#[derive(Debug)]
pub(crate) struct PipeSend {
    pub(crate) link: LinkId,
    pub(crate) datagram: Bytes,
}

/// What both ends see.
#[derive(Debug, Default)]
pub(super) struct PipeShared {
    /// Why it ended; empty while it lives.
    pub(super) end: OnceLock<String>,
    pub(super) mtu: AtomicUsize,
    pub(super) dropped: AtomicU64,
    pub(super) path: Mutex<Option<LinkPath>>,
}

/// A pipe as the driver holds it.
#[derive(Debug)]
pub(crate) struct PipeEntry {
    incoming: mpsc::Sender<Bytes>,
    shared: Arc<PipeShared>,
    /// Ends with the pipe.
    owner: Option<oneshot::Receiver<()>>,
}

/// What a pipe is made of.
pub(crate) struct PipeFacts {
    pub(crate) link: LinkId,
    pub(crate) node: NodeId,
    pub(crate) application: u16,
    pub(crate) certificate: Arc<VerifiedCertificate>,
    pub(crate) mtu: usize,
    pub(crate) path: Option<LinkPath>,
}

impl PipeEntry {
    /// Both ends of a new pipe.
    pub(crate) fn new(facts: PipeFacts, outgoing: mpsc::Sender<PipeSend>) -> (Self, Pipe) {
        let PipeFacts { link, node, application, certificate, mtu, path } = facts;
        let (sender, incoming) = mpsc::channel(INCOMING);
        let incoming = Mutex::new(incoming);
        let (mtu, path) = (AtomicUsize::new(mtu), Mutex::new(path));
        let shared = Arc::new(PipeShared { mtu, path, ..PipeShared::default() });
        let (_owned, owner) = oneshot::channel();
        let entry = Self { incoming: sender, shared: Arc::clone(&shared), owner: Some(owner) };
        let pipe =
            Pipe { link, node, application, certificate, shared, incoming, outgoing, _owned };
        (entry, pipe)
    }

    /// Hands a datagram over, or drops and counts it.
    pub(crate) fn deliver(&self, datagram: Bytes) {
        if self.incoming.try_send(datagram).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The path takes more or less from now on.
    pub(crate) fn set_mtu(&self, mtu: usize) {
        self.shared.mtu.store(mtu, Ordering::Relaxed);
    }

    /// The path is another one from now on.
    pub(crate) fn set_path(&self, path: LinkPath) {
        *self.shared.path.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
    }

    /// The link is gone; dropping the entry then ends the pipe.
    pub(crate) fn end(self, reason: String) {
        // Only the driver writes here, once.
        let _ = self.shared.end.set(reason);
    }

    /// Ends when the owner has dropped the pipe. Holds nothing that would keep the pipe open.
    pub(crate) fn dropped_by_owner(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let owner = self.owner.take();
        async move {
            if let Some(owner) = owner {
                let _ = owner.await; // nothing is ever sent
            }
        }
    }
}
