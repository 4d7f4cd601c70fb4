//! A few real nodes in memory: every message takes 10 ms, none is lost, nothing is random.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_chord::{Chord, ChordConfig};
use reload_node::{
    Event, Limits, LinkEvent, LinkId, ListCompression, Node, Output, Plan, Request, RequestError,
    RequestId, Response, Role, Setup, Start, Way,
};
use reload_storage::MemoryStore;
use reload_topology::TopologyEvent;
use reload_wire::{NodeId, Now, OverlayLinkType};

use crate::actor::candidate;
use crate::overlay::{BEGINNING, Overlay};

const LATENCY: Duration = Duration::from_millis(10);

/// Something on its way.
enum Parcel {
    Dial(LinkId, Plan),
    Event(LinkId, LinkEvent),
}

pub(crate) struct Place {
    pub(crate) node: Node<Chord, MemoryStore>,
    pub(crate) joined: bool,
    pub(crate) left: bool,
    pub(crate) alive: bool,
    pub(crate) finished: BTreeMap<RequestId, Result<Response, RequestError>>,
    /// Connections that others asked for.
    pub(crate) pipes: Vec<(NodeId, u16)>,
    /// The other end of each link.
    links: BTreeMap<LinkId, (usize, LinkId)>,
    deadline: Option<Instant>,
}

