//! Joining (section 10.5), the side of the Joining Node: find the admitting peer, attach to the
//! neighbors and fingers, ask, and wait for the Update that names this node. Not the admitting side.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reload_topology::{Action, Failure, TopologyEvent};
use reload_wire::{Destination, ErrorCode, ResourceId};

use crate::chord::{Chord, Role, Stage};
use crate::links::Contents;
use crate::ring::{Position, clockwise, node};
use crate::tasks::Task;
use crate::timer::Timer;
use crate::update::View;

/// How long an Update that was asked for is waited for (ours; it follows the link within round trips).
const HEARING: Duration = Duration::from_secs(5);
/// How long the hand-over may take before the Join is repeated (ours).
const ADMISSION: Duration = Duration::from_secs(60);
/// Steps that may be repeated before the join has failed (ours).
const ATTEMPTS: u32 = 12;

const FIND: &str = "attach to the admitting peer";
const HEAR: &str = "update from the admitting peer";
const ASK: &str = "join";
const PLACE: &str = "update that names this peer";

/// A join that runs.
#[derive(Debug)]
pub(crate) struct Joining {
    bootstrap: Position,
    attempts: u32,
    step: Step,
    /// Nodes that were attached to and owe an Update, with the end of the patience.
    awaited: BTreeMap<Position, Instant>,
}

/// The steps in the order of section 10.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Step 2: the Attach to n+1.
    Finding,
    /// Step 2: the Update with the Routing Table of the admitting peer.
    Hearing { from: Position },
    /// Steps 3 and 4.
    Attaching,
    /// Step 5.
    Asked { ap: Position },
    /// Steps 6 and 7.
    Admitted { ap: Position },
    /// Step 7: the Update came; `before` is a new predecessor that has to be attached to first.
    Named { ap: Position, before: Position },
    /// Between two attempts.
    Waiting,
}

impl Chord {
    /// Be the first peer (section 6.4.2.1).
    pub(crate) fn on_found(&mut self) {
        if self.role == Role::Peer && matches!(self.stage, Stage::Idle | Stage::Joining(_)) {
            self.become_peer();
        }
    }

    pub(crate) fn on_join_wanted(&mut self, bootstrap: Position) {
        match (self.role, &self.stage) {
            (Role::Client { .. }, Stage::Idle | Stage::Client(_)) => self.settle_at(bootstrap),
            (Role::Peer, Stage::Peer) if self.neighbors.successor().is_some() => {
                self.look_for_partition(bootstrap);
            }
            (Role::Peer, Stage::Idle | Stage::Joining(_) | Stage::Peer) => self.join_at(bootstrap),
            _ => {}
        }
    }

    fn join_at(&mut self, bootstrap: Position) {
        self.reset();
        self.abandon_join_tasks();
        let awaited = BTreeMap::new();
        self.stage =
            Stage::Joining(Joining { bootstrap, attempts: 0, step: Step::Waiting, awaited });
        self.find_admitting_peer(bootstrap);
    }

    /// Step 2: Attach to Resource-ID n+1, through the bootstrap link.
    fn find_admitting_peer(&mut self, bootstrap: Position) {
        if !self.links.is_up(bootstrap) {
            return self.fail_join("connect to the bootstrap peer");
        }
        self.enter(Step::Finding, "bootstrap", Some(bootstrap));
        let to = vec![Destination::Resource(ResourceId::from_u128(self.me.wrapping_add(1)))];
        let task = self.tasks.start(Task::FindPeer);
        self.actions.push_back(Action::Attach { task, to, send_update: true });
    }

    pub(crate) fn on_peer_found(&mut self, result: Result<Position, Failure>) {
        if matches!(self.stage, Stage::Client(_)) {
            return self.on_home_found(result);
        }
        if self.step() != Some(Step::Finding) {
            return;
        }
        match result {
            Ok(ap) if ap != self.me => {
                self.links.up(ap);
                self.enter(Step::Hearing { from: ap }, FIND, Some(ap));
                self.timers.set(Timer::Join, self.now() + HEARING);
            }
            _ => self.retry_join(FIND),
        }
    }

