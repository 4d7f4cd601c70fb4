//! The tasks of one link: a reader and a writer around a [`FrameLink`], which both lock for moments
//! only. The reader acknowledges before the node hears of a message, so that a slow node never looks
//! like a dead one, and measures the round trip where the ACKs come in.
//!
//! A slow writer: what the node sends waits in the bounded queue of the [`FrameLink`] and is refused
//! beyond; ACKs overtake it; 16 KiB at most lie in the TLS session. A peer that takes nothing is
//! failing after its RTO and closed 30 s later (section 6.6.5).

mod reader;
mod writer;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_link::{FrameLink, LinkSettings, LinkStats, SendError};
use reload_node::{LinkEvent, LinkId};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsStream;

use crate::handshake::Authenticated;
use crate::inbox::Inbox;
use crate::listener::AddressPlace;
use reader::Ended;

/// Time for what was sent before a close to go out.
const CLOSE_TIME: Duration = Duration::from_secs(3);
/// Time for the other side to close too, so that no reset overtakes our last bytes.
const LINGER: Duration = Duration::from_secs(1);
/// After a failed write, time for the reader to find out why (the alert may still be unread).
const REASON_TIME: Duration = Duration::from_millis(300);

/// A link that is up, as the driver holds it.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    pub(crate) facts: LinkFacts,
}

/// What does not change while a link is up.
#[derive(Clone, Debug)]
pub(crate) struct LinkFacts {
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) dialled: bool,
    pub(crate) protocol: &'static str,
    pub(crate) since: Instant,
    pub(crate) certificate: Arc<VerifiedCertificate>,
}

/// What the driver, the reader and the writer share.
#[derive(Debug)]
struct Shared {
    frames: Mutex<FrameLink>,
    /// There is something to write.
    writable: Notify,
    /// The deadline of the reader has moved.
    deadline_moved: Notify,
    closing: watch::Sender<bool>,
}

impl Link {
    /// Makes a link of a connection, and the task that carries it: to be spawned by the driver.
    pub(crate) fn new(
        id: LinkId,
        connection: Authenticated,
        settings: LinkSettings,
        inbox: Inbox,
        place: Option<AddressPlace>,
    ) -> (Self, impl Future<Output = LinkId> + Send + 'static) {
        let Authenticated { stream, certificate, remote, local, protocol, dialled } = connection;
        let shared = Arc::new(Shared {
            frames: Mutex::new(FrameLink::new(settings)),
            writable: Notify::new(),
            deadline_moved: Notify::new(),
            closing: watch::Sender::new(false),
        });
        inbox.open(id);
        let since = Instant::now();
        let facts = LinkFacts { remote, local, dialled, protocol, since, certificate };
        let work = carry(id, stream, Arc::clone(&shared), inbox, remote, dialled);
        let task = async move {
            work.await;
            drop(place);
            id
        };
        (Self { shared, facts }, task)
    }

    /// Queues a message; on a full queue it is refused and counted in the link's numbers.
    pub(crate) fn send(&self, message: Bytes) -> Result<(), SendError> {
        self.shared.frames().send(message)?;
        self.shared.writable.notify_one();
        Ok(())
    }

    /// Closes after what was sent has gone out, or after a while.
    pub(crate) fn close(&self) {
        self.shared.closing.send_replace(true);
        self.shared.writable.notify_one();
    }

    /// After a new configuration.
    pub(crate) fn set_max_message_size(&self, size: u32) {
        self.shared.frames().set_max_message_size(size);
    }

    pub(crate) fn stats(&self) -> LinkStats {
        self.shared.frames().stats()
    }
}

impl Shared {
    fn frames(&self) -> MutexGuard<'_, FrameLink> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Ends when a close was asked for and has had its time.
    async fn close_overdue(&self) {
        let mut closing = self.closing.subscribe();
        // The sender lives as long as `self`, so this ends only with a close.
        let _ = closing.wait_for(|closing| *closing).await;
        sleep(CLOSE_TIME).await;
    }
}

/// The writer ends with the link, whatever ends it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs reader and writer until the link ends, and tells the node unless it asked for the end.
async fn carry(
    id: LinkId,
    stream: TlsStream<TcpStream>,
    shared: Arc<Shared>,
    inbox: Inbox,
    remote: SocketAddr,
    dialled: bool,
) {
    let (read_half, write_half) = tokio::io::split(stream);
    let mut writer = AbortOnDrop(tokio::spawn(writer::write(write_half, Arc::clone(&shared))));
    let mut reading = Box::pin(reader::read(read_half, &shared, &inbox, id));
    let mut ended = tokio::select! {
        ended = &mut reading => ended,
        written = &mut writer.0 => match written {
            Ok(Ok(())) => {
                let _ = timeout(LINGER, &mut reading).await;
                return;
            }
            Ok(Err(error)) => {
                timeout(REASON_TIME, &mut reading).await.unwrap_or(Ended::Broken(error))
            }
            Err(_) => Ended::Broken(std::io::Error::other("the writer of the link failed")),
        },
        () = shared.close_overdue() => return,
    };
    if shared.is_closing() {
        return;
    }
    let mut unacknowledged = ended.take_unacknowledged();
    unacknowledged.extend(shared.frames().take_unacknowledged());
    let reason = ended.reason(remote, dialled);
    let _ = inbox.push(id, LinkEvent::Down { reason, unacknowledged });
}
