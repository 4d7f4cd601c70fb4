//! A topology plug-in that says what the test wants, and notes what it is told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use reload_topology::{Action, Input, Phase, RequestToken, Route, Target, Topology, View, Wakeup};
use reload_wire::{ErrorCode, NodeId, Now, ResourceId};

/// What it says, and what it was told.
#[derive(Default)]
pub(crate) struct Sheet {
    /// Whether this peer is responsible for everything.
    pub(crate) mine: bool,
    /// Where everything goes.
    pub(crate) next: Option<NodeId>,
    /// Whether an answer for a resource comes from a likely node.
    pub(crate) admits_answer: bool,
    pub(crate) admits_replica: bool,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) actions: VecDeque<Action>,
}

/// The plug-in; the test holds the other reference.
#[derive(Clone, Default)]
pub(crate) struct Desk(pub(crate) Rc<RefCell<Sheet>>);

impl Desk {
    /// Has the node do something at its next input.
    pub(crate) fn ask(&self, action: Action) {
        self.0.borrow_mut().actions.push_back(action);
    }

    /// The requests it was handed: token, sender, whether direct.
    pub(crate) fn requests(&self) -> Vec<(RequestToken, NodeId, bool)> {
        let request = |input: &Input| match input {
            Input::Request { token, from, direct, .. } => Some((*token, *from, *direct)),
            _ => None,
        };
        self.0.borrow().inputs.iter().filter_map(request).collect()
    }

    pub(crate) fn answer(&self, token: RequestToken, result: Result<Bytes, ErrorCode>) {
        self.ask(Action::Answer { token, result });
    }

    /// Inputs so far for which this holds.
    pub(crate) fn told(&self, what: impl Fn(&Input) -> bool) -> usize {
        self.0.borrow().inputs.iter().filter(|input| what(input)).count()
    }
}

impl Topology for Desk {
    fn resource_id(&self, name: &[u8]) -> ResourceId {
        let mut id = [0_u8; 16];
        for (at, byte) in name.iter().enumerate() {
            id[at % 16] = id[at % 16].wrapping_mul(31).wrapping_add(*byte);
        }
        ResourceId::new(&id).expect("16 bytes fit")
    }

    fn handle_input(&mut self, _: Now, input: Input) {
        self.0.borrow_mut().inputs.push(input);
    }

    fn handle_timeout(&mut self, _: Now) {}

    fn poll_action(&mut self) -> Option<Action> {
        self.0.borrow_mut().actions.pop_front()
    }

    fn wakeup(&self) -> Option<Wakeup> {
        None
    }

    fn route(&self, _: &Target) -> Route {
        let sheet = self.0.borrow();
        match sheet.next {
            Some(next) => Route::Next(next),
            None if sheet.mine => Route::Here,
            None => Route::Nowhere,
        }
    }

    fn is_responsible(&self, _: &ResourceId) -> bool {
        self.0.borrow().mine
    }

    fn replicas(&self, _: &ResourceId) -> Vec<NodeId> {
        self.0.borrow().replicas.clone()
    }

    fn admits_replica(&self, _: &ResourceId, _: &NodeId) -> bool {
        self.0.borrow().admits_replica
    }

    fn admits_answer(&self, _: &ResourceId, _: &NodeId) -> bool {
        self.0.borrow().admits_answer
    }

    fn responsible_ppb(&self) -> u32 {
        1_000_000_000
    }

    fn view(&self) -> View {
        View {
            phase: Phase::Peer,
            predecessors: Vec::new(),
            successors: Vec::new(),
            fingers: Vec::new(),
            responsible: None,
        }
    }
}
