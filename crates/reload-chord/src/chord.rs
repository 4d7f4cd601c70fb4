//! The plug-in itself: its state, and the way from each input to the part that handles it. The rules
//! are in the other files, one a message flow.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_topology::{
    Action, Failure, Input, Phase, RequestToken, TaskAnswer, TaskId, TopologyEvent, TopologyRequest,
};
use reload_wire::{ErrorCode, NodeId};
use thiserror::Error;

use crate::admit::Admissions;
use crate::candidates::Candidates;
use crate::client::Client;
use crate::failure::Lost;
use crate::join::Joining;
use crate::leave::{Departures, Leaving};
use crate::links::Links;
use crate::neighbors::Neighbors;
use crate::replicas::Replicas;
use crate::ring::{Position, position};
use crate::stabilize::Rounds;
use crate::tasks::{Task, Tasks};
use crate::timer::{Timer, Timers};

/// What a node takes part as (section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Routes and stores for others.
    Peer,
    /// Only uses the overlay.
    Client {
        /// Whether other nodes can open links to it: then it attaches to the peer that is responsible
        /// for its Node-ID, else it stays where it is (the two ways of section 4.2.1).
        dialable: bool,
    },
}

/// What a [`Chord`] is made from.
#[derive(Clone, Debug)]
pub struct ChordConfig {
    /// The own Node-ID: 16 bytes.
    pub node_id: NodeId,
    /// Peer or client.
    pub role: Role,
    /// Seconds between Updates to neighbors (`chord-update-interval`, section 11.1).
    pub update_interval: u32,
    /// Seconds between searches for fingers (`chord-ping-interval`).
    pub ping_interval: u32,
    /// Reactive recovery (`chord-reactive`).
    pub reactive: bool,
    /// The seed of every random choice.
    pub seed: u64,
}

impl ChordConfig {
    /// The default intervals of section 11.1: 600 s, 3600 s, reactive.
    #[must_use]
    pub fn new(node_id: NodeId, role: Role, seed: u64) -> Self {
        Self { node_id, role, update_interval: 600, ping_interval: 3600, reactive: true, seed }
    }
}

/// Why a [`Chord`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChordError {
    /// CHORD-RELOAD is a ring of 128 bits (section 10.2).
    #[error("CHORD-RELOAD needs Node-IDs of 16 bytes, this one has {0}")]
    NodeIdLength(usize),
}

/// CHORD-RELOAD for one node (section 10).
#[derive(Debug)]
pub struct Chord {
    pub(crate) me: Position,
    pub(crate) role: Role,
    pub(crate) settings: Settings,
    pub(crate) rng: StdRng,
    pub(crate) clock: Option<Clock>,
    pub(crate) stage: Stage,
    pub(crate) links: Links,
    pub(crate) neighbors: Neighbors,
    pub(crate) candidates: Candidates,
    pub(crate) admissions: Admissions,
    pub(crate) replicas: Replicas,
    pub(crate) departures: Departures,
    pub(crate) rounds: Rounds,
    pub(crate) lost: Lost,
    pub(crate) tasks: Tasks,
    pub(crate) timers: Timers,
    pub(crate) actions: VecDeque<Action>,
}

/// The settings that a new configuration may change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) update_interval: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) reactive: bool,
}

impl Settings {
    fn new(update_interval: u32, ping_interval: u32, reactive: bool) -> Self {
        Self {
            update_interval: Duration::from_secs(u64::from(update_interval.max(1))),
            ping_interval: Duration::from_secs(u64::from(ping_interval.max(1))),
            reactive,
        }
    }
}

/// When the node started, and the time of the input that is being handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) started: Instant,
    pub(crate) now: Instant,
}

/// How far the node has come.
#[derive(Debug)]
pub(crate) enum Stage {
    Idle,
    Joining(Joining),
    Peer,
    Client(Client),
    Leaving(Leaving),
    Left,
}

/// Why the set of peers changed; it decides who hears of it and how soon copies are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An Update made a peer known (section 10.7.3).
    Update,
    /// A peer was lost (section 10.7.1).
    Failure,
    /// A lost peer works again.
    Restored,
    /// A peer left in good order (section 10.9).
    Leave,
    /// This peer has admitted another (section 10.5).
    Admission,
}

impl Chord {
    /// A node that is not connected yet.
    ///
    /// # Errors
    ///
    /// [`ChordError::NodeIdLength`] unless the Node-ID has 16 bytes (E79).
    pub fn new(config: &ChordConfig) -> Result<Self, ChordError> {
        let length = config.node_id.as_bytes().len();
        let me = position(&config.node_id).ok_or(ChordError::NodeIdLength(length))?;
        Ok(Self {
            me,
            role: config.role,
            settings: Settings::new(config.update_interval, config.ping_interval, config.reactive),
            rng: StdRng::seed_from_u64(config.seed),
            clock: None,
            stage: Stage::Idle,
            links: Links::default(),
            neighbors: Neighbors::default(),
            candidates: Candidates::default(),
            admissions: Admissions::default(),
            replicas: Replicas::default(),
            departures: Departures::default(),
            rounds: Rounds::default(),
            lost: Lost::default(),
            tasks: Tasks::default(),
            timers: Timers::default(),
            actions: VecDeque::new(),
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.expect("every entry point sets the clock first").now
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        let started = self.clock.map_or(now, |clock| clock.started);
        self.clock = Some(Clock { started, now });
    }

    /// Whether this node acts as a peer: it routes, stores and sends Updates.
    pub(crate) fn serves(&self) -> bool {
        matches!(self.stage, Stage::Peer | Stage::Leaving(Leaving::HandingOver { .. }))
    }

    pub(crate) fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Idle | Stage::Left => Phase::Idle,
            Stage::Joining(_) => Phase::Joining,
            Stage::Peer => Phase::Peer,
            Stage::Client(client) => client.phase(),
            Stage::Leaving(_) => Phase::Leaving,
        }
    }

