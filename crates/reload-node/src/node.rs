//! The node: its state, and its entrances and its exit: inputs are handled, outputs polled.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_config::Configuration;
use reload_identity::{CertificateCache, Credentials, Trust, VerifiedCertificate};
use reload_storage::{Storage, Store};
use reload_topology::{Input, RequestToken, Topology};
use reload_wire::{Dialect, NodeId, Now, ResourceId, TransactionId};

use crate::acknowledge::Acknowledgements;
use crate::answers::Answers;
use crate::applications::Applications;
use crate::attach::Attaches;
use crate::bootstrap::Bootstrap;
use crate::configure::{DEFAULT_TTL, Exchanges};
use crate::copy::Copies;
use crate::crypto::Crypto;
use crate::deliver::Asked;
use crate::forget::Forgetting;
use crate::fragments::Fragments;
use crate::links::Links;
use crate::opaque::Compressor;
use crate::partition::Lookout;
use crate::path_mtu::PathProbes;
use crate::rate::Rate;
use crate::timer::{Timer, Timers};
use crate::transactions::Transactions;
use crate::{
    Busy, Counters, Deadline, Event, JobId, JobResult, Limits, LinkEvent, LinkId, Output, Request,
    RequestId, Role, Setup, Start, Status,
};

/// A RELOAD node without I/O, over a topology plug-in and a store.
pub struct Node<T: Topology, S: Store> {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) configuration: Arc<Configuration>,
    /// The document as it came: what a ConfigUpdate carries.
    pub(crate) document: bytes::Bytes,
    pub(crate) dialect: Dialect,
    pub(crate) overlay: u32,
    pub(crate) node_id: NodeId,
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    pub(crate) rng: StdRng,
    pub(crate) topology: T,
    pub(crate) storage: Storage<S>,
    pub(crate) certificates: CertificateCache,
    pub(crate) links: Links,
    pub(crate) path_probes: PathProbes,
    /// Makes the opaque ids of via lists, if the node is to.
    pub(crate) compressor: Option<Compressor>,
    pub(crate) transactions: Transactions,
    /// To requests with effects, which are not done twice.
    pub(crate) answers: Answers,
    /// To the others.
    pub(crate) given: Answers,
    pub(crate) fragments: Fragments,
    pub(crate) rate: Rate,
    pub(crate) crypto: Crypto,
    pub(crate) attaches: Attaches,
    pub(crate) applications: Applications,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) lookout: Lookout,
    pub(crate) forgetting: Forgetting,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) copies: Copies,
    pub(crate) exchanges: Exchanges,
    /// The highest `initial-ttl` of the configurations this node lived by.
    pub(crate) highest_ttl: u8,
    /// Requests that the topology plug-in is answering.
    pub(crate) asked: BTreeMap<RequestToken, Asked>,
    pub(crate) timers: Timers,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
    pub(crate) started: Instant,
    pub(crate) leaving: bool,
    next_number: u64,
}

impl<T: Topology, S: Store> Node<T, S> {
    /// A node that does nothing yet.
    #[must_use]
    pub fn new(now: Now, setup: Setup, topology: T, store: S) -> Self {
        let configuration = Arc::new(setup.configuration.configuration.clone());
        let largest = largest_message(&configuration);
        let node_id = setup.credentials.node_id();
        let mut rng = StdRng::from_seed(setup.seed);
        Self {
            document: setup.configuration.document.bytes().clone(),
            dialect: configuration.dialect(),
            overlay: configuration.overlay_hash(),
            node_id,
            role: setup.role,
            limits: setup.limits,
            compressor: Compressor::new(setup.lists, &mut rng),
            rng,
            topology,
            storage: Storage::new(store, &configuration).with_limits(setup.limits.storage),
            certificates: CertificateCache::new(setup.limits.certificates),
            links: Links::default(),
            path_probes: PathProbes::default(),
            transactions: Transactions::default(),
            answers: Answers::new(setup.limits.answers),
            given: Answers::new(setup.limits.answers / 8), // those may be long
            fragments: Fragments::new(setup.limits.fragment_bytes, largest),
            rate: Rate::new(setup.limits.requests_per_second),
            crypto: Crypto::default(),
            attaches: Attaches::default(),
            applications: Applications::default(),
            bootstrap: Bootstrap::default(),
            lookout: Lookout::default(),
            forgetting: Forgetting::default(),
            acknowledgements: Acknowledgements::default(),
            copies: Copies::default(),
            exchanges: Exchanges::default(),
            highest_ttl: DEFAULT_TTL,
            asked: BTreeMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            started: now.mono,
            leaving: false,
            next_number: 0,
            credentials: setup.credentials,
            trust: setup.trust,
            configuration,
        }
    }

    /// Sets out for the overlay (section 11.4). Ends with an [`Event::Topology`].
    pub fn start(&mut self, now: Now, start: Start) {
        self.set_out(now, start);
        self.settle(now);
    }

    /// Leaves in good order (section 10.9); ends with `Left`.
    pub fn leave(&mut self, now: Now) {
        self.leaving = true;
        self.topology.handle_input(now, Input::Leave);
        self.settle(now);
    }