    /// Goes on with the join as far as it can.
    pub(crate) fn advance_join(&mut self) {
        match self.step() {
            Some(Step::Hearing { from }) if self.links.is_routed(from) => {
                self.timers.clear(Timer::Join);
                self.enter(Step::Attaching, HEAR, Some(from));
                self.seek_neighbors();
                self.set_up_fingers();
                self.advance_attaching();
            }
            Some(Step::Attaching) => {
                self.seek_neighbors();
                self.advance_attaching();
            }
            Some(Step::Named { ap, before }) => {
                self.seek_neighbors();
                if self.links.is_routed(before) || !self.is_awaited(before) {
                    self.take_place(ap);
                }
            }
            _ => {}
        }
    }

    /// Step 5 once no Attach to a neighbor and no Update from one is outstanding.
    fn advance_attaching(&mut self) {
        let now = self.now();
        let reaching = self.tasks.runs(|task| matches!(task, Task::Reach { .. }));
        let links = &self.links;
        let Stage::Joining(joining) = &mut self.stage else {
            return;
        };
        joining.awaited.retain(|peer, until| *until > now && !links.is_routed(*peer));
        if let Some(until) = joining.awaited.values().min() {
            self.timers.set(Timer::Join, *until);
        }
        if reaching || !joining.awaited.is_empty() {
            return;
        }
        match self.neighbors.successor() {
            Some(ap) => self.ask(ap),
            None => self.retry_join(HEAR),
        }
    }

    fn ask(&mut self, ap: Position) {
        self.timers.clear(Timer::Join);
        self.enter(Step::Asked { ap }, "neighbors", Some(ap));
        let task = self.tasks.start(Task::Join { to: ap });
        self.actions.push_back(Action::Join { task, to: node(ap) });
    }

    pub(crate) fn on_join_answered(&mut self, to: Position, result: Result<Position, Failure>) {
        if self.step() != Some(Step::Asked { ap: to }) {
            return;
        }
        match result {
            // The answer has to be signed by the admitting peer (section 6.4.2.1).
            Ok(by) if by == to => {
                self.enter(Step::Admitted { ap: to }, ASK, Some(to));
                self.timers.set(Timer::Join, self.now() + ADMISSION);
            }
            // Another peer has joined in between: its Update shows the nearer one.
            Err(Failure::Refused(ErrorCode::NOT_FOUND)) => self.retry_join(ASK),
            _ => self.retry_join(ASK),
        }
    }

    pub(crate) fn on_update_while_joining(&mut self, from: Position, view: &View) {
        let Some(Step::Admitted { ap }) = self.step() else {
            return;
        };
        if ap != from {
            return;
        }
        match view.predecessor_of(ap) {
            Some(peer) if peer == self.me => self.on_named(ap, view.predecessor_before(self.me)),
            // Somebody nearer to this node has become the admitting peer.
            Some(peer) if clockwise(self.me, peer) < clockwise(self.me, ap) => {
                self.retry_join(PLACE);
            }
            _ => {}
        }
    }

    fn on_named(&mut self, ap: Position, before: Option<Position>) {
        match before {
            Some(before) if !self.links.is_routed(before) => {
                self.set_step(Step::Named { ap, before });
                self.timers.set(Timer::Join, self.now() + HEARING);
                self.seek_neighbors();
            }
            _ => self.take_place(ap),
        }
    }

    fn take_place(&mut self, ap: Position) {
        self.event(TopologyEvent::Joining { step: PLACE, node: Some(node(ap)) });
        self.become_peer();
    }

    pub(crate) fn become_peer(&mut self) {
        self.timers.clear(Timer::Join);
        self.stage = Stage::Peer;
        self.candidates.wake();
        self.event(TopologyEvent::Joined);
        self.owe_all(Contents::Ready); // section 10.5, step 9; clients and fingers get peer_ready
        self.on_became_peer();
    }

