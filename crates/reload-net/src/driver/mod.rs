//! The driver: one task that runs a node. It feeds the node link events, results of jobs, timeouts
//! and requests, and does what the node puts out. It decides nothing of the protocol.
//!
//! A round takes timers first, then results of jobs, then links in turns with a budget each, then new
//! connections and new requests: own work before new work, and no link can starve time.

mod candidates;
mod dialler;
mod driven;
mod handle;
mod pool;
mod round;
mod snapshot;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reload_node::{
    Event, Gathering, Job, JobId, JobResult, LinkEvent, LinkId, Output, Plan, RequestId, Start,
};
use reload_topology::TopologyEvent;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

pub use driven::Driven;
pub use handle::{NodeHandle, RequestFailure, Stopped};
pub use pool::CryptoPool;
pub use snapshot::{LinkSnapshot, Snapshot};

use crate::clock;
use crate::error::NetError;
use crate::handshake::Authenticated;
use crate::inbox::Inbox;
use crate::link::Link;
use crate::listener::{AcceptLimits, Accepted, AddressPlace, Gate, Listener};
use crate::tls::TlsIdentity;
use dialler::{Dialled, work_off};
use handle::{COMMANDS, Command, EVENTS};
use reload_node::Response;

/// Connections, results and dials that wait for the node's round.
const WAITING: usize = 64;
/// Results of jobs that wait for the node; the threads wait beyond.
const RESULTS: usize = 1024;

/// What a driver depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; nowhere if empty.
    pub listen: Vec<SocketAddr>,
    /// What others shall dial, if not the listen address.
    pub advertise: Vec<SocketAddr>,
    /// Bounds on what strangers can take.
    pub accept: AcceptLimits,
    /// Links, those that are closing included. A new one beyond is refused.
    pub links: usize,
    /// Dials at once; more wait for their turn.
    pub dials: usize,
    /// Time for leaving; after it the node stops as it is.
    pub leave: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            advertise: Vec::new(),
            accept: AcceptLimits::default(),
            links: 1024,
            dials: 64,
            leave: Duration::from_secs(10),
        }
    }
}

/// Everything a node needs before it runs: it listens already, and accepts nobody yet.
#[derive(Debug)]
pub struct Bound {
    settings: Settings,
    listeners: Vec<Listener>,
    identity: TlsIdentity,
    pool: CryptoPool,
}

impl Bound {
    /// Binds every address of [`Settings::listen`].
    ///
    /// # Errors
    /// One of them is in use or not ours.
    pub async fn new(
        settings: Settings,
        identity: TlsIdentity,
        pool: CryptoPool,
    ) -> Result<Self, NetError> {
        let mut listeners = Vec::new();
        for address in &settings.listen {
            listeners.push(Listener::bind(*address).await?);
        }
        Ok(Self { settings, listeners, identity, pool })
    }

    /// The real addresses, also after port 0.
    #[must_use]
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// Accepts connections and runs `node`, which sets out for the overlay.
    #[must_use]
    pub fn run<N: Driven>(self, node: N, start: Start) -> NodeHandle<N> {
        let listening: Arc<[SocketAddr]> = self.listening().into();
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (stopped, stopped_receiver) = watch::channel(false);
        let events = broadcast::Sender::new(EVENTS);
        let handle = NodeHandle {
            commands,
            events: events.downgrade(),
            stopped: stopped_receiver,
            node_id: node.node_id(),
            listening: Arc::clone(&listening),
        };
        let driver = Driver::new(self, node, events, command_queue, listening);
        tokio::spawn(async move {
            driver.run(start).await;
            stopped.send_replace(true);
        });
        handle
    }
}

/// The task of a node.
struct Driver<N> {
    node: N,
    settings: Settings,
    identity: TlsIdentity,
    pool: CryptoPool,
    gate: Gate,
    listening: Arc<[SocketAddr]>,
    listeners: Vec<JoinHandle<()>>,
    inbox: Inbox,
    links: BTreeMap<LinkId, Entry>,
    carriers: JoinSet<LinkId>,
    dials: Arc<Semaphore>,
    dialled_sender: mpsc::Sender<Dialled>,
    dialled: mpsc::Receiver<Dialled>,
    accepted: mpsc::Receiver<Accepted>,
    next_accepted: u64,
    result_sender: mpsc::Sender<(JobId, JobResult)>,
    results: mpsc::Receiver<(JobId, JobResult)>,
    commands: mpsc::Receiver<Command<N>>,
    events: broadcast::Sender<Event>,
    requests: BTreeMap<RequestId, oneshot::Sender<Result<Response, RequestFailure>>>,
    deadline: Option<Instant>,
    /// Our address on the first link we dialled: the way to others, where we listen on any.
    link_address: Option<IpAddr>,
    life: Life,
}

/// A link of the node.
enum Entry {
    Dialling(AbortHandle),
    Up(Link),
}

/// How far the node is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    Leaving { until: Instant },
    Over,
}

impl<N: Driven> Driver<N> {
    fn new(
        bound: Bound,
        node: N,
        events: broadcast::Sender<Event>,
        commands: mpsc::Receiver<Command<N>>,
        listening: Arc<[SocketAddr]>,
    ) -> Self {
        let Bound { settings, listeners, identity, pool } = bound;
        let (accepted_sender, accepted) = mpsc::channel(WAITING);
        let (dialled_sender, dialled) = mpsc::channel(WAITING);
        let (result_sender, results) = mpsc::channel(RESULTS);
        let gate = Gate::new(settings.accept);
        let serve = |listener: Listener| {
            listener.serve(identity.clone(), gate.clone(), accepted_sender.clone())
        };
        Self {
            listeners: listeners.into_iter().map(serve).collect(),
            dials: Arc::new(Semaphore::new(settings.dials)),
            inbox: Inbox::default(),
            links: BTreeMap::new(),
            carriers: JoinSet::new(),
            next_accepted: 0,
            requests: BTreeMap::new(),
            deadline: None,
            link_address: None,
            life: Life::Running,
            node,
            settings,
            identity,
            pool,
            gate,
            listening,
            dialled_sender,
            dialled,
            accepted,
            result_sender,
            results,
            commands,
            events,
        }
    }