    /// Takes what happened to a link.
    pub fn handle_link(&mut self, now: Now, link: LinkId, event: LinkEvent) {
        if self.applications.open.contains_key(&link) {
            self.on_application_link(now, link, event);
            return self.settle(now);
        }
        match event {
            LinkEvent::Candidates(candidates) => self.on_candidates(now, link, candidates),
            LinkEvent::Up { certificate, remote, mtu } => {
                self.on_up(now, link, certificate, remote, mtu);
            }
            LinkEvent::Mtu(mtu) => self.on_mtu(now, link, mtu),
            LinkEvent::Message(message) => self.on_message(now, link, &message),
            LinkEvent::TooLarge(header) => self.on_too_large(now, link, header),
            LinkEvent::Failing { unacknowledged } => self.on_failing(now, link, unacknowledged),
            LinkEvent::Restored => self.on_restored(now, link),
            LinkEvent::Down { reason, unacknowledged } => {
                self.on_down(now, link, reason, unacknowledged);
            }
        }
        self.settle(now);
    }

    /// Takes the result of a crypto job.
    pub fn handle_crypto(&mut self, now: Now, job: JobId, result: JobResult) {
        self.on_job(now, job, result);
        self.settle(now);
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop(now.mono) {
            self.on_timer(now, timer);
        }
        if self.topology.wakeup().is_some_and(|wakeup| wakeup.at <= now.mono) {
            self.topology.handle_timeout(now);
        }
        if self.storage.wakeup().is_some_and(|at| at <= now.mono) {
            self.storage.handle_timeout(now);
        }
        self.settle(now);
        debug_assert!(
            self.deadline().is_none_or(|deadline| deadline.at > now.mono),
            "a timer that fired asks for the same moment again: {:?}",
            self.deadline()
        );
    }

    /// Takes a request of the application; it ends in [`Event::Finished`].
    ///
    /// # Errors
    /// [`Busy`] when too many requests are under way.
    pub fn request(&mut self, now: Now, request: Request) -> Result<RequestId, Busy> {
        if self.transactions.len() >= self.limits.transactions {
            self.counters.transactions_refused += 1;
            return Err(Busy);
        }
        let id = RequestId(self.number());
        self.on_request(now, id, request);
        self.settle(now);
        Ok(id)
    }

    /// The next thing for the driver to do; drain it to [`Output::Idle`] after every input.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Idle(self.deadline()))
    }

    /// This node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Arc<VerifiedCertificate> {
        self.credentials.certificate()
    }

    /// The Resource-ID of a resource name, by the hash of the overlay (section 10.2).
    #[must_use]
    pub fn resource_id(&self, name: &[u8]) -> ResourceId {
        self.topology.resource_id(name)
    }

    /// The configuration in force.
    #[must_use]
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.configuration
    }

    /// What the configuration in force says about certificates.
    #[must_use]
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// The topology plug-in.
    #[must_use]
    pub fn topology(&self) -> &T {
        &self.topology
    }

    /// The stored values.
    #[must_use]
    pub fn storage(&self) -> &Storage<S> {
        &self.storage
    }

    /// The nodes with a link that was dialled, and where: what a cache of bootstrap peers holds (11.4).
    #[must_use]
    pub fn connected_peers(&self) -> Vec<(NodeId, std::net::SocketAddr)> {
        self.links.dialled().collect()
    }

    /// A picture of the node.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        Status {
            node_id: self.node_id,
            view: self.topology.view(),
            links: self.links.status(now.mono),
            transactions: self.transactions.len(),
            resources: self.storage.resource_count(),
            values: self.storage.value_count(),
            stored_bytes: self.storage.stored_bytes(),
            uptime: self.uptime(now),
            sequence: self.configuration.sequence,
            counters: self.counters,
        }
    }

    pub(crate) fn uptime(&self, now: Now) -> u32 {
        let seconds = now.mono.saturating_duration_since(self.started).as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// A number that this node has not used before, for names of its own.
    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// A random transaction id (section 6.3.2).
    pub(crate) fn transaction_id(&mut self) -> TransactionId {
        TransactionId(self.rng.random())
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Does what the topology plug-in asks for, until it asks for nothing more.
    pub(crate) fn settle(&mut self, now: Now) {
        while let Some(action) = self.topology.poll_action() {
            self.on_action(now, action);
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        let own = self.timers.next().map(|(at, timer)| Deadline { at, timer: timer.name() });
        let topology =
            self.topology.wakeup().map(|wakeup| Deadline { at: wakeup.at, timer: wakeup.timer });
        let storage = self.storage.wakeup().map(|at| Deadline { at, timer: "storage" });
        [own, topology, storage].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    fn on_timer(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Transaction(id) => self.on_transaction_timer(now, id),
            Timer::Attach(link) => self.on_attach_timer(now, link),
            Timer::AppAttach(link) => self.on_app_attach_timer(link),
            Timer::Asking(asking) => self.on_asking_timer(now, asking),
            Timer::Keepalive(link) => self.on_keepalive_timer(now, link),
            Timer::PathMtu(link) => self.on_path_timer(now, link),
            Timer::Drain(link) => self.on_drain_timer(now, link),
            Timer::Acknowledge(number) => self.acknowledge(now, number),
            Timer::Copy(number) => self.on_copy_timer(now, number),
            Timer::Bootstrap => self.on_bootstrap_timer(now),
            Timer::Forget => self.offer_unneeded(now),
            Timer::Lookout => self.on_lookout_timer(now),
            Timer::LookoutEnd => self.on_lookout_end(now),
            Timer::Fragments => {
                if let Some(at) = self.fragments.expire(now.mono) {
                    self.timers.set(Timer::Fragments, at);
                }
            }
            Timer::Answers => {
                if let Some(at) = self.answers.expire(now.mono) {
                    self.timers.set(Timer::Answers, at);
                }
            }
        }
    }
}

/// max-message-size as a length in memory (section 11.1).
pub(crate) fn largest_message(configuration: &Configuration) -> usize {
    usize::try_from(configuration.max_message_size).unwrap_or(usize::MAX)
}
