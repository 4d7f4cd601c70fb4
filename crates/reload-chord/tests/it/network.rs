//! A toy network of `Chord` instances: virtual time, latency, loss, crashes, and a map as the store of
//! each node. No signatures and no transport.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_chord::{Chord, ChordConfig, Role};
use reload_topology::{
    Action, Failure, Input, Phase, Range, RequestToken, Route, Target, TaskAnswer, TaskId,
    Topology, TopologyEvent, TopologyRequest,
};
use reload_wire::{Destination, JoinReq, LeaveReq, NodeId, Now, ResourceId, UnixTime};

pub(crate) type Id = u128;

const REQUEST_LIFETIME: Duration = Duration::from_secs(15);
const RESEND: Duration = Duration::from_secs(3);
const LINK_GIVEN_UP: Duration = Duration::from_secs(30);

pub(crate) struct Network {
    start: Instant,
    now: Instant,
    pub(crate) nodes: BTreeMap<Id, Node>,
    links: BTreeMap<(Id, Id), u64>,
    fifo: BTreeMap<(Id, Id), Instant>,
    queue: BTreeMap<(Instant, u64), Event>,
    pending: BTreeSet<(Id, u64, TaskId)>,
    requests: BTreeMap<RequestToken, (Id, u64, TaskId)>,
    next: u64,
    pub(crate) rng: StdRng,
    pub(crate) loss: f64,
    pub(crate) ping_interval: u32,
    pub(crate) update_interval: u32,
    pub(crate) reactive: bool,
    pub(crate) failed_joins: usize,
    pub(crate) trace: bool,
    pub(crate) sent: BTreeMap<&'static str, usize>,
}

pub(crate) struct Node {
    pub(crate) chord: Chord,
    pub(crate) values: BTreeMap<Id, u64>,
    pub(crate) events: Vec<TopologyEvent>,
    life: u64,
    wake: Option<Instant>,
}

enum Event {
    Input(Id, u64, Input),
    Wake(Id, u64),
    Hop(Id, Routed),
    Expire(Id, u64, TaskId),
    Copy { to: Id, from: Id, life: u64, task: TaskId, values: Vec<(Id, u64)>, range: Range },
    Replica { to: Id, from: Id, key: Id, value: u64 },
    LinkEnd { at: Id, other: Id, epoch: u64, down: bool },
    Rejoin(Id, u64),
}

#[derive(Clone)]
struct Routed {
    origin: Id,
    life: u64,
    task: TaskId,
    list: VecDeque<Destination>,
    kind: Kind,
    sends: u32,
    hops: u32,
    whole: VecDeque<Destination>,
}

#[derive(Clone, Copy)]
enum Kind {
    Attach,
    Ping,
}

