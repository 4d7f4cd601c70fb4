//! Links that come and go (sections 10.7.1 and 10.7.2): a lost peer leaves the tables at once, lost
//! neighbors are attached to again, and a peer without successors has lost its place.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reload_topology::TopologyEvent;

use crate::chord::{Cause, Chord, Stage};
use crate::fingers;
use crate::links::Contents;
use crate::neighbors::Neighbors;
use crate::ring::Position;
use crate::timer::Timer;

/// When a lost neighbor is tried again after it was lost (10.7.1 leaves it open).
const REATTACH: [u64; 3] = [5, 20, 60];
/// A peer that loses its last successor this soon after it had two other peers has more likely lost
/// its own network than seen all others die.
const CROWD: Duration = Duration::from_secs(60);

/// Neighbors that were lost, and when this peer last had company.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    again: BTreeMap<Position, Again>,
    crowd: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Again {
    tries: usize,
    at: Instant,
}

impl Chord {
    pub(crate) fn on_link_up(&mut self, peer: Position) {
        self.links.up(peer);
        self.lost.again.remove(&peer);
        if self.candidates.source(peer).is_some() {
            self.owe_fitting(peer);
        }
        self.candidates.trust(peer);
    }

    pub(crate) fn on_link_failing(&mut self, peer: Position) {
        let routed = self.links.is_routed(peer);
        self.links.failing(peer);
        if routed {
            self.on_peer_lost(peer);
        }
        self.on_link_lost_while_joining(peer);
        self.on_link_lost_as_client(peer);
    }

    pub(crate) fn on_link_restored(&mut self, peer: Position) {
        self.links.restored(peer);
        self.lost.again.remove(&peer);
        self.candidates.trust(peer);
        self.owe_fitting(peer);
        self.refresh(Cause::Restored);
    }

    pub(crate) fn on_link_down(&mut self, peer: Position) {
        let routed = self.links.is_routed(peer);
        self.links.down(peer);
        self.candidates.wake();
        if routed {
            self.on_peer_lost(peer);
        }
        self.abandon_admission(peer);
        self.on_link_lost_while_joining(peer);
        self.on_link_lost_as_client(peer);
    }

    /// A peer with a working link does not answer Updates.
    pub(crate) fn on_unresponsive(&mut self, peer: Position) {
        self.links.demote(peer);
        self.on_peer_lost(peer);
    }

    fn on_peer_lost(&mut self, peer: Position) {
        let now = self.now();
        let neighbor = self.neighbors.contains(peer);
        self.candidates.avoid(peer, now + Duration::from_secs(REATTACH[0]));
        if neighbor && self.serves() {
            let at = now + Duration::from_secs(REATTACH[0]);
            self.lost.again.insert(peer, Again { tries: 0, at });
            self.timers.set_earlier(Timer::Reattach, at);
        }
        self.refresh(Cause::Failure);
        if !neighbor && self.serves() && self.settings.reactive {
            self.replace_finger(peer);
        }
    }

    /// A failed finger is searched for at once (section 10.7.2).
    fn replace_finger(&mut self, peer: Position) {
        let Some(entry) = fingers::entry_of(self.me, peer) else {
            return;
        };
        let covered = fingers::valid(self.me, self.links.routing());
        if !covered.iter().any(|(i, _)| *i == entry) {
            self.search_finger(entry);
        }
    }

    pub(crate) fn on_reattach_timer(&mut self) {
        let now = self.now();
        let due: Vec<Position> =
            self.lost.again.iter().filter(|(_, again)| again.at <= now).map(|(p, _)| *p).collect();
        for peer in due {
            self.try_again(peer, now);
        }
        if let Some(at) = self.lost.again.values().map(|again| again.at).min() {
            self.timers.set_earlier(Timer::Reattach, at);
        }
    }

    fn try_again(&mut self, peer: Position, now: Instant) {
        let linked = self.links.is_linked(peer);
        let Some(again) = self.lost.again.get_mut(&peer) else {
            return;
        };
        again.tries += 1;
        match REATTACH.get(again.tries) {
            Some(pause) => again.at = now + Duration::from_secs(*pause),
            None => drop(self.lost.again.remove(&peer)),
        }
        if linked {
            self.owe(peer, Contents::Neighbors); // an unresponsive peer, or one whose link still fails
        } else if self.serves() && !self.is_reaching(peer) {
            let via = self.nearest_other(peer);
            self.reach_through(peer, via);
        }
    }

    pub(crate) fn forget_lost(&mut self, peer: Position) {
        self.lost.again.remove(&peer);
    }

    /// Every successor is gone (section 10.7.1).
    pub(crate) fn notice_isolation(&mut self, old: &Neighbors, cause: Cause) {
        let company = old.all().len();
        match cause {
            Cause::Leave if company < 3 => self.lost.crowd = None,
            _ if company > 1 => self.lost.crowd = Some(self.now()),
            _ => {}
        }
        let alone = self.neighbors.successor().is_none();
        if !alone || cause != Cause::Failure {
            return;
        }
        let now = self.now();
        if self.lost.crowd.is_some_and(|at| now.duration_since(at) < CROWD) {
            self.reset();
            self.stage = Stage::Idle;
        }
        self.event(TopologyEvent::Isolated);
    }

    /// Drops everything that only a peer does.
    pub(crate) fn reset(&mut self) {
        self.timers.clear_all();
        self.replicas = crate::replicas::Replicas::default();
        self.refuse_all_admissions();
        self.lost = Lost::default();
        self.rounds = crate::stabilize::Rounds::default();
    }
}
