//! The virtual network: machines, links between them, and time. Everything follows from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_chord::{Chord, ChordConfig};
use reload_identity::VerifiedCertificate;
use reload_node::{
    Event, Limits, LinkEvent, LinkId, Node, Output, Plan, Request, RequestError, RequestId,
    Response, Role, Setup, Start,
};
use reload_storage::MemoryStore;
use reload_topology::TopologyEvent;
use reload_wire::{CandType, IceCandidate, IpAddressPort, NodeId, Now, OverlayLinkType};

use crate::clock::beginning;
use crate::host::{Condition, Host, SimNode};
use crate::link::{End, KEPT, TIMEOUT};
use crate::overlay::Overlay;
use crate::queue::Queue;

/// Names a machine.
pub type HostId = usize;

/// What the network is like.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The share of messages that are dropped after they were acknowledged.
    pub loss: f64,
    /// One-way latency, at least.
    pub nearest: Duration,
    /// One-way latency, at most.
    pub farthest: Duration,
}

impl Default for Weather {
    fn default() -> Self {
        Self { loss: 0.0, nearest: Duration::from_millis(2), farthest: Duration::from_millis(60) }
    }
}

enum Happening {
    Timeout,
    Dialled { link: LinkId, plan: Plan },
    Refused { link: LinkId, reason: &'static str },
    Arrives { link: LinkId, number: u64, message: Bytes, lost: bool },
    Acknowledged { link: LinkId, number: u64 },
    Overdue { link: LinkId, number: u64 },
    GivenUp { link: LinkId },
    Reset { link: LinkId },
}

/// All of it.
pub struct World {
    /// The present moment.
    pub now: Now,
    /// The machines, in the order in which they were added.
    pub hosts: Vec<Host>,
    rng: StdRng,
    weather: Weather,
    overlay: Overlay,
    agenda: Queue<(HostId, u32, Happening)>,
    /// Machines by address.
    places: BTreeMap<SocketAddr, HostId>,
    /// Machines that are cut off from the others, together.
    apart: BTreeSet<HostId>,
    first: Now,
}

impl World {
    /// An empty network.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, overlay: &Overlay) -> Self {
        let now = beginning();
        Self {
            now,
            hosts: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            weather,
            overlay: overlay.clone(),
            agenda: Queue::new(),
            places: BTreeMap::new(),
            apart: BTreeSet::new(),
            first: now,
        }
    }

