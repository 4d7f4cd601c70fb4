//! The virtual network: machines, links between them, and time. Everything follows from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_chord::{Chord, ChordConfig};
use reload_node::{
    Limits, LinkId, ListCompression, Node, Request, RequestError, RequestId, Response, Role, Setup,
    Start,
};
use reload_storage::MemoryStore;
use reload_wire::{NodeId, Now};

use crate::clock::beginning;
use crate::happening::Happening;
use crate::host::{Condition, Host, SimNode};
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

/// All of it.
pub struct World {
    /// The present moment.
    pub now: Now,
    /// The machines, in the order in which they were added.
    pub hosts: Vec<Host>,
    pub(crate) rng: StdRng,
    pub(crate) weather: Weather,
    pub(crate) overlay: Overlay,
    pub(crate) agenda: Queue<(HostId, u32, Happening)>,
    /// Machines by address.
    pub(crate) places: BTreeMap<SocketAddr, HostId>,
    /// ICE sessions by their user name fragment: the machine, its process, and the link.
    pub(crate) sessions: BTreeMap<Bytes, (HostId, u32, LinkId)>,
    /// Plans of ICE that wait for those of the other side.
    pub(crate) checking: BTreeSet<(HostId, u32, LinkId)>,
    /// Machines that are cut off from the others, together.
    pub(crate) apart: BTreeSet<HostId>,
    pub(crate) first: Now,
    /// Whether half of the nodes that are added from now on compress lists (section 6.1.2).
    pub compressing: bool,
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
            sessions: BTreeMap::new(),
            checking: BTreeSet::new(),
            apart: BTreeSet::new(),
            first: now,
            compressing: false,
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

    /// Lists that the nodes of now have compressed, and those that they have put back.
    #[must_use]
    pub fn lists_compressed(&self) -> (u64, u64) {
        let counters = self.hosts.iter().map(|host| host.node.status(self.now).counters);
        counters.fold((0, 0), |(compressed, restored), counters| {
            (compressed + counters.lists_compressed, restored + counters.lists_restored)
        })
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
            asked: Vec::new(),
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
            lists: self.lists(node_id),
            limits: Limits::default(),
        };
        Node::new(self.now, setup, chord, MemoryStore::new())
    }

    /// Of the nodes that compress lists, half seal them.
    fn lists(&self, node: NodeId) -> ListCompression {
        match (self.compressing, node.as_bytes().last().map_or(0, |byte| byte % 4)) {
            (true, 0) => ListCompression::Sealed,
            (true, 1) => ListCompression::Compact,
            _ => ListCompression::Off,
        }
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

    pub(crate) fn are_cut(&self, one: HostId, other: HostId) -> bool {
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
}
