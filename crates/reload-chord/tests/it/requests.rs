//! Requests answered by one instance (sections 6.4.2, 10.5 and 10.8).

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_chord::{Chord, ChordConfig, ChordError, Role};
use reload_topology::{
    Action, CopyReason, Input, Range, RequestToken, Route, Target, TaskAnswer, TaskId, Topology,
    TopologyRequest,
};
use reload_wire::{
    ChordRouteQueryAns, ChordUpdate, ChordUpdateKind, Decode, Destination, Dialect, Encode,
    ErrorCode, JoinReq, LeaveReq, NodeId, Now, ResourceId, RouteQueryReq, UnixTime,
};

pub(crate) struct Rig {
    pub(crate) chord: Chord,
    pub(crate) now: Now,
    /// Updates are not answered.
    pub(crate) silent: bool,
}

pub(crate) fn node(id: u128) -> NodeId {
    NodeId::from_u128(id)
}

impl Rig {
    pub(crate) fn new(me: u128) -> Self {
        Self::with_role(me, Role::Peer)
    }

    #[allow(clippy::disallowed_methods)] // virtual time has to start somewhere
    pub(crate) fn with_role(me: u128, role: Role) -> Self {
        let config = ChordConfig::new(node(me), role, 1);
        let now = Now { mono: Instant::now(), wall: UnixTime(0) };
        Self { chord: Chord::new(&config).expect("it is there"), now, silent: false }
    }

    pub(crate) fn founded(me: u128) -> Self {
        let mut rig = Self::new(me);
        rig.input(Input::Found);
        rig
    }