    /// The source of chance of this world, for the scenario that runs in it.
    pub fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.mono.saturating_duration_since(self.first.mono)
    }

    /// Adds a machine with a node of random Node-ID that does nothing yet.
    pub fn add(&mut self, role: Role) -> HostId {
        let node_id = NodeId::from_u128(self.rng.random());
        let id = self.hosts.len();
        let user = format!("user{id}@{}", crate::overlay::NAME);
        let host_number = u32::try_from(id).unwrap_or(u32::MAX);
        let ip = Ipv4Addr::from_bits(0x7f00_0001_u32.saturating_add(host_number));
        let address = SocketAddr::from((ip, 6084));
        let node = self.make(node_id, &user, role);
        self.places.insert(address, id);
        self.hosts.push(Host {
            node_id,
            user,
            address,
            condition: Condition::Running,
            joined: false,
            finished: BTreeMap::new(),
            node,
            life: 0,
            links: BTreeMap::new(),
            dialling: std::collections::BTreeSet::new(),
            accepted: 0,
            alarm: None,
        });
        id
    }

    fn make(&mut self, node_id: NodeId, user: &str, role: Role) -> SimNode {
        let configuration = &self.overlay.configuration.configuration;
        let chord = Chord::new(&ChordConfig {
            node_id,
            role: match role {
                Role::Peer => reload_chord::Role::Peer,
                Role::Client => reload_chord::Role::Client { dialable: true },
            },
            update_interval: configuration.chord.update_interval,
            ping_interval: configuration.chord.ping_interval,
            reactive: configuration.chord.reactive,
            seed: self.rng.random(),
        })
        .expect("Node-IDs of a simulation have 16 bytes");
        let setup = Setup {
            credentials: self.overlay.credentials(node_id, user),
            configuration: self.overlay.configuration.clone(),
            trust: Arc::clone(&self.overlay.trust),
            role,
            seed: self.rng.random(),
            limits: Limits::default(),
        };
        Node::new(self.now, setup, chord, MemoryStore::new())
    }

    /// Lets a node set out.
    pub fn start(&mut self, host: HostId, bootstrap: &[HostId], first: bool) {
        let bootstrap = bootstrap.iter().map(|id| self.hosts[*id].address).collect();
        let now = self.now;
        self.hosts[host].node.start(now, Start { bootstrap, first });
        self.drain(host);
    }

    /// A new process on a machine whose old one is gone; its memory is empty, its Node-ID the same.
    pub fn restart(&mut self, host: HostId, bootstrap: &[HostId]) {
        let (node_id, user) = (self.hosts[host].node_id, self.hosts[host].user.clone());
        let node = self.make(node_id, &user, Role::Peer);
        let entry = &mut self.hosts[host];
        entry.node = node;
        entry.condition = Condition::Running;
        entry.joined = false;
        entry.alarm = None;
        self.start(host, bootstrap, false);
    }

    /// Ends the process of a machine without a word of RELOAD.
    pub fn crash(&mut self, host: HostId, condition: Condition) {
        let entry = &mut self.hosts[host];
        entry.condition = condition;
        entry.joined = false;
        entry.life += 1;
        let links = std::mem::take(&mut entry.links);
        entry.dialling.clear();
        if condition == Condition::Killed {
            for end in links.values() {
                let life = self.hosts[end.other].life;
                let happening = Happening::Reset { link: end.other_link };
                self.agenda.push(self.now.mono + end.latency, (end.other, life, happening));
            }
        }
    }

    /// Cuts the network in two: nothing passes between these machines and the others.
    pub fn cut(&mut self, apart: impl IntoIterator<Item = HostId>) {
        self.apart = apart.into_iter().collect();
    }

    /// The network is whole again.
    pub fn heal(&mut self) {
        self.apart.clear();
    }

    fn are_cut(&self, one: HostId, other: HostId) -> bool {
        self.apart.contains(&one) != self.apart.contains(&other)
    }

    /// Lets a node leave in good order.
    pub fn leave(&mut self, host: HostId) {
        let now = self.now;
        self.hosts[host].node.leave(now);
        self.drain(host);
    }

    /// Sends a request of the application.
    pub fn request(&mut self, host: HostId, request: Request) -> RequestId {
        let now = self.now;
        let id = self.hosts[host].node.request(now, request).expect("few requests at a time");
        self.drain(host);
        id
    }

    /// Gives a node a configuration document, as its server would.
    ///
    /// # Errors
    /// Why the node does not take it.
    pub fn offer(&mut self, host: HostId, document: &Bytes) -> Result<(), String> {
        let now = self.now;
        let taken = self.hosts[host].node.offer_configuration(now, document);
        self.drain(host);
        taken
    }

    /// Sends a request and lets time pass until it has ended.
    ///
    /// # Errors
    /// As the node reports it.
    pub fn ask(&mut self, host: HostId, request: Request) -> Result<Response, RequestError> {
        let id = self.request(host, request);
        let limit = self.now.mono + Duration::from_secs(120);
        while self.now.mono < limit {
            if let Some(result) = self.hosts[host].finished.remove(&id) {
                return result;
            }
            if !self.step(limit) {
                break;
            }
        }
        panic!("request {id:?} of host {host} has not ended");
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.now.mono + span;
        while self.step(until) {}
        self.set_time(until);
    }

    /// Lets time pass until something holds; false if it does not within `span`.
    pub fn run_until(&mut self, span: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let until = self.now.mono + span;
        while !holds(self) {
            if !self.step(until) {
                self.set_time(until);
                return holds(self);
            }
        }
        true
    }

    fn set_time(&mut self, at: Instant) {
        self.now = self.now.after(at.saturating_duration_since(self.now.mono));
    }

    /// The next event up to `until`; false if there is none.
    fn step(&mut self, until: Instant) -> bool {
        if self.agenda.next().is_none_or(|at| at > until) {
            return false;
        }
        let Some((at, (host, life, happening))) = self.agenda.pop() else { return false };
        self.set_time(at);
        if self.hosts[host].life == life && self.hosts[host].is_running() {
            self.happen(host, happening);
            self.drain(host);
        }
        true
    }

    fn happen(&mut self, host: HostId, happening: Happening) {
        match happening {
            Happening::Timeout => self.on_timeout(host),
            Happening::Dialled { link, plan } => self.on_dialled(host, link, &plan),
            Happening::Refused { link, reason } => {
                if self.hosts[host].dialling.remove(&link) {
                    self.tell(host, link, down(reason, Vec::new()));
                }
            }
            Happening::Arrives { link, number, message, lost } => {
                self.on_arrival(host, link, number, message, lost);
            }
            Happening::Acknowledged { link, number } => self.on_acknowledged(host, link, number),
            Happening::Overdue { link, number } => self.on_overdue(host, link, number),
            Happening::GivenUp { link } => {
                if self.hosts[host].links.get(&link).is_some_and(|end| end.failing) {
                    self.lose(host, link, "no acknowledgement for 30 s");
                }
            }
            Happening::Reset { link } => self.lose(host, link, "connection reset"),
        }
    }

    fn on_timeout(&mut self, host: HostId) {
        let now = self.now;
        if self.hosts[host].alarm == Some(now.mono) {
            self.hosts[host].alarm = None;
            self.hosts[host].node.handle_timeout(now);
        }
    }

    /// The first packet of a dial has arrived at its target.
    fn on_dialled(&mut self, host: HostId, link: LinkId, plan: &Plan) {
        if !self.hosts[host].dialling.contains(&link) {
            return;
        }
        let target = plan.addresses.first().and_then(|address| self.places.get(address)).copied();
        let Some(target) = target else { return self.refuse(host, link, "no such host") };
        let condition = match self.are_cut(host, target) {
            true => Condition::Silent,
            false => self.hosts[target].condition,
        };
        match condition {
            Condition::Running => self.connect(host, link, target, plan.expected),
            Condition::Silent => {
                let at = plan.deadline;
                let life = self.hosts[host].life;
                let refused = Happening::Refused { link, reason: "no answer" };
                self.agenda.push(at, (host, life, refused));
            }
            Condition::Killed | Condition::Left => self.refuse(host, link, "connection refused"),
        }
    }

    fn refuse(&mut self, host: HostId, link: LinkId, reason: &'static str) {
        let at = self.now.mono + self.weather.nearest;
        let life = self.hosts[host].life;
        self.agenda.push(at, (host, life, Happening::Refused { link, reason }));
    }

    fn connect(&mut self, host: HostId, link: LinkId, target: HostId, expected: Option<NodeId>) {
        let theirs = Arc::clone(self.certificate(target));
        if expected.is_some_and(|expected| !theirs.node_ids().contains(&expected)) {
            return self.refuse(host, link, "another node answers there");
        }
        let latency = self.latency();
        self.hosts[target].accepted += 1;
        let accepted = LinkId::accepted(self.hosts[target].accepted);
        let at = self.now.mono;
        self.hosts[host].dialling.remove(&link);
        self.hosts[host].links.insert(link, End::new(target, accepted, latency, at));
        self.hosts[target].links.insert(accepted, End::new(host, link, latency, at));
        let (ours, from) = (Arc::clone(self.certificate(host)), self.hosts[host].address);
        let remote = self.hosts[target].address;
        self.tell(host, link, LinkEvent::Up { certificate: theirs, remote });
        self.tell(target, accepted, LinkEvent::Up { certificate: ours, remote: from });
        self.drain(target);
    }

    fn certificate(&self, host: HostId) -> &Arc<VerifiedCertificate> {
        self.hosts[host].node.certificate()
    }

    fn on_arrival(&mut self, host: HostId, link: LinkId, number: u64, message: Bytes, lost: bool) {
        let Some(end) = self.hosts[host].links.get(&link) else { return };
        let (other, other_link, latency) = (end.other, end.other_link, end.latency);
        let life = self.hosts[other].life;
        let acknowledged = Happening::Acknowledged { link: other_link, number };
        self.agenda.push(self.now.mono + latency, (other, life, acknowledged));
        if !lost {
            self.tell(host, link, LinkEvent::Message(message));
        }
    }

    fn on_acknowledged(&mut self, host: HostId, link: LinkId, number: u64) {
        let Some(end) = self.hosts[host].links.get_mut(&link) else { return };
        if end.acknowledge(number) {
            self.tell(host, link, LinkEvent::Restored);
        }
    }

    fn on_overdue(&mut self, host: HostId, link: LinkId, number: u64) {
        let at = self.now.mono + KEPT;
        let life = self.hosts[host].life;
        let Some(end) = self.hosts[host].links.get_mut(&link) else { return };
        if !end.waits_for(number) {
            return;
        }
        let unacknowledged = end.hand_back();
        if !end.failing {
            end.failing = true;
            self.agenda.push(at, (host, life, Happening::GivenUp { link }));
            self.tell(host, link, LinkEvent::Failing { unacknowledged });
        }
    }

    fn lose(&mut self, host: HostId, link: LinkId, reason: &'static str) {
        let Some(mut end) = self.hosts[host].links.remove(&link) else { return };
        let waiting = end.hand_back();
        self.tell(host, link, down(reason, waiting));
    }

    fn tell(&mut self, host: HostId, link: LinkId, event: LinkEvent) {
        let now = self.now;
        self.hosts[host].node.handle_link(now, link, event);
    }

    /// Does everything that the node of a host asks for.
    fn drain(&mut self, host: HostId) {
        loop {
            match self.hosts[host].node.poll_output() {
                Output::Gather(link) => self.on_gather(host, link),
                Output::Connect(link, plan) => self.on_connect(host, link, plan),
                Output::Send(link, message) => self.on_send(host, link, message),
                Output::Close(link) => self.on_close(host, link),
                Output::Crypto(id, job) => {
                    let now = self.now;
                    let result = job.run();
                    self.hosts[host].node.handle_crypto(now, id, result);
                }
                Output::Event(event) => self.on_event(host, event),
                Output::Idle(deadline) => {
                    return self.set_alarm(host, deadline.map(|deadline| deadline.at));
                }
            }
        }
    }

    fn set_alarm(&mut self, host: HostId, at: Option<Instant>) {
        let Some(at) = at.map(|at| at.max(self.now.mono)) else { return };
        let entry = &mut self.hosts[host];
        if entry.is_running() && entry.alarm.is_none_or(|planned| at != planned) {
            entry.alarm = Some(at);
            self.agenda.push(at, (host, entry.life, Happening::Timeout));
        }
    }

    fn on_gather(&mut self, host: HostId, link: LinkId) {
        let candidate = IceCandidate {
            addr_port: IpAddressPort::from(self.hosts[host].address),
            overlay_link: OverlayLinkType::TLS_TCP_FH_NO_ICE,
            foundation: Bytes::from_static(b"1"),
            priority: 1,
            kind: CandType::Host,
            related: None,
            extensions: Vec::new(),
        };
        self.tell(host, link, LinkEvent::Candidates(vec![candidate]));
    }

    fn on_connect(&mut self, host: HostId, link: LinkId, plan: Plan) {
        // a handshake takes two round trips
        let at = self.now.mono + self.latency() * 4;
        let entry = &mut self.hosts[host];
        entry.dialling.insert(link);
        self.agenda.push(at, (host, entry.life, Happening::Dialled { link, plan }));
    }

    fn on_send(&mut self, host: HostId, link: LinkId, message: Bytes) {
        let now = self.now.mono;
        let lost = self.rng.random_bool(self.weather.loss);
        let life = self.hosts[host].life;
        let Some(end) = self.hosts[host].links.get_mut(&link) else { return };
        let (number, arrival) = end.send(now, message.clone());
        let (other, other_link) = (end.other, end.other_link);
        let overdue = arrival + end.latency + TIMEOUT;
        self.agenda.push(overdue, (host, life, Happening::Overdue { link, number }));
        if self.are_cut(host, other) {
            return;
        }
        let other_life = self.hosts[other].life;
        let arrives = Happening::Arrives { link: other_link, number, message, lost };
        self.agenda.push(arrival, (other, other_life, arrives));
    }

    fn on_close(&mut self, host: HostId, link: LinkId) {
        self.hosts[host].dialling.remove(&link);
        let Some(end) = self.hosts[host].links.remove(&link) else { return };
        let at = end.last_arrival.max(self.now.mono + end.latency);
        let life = self.hosts[end.other].life;
        self.agenda.push(at, (end.other, life, Happening::Reset { link: end.other_link }));
    }

    fn on_event(&mut self, host: HostId, event: Event) {
        match event {
            Event::Finished(id, result) => {
                self.hosts[host].finished.insert(id, result);
            }
            Event::Topology(TopologyEvent::Joined) => self.hosts[host].joined = true,
            Event::Topology(TopologyEvent::Isolated) => self.hosts[host].joined = false,
            Event::Topology(TopologyEvent::Left) => self.crash(host, Condition::Left),
            _ => {}
        }
    }

    fn latency(&mut self) -> Duration {
        self.rng.random_range(self.weather.nearest..=self.weather.farthest)
    }
}

fn down(reason: &'static str, unacknowledged: Vec<Bytes>) -> LinkEvent {
    LinkEvent::Down { reason: reason.to_owned(), unacknowledged }
}
