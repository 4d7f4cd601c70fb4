//! The contract between a node and its topology plug-in (section 6.4.1).
//!
//! A plug-in decides where messages go, who is responsible for what and who keeps copies. It has no
//! clock, no socket, no link, no signature and no stored value: the node tells it what happened
//! ([`Input`]) and does what it asks for ([`Action`]).

mod action;
mod input;
mod range;
mod view;

pub use action::{Action, CopyReason, TaskId, TopologyEvent};
pub use input::{Failure, Input, RequestToken, TaskAnswer, TopologyRequest};
pub use range::Range;
pub use view::{Phase, View};

use std::time::Instant;

use reload_wire::{NodeId, Now, ResourceId};

/// Where a message has to go: an entry of a destination list without the opaque form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A node.
    Node(NodeId),
    /// Whichever peer is responsible for this resource.
    Resource(ResourceId),
}

/// The plug-in's answer to "where next?" (section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// This peer is responsible.
    Here,
    /// Send it to this node, to which a link is up.
    Next(NodeId),
    /// No peer is known that is nearer.
    Nowhere,
}

/// When a plug-in wants to be called next, and which of its timers asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// The moment.
    pub at: Instant,
    /// The name of the timer, for traces.
    pub timer: &'static str,
}

/// A topology plug-in (section 6.4.1). After every `handle_*`, drain [`Topology::poll_action`] to `None`.
pub trait Topology {
    /// The Resource-ID of a resource name: the overlay's hash function (section 10.2 for Chord).
    fn resource_id(&self, name: &[u8]) -> ResourceId;

    /// Tells the plug-in what happened.
    fn handle_input(&mut self, now: Now, input: Input);

    /// Fires every timer that is due at `now`; afterwards [`Topology::wakeup`] lies after `now`.
    fn handle_timeout(&mut self, now: Now);

    /// The next thing the node has to do, in order.
    fn poll_action(&mut self) -> Option<Action>;

    /// The earliest moment at which [`Topology::handle_timeout`] has something to do.
    fn wakeup(&self) -> Option<Wakeup>;

    /// Where a message for `to` goes. Links to nodes outside the routing table are the node's own
    /// business: it asks only for targets that it is not directly connected to.
    fn route(&self, to: &Target) -> Route;

    /// Whether this peer is responsible for `id`. Never, before it has joined, and never for a client.
    fn is_responsible(&self, id: &ResourceId) -> bool;

    /// The peers that hold copies of what is stored at `id` here, nearest first (section 10.4).
    fn replicas(&self, id: &ResourceId) -> Vec<NodeId>;

    /// Whether `from` is a plausible sender of a replica Store for `id` to this peer
    /// (section 7.4.1.1; the reading of hand-over stores is part of it).
    fn admits_replica(&self, id: &ResourceId, from: &NodeId) -> bool;

    /// Whether `from` may have answered a request for `id`: it is at least as close as any
    /// neighbour known here (section 6.3.4, second check). True for clients and joining nodes.
    fn admits_answer(&self, id: &ResourceId, from: &NodeId) -> bool;

    /// What this peer answers to a Probe for its share of the overlay, in parts per billion (6.4.2.5).
    fn responsible_ppb(&self) -> u32;

    /// A picture of the tables for people.
    fn view(&self) -> View;
}
