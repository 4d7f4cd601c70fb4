//! Pipes: connections of applications (section 6.5.2), agreed through the overlay, mutually
//! authenticated, and then between two nodes alone. All are protected by DTLS but for plain SIP, which ICE
//! binds to the node (RFC 7904 section 5.1). A [`Pipe`] carries datagrams, of which some may
//! be lost; [`Pipe::into_stream`] makes a stream of it, for private Application-IDs.
//!
//! Bounds: 256 datagrams wait for a slow reader, later ones are lost; a sender waits for the driver.

mod entry;
mod sequence;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_node::LinkId;
use reload_wire::NodeId;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use entry::PipeShared;
pub(crate) use entry::{PipeEntry, PipeFacts, PipeSend};
pub use reload_datagram::LinkPath as PipePath;
pub use stream::PipeStream;

/// The first Application-ID for private use (section 14.5); streams are for these only.
pub const FIRST_PRIVATE_APPLICATION: u16 = 0xf000;

/// A connection with another node for one application. It closes when dropped.
pub struct Pipe {
    link: LinkId,
    node: NodeId,
    application: u16,
    certificate: Arc<VerifiedCertificate>,
    shared: Arc<PipeShared>,
    /// Locked for the moment of a poll only.
    incoming: Mutex<mpsc::Receiver<Bytes>>,
    outgoing: mpsc::Sender<PipeSend>,
    /// Tells the driver when the pipe is dropped.
    _owned: oneshot::Sender<()>,
}

/// Why a pipe takes nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PipeError {
    /// It is closed.
    #[error("the pipe is closed: {0}")]
    Closed(String),
    /// The datagram does not fit.
    #[error("{size} bytes do not fit into a datagram of this pipe, which takes {limit}")]
    TooLarge {
        /// Bytes of the datagram.
        size: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// A stream is not what the standards say of this application.
    #[error("a stream is for private Application-IDs from {FIRST_PRIVATE_APPLICATION} only")]
    NotPrivate,
}

impl Pipe {
    /// The node at the other end, as its certificate says.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The user name in its certificate.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.certificate.user()
    }

    /// Its certificate, checked against the overlay.
    #[must_use]
    pub const fn certificate(&self) -> &Arc<VerifiedCertificate> {
        &self.certificate
    }

    /// The Application-ID.
    #[must_use]
    pub const fn application(&self) -> u16 {
        self.application
    }

    /// Its link, as in [`crate::Snapshot::datagram_links`].
    #[must_use]
    pub const fn link(&self) -> LinkId {
        self.link
    }

    /// Bytes that one datagram takes.
    #[must_use]
    pub fn mtu(&self) -> usize {
        self.shared.mtu.load(Ordering::Relaxed)
    }

    /// How it goes: between which addresses, as the last checks of ICE have selected them.
    #[must_use]
    pub fn path(&self) -> Option<PipePath> {
        *self.shared.path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one datagram. It may be lost on its way like any other.
    ///
    /// # Errors
    /// [`PipeError::TooLarge`], [`PipeError::Closed`].
    pub async fn send(&self, datagram: Bytes) -> Result<(), PipeError> {
        let (size, limit) = (datagram.len(), self.mtu());
        if size > limit {
            return Err(PipeError::TooLarge { size, limit });
        }
        let sending = self.outgoing.send(PipeSend { link: self.link, datagram });
        match self.shared.end.get() {
            None => sending.await.map_err(|_| PipeError::Closed("the node has stopped".to_owned())),
            Some(reason) => Err(PipeError::Closed(reason.clone())),
        }
    }

    /// The next datagram; none when the pipe is closed, see [`Pipe::closed`]. One task calls it; another
    /// may send meanwhile.
    pub async fn recv(&self) -> Option<Bytes> {
        poll_fn(|context| {
            // a panic of another reader leaves the queue whole
            let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
            incoming.poll_recv(context)
        })
        .await
    }

    /// Why the pipe is closed, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        self.shared.end.get().map(String::as_str)
    }

    /// Datagrams lost here because nobody took them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// A reliable stream over the datagrams of this pipe: Simple Reliability with its framing (section
    /// 6.6.3). Both sides have to make one.
    ///
    /// # Errors
    /// [`PipeError::NotPrivate`].
    pub fn into_stream(self) -> Result<PipeStream, PipeError> {
        if self.application < FIRST_PRIVATE_APPLICATION {
            return Err(PipeError::NotPrivate);
        }
        Ok(PipeStream::start(self))
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Pipe");
        debug.field("node", &self.node).field("application", &self.application);
        debug.finish_non_exhaustive()
    }
}
