//! The pipes of this node, kept for later calls (RFC 7904 section 5.1): by node and scheme, whoever opened
//! them. One connection at a time is tried per node; idle ones are closed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use reload_usages::sip::{Scheme, SipTarget};
use reload_wire::NodeId;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::Host;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::channel::{LINGER, NOWHERE, SipPipe, lock};
use crate::overlay::{Overlay, OverlayError, Pipe};

/// Pipes at one time: as many as peers that a user talks to within ten minutes, and room.
const MAX_PIPES: usize = 256;
/// How long a pipe is kept for the next call.
const MAX_IDLE: Duration = Duration::from_secs(600);
/// How often that is looked at.
const SWEEP: Duration = Duration::from_secs(10);

/// The pipes of this node.
pub(crate) struct Pool {
    overlay: Arc<dyn Overlay>,
    endpoint: EndpointInnerRef,
    table: Mutex<Table>,
    noise: Arc<AtomicU64>,
    end: CancellationToken,
}

#[derive(Default)]
struct Table {
    last: u32,
    /// By the number in its invented address: the newest last.
    live: BTreeMap<u32, Arc<SipPipe>>,
    /// Closed ones whose transactions may still go on.
    gone: VecDeque<Gone>,
    connecting: BTreeMap<Key, Arc<Attempt>>,
}

struct Gone {
    number: u32,
    pipe: Arc<SipPipe>,
    until: Instant,
}

type Key = (NodeId, Scheme);
type Attempt = OnceCell<Result<Arc<SipPipe>, OverlayError>>;

impl Pool {
    /// No pipes yet.
    pub(crate) fn new(overlay: Arc<dyn Overlay>, endpoint: EndpointInnerRef) -> Arc<Self> {
        let pool = Arc::new(Self {
            overlay,
            endpoint,
            table: Mutex::default(),
            noise: Arc::default(),
            end: CancellationToken::new(),
        });
        tokio::spawn(sweep(Arc::downgrade(&pool), pool.end.clone()));
        pool
    }

    /// A pipe to a device: one that is open, or a new one.
    pub(crate) async fn to(
        self: &Arc<Self>,
        target: &SipTarget,
        scheme: Scheme,
    ) -> Result<Arc<SipPipe>, OverlayError> {
        let Some(node) = target.node() else {
            return self.connect(target, scheme).await;
        };
        if let Some(pipe) = self.live(node, Some(scheme)) {
            return Ok(pipe);
        }
        let attempt = self.attempt((node, scheme));
        attempt.cell.get_or_init(|| self.connect(target, scheme)).await.clone()
    }

    /// An open pipe to a node, if there is one; of any scheme if none is named.
    pub(crate) fn live(&self, node: NodeId, scheme: Option<Scheme>) -> Option<Arc<SipPipe>> {
        let table = lock(&self.table);
        let fits = |pipe: &&Arc<SipPipe>| {
            pipe.peer().node == node
                && scheme.is_none_or(|scheme| scheme == pipe.scheme())
                && !pipe.is_closed()
        };
        table.live.values().rev().find(fits).cloned()
    }

    /// Takes over a pipe that another node has opened.
    pub(crate) async fn adopt(
        self: &Arc<Self>,
        scheme: Scheme,
        pipe: Box<dyn Pipe>,
    ) -> Result<Arc<SipPipe>, OverlayError> {
        let number = self.make_room()?;
        let noise = Arc::clone(&self.noise);
        let pipe = SipPipe::open(pipe, scheme, number, self.endpoint.clone(), noise).await;
        lock(&self.table).live.insert(number, Arc::clone(&pipe));
        tokio::spawn(bury(Arc::downgrade(self), number, Arc::clone(&pipe)));
        if self.end.is_cancelled() {
            pipe.close();
        }
        Ok(pipe)
    }

    /// The pipe that a message came over; none if it came from a phone or from outside.
    pub(crate) fn of_connection(&self, connection: &SipConnection) -> Option<Arc<SipPipe>> {
        let SipConnection::Udp(connection) = connection else { return None };
        self.of_address(connection.get_addr())
    }

