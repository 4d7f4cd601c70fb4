//! Stabilisation (section 10.7.4): rounds of Updates to the neighbors, the first filling and the later
//! refreshing of the Finger Table, and the look for another ring.

use std::time::Duration;

use reload_topology::{Action, Failure};
use reload_wire::{Destination, ResourceId};

use crate::chord::{Chord, Stage};
use crate::fingers::{self, ENTRIES};
use crate::links::Contents;
use crate::ring::{Position, node, span};
use crate::tasks::Task;
use crate::timer::Timer;

/// When neighbors get an extra Update after a change, so that the ring is right in seconds although
/// the interval is ten minutes: 1 s, 3 s and 10 s after it (ours).
const QUICK: [u64; 3] = [1, 2, 7];
/// Lets a burst of changes end before fingers are attached (ours).
const FINGER_SETUP: Duration = Duration::from_secs(2);
/// Attaches for fingers that run at once (ours).
const PARALLEL: usize = 16;

/// Where the periodic work stands.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// Quick rounds that were made since the last change.
    quick: usize,
    /// The last quick round goes to the connections that are no neighbors, too.
    widely: bool,
    /// The neighbor that had its periodic Update last.
    last: Option<Position>,
    /// Bit i-1: entry i was attached to at the present size of the ring.
    tried: u128,
    /// The size of the ring when the entries were tried, as a power of two.
    scale: u32,
}

impl Chord {
    /// Everything that begins with being a peer.
    pub(crate) fn on_became_peer(&mut self) {
        self.on_replica_set_changed(crate::chord::Cause::Update);
        self.start_quick_rounds();
        self.schedule_round();
        self.schedule_finger_search();
        self.schedule_finger_setup();
        self.schedule_forgetting();
    }

    pub(crate) fn on_settings_changed(&mut self) {
        if self.serves() {
            self.schedule_round();
            self.schedule_finger_search();
        }
    }

    pub(crate) fn start_quick_rounds(&mut self) {
        self.rounds.quick = 0;
        let pause = self.jitter(Duration::from_secs(QUICK[0]));
        self.timers.set_earlier(Timer::QuickRound, self.now() + pause);
    }

    /// A burst of changes is told to the connections that are no neighbors in one Update.
    pub(crate) fn tell_others_soon(&mut self) {
        self.rounds.widely = true;
    }

    pub(crate) fn on_quick_round(&mut self) {
        if !self.serves() {
            return;
        }
        self.owe_neighbors();
        self.rounds.quick += 1;
        match QUICK.get(self.rounds.quick) {
            Some(pause) => {
                let pause = self.jitter(Duration::from_secs(*pause));
                self.timers.set(Timer::QuickRound, self.now() + pause);
            }
            None if std::mem::take(&mut self.rounds.widely) => self.owe_all(Contents::Ready),
            None => {}
        }
    }

    /// The neighbors get their periodic Updates one after the other (section 10.7.4.1).
    fn schedule_round(&mut self) {
        let neighbors = u32::try_from(self.neighbors.all().len().max(1)).unwrap_or(1);
        let pause = self.jitter(self.settings.update_interval / neighbors);
        self.timers.set(Timer::Round, self.now() + pause);
    }

    pub(crate) fn on_round(&mut self) {
        if !self.serves() {
            return;
        }
        let mut neighbors = self.neighbors.all();
        neighbors.sort_unstable();
        let after = self.rounds.last;
        let next =
            neighbors.iter().find(|peer| Some(**peer) > after).or(neighbors.first()).copied();
        if let Some(peer) = next {
            self.owe(peer, Contents::Neighbors);
        }
        self.rounds.last = next;
        self.candidates.expire(self.now());
        self.schedule_round();
    }

    pub(crate) fn schedule_finger_setup(&mut self) {
        self.timers.set_earlier(Timer::FingerSetup, self.now() + FINGER_SETUP);
    }

    /// Attaches to n + 2^(128-i) for each entry that has no peer, whose owner is not known from the
    /// neighbors, and that was not tried at this size of the ring (section 10.5).
    pub(crate) fn set_up_fingers(&mut self) {
        if !self.serves() && !matches!(self.stage, Stage::Joining(_)) {
            return;
        }
        self.notice_growth();
        for entry in self.missing_entries() {
            let running = self.tasks.count(|task| *task == Task::Finger);
            if self.rounds.tried & bit(entry) == 0 && running < PARALLEL {
                self.rounds.tried |= bit(entry);
                self.attach_finger(fingers::start(self.me, entry));
            }
        }
    }