    pub(crate) fn event(&mut self, event: TopologyEvent) {
        self.actions.push_back(Action::Event(event));
    }

    pub(crate) fn answer(&mut self, token: RequestToken, result: Result<Bytes, ErrorCode>) {
        self.actions.push_back(Action::Answer { token, result });
    }

    /// A span shortened or stretched by up to a quarter, so that nodes do not act in step.
    pub(crate) fn jitter(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.rng.random_range(0.75..1.25))
    }

    pub(crate) fn dispatch(&mut self, input: Input) {
        match input {
            Input::Found => self.on_found(),
            Input::Join { bootstrap } => self.with(&bootstrap, Self::on_join_wanted),
            Input::Leave => self.on_leave_wanted(),
            Input::LinkUp(node) => self.with(&node, Self::on_link_up),
            Input::LinkFailing(node) => self.with(&node, Self::on_link_failing),
            Input::LinkRestored(node) => self.with(&node, Self::on_link_restored),
            Input::LinkDown(node) => self.with(&node, Self::on_link_down),
            Input::UpdateWanted(node) => self.with(&node, Self::on_update_wanted),
            Input::Request { token, from, direct, request } => {
                self.on_request(token, &from, direct, request);
            }
            Input::Done { task, result } => self.on_done(task, result),
            Input::Configure { update_interval, ping_interval, reactive } => {
                self.settings = Settings::new(update_interval, ping_interval, reactive);
                self.on_settings_changed();
            }
        }
    }

    /// Runs a reaction with the position of a node; nodes without one are no part of this ring.
    fn with(&mut self, node: &NodeId, reaction: fn(&mut Self, Position)) {
        if let Some(at) = position(node).filter(|at| *at != self.me) {
            reaction(self, at);
        }
    }

    fn on_request(
        &mut self,
        token: RequestToken,
        from: &NodeId,
        direct: bool,
        request: TopologyRequest,
    ) {
        // Whoever asks may ask, also the application of this very node (section 10.8).
        if let TopologyRequest::RouteQuery(query) = &request {
            return self.on_route_query(token, query);
        }
        let Some(sender) = position(from).filter(|at| *at != self.me) else {
            return self.answer(token, Err(ErrorCode::FORBIDDEN));
        };
        match request {
            TopologyRequest::Join(join) => self.on_join(token, sender, direct, &join),
            TopologyRequest::Leave(leave) => self.on_leave(token, sender, direct, &leave),
            TopologyRequest::Update(body) => self.on_update(token, sender, &body),
            TopologyRequest::RouteQuery(_) => {} // answered above
        }
    }

    fn on_done(&mut self, id: TaskId, result: Result<TaskAnswer, Failure>) {
        let Some(task) = self.tasks.end(id) else {
            return;
        };
        match task {
            Task::FindPeer => self.on_peer_found(attached(result)),
            Task::Reach { node } => self.on_reached(node, attached(result)),
            Task::Finger => self.on_finger_attached(attached(result)),
            Task::Search { entry } => self.on_search_answered(entry, answered(result)),
            Task::Partition { via } => self.on_partition_answered(via, answered(result)),
            Task::Join { to } => self.on_join_answered(to, answered(result)),
            Task::Update { to } => self.on_update_answered(id, to, result.err()),
            Task::Leave { to } => self.on_leave_answered(to),
            Task::Replica { to, after } => self.on_replica_copied(to, after, result.is_ok()),
            Task::HandOver { number } => self.on_handed_over(number, result.is_ok()),
            Task::Admission { joining, after } => {
                self.on_admission_copied(joining, after, result.is_ok());
            }
            Task::Farewell => self.on_farewell_copied(),
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Join => self.on_join_timer(),
            Timer::Seek => self.on_seek_timer(),
            Timer::UpdateRetry => {} // `settle` sends what is owed
            Timer::QuickRound => self.on_quick_round(),
            Timer::Round => self.on_round(),
            Timer::FingerSetup => self.set_up_fingers(),
            Timer::FingerSearch => self.on_finger_search(),
            Timer::Reattach => self.on_reattach_timer(),
            Timer::Copies => {} // `settle` starts what is due
            Timer::Forget => self.on_forget_timer(),
            Timer::Departures => {} // `settle` answers what is due
            Timer::Leave => self.on_leave_timer(),
        }
    }

    /// What follows from every input: the next step of a join, copies, Updates, late answers.
    pub(crate) fn settle(&mut self) {
        self.advance_join();
        self.seek_neighbors();
        self.start_copies();
        self.answer_departures();
        self.send_owed_updates();
    }
}

fn attached(result: Result<TaskAnswer, Failure>) -> Result<Position, Failure> {
    match result? {
        TaskAnswer::Attached(node) => position(&node).ok_or(Failure::Unreachable),
        TaskAnswer::Answered { .. } | TaskAnswer::Copied => Err(Failure::Unreachable),
    }
}

fn answered(result: Result<TaskAnswer, Failure>) -> Result<Position, Failure> {
    match result? {
        TaskAnswer::Answered { by, .. } => position(&by).ok_or(Failure::Unreachable),
        TaskAnswer::Attached(_) | TaskAnswer::Copied => Err(Failure::Unreachable),
    }
}