    /// Does what the node puts out until it is idle.
    fn drain(&mut self) {
        loop {
            match self.node.poll_output() {
                Output::Idle(deadline) => {
                    self.deadline = deadline.map(|deadline| deadline.at);
                    return;
                }
                Output::Gather(link, gathering) => self.gather(link, &gathering),
                Output::Connect(link, plan) => self.connect(link, plan),
                Output::Send(link, message) => self.send(link, message),
                Output::Close(link) => self.close(link),
                Output::Crypto(id, job) => self.submit(id, job),
                Output::Event(event) => self.on_event(event),
            }
        }
    }

    fn gather(&mut self, link: LinkId, gathering: &Gathering) {
        if gathering.ice.is_some() || gathering.own_socket {
            // not supported yet: the node is told that it cannot be reached so
            let event = LinkEvent::Candidates(Vec::new());
            return self.node.handle_link(clock::now(), link, event);
        }
        let advertise = &self.settings.advertise;
        let addresses = candidates::addresses(advertise, &self.listening, self.link_address);
        let event = LinkEvent::Candidates(candidates::candidates(&addresses));
        self.node.handle_link(clock::now(), link, event);
    }

    fn connect(&mut self, link: LinkId, plan: Plan) {
        if self.is_full() {
            return self.down(link, "too many links".to_owned());
        }
        let (dials, dialled) = (Arc::clone(&self.dials), self.dialled_sender.clone());
        let task = tokio::spawn(work_off(self.identity.clone(), link, plan, dials, dialled));
        self.links.insert(link, Entry::Dialling(task.abort_handle()));
    }

    fn send(&mut self, link: LinkId, message: bytes::Bytes) {
        let Some(Entry::Up(up)) = self.links.get(&link) else { return };
        if let Err(error) = up.send(message) {
            // Lost like any message; end-to-end retransmission brings it back (section 6.2.1).
            tracing::debug!(remote = %up.facts.remote, "not sent: {error}");
        }
    }

    fn close(&mut self, link: LinkId) {
        match self.links.remove(&link) {
            Some(Entry::Dialling(task)) => task.abort(),
            Some(Entry::Up(up)) => up.close(),
            None => {}
        }
        self.inbox.close(link);
    }

    fn submit(&mut self, id: JobId, job: Job) {
        if let Err(job) = self.pool.submit(id, job, &self.result_sender) {
            self.node.handle_crypto(clock::now(), id, job.run());
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Finished(id, result) => {
                let waiting = self.requests.remove(&id);
                let result = result.map_err(RequestFailure::from);
                // Whoever asked may have gone away.
                let _ = waiting.map(|waiting| waiting.send(result));
                return;
            }
            Event::Configured { .. } => self.on_configured(),
            Event::Topology(TopologyEvent::Left) => self.life = Life::Over,
            _ => {}
        }
        // No subscriber is no error.
        let _ = self.events.send(event);
    }

    /// A new configuration holds for the links there are as for those to come (section 11.1).
    fn on_configured(&mut self) {
        self.identity.set_trust(self.node.trust());
        let size = self.node.link_settings().max_message_size;
        for entry in self.links.values() {
            if let Entry::Up(link) = entry {
                link.set_max_message_size(size);
            }
        }
    }

    /// A connection that others made.
    fn on_accepted(&mut self, accepted: Accepted) {
        let Accepted { connection, place } = accepted;
        if self.is_full() || self.life != Life::Running {
            tracing::debug!("refused {}: too many links", connection.remote);
            return;
        }
        self.next_accepted += 1;
        self.up(LinkId::accepted(self.next_accepted), connection, Some(place));
    }

    /// A plan that came to its end. A plan given up in the meantime has no entry any more.
    fn on_dialled(&mut self, (link, result): Dialled) {
        if !matches!(self.links.remove(&link), Some(Entry::Dialling(_))) {
            return;
        }
        match result {
            Ok(connection) => {
                self.link_address.get_or_insert(connection.local.ip());
                self.up(link, connection, None);
            }
            Err(reason) => self.down(link, reason),
        }
    }

    fn up(&mut self, id: LinkId, connection: Authenticated, place: Option<AddressPlace>) {
        let (remote, certificate) = (connection.remote, Arc::clone(&connection.certificate));
        let settings = self.node.link_settings();
        let (link, carrier) = Link::new(id, connection, settings, self.inbox.clone(), place);
        tracing::debug!(
            %remote, node = %certificate.node_id(), protocol = link.facts.protocol,
            dialled = link.facts.dialled, "link up"
        );
        self.links.insert(id, Entry::Up(link));
        self.carriers.spawn(carrier);
        self.node.handle_link(clock::now(), id, LinkEvent::Up { certificate, remote, mtu: None });
    }

    fn down(&mut self, link: LinkId, reason: String) {
        let event = LinkEvent::Down { reason, unacknowledged: Vec::new() };
        self.node.handle_link(clock::now(), link, event);
    }

    fn is_full(&self) -> bool {
        let dialling = |entry: &&Entry| matches!(entry, Entry::Dialling(_));
        let dialling = self.links.values().filter(dialling).count();
        self.carriers.len() + dialling >= self.settings.links
    }
}
