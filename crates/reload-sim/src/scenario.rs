//! Scenarios: an overlay forms, values are stored, peers crash, and at rest everything has to be
//! as the reference model says.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;
use rand::seq::{IteratorRandom, SliceRandom};
use reload_node::{Request, RequestError, Response, Role};

use crate::check::{Address, Book, fetched, holders, ring, ring_faults};
use crate::host::Condition;
use crate::overlay::Overlay;
use crate::values::Assignment;
use crate::world::{HostId, Weather, World};

/// How peers crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crashes {
    /// Any peers, at any time.
    Anywhere,
    /// Never so that three adjacent peers crash within 60 s.
    Apart,
}

/// What is to be played.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Everything follows from it.
    pub seed: u64,
    /// Peers.
    pub peers: usize,
    /// Whether all peers but the first join at the same moment.
    pub at_once: bool,
    /// The share of messages lost.
    pub loss: f64,
    /// Values of each peer.
    pub values: u8,
    /// Peers that crash, and how.
    pub crashes: usize,
    /// Where they crash.
    pub pattern: Crashes,
    /// Whether half of the peers compress lists.
    pub compressing: bool,
}

/// What came of it. Nothing in it means that all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Differences from the reference model.
    pub faults: Vec<String>,
    /// Values that were acknowledged.
    pub stored: usize,
    /// Values of which the last copy crashed: nobody can have them.
    pub hopeless: usize,
    /// Requests that were made again because all five transmissions were lost.
    pub timeouts: usize,
    /// Lists that were compressed, and those that were put back.
    pub lists: (u64, u64),
    /// Virtual seconds it took.
    pub seconds: u64,
}

impl Scenario {
    /// Plays it.
    #[must_use]
    pub fn play(&self, overlay: &Overlay) -> Report {
        let mut play = Play::new(*self, overlay);
        play.form();
        play.store_all();
        play.crash_some();
        play.rest();
        play.read_all();
        play.report.lists = play.world.lists_compressed();
        play.report.seconds = play.world.elapsed().as_secs();
        play.report
    }

    /// The command that plays it again.
    #[must_use]
    pub fn replay(&self) -> String {
        format!("RELOAD_SIM_SEED={} cargo test -p reload-sim -- --nocapture replay", self.seed)
    }
}

struct Play {
    scenario: Scenario,
    world: World,
    book: Book,
    /// Values that an owner crashed in the middle of, or whose last copy is gone.
    hopeless: BTreeSet<Address>,
    /// Crash times of peers by ring position at that time, for [`Crashes::Apart`].
    recent: Vec<(Duration, HostId)>,
    report: Report,
}

impl Play {
    fn new(scenario: Scenario, overlay: &Overlay) -> Self {
        let weather = Weather { loss: scenario.loss, ..Weather::default() };
        let mut world = World::new(scenario.seed, weather, overlay);
        world.compressing = scenario.compressing;
        Self {
            scenario,
            world,
            book: Book::new(),
            hopeless: BTreeSet::new(),
            recent: Vec::new(),
            report: Report::default(),
        }
    }

    /// The overlay forms: one peer founds it, the others join it.
    fn form(&mut self) {
        let first = self.world.add(Role::Peer);
        self.world.start(first, &[], true);
        self.world.run_for(Duration::from_secs(1));
        for _ in 1..self.scenario.peers {
            let peer = self.world.add(Role::Peer);
            self.world.start(peer, &[first], false);
            if !self.scenario.at_once {
                let pause = self.world.rng().random_range(200..1500);
                self.world.run_for(Duration::from_millis(pause));
            }
        }
        let all_joined = |world: &World| world.hosts.iter().all(|host| host.joined);
        if !self.world.run_until(Duration::from_secs(300), all_joined) {
            let missing = self.world.hosts.iter().filter(|host| !host.joined).count();
            self.report.faults.push(format!("{missing} peers have not joined after 300 s"));
        }
        self.world.run_for(Duration::from_secs(60));
        self.check_ring("after the joins");
    }

    fn check_ring(&mut self, when: &str) {
        let faults = ring_faults(&self.world);
        self.report.faults.extend(faults.into_iter().map(|fault| format!("{when}: {fault}")));
    }

    /// Every peer stores its values.
    fn store_all(&mut self) {
        for host in 0..self.scenario.peers {
            for number in 0..self.scenario.values {
                let assignment = Assignment::new(&mut self.world, host, number + 1);
                match self.insist(host, &assignment.store()) {
                    Ok(_) => {
                        self.book.insert(assignment.address, assignment.value);
                    }
                    Err(error) => {
                        self.report.faults.push(format!("store by host {host}: {error}"));
                    }
                }
            }
        }
        self.report.stored = self.book.len();
        // copies that were late for the acknowledgement arrive
        self.world.run_for(Duration::from_secs(30));
    }