    /// The Joining Node whose Attach to `peer` is complete waits for the Update it asked for.
    pub(crate) fn await_update_while_joining(&mut self, peer: Position) {
        let until = self.now() + HEARING;
        if let Stage::Joining(joining) = &mut self.stage {
            joining.awaited.insert(peer, until);
        }
    }

    pub(crate) fn on_link_lost_while_joining(&mut self, peer: Position) {
        match self.step() {
            Some(Step::Hearing { from }) if from == peer => self.retry_join(HEAR),
            Some(Step::Asked { ap } | Step::Admitted { ap } | Step::Named { ap, .. })
                if ap == peer =>
            {
                self.retry_join(ASK);
            }
            _ => {}
        }
    }

    pub(crate) fn on_join_timer(&mut self) {
        if matches!(self.stage, Stage::Client(_)) {
            return self.on_client_timer();
        }
        match self.step() {
            Some(Step::Hearing { .. }) => self.retry_join(HEAR),
            Some(Step::Admitted { .. }) => self.retry_join(PLACE),
            Some(Step::Named { ap, .. }) => self.take_place(ap),
            Some(Step::Waiting) => self.resume_join(),
            _ => {} // `settle` goes on
        }
    }

    fn resume_join(&mut self) {
        let Stage::Joining(joining) = &self.stage else {
            return;
        };
        let bootstrap = joining.bootstrap;
        if self.neighbors.successor().is_some() {
            self.set_step(Step::Attaching);
        } else {
            self.find_admitting_peer(bootstrap);
        }
    }

    /// Tries the join again after a back-off, a bounded number of times.
    fn retry_join(&mut self, step: &'static str) {
        let Stage::Joining(joining) = &mut self.stage else {
            return;
        };
        joining.attempts += 1;
        joining.step = Step::Waiting;
        if joining.attempts > ATTEMPTS {
            return self.fail_join(step);
        }
        let pause = Duration::from_millis(100 << joining.attempts.min(5));
        let pause = self.jitter(pause);
        self.timers.set(Timer::Join, self.now() + pause);
    }

    fn fail_join(&mut self, step: &'static str) {
        self.abandon_join_tasks();
        self.reset();
        self.stage = Stage::Idle;
        self.event(TopologyEvent::JoinFailed { step });
    }

    fn abandon_join_tasks(&mut self) {
        let of_join = |task: &Task| {
            matches!(task, Task::FindPeer | Task::Join { .. } | Task::Reach { .. } | Task::Finger)
        };
        self.tasks.abandon(of_join);
    }

    /// Whether the join is at a step at which it attaches to neighbors.
    pub(crate) fn join_seeks(&self) -> bool {
        let step = self.step();
        step.is_some_and(|step| !matches!(step, Step::Finding | Step::Hearing { .. }))
    }

    /// Where own messages go while there is no Routing Table yet.
    pub(crate) fn join_bootstrap(&self) -> Option<Position> {
        match &self.stage {
            Stage::Joining(joining) if joining.step == Step::Finding => Some(joining.bootstrap),
            _ => None,
        }
    }

    fn is_awaited(&self, peer: Position) -> bool {
        let Stage::Joining(joining) = &self.stage else {
            return false;
        };
        let patient = joining.awaited.get(&peer).is_some_and(|until| *until > self.now());
        self.is_reaching(peer) || patient
    }

    fn step(&self) -> Option<Step> {
        match &self.stage {
            Stage::Joining(joining) => Some(joining.step),
            _ => None,
        }
    }

    fn set_step(&mut self, step: Step) {
        if let Stage::Joining(joining) = &mut self.stage {
            joining.step = step;
        }
        self.candidates.wake();
    }

    fn enter(&mut self, step: Step, name: &'static str, peer: Option<Position>) {
        self.set_step(step);
        self.event(TopologyEvent::Joining { step: name, node: peer.map(node) });
    }
}