    /// The actions that follow; every Update is answered at once.
    pub(crate) fn input(&mut self, input: Input) -> Vec<Action> {
        self.chord.handle_input(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = self.chord.poll_action() {
            if let Action::Update { task, to, .. } = &action
                && !self.silent
            {
                let result = Ok(TaskAnswer::Answered { by: *to, body: Bytes::new() });
                self.chord.handle_input(self.now, Input::Done { task: *task, result });
            }
            actions.push(action);
        }
        actions
    }

    pub(crate) fn request(
        &mut self,
        from: u128,
        direct: bool,
        request: TopologyRequest,
    ) -> Vec<Action> {
        let token = RequestToken(9);
        self.input(Input::Request { token, from: node(from), direct, request })
    }

    pub(crate) fn update(
        &mut self,
        from: u128,
        predecessors: &[u128],
        successors: &[u128],
    ) -> Vec<Action> {
        let list = |ids: &[u128]| ids.iter().copied().map(node).collect();
        let (predecessors, successors) = (list(predecessors), list(successors));
        let kind = ChordUpdateKind::Neighbors { predecessors, successors };
        let body = ChordUpdate { uptime: 1, kind }.to_bytes().expect("it is there");
        self.request(from, true, TopologyRequest::Update(body))
    }

    /// A peer with a link that has sent an Update.
    pub(crate) fn with_peer(&mut self, peer: u128) -> Vec<Action> {
        self.input(Input::LinkUp(node(peer)));
        self.update(peer, &[], &[])
    }

    pub(crate) fn join(&mut self, from: u128, direct: bool, claimed: u128) -> Vec<Action> {
        let joining_peer_id = node(claimed);
        let join = JoinReq { joining_peer_id, overlay_specific_data: Bytes::new() };
        self.request(from, direct, TopologyRequest::Join(join))
    }

    pub(crate) fn pass(&mut self, secs: u64) -> Vec<Action> {
        self.pass_ms(1000 * secs)
    }

    pub(crate) fn pass_ms(&mut self, millis: u64) -> Vec<Action> {
        let end = self.now.after(Duration::from_millis(millis));
        let mut actions = Vec::new();
        while let Some(wakeup) = self.chord.wakeup().filter(|wakeup| wakeup.at <= end.mono) {
            self.now = self.now.after(wakeup.at - self.now.mono);
            self.chord.handle_timeout(self.now);
            actions.extend(self.drain());
        }
        self.now = end;
        actions
    }
}

pub(crate) fn refusal(actions: &[Action]) -> Option<ErrorCode> {
    actions.iter().find_map(|action| match action {
        Action::Answer { result: Err(code), .. } => Some(*code),
        _ => None,
    })
}

pub(crate) fn copies(actions: &[Action]) -> Vec<(TaskId, u128, Range, CopyReason)> {
    let copy = |action: &Action| match action {
        Action::Copy { task, to, range, reason } => {
            Some((*task, to.to_u128().expect("it is there"), range.clone(), *reason))
        }
        _ => None,
    };
    actions.iter().filter_map(copy).collect()
}

pub(crate) fn updates(actions: &[Action]) -> Vec<(u128, ChordUpdateKind)> {
    let update = |action: &Action| match action {
        Action::Update { to, body, .. } => {
            let update = ChordUpdate::decode_exact(&Dialect::default(), body).expect("it is there");
            Some((to.to_u128().expect("it is there"), update.kind))
        }
        _ => None,
    };
    actions.iter().filter_map(update).collect()
}

pub(crate) fn range(after: u128, through: u128) -> Range {
    Range { after: ResourceId::from_u128(after), through: ResourceId::from_u128(through) }
}

// R6940-6.4.1-01
#[test]
fn only_node_ids_of_sixteen_bytes_are_taken() {
    let config = ChordConfig::new(NodeId::new(&[1; 20]).expect("it is there"), Role::Peer, 1);
    assert_eq!(Chord::new(&config).err(), Some(ChordError::NodeIdLength(20)));
}

// R6940-10.2-01
#[test]
fn a_name_has_the_resource_id_of_its_sha1() {
    let id = Rig::new(100).chord.resource_id(b"abc");
    assert_eq!(id.to_string(), "a9993e364706816aba3e25717850c26c");
}

// R6940-6.4.2.1-04, R6940-6.4.2.1-05
#[test]
fn a_join_for_another_node_or_over_another_link_is_forbidden() {
    let mut rig = Rig::founded(100);
    rig.input(Input::LinkUp(node(50)));
    assert_eq!(refusal(&rig.join(50, true, 51)), Some(ErrorCode::FORBIDDEN));
    assert_eq!(refusal(&rig.join(50, false, 50)), Some(ErrorCode::FORBIDDEN));
}

// R6940-6.4.2.2-04, R6940-6.4.2.2-05
#[test]
fn a_leave_for_another_node_or_over_another_link_is_forbidden() {
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    for (direct, claimed) in [(true, 51), (false, 50)] {
        let leave =
            LeaveReq { leaving_peer_id: node(claimed), overlay_specific_data: Bytes::new() };
        let actions = rig.request(50, direct, TopologyRequest::Leave(leave));
        assert_eq!(refusal(&actions), Some(ErrorCode::FORBIDDEN));
    }
    assert_eq!(rig.chord.view().successors, [node(50)]);
}

// R6940-10.7-03
#[test]
fn a_join_outside_the_own_range_is_refused_with_an_update() {
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    rig.input(Input::LinkUp(node(20)));
    let actions = rig.join(20, true, 20);
    assert_eq!(refusal(&actions), Some(ErrorCode::NOT_FOUND));
    let full = updates(&actions)
        .into_iter()
        .any(|(to, kind)| to == 20 && matches!(kind, ChordUpdateKind::Full { .. }));
    assert!(full);
}

// R6940-6.4.2.1-07, R6940-10.5-06, R6940-10.5-07, R6940-10.5-08, R6940-10.5-11, R6940-12-03
#[test]
fn the_admitting_peer_answers_hands_over_and_then_names_the_predecessor() {
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    rig.input(Input::LinkUp(node(70)));
    let actions = rig.join(70, true, 70);
    assert!(matches!(&actions[0], Action::Answer { result: Ok(_), .. }));
    let (task, to, stretch, reason) = copies(&actions)[0].clone();
    assert_eq!((to, &stretch, reason), (70, &range(50, 70), CopyReason::HandOver));
    // Until the hand-over is complete this peer stays responsible, and copies go to the new one too.
    let key = ResourceId::from_u128(60);
    assert!(rig.chord.is_responsible(&key));
    assert!(rig.chord.replicas(&key).contains(&node(70)));
    assert!(!rig.chord.replicas(&ResourceId::from_u128(80)).contains(&node(70)));
    let actions = rig.input(Input::Done { task, result: Ok(TaskAnswer::Copied) });
    assert!(!rig.chord.is_responsible(&key));
    let updates = updates(&actions);
    let (first, kind) = &updates[0];
    assert_eq!(*first, 70);
    let ChordUpdateKind::Neighbors { predecessors, .. } = kind else { panic!("{kind:?}") };
    assert_eq!(predecessors[0], node(70));
    assert!(updates.iter().any(|(to, _)| *to == 50));
}

#[test]
fn joins_at_one_peer_are_admitted_one_at_a_time() {
    let mut rig = Rig::founded(100);
    for jn in [60, 80] {
        rig.input(Input::LinkUp(node(jn)));
    }
    let first = rig.join(60, true, 60);
    assert!(rig.join(80, true, 80).is_empty());
    let task = copies(&first)[0].0;
    let actions = rig.input(Input::Done { task, result: Ok(TaskAnswer::Copied) });
    assert_eq!(copies(&actions)[0].2, range(60, 80));
}

// R6940-6.1.1-08, R6940-10.5-02, R6940-10.5-17, R6940-11.4-03, R6940-12-01
#[test]
fn a_joining_node_sends_no_update() {
    let mut rig = Rig::new(100);
    rig.input(Input::LinkUp(node(50)));
    let mut actions = rig.input(Input::Join { bootstrap: node(50) });
    let Action::Attach { task, to, send_update: true } = actions[1].clone() else {
        panic!("{actions:?}")
    };
    assert_eq!(to, [Destination::Resource(ResourceId::from_u128(101))]);
    let target = Target::Resource(ResourceId::from_u128(101));
    assert_eq!(rig.chord.route(&target), Route::Next(node(50)));
    actions.extend(rig.input(Input::Done { task, result: Ok(TaskAnswer::Attached(node(50))) }));
    actions.extend(rig.input(Input::UpdateWanted(node(50))));
    actions.extend(rig.update(50, &[], &[]));
    assert!(updates(&actions).is_empty());
    assert!(
        actions.iter().any(|action| matches!(action, Action::Join { to, .. } if *to == node(50)))
    );
    assert!(!rig.chord.is_responsible(&ResourceId::from_u128(100)));
}

// R6940-10.1-03
#[test]
fn a_node_is_routed_through_only_after_its_update() {
    let mut rig = Rig::founded(100);
    rig.input(Input::LinkUp(node(50)));
    assert!(rig.chord.is_responsible(&ResourceId::from_u128(40)));
    rig.update(50, &[], &[]);
    assert!(!rig.chord.is_responsible(&ResourceId::from_u128(40)));
}

// R6940-10.6-01, R6940-10.7-05, R6940-10.7.3-01
#[test]
fn a_better_neighbor_is_attached_to_through_the_peer_that_named_it() {
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    let actions = rig.update(50, &[40], &[70]);
    let attached: Vec<Vec<Destination>> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Attach { to, .. } => Some(to.clone()),
            _ => None,
        })
        .collect();
    let source_route = |to| vec![Destination::Node(node(50)), Destination::Node(node(to))];
    assert!(attached.contains(&source_route(40)) && attached.contains(&source_route(70)));
}