    /// The pipe with this invented address.
    pub(crate) fn of_address(&self, address: &SipAddr) -> Option<Arc<SipPipe>> {
        let number = number_of(address)?;
        let table = lock(&self.table);
        let gone = || table.gone.iter().find(|gone| gone.number == number).map(|gone| &gone.pipe);
        table.live.get(&number).or_else(gone).cloned()
    }

    /// Open pipes.
    pub(crate) fn len(&self) -> usize {
        lock(&self.table).live.len()
    }

    /// Datagrams that were dropped since they were no SIP.
    pub(crate) fn noise(&self) -> u64 {
        self.noise.load(Ordering::Relaxed)
    }

    /// Closes all.
    pub(crate) fn shutdown(&self) {
        self.end.cancel();
        let table = lock(&self.table);
        table.live.values().for_each(|pipe| pipe.close());
    }

    async fn connect(
        self: &Arc<Self>,
        target: &SipTarget,
        scheme: Scheme,
    ) -> Result<Arc<SipPipe>, OverlayError> {
        let pipe = self.overlay.connect(target, scheme).await?;
        if !target.may_be(pipe.peer().node) {
            // RFC 7904 section 5.1: it is closed, and nothing sent
            return Err(OverlayError::NotReached("another node has answered".to_owned()));
        }
        self.adopt(scheme, pipe).await
    }

    /// The number for one more pipe; the one that has been idle longest is closed if there are too many.
    fn make_room(&self) -> Result<u32, OverlayError> {
        let mut table = lock(&self.table);
        if table.live.len() >= MAX_PIPES {
            let now = Instant::now();
            let idle =
                table.live.iter().filter_map(|(number, pipe)| Some((pipe.idle(now)?, *number)));
            let longest = idle.max().and_then(|(_, number)| table.live.remove(&number));
            let full = || OverlayError::NotReached("too many connections are in use".to_owned());
            longest.ok_or_else(full)?.close();
        }
        table.last = table.last.wrapping_add(1);
        Ok(table.last)
    }

    /// The attempt to connect to this node that is running, or a new one.
    fn attempt(&self, key: Key) -> Connecting<'_> {
        let mut table = lock(&self.table);
        let cell = Arc::clone(table.connecting.entry(key).or_default());
        Connecting { pool: self, key, cell }
    }

    fn close_idle(&self) {
        let now = Instant::now();
        let mut table = lock(&self.table);
        table.gone.retain(|gone| now < gone.until);
        let idle = table.live.values().filter(|it| it.idle(now).is_some_and(|it| it >= MAX_IDLE));
        idle.for_each(|pipe| pipe.close());
    }

    fn on_closed(&self, number: u32, pipe: Arc<SipPipe>) {
        let mut table = lock(&self.table);
        table.live.remove(&number);
        if table.gone.len() >= MAX_PIPES {
            table.gone.pop_front();
        }
        table.gone.push_back(Gone { number, pipe, until: Instant::now() + LINGER });
    }
}

/// One of those who wait for a connection; the last one to go clears the attempt away.
struct Connecting<'a> {
    pool: &'a Pool,
    key: Key,
    cell: Arc<Attempt>,
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        let mut table = lock(&self.pool.table);
        let is_mine = table.connecting.get(&self.key).is_some_and(|it| Arc::ptr_eq(it, &self.cell));
        // an answer is for those who have waited, the next one asks anew
        if is_mine && (self.cell.initialized() || Arc::strong_count(&self.cell) == 2) {
            table.connecting.remove(&self.key);
        }
    }
}

async fn sweep(pool: Weak<Pool>, end: CancellationToken) {
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        let Some(pool) = pool.upgrade() else { return };
        pool.close_idle();
    }
}

async fn bury(pool: Weak<Pool>, number: u32, pipe: Arc<SipPipe>) {
    pipe.closed().await;
    if let Some(pool) = pool.upgrade() {
        pool.on_closed(number, pipe);
    }
}

/// The number in the invented address of a pipe.
fn number_of(address: &SipAddr) -> Option<u32> {
    match address.addr.host {
        Host::IpAddr(std::net::IpAddr::V4(address)) if address >= NOWHERE => {
            Some(u32::from(address) & 0x0fff_ffff)
        }
        Host::IpAddr(_) | Host::Domain(_) => None,
    }
}