    /// As an application does: a request that timed out is made again. With one message in twenty
    /// lost on every hop, five transmissions in a row are lost now and then.
    fn insist(&mut self, host: HostId, request: &Request) -> Result<Response, RequestError> {
        let mut result = self.world.ask(host, request.clone());
        for _ in 0..2 {
            match result {
                Err(RequestError::Timeout(_)) => {
                    self.report.timeouts += 1;
                    result = self.world.ask(host, request.clone());
                }
                _ => break,
            }
        }
        result
    }

    fn crash_some(&mut self) {
        for _ in 0..self.scenario.crashes {
            let pause = self.world.rng().random_range(1_000..20_000);
            self.world.run_for(Duration::from_millis(pause));
            let Some(victim) = self.victim() else { continue };
            let silent = self.world.rng().random_bool(0.5);
            let condition = if silent { Condition::Silent } else { Condition::Killed };
            self.recent.push((self.world.elapsed(), victim));
            self.note_last_copies(victim);
            self.world.crash(victim, condition);
        }
    }

    /// A running peer; the first one stays, so that there is somebody to join through.
    fn victim(&mut self) -> Option<HostId> {
        let ring: Vec<HostId> = ring(&self.world).into_iter().map(|(_, host)| host).collect();
        let mut candidates: Vec<HostId> = ring.iter().copied().filter(|host| *host != 0).collect();
        candidates.shuffle(self.world.rng());
        candidates.into_iter().find(|host| self.may_crash(*host))
    }

    /// Whether fewer than three peers in a row would have crashed within 60 s.
    fn may_crash(&self, host: HostId) -> bool {
        if self.scenario.pattern == Crashes::Anywhere {
            return true;
        }
        let now = self.world.elapsed();
        let is_recent = |other: &HostId| {
            self.recent.iter().any(|(at, id)| id == other && *at + Duration::from_secs(60) > now)
        };
        let mut order: Vec<_> = self.world.hosts.iter().enumerate().collect();
        order.retain(|(id, entry)| entry.is_running() || is_recent(id));
        order.sort_unstable_by_key(|(_, entry)| entry.node_id);
        let gone: Vec<bool> = order.iter().map(|(id, _)| *id == host || is_recent(id)).collect();
        let count = gone.len();
        (0..count).all(|at| !(gone[at] && gone[(at + 1) % count] && gone[(at + 2) % count]))
    }

    /// Values that nobody but the victim has.
    fn note_last_copies(&mut self, victim: HostId) {
        for address in self.book.keys() {
            if holders(&self.world, address).iter().all(|host| *host == victim) {
                self.hopeless.insert(address.clone());
            }
        }
    }

    fn rest(&mut self) {
        self.world.run_for(Duration::from_secs(240));
        self.check_ring("at rest");
    }

    /// Every value is asked for from every node.
    fn read_all(&mut self) {
        if self.scenario.pattern == Crashes::Apart && !self.hopeless.is_empty() {
            let lost = self.hopeless.len();
            self.report.faults.push(format!("{lost} values had one copy only when it crashed"));
        }
        self.report.hopeless = self.hopeless.len();
        let readers: Vec<HostId> = ring(&self.world).into_iter().map(|(_, host)| host).collect();
        let book = self.book.clone();
        for (number, (address, value)) in book.iter().enumerate() {
            if self.hopeless.contains(address) {
                continue;
            }
            // one in eight values from every node, the others from four
            let mut from = readers.clone();
            if number % 8 != 0 {
                from = readers.iter().copied().choose_multiple(self.world.rng(), 4);
            }
            self.read(address, value, &from);
        }
    }

    fn read(&mut self, address: &Address, value: &bytes::Bytes, from: &[HostId]) {
        for reader in from {
            let result = self.insist(*reader, &address.fetch());
            let found = result.as_ref().ok().and_then(|response| fetched(&response.reply));
            if found.as_ref() != Some(value) {
                let holders = holders(&self.world, address);
                let owner = crate::check::owner(&self.world, &address.resource);
                self.report.faults.push(format!(
                    "host {reader} does not find {address:?}: {result:?}; held by {holders:?}, \
                     owner {owner:?}"
                ));
                return;
            }
        }
    }
}
