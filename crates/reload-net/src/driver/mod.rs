//! The driver: one task that runs a node. It feeds the node link events, results of jobs, timeouts
//! and requests, and does what the node puts out. It decides nothing of the protocol.
//!
//! A round takes timers first, then results of jobs, then links in turns with a budget each, then new
//! connections and new requests: own work before new work, and no link can starve time.

mod bound;
mod candidates;
mod datagrams;
mod dialler;
mod driven;
mod handle;
mod links;
mod pipes;
mod pool;
mod race;
mod round;
mod settings;
mod snapshot;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use reload_datagram::Endpoint;
use reload_node::{Event, Job, JobId, JobResult, LinkId, Output, RequestId};
use reload_topology::TopologyEvent;
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

pub use bound::Bound;
pub use driven::Driven;
pub use handle::{NodeHandle, OfferError, RequestFailure, Stopped};
pub use pipes::PipeListener;
pub use pool::CryptoPool;
pub use settings::Settings;
pub use snapshot::{DatagramLinkSnapshot, LinkSnapshot, Snapshot};

use crate::clock;
use crate::inbox::Inbox;
use crate::link::Link;
use crate::listener::{Accepted, Gate, Listener};
use crate::tls::TlsIdentity;
use datagrams::Datagrams;
use dialler::Dialled;
use handle::{Command, Waiting};
use pipes::Pipes;
use race::Races;

/// Connections, results and dials that wait for the node's round.
const WAITING: usize = 64;
/// Results of jobs that wait for the node; the threads wait beyond.
const RESULTS: usize = 1024;

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
    races: Races,
    /// The UDP side; none where it is off or there is no address for it.
    datagrams: Option<Datagrams>,
    pipes: Pipes,
    dialled_sender: mpsc::Sender<Dialled>,
    dialled: mpsc::Receiver<Dialled>,
    accepted: mpsc::Receiver<Accepted>,
    next_accepted: u64,
    result_sender: mpsc::Sender<(JobId, JobResult)>,
    results: mpsc::Receiver<(JobId, JobResult)>,
    commands: mpsc::Receiver<Command<N>>,
    events: broadcast::Sender<Event>,
    requests: BTreeMap<RequestId, Waiting>,
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
        let Bound { settings, listeners, sockets, identity, pool } = bound;
        let datagrams = (!sockets.is_empty()).then(|| {
            let settings = Datagrams::settings(node.link_settings(), node.no_ice(), &settings);
            let (dtls, trust) = (identity.dtls().clone(), node.trust());
            Datagrams::new(Endpoint::new(settings, dtls, trust, rand::random()), sockets)
        });
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
            next_accepted: 1,
            races: Races::default(),
            pipes: Pipes::default(),
            datagrams,
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

    /// Does what the node and its datagram links put out until both are idle.
    fn drain(&mut self) {
        loop {
            self.drain_node();
            let Some(told) = self.datagrams.as_mut().and_then(Datagrams::poll) else { return };
            self.on_told(told);
        }
    }

    fn drain_node(&mut self) {
        loop {
            match self.node.poll_output() {
                Output::Idle(deadline) => {
                    self.deadline = deadline.map(|deadline| deadline.at);
                    return;
                }
                Output::Gather(link, gathering) => self.gather(link, gathering),
                Output::Connect(link, plan) => self.connect(link, plan),
                Output::Send(link, message) => self.send(link, message),
                Output::Close(link) => self.close(link),
                Output::Crypto(id, job) => self.submit(id, job),
                Output::Event(event) => self.on_event(event),
            }
        }
    }

    fn submit(&mut self, id: JobId, job: Job) {
        if let Err(job) = self.pool.submit(id, job, &self.result_sender) {
            self.node.handle_crypto(clock::now(), id, job.run());
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Finished(id, result) => {
                if let Some(waiting) = self.requests.remove(&id) {
                    self.on_finished(waiting, result);
                }
                return;
            }
            Event::Pipe { link, node, application } => self.on_pipe(link, node, application),
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
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.endpoint.set_trust(self.node.trust());
            datagrams.endpoint.set_max_message_size(size);
            datagrams.endpoint.set_no_ice(self.node.no_ice());
        }
    }
}
