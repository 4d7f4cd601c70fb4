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
/// Pipes with one node at one time: of two schemes, from both sides, and those that take their place. Nobody
/// has those of others closed by opening more.
const MAX_OF_NODE: usize = 8;
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
        let number = self.make_room(pipe.peer().node)?;
        let noise = Arc::clone(&self.noise);
        let register = |pipe: &Arc<SipPipe>| {
            lock(&self.table).live.insert(number, Arc::clone(pipe));
        };
        let endpoint = self.endpoint.clone();
        let pipe = SipPipe::open(pipe, scheme, number, endpoint, noise, register).await;
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

    /// The number for one more pipe; the one that has been idle longest is closed if there are too many, of
    /// this node or in all.
    fn make_room(&self, node: NodeId) -> Result<u32, OverlayError> {
        let mut table = lock(&self.table);
        let is_of_node = |pipe: &SipPipe| pipe.peer().node == node;
        if table.live.values().filter(|pipe| is_of_node(pipe)).count() >= MAX_OF_NODE {
            table.close_longest_idle(is_of_node)?;
        } else if table.live.len() >= MAX_PIPES {
            table.close_longest_idle(|_| true)?;
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

impl Table {
    fn close_longest_idle(&mut self, fits: impl Fn(&SipPipe) -> bool) -> Result<(), OverlayError> {
        let now = Instant::now();
        let pipes = self.live.iter().filter(|(_, pipe)| fits(pipe));
        let idle = pipes.filter_map(|(number, pipe)| Some((pipe.idle(now)?, *number)));
        let longest = idle.max().and_then(|(_, number)| self.live.remove(&number));
        let full = || OverlayError::NotReached("too many connections are in use".to_owned());
        longest.ok_or_else(full)?.close();
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::super::testing::{FakeOverlay, node, pair, peer, stack, target};
    use super::*;

    fn pool(overlay: &Arc<FakeOverlay>) -> Arc<Pool> {
        let overlay: Arc<dyn Overlay> = overlay.clone();
        Pool::new(overlay, stack(Duration::from_millis(500)).inner)
    }

    fn count(overlay: &FakeOverlay) -> usize {
        overlay.connects.load(Ordering::SeqCst)
    }

    // R7904-5.1-06
    #[tokio::test(start_paused = true)]
    async fn a_second_call_to_a_node_takes_the_pipe_of_the_first() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        let first = pool.to(&target(2), Scheme::Sip).await.unwrap();
        let second = pool.to(&target(2), Scheme::Sip).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(count(&overlay), 1);
        pool.to(&target(2), Scheme::Sips).await.unwrap();
        pool.to(&target(3), Scheme::Sip).await.unwrap();
        assert_eq!(count(&overlay), 3, "another scheme and another node are other pipes");
    }

    // R7904-5.1-05
    #[tokio::test(start_paused = true)]
    async fn without_a_pipe_for_sip_a_new_one_is_made() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        assert!(pool.live(node(2), None).is_none());
        let pipe = pool.to(&target(2), Scheme::Sip).await.unwrap();
        assert_eq!((count(&overlay), pipe.peer().node), (1, node(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_want_one_node_at_a_time_share_one_attempt() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.to(&target(2), Scheme::Sip).await })
            })
            .collect();
        for attempt in attempts {
            assert_eq!(attempt.await.unwrap().unwrap().peer().node, node(2));
        }
        assert_eq!((count(&overlay), pool.len()), (1, 1));
        assert!(lock(&pool.table).connecting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shared_and_the_next_call_tries_anew() {
        let overlay = FakeOverlay::new();
        *overlay.refusal.lock().unwrap() = Some(OverlayError::NotOffered(Scheme::Sip));
        let pool = pool(&overlay);
        let (here, there) = (target(2), target(2));
        let (one, two) = tokio::join!(pool.to(&here, Scheme::Sip), pool.to(&there, Scheme::Sip));
        for result in [one, two] {
            assert_eq!(result.err(), Some(OverlayError::NotOffered(Scheme::Sip)));
        }
        assert_eq!(count(&overlay), 1);
        *overlay.refusal.lock().unwrap() = None;
        assert!(pool.to(&target(2), Scheme::Sip).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_gives_up_leaves_no_attempt_behind() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        let there = target(2);
        let attempt = pool.to(&there, Scheme::Sip);
        let given_up = tokio::time::timeout(Duration::from_millis(1), attempt);
        assert!(given_up.await.is_err());
        assert!(lock(&pool.table).connecting.is_empty());
        assert!(pool.to(&target(2), Scheme::Sip).await.is_ok());
    }

    // R7904-5.1-04
    #[tokio::test(start_paused = true)]
    async fn a_pipe_that_ends_at_another_node_is_closed_unused() {
        let overlay = FakeOverlay::new();
        *overlay.impostor.lock().unwrap() = Some(node(9));
        let pool = pool(&overlay);
        let result = pool.to(&target(2), Scheme::Sip).await;
        assert!(matches!(result.err(), Some(OverlayError::NotReached(_))));
        assert_eq!(pool.len(), 0);
        let end = overlay.ends.lock().unwrap().pop().unwrap();
        assert_eq!(end.recv().await, None, "closed, and nothing was sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_that_was_accepted_serves_calls_the_other_way() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        let (here, _there) = pair(&peer(1), &peer(2));
        let accepted = pool.adopt(Scheme::Sip, Box::new(here)).await.unwrap();
        let used = pool.to(&target(2), Scheme::Sip).await.unwrap();
        assert!(Arc::ptr_eq(&accepted, &used));
        assert_eq!(count(&overlay), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_is_closed_ten_minutes_after_its_last_use_unless_it_is_held() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        let pipe = pool.to(&target(2), Scheme::Sip).await.unwrap();
        let hold = pipe.hold();
        tokio::time::sleep(2 * MAX_IDLE).await;
        assert!(!pipe.is_closed());
        drop(hold);
        tokio::time::sleep(MAX_IDLE - SWEEP).await;
        assert!(!pipe.is_closed());
        tokio::time::sleep(2 * SWEEP).await;
        assert!(pipe.is_closed());
        assert_eq!(pool.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_that_closes_tells_at_once_and_is_replaced() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        let pipe = pool.to(&target(2), Scheme::Sip).await.unwrap();
        drop(overlay.ends.lock().unwrap().pop());
        tokio::time::timeout(Duration::from_millis(50), pipe.closed()).await.unwrap();
        let next = pool.to(&target(2), Scheme::Sip).await.unwrap();
        assert!(!Arc::ptr_eq(&pipe, &next));
        let known = pool.of_connection(&pipe.connection()).unwrap();
        assert!(Arc::ptr_eq(&known, &pipe), "its transactions may still go on");
        tokio::time::sleep(LINGER + 2 * SWEEP).await;
        assert!(pool.of_connection(&pipe.connection()).is_none());
        assert!(pool.of_connection(&next.connection()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_opens_pipe_after_pipe_closes_only_its_own() {
        let pool = pool(&FakeOverlay::new());
        let (here, _quiet) = pair(&peer(1), &peer(7));
        let of_another = pool.adopt(Scheme::Sip, Box::new(here)).await.unwrap();
        let mut ends = Vec::new();
        for _ in 0..MAX_PIPES + 1 {
            let (here, there) = pair(&peer(1), &peer(2));
            pool.adopt(Scheme::Sip, Box::new(here)).await.unwrap();
            ends.push(there);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!of_another.is_closed());
        assert_eq!(pool.len(), MAX_OF_NODE + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_pipes_cost_the_one_idle_longest_and_no_held_one() {
        let overlay = FakeOverlay::new();
        let pool = pool(&overlay);
        let mut ends = Vec::new();
        let mut pipes = Vec::new();
        for number in 0..MAX_PIPES {
            let of = peer(u8::try_from(100 + number / MAX_OF_NODE).unwrap());
            let (here, there) = pair(&peer(1), &of);
            pipes.push(pool.adopt(Scheme::Sip, Box::new(here)).await.unwrap());
            ends.push(there);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let first = pipes[0].hold();
        pool.to(&target(3), Scheme::Sip).await.unwrap();
        assert_eq!(pool.len(), MAX_PIPES);
        assert!(!pipes[0].is_closed() && pipes[1].is_closed() && !pipes[2].is_closed());
        let holds: Vec<_> = pipes.iter().map(SipPipe::hold).collect();
        pool.live(node(3), None).unwrap().close();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (here, there) = pair(&peer(1), &peer(4));
        let hold = pool.adopt(Scheme::Sip, Box::new(here)).await.unwrap().hold();
        let refused = pool.to(&target(5), Scheme::Sip).await;
        assert!(matches!(refused.err(), Some(OverlayError::NotReached(_))));
        drop((first, holds, hold, there));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_a_phone_is_no_pipe() {
        let pool = pool(&FakeOverlay::new());
        let udp = rsipstack::transport::udp::UdpConnection::create_connection(
            "127.0.0.1:0".parse().unwrap(),
            None,
            None,
        );
        assert!(pool.of_connection(&SipConnection::Udp(udp.await.unwrap())).is_none());
    }
}
