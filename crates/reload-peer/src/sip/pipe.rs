//! A connection to another node as the proxy sees it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reload_net::{PipeError, PipePath};
use reload_sip_proxy::{OverlayError, Path, Peer, Pipe};
use reload_usages::sip::Aor;

/// A pipe of the node.
#[derive(Debug)]
pub(super) struct SipPipe {
    peer: Arc<Peer>,
    pipe: reload_net::Pipe,
}

impl SipPipe {
    pub(super) fn new(pipe: reload_net::Pipe) -> Self {
        let aor = pipe.user().and_then(|user| Aor::of_user_name(user).ok());
        Self { peer: Arc::new(Peer { node: pipe.node(), aor }), pipe }
    }
}

#[async_trait]
impl Pipe for SipPipe {
    fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    fn mtu(&self) -> usize {
        self.pipe.mtu()
    }

    fn path(&self) -> Option<Path> {
        let PipePath { local, remote, is_direct } = self.pipe.path()?;
        Some(Path { local, remote, is_direct })
    }

    async fn send(&self, datagram: Bytes) -> Result<(), OverlayError> {
        self.pipe.send(datagram).await.map_err(|error| match error {
            PipeError::TooLarge { size, limit } => OverlayError::TooLarge { size, limit },
            PipeError::Closed(reason) => OverlayError::Closed(reason),
            PipeError::NotPrivate => OverlayError::Closed(error.to_string()),
        })
    }

    async fn recv(&self) -> Option<Bytes> {
        self.pipe.recv().await
    }
}