// R6940-10.7.1-03
#[test]
fn new_replicas_wait_for_the_hold_down_after_a_failure_only() {
    let mut rig = Rig::founded(100);
    for peer in [110, 120, 130, 90] {
        rig.with_peer(peer);
    }
    for (task, ..) in copies(&rig.pass(2)) {
        rig.input(Input::Done { task, result: Ok(TaskAnswer::Copied) });
    }
    rig.input(Input::LinkFailing(node(110)));
    assert_eq!(copies(&rig.pass(29)), []);
    let made = copies(&rig.pass(2));
    let (_, to, stretch, reason) = &made[0];
    assert_eq!((*to, stretch, *reason), (130, &range(90, 100), CopyReason::Replica));
}

// R6940-6.4.2.2-06, R6940-10.7.3-05, R6940-10.9-04
#[test]
fn a_leave_makes_new_replicas_at_once_and_is_answered_after_them() {
    let mut rig = Rig::founded(100);
    for peer in [110, 120, 130, 90] {
        rig.with_peer(peer);
    }
    for (task, ..) in copies(&rig.pass(2)) {
        rig.input(Input::Done { task, result: Ok(TaskAnswer::Copied) });
    }
    let leave = LeaveReq { leaving_peer_id: node(110), overlay_specific_data: Bytes::new() };
    let actions = rig.request(110, true, TopologyRequest::Leave(leave));
    let (task, to, ..) = copies(&actions)[0].clone();
    assert_eq!(to, 130);
    let answered = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Answer { .. }));
    assert!(!answered(&actions));
    let actions = rig.input(Input::Done { task, result: Ok(TaskAnswer::Copied) });
    assert!(answered(&actions));
}

