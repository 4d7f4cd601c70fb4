//! A network in memory and virtual time: two sites with a session each, a STUN and TURN server between.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_ice::{
    IceCredentials, IceEvent, IceSession, IceSettings, RelaySocket, SelectedPair, TurnLogin,
    TurnOutput, TurnQuotas, TurnService, answer_binding,
};
use reload_wire::IceCandidate;

use crate::nat::{Nat, NatKind};

/// A datagram on its way, in order of arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    at: Instant,
    number: u64,
    from: SocketAddr,
    to: SocketAddr,
    data: Vec<u8>,
}

pub(crate) struct Site {
    pub(crate) session: IceSession,
    pub(crate) nat: Nat,
    pub(crate) hosts: Vec<SocketAddr>,
    pub(crate) candidates: Vec<IceCandidate>,
    pub(crate) credentials: IceCredentials,
    pub(crate) selected: Vec<(Instant, SelectedPair)>,
    pub(crate) lost: Option<Instant>,
    pub(crate) failed: Option<Vec<String>>,
    pub(crate) received: Vec<Bytes>,
    pub(crate) sent: Vec<Bytes>,
    /// Nothing passes to or from it.
    pub(crate) cut: bool,
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) sites: Vec<Site>,
    pub(crate) turn: TurnService,
    pub(crate) loss: f64,
    pub(crate) random: StdRng,
    relay_ports: Vec<RelaySocket>,
    flying: BinaryHeap<Reverse<Flying>>,
    count: u64,
}

pub(crate) const STUN: &str = "203.0.113.1:3478";
pub(crate) const TURN: &str = "203.0.113.2:3478";
const DELAY: Duration = Duration::from_millis(20);
const RELAY_BASE: u16 = 50_000;

/// What a test changes of the usual two sites.
pub(crate) struct Plan {
    pub(crate) nats: [NatKind; 2],
    pub(crate) turn: [bool; 2],
    pub(crate) seed: u8,
}

impl Plan {
    pub(crate) fn new(left: NatKind, right: NatKind) -> Self {
        Self { nats: [left, right], turn: [true; 2], seed: 1 }
    }
}

