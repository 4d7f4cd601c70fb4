//! The nodes to which a link is up, and which of them are peers: the Connection Table and the Routing
//! Table (sections 6.5.1 and 10.3) as the plug-in sees them. Not the neighbor and finger tables, which
//! are drawn from here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reload_topology::TaskId;

use crate::ring::Position;

/// An Update that is on the way this long no longer holds back a newer one: a few round trips, less
/// than the pause before it would be sent again (ours).
const PATIENCE: Duration = Duration::from_millis(500);

/// Which Update a node shall get, in rising order of contents (E84).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contents {
    Ready,
    Neighbors,
    Full,
}

/// Whether the link acknowledges (section 6.6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Up,
    Failing,
}

/// What the node at the other end has shown itself to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A client, or a node that has not joined.
    Node,
    /// It has sent an Update (section 6.5.1).
    Peer,
}

/// The Update that is on the way and the one that is owed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outbound {
    pub(crate) owed: Option<Contents>,
    pub(crate) in_flight: Option<(TaskId, Instant)>,
    pub(crate) not_before: Option<Instant>,
    pub(crate) timeouts: u8,
}

impl Outbound {
    /// When the owed Update may go out; at once if nothing is in the way.
    fn ready_at(&self) -> Option<Instant> {
        let patience = self.in_flight.map(|(_, since)| since + PATIENCE);
        patience.max(self.not_before)
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    health: Health,
    standing: Standing,
    outbound: Outbound,
}

/// All links by node.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<Position, Link>,
    /// Peers with a working link.
    routing: BTreeSet<Position>,
}

impl Links {
    /// A link is up. What was known of the node before stays when a link was there already.
    pub(crate) fn up(&mut self, node: Position) {
        let fresh =
            Link { health: Health::Up, standing: Standing::Node, outbound: Outbound::default() };
        self.links.entry(node).or_insert(fresh).health = Health::Up;
        self.index(node);
    }

    pub(crate) fn failing(&mut self, node: Position) {
        if let Some(link) = self.links.get_mut(&node) {
            link.health = Health::Failing;
        }
        self.index(node);
    }

    pub(crate) fn restored(&mut self, node: Position) {
        if let Some(link) = self.links.get_mut(&node) {
            link.health = Health::Up;
            link.outbound.in_flight = None;
        }
        self.index(node);
    }

    pub(crate) fn down(&mut self, node: Position) {
        self.links.remove(&node);
        self.index(node);
    }

    /// The node is a peer: it enters the Routing Table if a link to it is there.
    pub(crate) fn promote(&mut self, node: Position) {
        if let Some(link) = self.links.get_mut(&node) {
            link.standing = Standing::Peer;
        }
        self.index(node);
    }

    /// The node is no peer (any more).
    pub(crate) fn demote(&mut self, node: Position) {
        if let Some(link) = self.links.get_mut(&node) {
            link.standing = Standing::Node;
        }
        self.index(node);
    }

    /// The Routing Table: peers with a working link.
    pub(crate) fn routing(&self) -> &BTreeSet<Position> {
        &self.routing
    }

    pub(crate) fn is_routed(&self, node: Position) -> bool {
        self.routing.contains(&node)
    }

    pub(crate) fn is_up(&self, node: Position) -> bool {
        self.links.get(&node).is_some_and(|link| link.health == Health::Up)
    }

    pub(crate) fn is_linked(&self, node: Position) -> bool {
        self.links.contains_key(&node)
    }

    /// Every node with a working link.
    pub(crate) fn connected(&self) -> BTreeSet<Position> {
        let up = self.links.iter().filter(|(_, link)| link.health == Health::Up);
        up.map(|(node, _)| *node).collect()
    }

    pub(crate) fn outbound(&mut self, node: Position) -> Option<&mut Outbound> {
        self.links.get_mut(&node).map(|link| &mut link.outbound)
    }

    /// The nodes to which an owed Update can go out now.
    pub(crate) fn owed(&self, now: Instant) -> Vec<(Position, Contents)> {
        let ready = |link: &Link| {
            let due = link.outbound.ready_at().is_none_or(|at| at <= now);
            link.outbound.owed.filter(|_| link.health == Health::Up && due)
        };
        let owed = self.links.iter().filter_map(|(node, link)| Some((*node, ready(link)?)));
        owed.collect()
    }

    /// When the next Update that has to wait may go out.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        let up = self.links.values().filter(|link| link.health == Health::Up);
        let waiting = up.filter(|link| link.outbound.owed.is_some());
        waiting.filter_map(|link| link.outbound.ready_at()).min()
    }

    fn index(&mut self, node: Position) {
        let routed = self
            .links
            .get(&node)
            .is_some_and(|link| link.health == Health::Up && link.standing == Standing::Peer);
        if routed {
            self.routing.insert(node);
        } else {
            self.routing.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-3-03, R6940-4.4-02
    #[test]
    fn a_node_is_routed_only_after_an_update() {
        let mut links = Links::default();
        links.up(1);
        assert!(links.is_up(1) && !links.is_routed(1));
        links.promote(1);
        assert!(links.is_routed(1));
    }

    // R6940-6.6-04
    #[test]
    fn a_failing_link_leaves_the_routing_table_and_returns_when_restored() {
        let mut links = Links::default();
        links.up(1);
        links.promote(1);
        links.failing(1);
        assert!(!links.is_routed(1) && links.is_linked(1));
        links.restored(1);
        assert!(links.is_routed(1));
        links.down(1);
        assert!(!links.is_routed(1) && !links.is_linked(1));
    }

    #[test]
    fn a_new_link_after_a_loss_starts_as_a_plain_node() {
        let mut links = Links::default();
        links.up(1);
        links.promote(1);
        links.down(1);
        links.up(1);
        assert!(!links.is_routed(1));
    }
}