    fn attach_finger(&mut self, target: Position) {
        let task = self.tasks.start(Task::Finger);
        let to = vec![Destination::Resource(ResourceId::from_u128(target))];
        self.actions.push_back(Action::Attach { task, to, send_update: true });
    }

    /// The invalid entries whose range begins outside the stretch that the neighbors show.
    fn missing_entries(&self) -> Vec<u8> {
        let valid = fingers::valid(self.me, self.links.routing());
        let missing = |i: &u8| {
            !valid.iter().any(|(entry, _)| entry == i)
                && !self.neighbors.knows_owner(self.me, fingers::start(self.me, *i))
        };
        (1..=ENTRIES).filter(missing).collect()
    }

    /// Entries that had nobody in their range may have somebody once the ring has doubled.
    fn notice_growth(&mut self) {
        let (after, through) = self.neighbors.known_stretch(self.me);
        let peers = u128::try_from(self.neighbors.all().len().max(1)).unwrap_or(1);
        let spacing = span(after, through) / peers;
        let scale = spacing.leading_zeros();
        if scale > self.rounds.scale {
            self.rounds.scale = scale;
            self.rounds.tried = 0;
        }
    }

    pub(crate) fn on_finger_attached(&mut self, result: Result<Position, Failure>) {
        let Ok(peer) = result else { return };
        if peer != self.me {
            self.links.up(peer);
            self.owe_fitting(peer);
        }
    }

    fn schedule_finger_search(&mut self) {
        let pause = self.jitter(self.settings.ping_interval);
        self.timers.set(Timer::FingerSearch, self.now() + pause);
    }

    /// One entry a time: a peer that an Update named, or a Ping into the range (section 10.7.4.2).
    pub(crate) fn on_finger_search(&mut self) {
        if !self.serves() {
            return;
        }
        if let Some(entry) = self.choose_missing() {
            match self.named_for(entry) {
                Some(peer) => self.reach(peer),
                None => self.search_finger(entry),
            }
        }
        self.schedule_finger_search();
    }

    /// From i = 1 on, each invalid entry with probability one half.
    fn choose_missing(&mut self) -> Option<u8> {
        use rand::Rng;
        let missing = self.missing_entries();
        let chosen = missing.iter().find(|_| self.rng.random_bool(0.5)).copied();
        chosen.or(missing.first().copied())
    }

    fn named_for(&self, entry: u8) -> Option<Position> {
        let named = self.candidates.usable(self.now());
        let unlinked = named.into_iter().filter(|peer| !self.links.is_linked(*peer));
        unlinked.into_iter().find(|peer| fingers::entry_of(self.me, *peer) == Some(entry))
    }

    pub(crate) fn search_finger(&mut self, entry: u8) {
        let target = fingers::random_target(self.me, entry, &mut self.rng);
        let task = self.tasks.start(Task::Search { entry });
        let to = vec![Destination::Resource(ResourceId::from_u128(target))];
        self.actions.push_back(Action::Ping { task, to });
    }

    pub(crate) fn on_search_answered(&mut self, entry: u8, result: Result<Position, Failure>) {
        let Ok(peer) = result else { return };
        let fits = fingers::entry_of(self.me, peer) == Some(entry);
        if fits && !self.links.is_linked(peer) && self.serves() && !self.is_reaching(peer) {
            self.reach_through(peer, None); // routed conventionally (section 10.6)
        }
    }

    /// Pings the own place through a bootstrap peer (section 10.7.4.4).
    pub(crate) fn look_for_partition(&mut self, via: Position) {
        let task = self.tasks.start(Task::Partition { via });
        let me = Destination::Resource(ResourceId::from_u128(self.me));
        self.actions.push_back(Action::Ping { task, to: vec![Destination::Node(node(via)), me] });
    }

    pub(crate) fn on_partition_answered(
        &mut self,
        via: Position,
        result: Result<Position, Failure>,
    ) {
        let Ok(peer) = result else { return };
        if peer == self.me || self.links.is_routed(peer) {
            return;
        }
        if self.links.is_up(peer) {
            self.owe(peer, Contents::Neighbors);
        } else {
            self.reach_through(peer, Some(via).filter(|via| *via != peer));
        }
    }
}

fn bit(entry: u8) -> u128 {
    1 << (entry - 1)
}