impl Net {
    pub(crate) fn new(plan: &Plan) -> Self {
        let now = Instant::now();
        let mut turn = TurnService::new(
            now,
            TURN.parse().unwrap(),
            "example.org",
            TurnQuotas::default(),
            [plan.seed; 32],
        );
        assert!(turn.add_user(now, "user", "secret", Duration::from_secs(3600)));
        let sites = (0..2).map(|i| site(now, plan, i)).collect();
        Self {
            now,
            start: now,
            sites,
            turn,
            loss: 0.0,
            random: StdRng::from_seed([plan.seed; 32]),
            relay_ports: Vec::new(),
            flying: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Gathers, exchanges candidates and lets checks run until both have selected a pair.
    pub(crate) fn connect(&mut self) {
        self.gather();
        self.exchange();
        self.run_until(Duration::from_secs(20), |net| {
            net.sites.iter().all(|it| !it.selected.is_empty() || it.failed.is_some())
        });
    }

    pub(crate) fn gather(&mut self) {
        self.run_until(Duration::from_secs(5), |net| {
            net.sites.iter().all(|it| !it.candidates.is_empty())
        });
    }

    /// The answerer gets the candidates of the offerer first.
    pub(crate) fn exchange(&mut self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let (credentials, candidates) =
                (self.sites[from].credentials.clone(), self.sites[from].candidates.clone());
            let now = self.now;
            self.sites[to].session.set_remote(now, credentials, &candidates);
            self.run_for(Duration::from_millis(100));
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.advance(end, |_| false);
    }

    /// Runs until the condition holds; fails after the limit.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        assert!(self.advance(end, done), "not done in {limit:?}");
    }

    fn advance(&mut self, end: Instant, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            let arrival = self.flying.peek().map(|it| it.0.at);
            let timers = self.sites.iter().filter_map(|it| it.session.next_timeout()).min();
            let next = [arrival, timers, self.turn.next_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|it| *it <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            while self.flying.peek().is_some_and(|it| it.0.at <= self.now) {
                let it = self.flying.pop().unwrap().0;
                self.deliver(&it);
            }
            self.turn.handle_timeout(self.now);
            for site in &mut self.sites {
                if site.session.next_timeout().is_some_and(|it| it <= self.now) {
                    site.session.handle_timeout(self.now);
                    let next = site.session.next_timeout();
                    assert!(next.is_none_or(|it| it > self.now), "the timer did not advance");
                }
            }
        }
    }

    fn drain(&mut self) {
        for i in 0..self.sites.len() {
            while let Some(it) = self.sites[i].session.poll_transmit() {
                assert!(self.sites[i].hosts.contains(&it.local), "{} is not ours", it.local);
                self.sites[i].sent.push(it.data.clone());
                self.sites[i].sent.truncate(1000);
                self.send(i, it.local, it.remote, it.data.to_vec());
            }
            while let Some(event) = self.sites[i].session.poll_event() {
                self.on_event(i, event);
            }
        }
        while let Some(output) = self.turn.poll_output() {
            self.on_turn(output);
        }
    }

    fn on_event(&mut self, i: usize, event: IceEvent) {
        let (now, site) = (self.now, &mut self.sites[i]);
        match event {
            IceEvent::Gathered(candidates) => site.candidates = candidates,
            IceEvent::Selected(pair) => site.selected.push((now, pair)),
            IceEvent::ConsentLost => site.lost = Some(now),
            IceEvent::Failed { tried } => site.failed = Some(tried),
        }
    }

    fn on_turn(&mut self, output: TurnOutput) {
        let server: SocketAddr = TURN.parse().unwrap();
        match output {
            TurnOutput::AllocateSocket(socket) => {
                let port = RELAY_BASE + u16::try_from(self.relay_ports.len()).unwrap();
                self.relay_ports.push(socket);
                let address = SocketAddr::new(server.ip(), port);
                self.turn.handle_allocated(self.now, socket, Some(address));
            }
            TurnOutput::CloseSocket(_) => (),
            TurnOutput::ToClient { remote, data } => self.fly(server, remote, data.to_vec()),
            TurnOutput::ToPeer { socket, remote, data } => {
                let at = self.relay_ports.iter().position(|it| *it == socket).unwrap();
                let port = RELAY_BASE + u16::try_from(at).unwrap();
                self.fly(SocketAddr::new(server.ip(), port), remote, data.to_vec());
            }
        }
    }

    /// A site sends: through its NAT.
    pub(crate) fn send(&mut self, i: usize, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        let site = &mut self.sites[i];
        if site.cut {
            return;
        }
        let from = match site.nat.kind {
            NatKind::Open => from,
            _ => site.nat.outbound(from, to),
        };
        self.fly(from, to, data);
    }

    pub(crate) fn fly(&mut self, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        if self.loss > 0.0 && self.random.random_bool(self.loss) {
            return;
        }
        self.count += 1;
        let at = self.now + DELAY;
        self.flying.push(Reverse(Flying { at, number: self.count, from, to, data }));
    }

    fn deliver(&mut self, it: &Flying) {
        let now = self.now;
        if it.to == STUN.parse().unwrap() {
            if let Some(answer) = answer_binding(&it.data, it.from) {
                self.fly(it.to, it.from, answer.to_vec());
            }
        } else if it.to == TURN.parse().unwrap() {
            if self.turn.accepts(it.from, &it.data) {
                self.turn.handle_datagram(now, it.from, &it.data);
            }
        } else if it.to.ip() == TURN.parse::<SocketAddr>().unwrap().ip() {
            if let Some(socket) = self.relay_ports.get(usize::from(it.to.port() - RELAY_BASE)) {
                self.turn.handle_relay_datagram(now, *socket, it.from, &it.data);
            }
        } else {
            self.deliver_to_site(it);
        }
    }

    fn deliver_to_site(&mut self, it: &Flying) {
        for site in self.sites.iter_mut().filter(|it| !it.cut) {
            let local = match site.nat.kind {
                NatKind::Open => Some(it.to).filter(|it| site.hosts.contains(it)),
                _ if it.to.ip() == site.nat.outside => site.nat.inbound(it.from, it.to),
                _ => None,
            };
            if let Some(local) = local
                && site.session.accepts(local, it.from, &it.data)
            {
                let arrived = site.session.handle_datagram(self.now, local, it.from, &it.data);
                site.received.extend(arrived.map(|it| it.data));
            }
        }
    }

    /// The kinds of the pair that a site uses now.
    pub(crate) fn kinds(&self, i: usize) -> String {
        let pair = self.sites[i].session.selected().unwrap();
        format!("{:?}-{:?}", pair.local_kind, pair.remote_kind)
    }

    /// Bytes pass both ways over the selected pairs.
    pub(crate) fn exchange_data(&mut self, what: &'static [u8]) {
        for i in 0..2 {
            let now = self.now;
            self.sites[i].session.send(now, what);
        }
        self.run_for(Duration::from_millis(500));
        for site in &mut self.sites {
            assert!(site.received.iter().any(|it| it == what), "bytes were lost");
            site.received.clear();
        }
    }
}

fn site(now: Instant, plan: &Plan, i: usize) -> Site {
    let octet = u8::try_from(i).unwrap() + 1;
    let outside = IpAddr::from([198, 51, 100, octet]);
    let nat = Nat::new(plan.nats[i], outside);
    let inside = match plan.nats[i] {
        NatKind::Open => outside,
        _ => IpAddr::from([10, 0, octet, 2]),
    };
    let hosts = vec![SocketAddr::new(inside, 6084)];
    let credentials =
        IceCredentials::new(&format!("ufrag{i}"), &format!("password-of-the-agent-{i}"));
    let mut settings = IceSettings::new(credentials.clone(), i == 0, hosts.clone());
    settings.stun_servers = vec![STUN.parse().unwrap()];
    if plan.turn[i] {
        let (username, password) = ("user".to_owned(), "secret".to_owned());
        settings.turn_servers =
            vec![TurnLogin { server: TURN.parse().unwrap(), username, password }];
    }
    let session = IceSession::new(now, settings, [octet + plan.seed; 32]);
    Site {
        session,
        nat,
        hosts,
        candidates: Vec::new(),
        credentials,
        selected: Vec::new(),
        lost: None,
        failed: None,
        received: Vec::new(),
        sent: Vec::new(),
        cut: false,
    }
}