/// How many seeds a test plays: a few, or `RELOAD_SEEDS`.
pub(crate) fn seeds(few: u64) -> u64 {
    std::env::var("RELOAD_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(few)
}

fn pair(a: Id, b: Id) -> (Id, Id) {
    (a.min(b), a.max(b))
}

fn id(node: &NodeId) -> Id {
    node.to_u128().expect("16 bytes")
}

fn holds(range: &Range, key: Id) -> bool {
    range.contains(&ResourceId::from_u128(key))
}

impl Network {
    #[allow(clippy::disallowed_methods)] // virtual time has to start somewhere
    pub(crate) fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            fifo: BTreeMap::new(),
            queue: BTreeMap::new(),
            pending: BTreeSet::new(),
            requests: BTreeMap::new(),
            next: 0,
            rng: StdRng::seed_from_u64(seed),
            loss: 0.0,
            ping_interval: 3600,
            update_interval: 600,
            reactive: true,
            failed_joins: 0,
            trace: std::env::var_os("TRACE").is_some(),
            sent: BTreeMap::new(),
        }
    }

    fn clock(&self) -> Now {
        let wall =
            UnixTime(u64::try_from((self.now - self.start).as_millis()).expect("it is there"));
        Now { mono: self.now, wall }
    }

    pub(crate) fn random_id(&mut self) -> Id {
        (u128::from(self.rng.random::<u64>()) << 64) | u128::from(self.rng.random::<u64>())
    }

    pub(crate) fn add(&mut self, me: Id, role: Role) {
        let mut config = ChordConfig::new(NodeId::from_u128(me), role, self.rng.random());
        config.ping_interval = self.ping_interval;
        config.update_interval = self.update_interval;
        config.reactive = self.reactive;
        let chord = Chord::new(&config).expect("it is there");
        self.next += 1;
        let life = self.next;
        let values = BTreeMap::new();
        self.nodes.insert(me, Node { chord, values, events: Vec::new(), life, wake: None });
    }

    pub(crate) fn found(&mut self, me: Id) {
        self.add(me, Role::Peer);
        self.input(me, Input::Found);
    }

    /// A new peer that joins through `bootstrap`.
    pub(crate) fn join(&mut self, me: Id, bootstrap: Id) {
        self.add(me, Role::Peer);
        self.join_again(me, bootstrap);
    }

    pub(crate) fn join_again(&mut self, me: Id, bootstrap: Id) {
        if me != bootstrap && self.link(me, bootstrap) {
            self.input(bootstrap, Input::LinkUp(NodeId::from_u128(me)));
            self.input(me, Input::LinkUp(NodeId::from_u128(bootstrap)));
        }
        self.input(me, Input::Join { bootstrap: NodeId::from_u128(bootstrap) });
    }

    /// The node stops without a word.
    pub(crate) fn crash(&mut self, me: Id) {
        self.nodes.remove(&me);
        for (other, epoch) in self.linked(me) {
            let notice = Duration::from_millis(self.rng.random_range(500..2000));
            let failing = Event::LinkEnd { at: other, other: me, epoch, down: false };
            self.at(self.now + notice, failing);
            let down = Event::LinkEnd { at: other, other: me, epoch, down: true };
            self.at(self.now + LINK_GIVEN_UP, down);
        }
    }

    pub(crate) fn leave(&mut self, me: Id) {
        self.input(me, Input::Leave);
    }

    /// Two nodes cannot hear each other for a while.
    pub(crate) fn disturb(&mut self, a: Id, b: Id, span: Duration) {
        let (x, y) = (NodeId::from_u128(a), NodeId::from_u128(b));
        self.input(a, Input::LinkFailing(y));
        self.input(b, Input::LinkFailing(x));
        for (at, other) in [(a, y), (b, x)] {
            let life = self.nodes[&at].life;
            self.at(self.now + span, Event::Input(at, life, Input::LinkRestored(other)));
        }
    }

    /// A link is gone on both sides.
    pub(crate) fn cut(&mut self, a: Id, b: Id) {
        if self.links.remove(&pair(a, b)).is_some() {
            self.input(a, Input::LinkDown(NodeId::from_u128(b)));
            self.input(b, Input::LinkDown(NodeId::from_u128(a)));
        }
    }

    pub(crate) fn linked(&self, me: Id) -> Vec<(Id, u64)> {
        let mine = self.links.iter().filter(|((a, b), _)| *a == me || *b == me);
        mine.map(|((a, b), epoch)| (if *a == me { *b } else { *a }, *epoch)).collect()
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.handle(event);
        }
        self.now = end;
    }

    pub(crate) fn run_secs(&mut self, secs: u64) {
        self.run(Duration::from_secs(secs));
    }

    /// The owner stores and sends copies; false if nobody is found.
    pub(crate) fn store(&mut self, from: Id, key: Id, value: u64) -> bool {
        let Some((owner, _)) = self.walk(from, key) else {
            return false;
        };
        let target = ResourceId::from_u128(key);
        let node = self.nodes.get_mut(&owner).expect("it is there");
        node.values.insert(key, value);
        for to in node.chord.replicas(&target) {
            let event = Event::Replica { to: id(&to), from: owner, key, value };
            self.at(self.now + Duration::from_millis(20), event);
        }
        true
    }

    pub(crate) fn fetch(&self, from: Id, key: Id) -> Option<u64> {
        let (owner, _) = self.walk(from, key)?;
        self.nodes[&owner].values.get(&key).copied()
    }

    /// The way of a message for a resource: its end and the number of hops.
    pub(crate) fn walk(&self, from: Id, key: Id) -> Option<(Id, u32)> {
        let target = Target::Resource(ResourceId::from_u128(key));
        let mut at = from;
        for hops in 0..100 {
            match self.nodes.get(&at)?.chord.route(&target) {
                Route::Here => return Some((at, hops)),
                Route::Next(next) => at = id(&next),
                Route::Nowhere => return None,
            }
        }
        None
    }

    pub(crate) fn peers(&self) -> Vec<Id> {
        let peers = self.nodes.iter().filter(|(_, n)| n.chord.view().phase == Phase::Peer);
        peers.map(|(id, _)| *id).collect()
    }

    pub(crate) fn owner(&self, key: Id) -> Id {
        let peers = self.peers();
        peers.iter().copied().find(|peer| *peer >= key).unwrap_or(peers[0])
    }

    fn link(&mut self, a: Id, b: Id) -> bool {
        self.next += 1;
        let fresh = !self.links.contains_key(&pair(a, b));
        self.links.entry(pair(a, b)).or_insert(self.next);
        fresh
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.next += 1;
        self.queue.insert((at, self.next), event);
    }

    fn latency(&mut self) -> Duration {
        let resend = if self.rng.random_bool(self.loss) { 500 } else { 0 };
        Duration::from_millis(self.rng.random_range(10..60) + resend)
    }

    /// In order on each link.
    fn deliver(&mut self, from: Id, to: Id, input: Input) {
        let Some(life) = self.nodes.get(&to).map(|node| node.life) else {
            return;
        };
        let arrival = self.now + self.latency();
        let last = self.fifo.entry((from, to)).or_insert(arrival);
        *last = arrival.max(*last);
        let at = *last;
        self.at(at, Event::Input(to, life, input));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Input(to, life, input) => {
                if self.nodes.get(&to).is_some_and(|node| node.life == life) {
                    if let Input::Done { task, .. } = &input
                        && !self.pending.remove(&(to, life, *task))
                    {
                        return;
                    }
                    self.input(to, input);
                }
            }
            Event::Wake(to, life) => self.wake(to, life),
            Event::Hop(at, message) => self.hop(at, message),
            Event::Expire(to, life, task) => self.end(to, life, task, Err(Failure::Timeout)),
            Event::Copy { to, from, life, task, values, range } => {
                self.copy_arrives(to, from, life, task, values, &range);
            }
            Event::Replica { to, from, key, value } => {
                let Some(node) = self.nodes.get_mut(&to) else {
                    return;
                };
                let sender = NodeId::from_u128(from);
                if node.chord.admits_replica(&ResourceId::from_u128(key), &sender) {
                    let held = node.values.entry(key).or_insert(value);
                    *held = value.max(*held);
                }
            }
            Event::LinkEnd { at, other, epoch, down } => {
                if self.links.get(&pair(at, other)) != Some(&epoch) {
                    return;
                }
                let node = NodeId::from_u128(other);
                if down {
                    self.links.remove(&pair(at, other));
                }
                self.input(at, if down { Input::LinkDown(node) } else { Input::LinkFailing(node) });
            }
            Event::Rejoin(me, life) => {
                let peers = self.peers();
                let others: Vec<Id> = peers.into_iter().filter(|peer| *peer != me).collect();
                if self.nodes.get(&me).is_some_and(|node| node.life == life) && !others.is_empty() {
                    let chosen = self.rng.random_range(0..others.len());
                    self.join_again(me, others[chosen]);
                }
            }
        }
    }

    /// Ends a task at once.
    fn end(&mut self, to: Id, life: u64, task: TaskId, result: Result<TaskAnswer, Failure>) {
        if self.pending.remove(&(to, life, task)) && self.nodes.contains_key(&to) {
            self.input(to, Input::Done { task, result });
        }
    }

    fn wake(&mut self, to: Id, life: u64) {
        let (now, clock) = (self.now, self.clock());
        let Some(node) = self.nodes.get_mut(&to).filter(|node| node.life == life) else {
            return;
        };
        node.wake = None;
        if node.chord.wakeup().is_some_and(|wakeup| wakeup.at <= now) {
            node.chord.handle_timeout(clock);
            let next = node.chord.wakeup();
            assert!(next.is_none_or(|next| next.at > now), "a timer of {to:x} spins: {next:?}");
        }
        self.drain(to);
    }

    pub(crate) fn input(&mut self, to: Id, input: Input) {
        let clock = self.clock();
        let Some(node) = self.nodes.get_mut(&to) else {
            return;
        };
        if self.trace {
            eprintln!("{:?} {:x} <- {input:?}", self.now - self.start, to >> 96);
        }
        node.chord.handle_input(clock, input);
        self.drain(to);
    }

    fn drain(&mut self, me: Id) {
        while let Some(action) = self.nodes.get_mut(&me).and_then(|n| n.chord.poll_action()) {
            if self.trace {
                eprintln!("{:?} {:x} -> {action:?}", self.now - self.start, me >> 96);
            }
            self.act(me, action);
        }
        let Some(node) = self.nodes.get_mut(&me) else {
            return;
        };
        let (life, wakeup) = (node.life, node.chord.wakeup());
        if let Some(wakeup) = wakeup.filter(|w| node.wake.is_none_or(|at| w.at < at)) {
            node.wake = Some(wakeup.at);
            self.at(wakeup.at.max(self.now), Event::Wake(me, life));
        }
    }

    fn act(&mut self, me: Id, action: Action) {
        let name = match &action {
            Action::Attach { .. } => "attach",
            Action::Ping { .. } => "ping",
            Action::Update { .. } => "update",
            Action::Copy { .. } => "copy",
            _ => "other",
        };
        *self.sent.entry(name).or_default() += 1;
        match action {
            Action::Attach { task, to, .. } => self.send_routed(me, task, to, Kind::Attach),
            Action::Ping { task, to } => self.send_routed(me, task, to, Kind::Ping),
            Action::Join { task, to } => {
                let join = JoinReq {
                    joining_peer_id: NodeId::from_u128(me),
                    overlay_specific_data: Default::default(),
                };
                self.request(me, task, &to, TopologyRequest::Join(join));
            }
            Action::Update { task, to, body } => {
                self.request(me, task, &to, TopologyRequest::Update(body));
            }
            Action::Leave { task, to, data } => {
                let leave = LeaveReq {
                    leaving_peer_id: NodeId::from_u128(me),
                    overlay_specific_data: data,
                };
                self.request(me, task, &to, TopologyRequest::Leave(leave));
            }
            Action::Answer { token, result } => {
                let Some((to, life, task)) = self.requests.remove(&token) else {
                    return;
                };
                let by = NodeId::from_u128(me);
                let result = match result {
                    Ok(body) => Ok(TaskAnswer::Answered { by, body }),
                    Err(code) => Err(Failure::Refused(code)),
                };
                if self.nodes.get(&to).is_some_and(|node| node.life == life) {
                    self.deliver(me, to, Input::Done { task, result });
                }
            }
            Action::Copy { task, to, range, .. } => self.copy(me, task, id(&to), range),
            Action::Forget { keep } => {
                let node = self.nodes.get_mut(&me).expect("it is there");
                node.values.retain(|key, _| holds(&keep, *key));
            }
            Action::Release(_) => {}
            Action::Event(event) => self.event(me, event),
        }
    }

    fn event(&mut self, me: Id, event: TopologyEvent) {
        let life = self.nodes[&me].life;
        match &event {
            TopologyEvent::JoinFailed { .. } | TopologyEvent::Isolated => {
                self.failed_joins += 1;
                self.at(self.now + Duration::from_secs(1), Event::Rejoin(me, life));
            }
            TopologyEvent::Left => {
                self.nodes.remove(&me);
                for (other, epoch) in self.linked(me) {
                    let soon = self.now + Duration::from_millis(30);
                    self.at(soon, Event::LinkEnd { at: other, other: me, epoch, down: true });
                }
                return;
            }
            _ => {}
        }
        self.nodes.get_mut(&me).expect("it is there").events.push(event);
    }

    fn begin(&mut self, me: Id, task: TaskId) -> u64 {
        let life = self.nodes[&me].life;
        assert!(self.pending.insert((me, life, task)), "task {task:?} was used before");
        self.at(self.now + REQUEST_LIFETIME, Event::Expire(me, life, task));
        life
    }

    fn request(&mut self, me: Id, task: TaskId, to: &NodeId, request: TopologyRequest) {
        let life = self.begin(me, task);
        if !self.links.contains_key(&pair(me, id(to))) {
            let result = Err(Failure::Unreachable);
            return self.at(self.now, Event::Input(me, life, Input::Done { task, result }));
        }
        self.next += 1;
        let token = RequestToken(self.next);
        self.requests.insert(token, (me, life, task));
        let from = NodeId::from_u128(me);
        self.deliver(me, id(to), Input::Request { token, from, direct: true, request });
    }

    fn copy(&mut self, me: Id, task: TaskId, to: Id, range: Range) {
        let life = self.begin(me, task);
        let values = self.nodes[&me].values.iter().filter(|(key, _)| holds(&range, **key));
        let values: Vec<(Id, u64)> = values.map(|(key, value)| (*key, *value)).collect();
        let arrival = self.now + self.latency();
        self.at(arrival, Event::Copy { to, from: me, life, task, values, range });
    }

    fn copy_arrives(
        &mut self,
        to: Id,
        from: Id,
        life: u64,
        task: TaskId,
        values: Vec<(Id, u64)>,
        _range: &Range,
    ) {
        let Some(node) = self.nodes.get_mut(&to) else {
            return;
        };
        let sender = NodeId::from_u128(from);
        let mut result = Ok(TaskAnswer::Copied);
        for (key, value) in values {
            if node.chord.admits_replica(&ResourceId::from_u128(key), &sender) {
                let held = node.values.entry(key).or_insert(value);
                *held = value.max(*held);
            } else {
                result = Err(Failure::Refused(reload_wire::ErrorCode::FORBIDDEN));
            }
        }
        let _ = life;
        self.deliver(to, from, Input::Done { task, result });
    }

    fn send_routed(&mut self, me: Id, task: TaskId, to: Vec<Destination>, kind: Kind) {
        let life = self.begin(me, task);
        let list: VecDeque<Destination> = to.into();
        let whole = list.clone();
        let message = Routed { origin: me, life, task, list, kind, sends: 1, hops: 0, whole };
        self.hop(me, message);
    }

    fn lose(&mut self, mut message: Routed) {
        if message.sends < 5 {
            message.sends += 1;
            message.hops = 0;
            message.list = message.whole.clone();
            let origin = message.origin;
            self.at(self.now + RESEND, Event::Hop(origin, message));
        }
    }

    fn hop(&mut self, at: Id, mut message: Routed) {
        if !self.pending.contains(&(message.origin, message.life, message.task)) {
            return;
        }
        let Some(node) = self.nodes.get(&at) else {
            return self.lose(message);
        };
        message.hops += 1;
        while message.list.front() == Some(&Destination::Node(NodeId::from_u128(at))) {
            message.list.pop_front();
        }
        let route = match message.list.front() {
            None => Route::Here,
            Some(Destination::Node(to)) if self.links.contains_key(&pair(at, id(to))) => {
                Route::Next(*to)
            }
            Some(Destination::Node(to)) => node.chord.route(&Target::Node(*to)),
            Some(Destination::Resource(to)) => node.chord.route(&Target::Resource(to.clone())),
            Some(_) => Route::Nowhere,
        };
        match route {
            Route::Here => self.arrive(at, &message),
            Route::Next(next) => {
                let linked = self.links.contains_key(&pair(at, id(&next)));
                if !linked || message.hops > 100 || self.rng.random_bool(self.loss) {
                    return self.lose(message);
                }
                let arrival = self.now + self.latency();
                self.at(arrival, Event::Hop(id(&next), message));
            }
            Route::Nowhere => self.lose(message),
        }
    }

    fn arrive(&mut self, at: Id, message: &Routed) {
        let (origin, task) = (message.origin, message.task);
        let by = NodeId::from_u128(at);
        match message.kind {
            Kind::Ping => {
                let body = Default::default();
                let result = Ok(TaskAnswer::Answered { by, body });
                self.deliver(at, origin, Input::Done { task, result });
            }
            Kind::Attach if at == origin => {
                let result = Err(Failure::Unreachable);
                self.deliver(at, origin, Input::Done { task, result });
            }
            Kind::Attach => {
                if !self.nodes.contains_key(&origin) {
                    return;
                }
                if self.link(at, origin) {
                    self.deliver(at, origin, Input::LinkUp(by));
                    self.input(at, Input::LinkUp(NodeId::from_u128(origin)));
                }
                self.deliver(
                    at,
                    origin,
                    Input::Done { task, result: Ok(TaskAnswer::Attached(by)) },
                );
                self.input(at, Input::UpdateWanted(NodeId::from_u128(origin)));
            }
        }
    }

    // What must hold at rest.

    /// The tables of every peer equal the sorted reference, and `expected` peers are in the ring.
    pub(crate) fn check_ring(&self, expected: usize) {
        let peers = self.peers();
        assert_eq!(peers.len(), expected, "peers in the ring");
        for (at, peer) in peers.iter().enumerate() {
            let view = self.nodes[peer].chord.view();
            let side = 4.min(expected - 1);
            let step = |by: usize| NodeId::from_u128(peers[(at + by) % expected]);
            let after: Vec<NodeId> = (1..=side).map(step).collect();
            let before: Vec<NodeId> = (1..=side).map(|by| step(expected - by)).collect();
            assert_eq!(view.successors, after, "successors of {peer:x}");
            assert_eq!(view.predecessors, before, "predecessors of {peer:x}");
        }
    }

    /// A message for any key reaches its owner from every node.
    pub(crate) fn check_routes(&mut self, keys: usize) {
        for _ in 0..keys {
            let key = self.random_id();
            let owner = self.owner(key);
            for from in self.nodes.keys() {
                let end = self.walk(*from, key).map(|(end, _)| end);
                assert_eq!(end, Some(owner), "from {from:x} to the owner of {key:x}");
            }
        }
    }
}