// R6940-10.7.3-04
#[test]
fn the_first_of_two_peers_is_never_in_its_own_tables() {
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    rig.update(50, &[100], &[100]);
    let view = rig.chord.view();
    assert_eq!((view.predecessors, view.successors), (vec![node(50)], vec![node(50)]));
}

// R6940-7.3-04, R6940-7.4.1.1-08, R6940-7.4.1.1-13, R6940-10.4-03
#[test]
fn a_replica_comes_from_a_neighbor_for_the_replica_range() {
    let mut rig = Rig::founded(100);
    for peer in [50, 60, 70, 80, 90, 110, 120, 130, 140, 150] {
        rig.with_peer(peer);
    }
    let admits = |key, from| rig.chord.admits_replica(&ResourceId::from_u128(key), &node(from));
    assert!(admits(75, 80) && admits(95, 110));
    assert!(!admits(75, 1), "not a neighbor");
    assert!(!admits(120, 80), "not in the replica range");
}

// R6940-6.3.4-20
#[test]
fn an_answer_from_farther_than_a_neighbor_is_not_believed() {
    let mut rig = Rig::founded(100);
    for peer in [50, 110] {
        rig.with_peer(peer);
    }
    let key = ResourceId::from_u128(105);
    assert!(rig.chord.admits_answer(&key, &node(110)));
    assert!(rig.chord.admits_answer(&key, &node(107)));
    assert!(!rig.chord.admits_answer(&key, &node(120)));
}

// R6940-6.4.2.4.1-03, R6940-10.8-02
#[test]
fn a_route_query_tells_the_next_hop() {
    let mut rig = Rig::founded(100);
    rig.with_peer(50);
    let mut ask = |destination| {
        let overlay_specific_data = Bytes::new();
        let query = RouteQueryReq { send_update: false, destination, overlay_specific_data };
        let actions = rig.request(50, true, TopologyRequest::RouteQuery(query));
        let Action::Answer { result, .. } = &actions[0] else { panic!("{actions:?}") };
        result.clone().map(|body| {
            ChordRouteQueryAns::decode_exact(&Dialect::default(), &body)
                .expect("it is there")
                .next_peer
        })
    };
    assert_eq!(ask(Destination::Resource(ResourceId::from_u128(40))), Ok(node(50)));
    assert_eq!(ask(Destination::Resource(ResourceId::from_u128(60))), Ok(node(100)));
    assert_eq!(ask(Destination::Opaque(Bytes::from_static(b"xy"))), Err(ErrorCode::NOT_FOUND));
}

#[test]
fn a_node_may_ask_itself_for_the_next_hop() {
    let mut rig = Rig::founded(100);
    let destination = Destination::Resource(ResourceId::from_u128(60));
    let overlay_specific_data = Bytes::new();
    let query = RouteQueryReq { send_update: false, destination, overlay_specific_data };
    let actions = rig.request(100, true, TopologyRequest::RouteQuery(query));
    assert_eq!(refusal(&actions), None);
}

// R6940-6.3.1.1-08
#[test]
fn an_update_that_does_not_parse_is_refused() {
    let mut rig = Rig::founded(100);
    rig.input(Input::LinkUp(node(50)));
    let body = Bytes::from_static(&[0, 0, 0, 1, 9]);
    let actions = rig.request(50, true, TopologyRequest::Update(body));
    assert_eq!(refusal(&actions), Some(ErrorCode::INVALID_MESSAGE));
    assert!(rig.chord.view().successors.is_empty());
}
