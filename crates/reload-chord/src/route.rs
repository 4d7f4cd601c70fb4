//! Routing (section 10.3), who is responsible, and the plausibility of answers and replicas.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};

use bytes::Bytes;
use reload_topology::{RequestToken, Route, Target};
use reload_wire::{
    ChordRouteQueryAns, Destination, Encode, ErrorCode, NodeId, ResourceId, RouteQueryReq,
};

use crate::chord::{Chord, Stage};
use crate::ring::{Position, clockwise, node, position, within};

/// The peer with the largest Node-ID in (`me`, `k`], else the first one clockwise from `k` (E83).
pub(crate) fn next_hop(me: Position, k: Position, peers: &BTreeSet<Position>) -> Option<Position> {
    let before = if me < k {
        peers.range((Excluded(me), Included(k))).next_back()
    } else {
        let wrapped = peers.range(..=k).next_back();
        wrapped.or_else(|| peers.range((Excluded(me), Unbounded)).next_back())
    };
    before.or_else(|| peers.range(k..).next()).or_else(|| peers.first()).copied()
}

impl Chord {
    pub(crate) fn is_mine(&self, k: Position) -> bool {
        self.serves() && within(self.range_start(), k, self.me)
    }

    pub(crate) fn next(&self, to: &Target) -> Route {
        let (k, is_node) = match to {
            Target::Node(id) => (position(id), true),
            Target::Resource(id) => (id.to_u128(), false),
        };
        let Some(k) = k else { return Route::Nowhere };
        if is_node && k == self.me {
            return Route::Here;
        }
        // For a node every connection counts, for a resource the Routing Table (E87).
        if is_node && self.links.is_up(k) || self.links.is_routed(k) {
            return Route::Next(node(k));
        }
        if self.is_mine(k) {
            // A node in the own range that is not connected cannot be reached (section 6.1.1).
            return if is_node { Route::Nowhere } else { Route::Here };
        }
        self.towards(k).map_or(Route::Nowhere, |peer| Route::Next(node(peer)))
    }

    fn towards(&self, k: Position) -> Option<Position> {
        match &self.stage {
            Stage::Client(_) => self.client_gateway(),
            Stage::Joining(_) => {
                let known = || next_hop(self.me, k, self.links.routing());
                self.join_bootstrap().or_else(known)
            }
            Stage::Idle | Stage::Left => None,
            Stage::Peer | Stage::Leaving(_) => next_hop(self.me, k, self.links.routing()),
        }
    }

    /// RouteQuery (section 10.8): the Node-ID this peer would send to.
    pub(crate) fn on_route_query(&mut self, token: RequestToken, query: &RouteQueryReq) {
        let result = self.query(&query.destination);
        self.answer(token, result);
    }

    fn query(&self, destination: &Destination) -> Result<Bytes, ErrorCode> {
        let target = match destination {
            Destination::Node(id) => Target::Node(*id),
            Destination::Resource(id) => Target::Resource(id.clone()),
            Destination::Opaque(_) | Destination::Unknown { .. } => {
                return Err(ErrorCode::NOT_FOUND);
            }
        };
        let next_peer = match self.next(&target) {
            Route::Here => node(self.me),
            Route::Next(peer) => peer,
            Route::Nowhere => return Err(ErrorCode::NOT_FOUND),
        };
        let answer = ChordRouteQueryAns { next_peer };
        answer.to_bytes().map_err(|_| ErrorCode::INVALID_MESSAGE)
    }

    /// The copies of what is stored here: the replica set, and a Joining Node that is getting the
    /// stretch at this moment, so that nothing stored during its hand-over is missed.
    pub(crate) fn copies_of(&self, id: &ResourceId) -> Vec<NodeId> {
        let Some(k) = id.to_u128().filter(|k| self.is_mine(*k)) else {
            return Vec::new();
        };
        let mut holders = self.replica_set();
        let joining = self.admissions.joining();
        let joining = joining.filter(|jn| within(self.range_start(), k, *jn));
        holders.extend(joining.filter(|jn| self.links.is_up(*jn)));
        holders.into_iter().map(node).collect()
    }

    /// A replica comes from a neighbor, for a value in the replica range as far as predecessors are
    /// known; the neighbors may see changes of the ring earlier (section 10.4, E72). From a successor
    /// comes also what lies further back: where two rings grow together, values go from peer to peer
    /// to the one that is responsible now.
    pub(crate) fn takes_replica(&self, id: &ResourceId, from: &NodeId) -> bool {
        let (Some(k), Some(sender)) = (id.to_u128(), position(from)) else {
            return false;
        };
        match &self.stage {
            Stage::Peer | Stage::Joining(_) | Stage::Leaving(_) => {
                let before = self.neighbors.predecessors.last().copied().unwrap_or(self.me);
                let near = self.neighbors.is_whole_ring() || within(before, k, self.me);
                let back = self.neighbors.successors.contains(&sender);
                (near && self.neighbors.contains(sender)) || back
            }
            Stage::Idle | Stage::Client(_) | Stage::Left => false,
        }
    }

    /// The second check of section 6.3.4: no neighbor is closer to the resource (E14).
    pub(crate) fn believes_answer(&self, id: &ResourceId, from: &NodeId) -> bool {
        if !self.serves() {
            return true;
        }
        let (Some(k), Some(sender)) = (id.to_u128(), position(from)) else {
            return false;
        };
        let distance = clockwise(k, sender);
        self.neighbors.all().iter().all(|peer| distance <= clockwise(k, *peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(me: Position, k: Position, peers: &[Position]) -> Option<Position> {
        next_hop(me, k, &peers.iter().copied().collect())
    }

    // R6940-6.1.2-01, R6940-10.3-02
    #[test]
    fn takes_the_largest_between_this_peer_and_the_target() {
        assert_eq!(hop(10, 55, &[5, 20, 40, 60, 80]), Some(40));
        assert_eq!(hop(10, 40, &[5, 20, 40, 60, 80]), Some(40));
    }

    // R6940-10.3-03
    #[test]
    fn takes_the_first_after_the_target_when_none_is_between() {
        assert_eq!(hop(10, 15, &[5, 20, 40]), Some(20));
        assert_eq!(hop(80, 90, &[5, 20, 40]), Some(5));
    }

    #[test]
    fn goes_over_zero() {
        assert_eq!(hop(80, 7, &[5, 20, 90]), Some(5));
        assert_eq!(hop(80, 3, &[5, 20, 90]), Some(90));
        assert_eq!(hop(80, 3, &[]), None);
    }
}