pub(crate) struct Network {
    pub(crate) now: Now,
    pub(crate) places: Vec<Place>,
    /// Bytes of a frame that pass between two places; a larger one is lost.
    pub(crate) mtu: fn(usize, usize) -> Option<usize>,
    overlay: Overlay,
    post: BTreeMap<(Instant, u64), (usize, Parcel)>,
    /// Who gathered under this ICE user name fragment, and for which link.
    sessions: BTreeMap<Bytes, (usize, LinkId)>,
    /// The plans of ICE that wait for the other side's.
    checking: BTreeSet<(usize, LinkId)>,
    posted: u64,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self::of(Overlay::new())
    }

    /// An overlay with ICE: all pairs of candidates work.
    pub(crate) fn with_ice() -> Self {
        Self::of(Overlay::with(|settings| settings.no_ice = false))
    }

    #[allow(clippy::disallowed_methods)] // virtual time has to start somewhere
    fn of(overlay: Overlay) -> Self {
        let now = Now { mono: Instant::now(), wall: BEGINNING };
        let (places, post) = (Vec::new(), BTreeMap::new());
        let (sessions, checking) = (BTreeMap::new(), BTreeSet::new());
        Self { now, places, mtu: |_, _| None, overlay, post, sessions, checking, posted: 0 }
    }

    fn address(place: usize) -> SocketAddr {
        let port = u16::try_from(place + 1).expect("few places");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Adds a node; the first founds the overlay, the others join through it.
    pub(crate) fn add(&mut self, id: u128, role: Role, dialable: bool) -> usize {
        self.add_with(id, role, dialable, ListCompression::Off)
    }

    /// As [`Self::add`]; the node may compress lists.
    pub(crate) fn add_with(
        &mut self,
        id: u128,
        role: Role,
        dialable: bool,
        lists: ListCompression,
    ) -> usize {
        let node_id = NodeId::from_u128(id);
        let place = self.places.len();
        let chord_role = match role {
            Role::Peer => reload_chord::Role::Peer,
            Role::Client => reload_chord::Role::Client { dialable },
        };
        let chord = Chord::new(&ChordConfig::new(node_id, chord_role, 1)).expect("16 bytes");
        let setup = Setup {
            credentials: self.overlay.credentials(node_id, &format!("user{place}@x")),
            configuration: self.overlay.configuration.clone(),
            trust: Arc::clone(&self.overlay.trust),
            role,
            seed: [u8::try_from(place).expect("few places"); 32],
            lists,
            limits: Limits::default(),
        };
        let node = Node::new(self.now, setup, chord, MemoryStore::new());
        let (finished, pipes, links) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let (joined, left, alive, deadline) = (false, false, true, None);
        self.places.push(Place { node, joined, left, alive, finished, pipes, links, deadline });
        let bootstrap = if place == 0 { Vec::new() } else { vec![Self::address(0)] };
        self.places[place].node.start(self.now, Start { bootstrap, first: place == 0 });
        self.drain(place);
        place
    }

    fn send(&mut self, place: usize, parcel: Parcel) {
        self.posted += 1;
        self.post.insert((self.now.mono + LATENCY, self.posted), (place, parcel));
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, span: Duration) {
        let until = self.now.mono + span;
        loop {
            let post = self.post.keys().next().map(|(at, _)| *at);
            let alive = self.places.iter().filter(|place| place.alive);
            let timer = alive.filter_map(|place| place.deadline).min();
            let Some(at) = [post, timer].into_iter().flatten().min().filter(|at| *at <= until)
            else {
                break;
            };
            self.set_time(at);
            match self.post.first_entry().filter(|entry| entry.key().0 <= at) {
                Some(entry) => {
                    let (place, parcel) = entry.remove();
                    self.deliver(place, parcel);
                }
                None => self.fire(),
            }
        }
        self.set_time(until);
    }

    fn set_time(&mut self, at: Instant) {
        self.now = self.now.after(at.saturating_duration_since(self.now.mono));
    }

    fn fire(&mut self) {
        for place in 0..self.places.len() {
            let entry = &mut self.places[place];
            if entry.alive && entry.deadline.is_some_and(|at| at <= self.now.mono) {
                entry.node.handle_timeout(self.now);
                self.drain(place);
            }
        }
    }

    fn deliver(&mut self, place: usize, parcel: Parcel) {
        if !self.places[place].alive {
            return;
        }
        match parcel {
            Parcel::Event(link, event) => {
                if matches!(event, LinkEvent::Down { .. }) {
                    self.places[place].links.remove(&link);
                }
                self.places[place].node.handle_link(self.now, link, event);
            }
            Parcel::Dial(link, plan) => return self.connect(place, link, &plan),
        }
        self.drain(place);
    }

    fn connect(&mut self, place: usize, link: LinkId, plan: &Plan) {
        let addresses = match &plan.way {
            Way::Dial(addresses) => addresses,
            Way::Ice { ufrag, .. } => return self.check(place, link, ufrag),
        };
        let address =
            |other: &usize| addresses.iter().any(|dial| dial.address == Self::address(*other));
        let target = (0..self.places.len()).filter(|other| self.places[*other].alive).find(address);
        let Some(target) = target else {
            return self.send(place, Parcel::Event(link, down()));
        };
        self.posted += 1;
        let accepted = LinkId::accepted(self.posted);
        self.join_ends((place, link), (target, accepted));
    }

    /// One side of an ICE session has its plan; the link is up when both have.
    fn check(&mut self, place: usize, link: LinkId, theirs: &Bytes) {
        let Some((other, name)) = self.sessions.get(theirs).copied() else {
            return self.send(place, Parcel::Event(link, down()));
        };
        if self.checking.remove(&(other, name)) {
            self.join_ends((place, link), (other, name));
        } else {
            self.checking.insert((place, link));
        }
    }

    fn join_ends(&mut self, (place, link): (usize, LinkId), (target, accepted): (usize, LinkId)) {
        self.places[place].links.insert(link, (target, accepted));
        self.places[target].links.insert(accepted, (place, link));
        for (at, name, other) in [(place, link, target), (target, accepted, place)] {
            let certificate = Arc::clone(self.places[other].node.certificate());
            let (remote, mtu) = (Self::address(other), (self.mtu)(at, other));
            self.send(at, Parcel::Event(name, LinkEvent::Up { certificate, remote, mtu }));
        }
    }

    /// Ends a process: its links are reset.
    pub(crate) fn kill(&mut self, place: usize) {
        self.places[place].alive = false;
        for (other, link) in std::mem::take(&mut self.places[place].links).into_values() {
            self.send(other, Parcel::Event(link, down()));
        }
    }

    pub(crate) fn leave(&mut self, place: usize) {
        self.places[place].node.leave(self.now);
        self.drain(place);
    }

    /// Asks, and waits for the end.
    pub(crate) fn ask(&mut self, at: usize, request: Request) -> Result<Response, RequestError> {
        let id = self.places[at].node.request(self.now, request).expect("it is not busy");
        self.drain(at);
        self.pass(Duration::from_secs(20));
        self.places[at].finished.remove(&id).expect("each request ends")
    }

    fn drain(&mut self, place: usize) {
        loop {
            match self.places[place].node.poll_output() {
                Output::Gather(link, gathering) => {
                    let kind = match gathering.ice {
                        Some(ice) => {
                            self.sessions.insert(ice.ufrag, (place, link));
                            OverlayLinkType::DTLS_UDP_SR
                        }
                        None => OverlayLinkType::TLS_TCP_FH_NO_ICE,
                    };
                    let own = candidate(kind, Self::address(place).port());
                    let event = LinkEvent::Candidates(vec![own]);
                    self.places[place].node.handle_link(self.now, link, event);
                }
                Output::Connect(link, plan) => self.send(place, Parcel::Dial(link, plan)),
                Output::Send(link, message) => {
                    if let Some((other, name)) = self.places[place].links.get(&link).copied()
                        && (self.mtu)(place, other).is_none_or(|mtu| message.len() + 8 <= mtu)
                    {
                        self.send(other, Parcel::Event(name, LinkEvent::Message(message)));
                    }
                }
                Output::Close(link) => {
                    if let Some((other, name)) = self.places[place].links.remove(&link) {
                        self.send(other, Parcel::Event(name, down()));
                    }
                }
                Output::Crypto(id, job) => {
                    self.places[place].node.handle_crypto(self.now, id, job.run());
                }
                Output::Event(event) => self.on_event(place, event),
                Output::Idle(deadline) => {
                    self.places[place].deadline = deadline.map(|deadline| deadline.at);
                    return;
                }
            }
        }
    }

    fn on_event(&mut self, place: usize, event: Event) {
        let entry = &mut self.places[place];
        match event {
            Event::Finished(id, result) => {
                entry.finished.insert(id, result);
            }
            Event::Pipe { node, application, .. } => entry.pipes.push((node, application)),
            Event::Topology(TopologyEvent::Joined) => entry.joined = true,
            Event::Topology(TopologyEvent::Left) => entry.left = true,
            _ => {}
        }
    }
}

fn down() -> LinkEvent {
    LinkEvent::Down { reason: "reset".to_owned(), unacknowledged: Vec::new() }
}
