//! The Neighbor Table (section 10.1): the nearest peers on both sides. It is drawn from a set of
//! peers, so the best match replaces a lost entry by itself (section 10.7.1). Not the links.

use std::collections::BTreeSet;

use crate::ring::{Position, within};

/// Entries kept on each side. The RFC wants at least three (section 10.7); with one more, three are
/// still known after a failure.
pub(crate) const SIDE: usize = 4;

/// Peers around a position, nearest first on each side (E81).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Neighbors {
    pub(crate) predecessors: Vec<Position>,
    pub(crate) successors: Vec<Position>,
}

impl Neighbors {
    /// The table of `me` over these peers; `me` itself is never entered (section 10.7.3).
    pub(crate) fn around(me: Position, peers: &BTreeSet<Position>) -> Self {
        let successors = peers.range(me..).chain(peers.range(..me)).copied();
        let predecessors = peers.range(..me).rev().chain(peers.range(me..).rev()).copied();
        Self {
            predecessors: predecessors.filter(|peer| *peer != me).take(SIDE).collect(),
            successors: successors.filter(|peer| *peer != me).take(SIDE).collect(),
        }
    }

    pub(crate) fn predecessor(&self) -> Option<Position> {
        self.predecessors.first().copied()
    }

    pub(crate) fn successor(&self) -> Option<Position> {
        self.successors.first().copied()
    }

    pub(crate) fn contains(&self, peer: Position) -> bool {
        self.predecessors.contains(&peer) || self.successors.contains(&peer)
    }

    /// Every entry once: successors, then the predecessors that are not among them.
    pub(crate) fn all(&self) -> Vec<Position> {
        let mut all = self.successors.clone();
        all.extend(self.predecessors.iter().filter(|peer| !self.successors.contains(peer)));
        all
    }

    /// Whether the table shows the whole ring: a side is not full, or both sides meet.
    pub(crate) fn is_whole_ring(&self) -> bool {
        self.successors.len() < SIDE
            || self.successors.iter().any(|peer| self.predecessors.contains(peer))
    }

    /// The ends of the stretch of the ring around `me` whose owners are all known here.
    pub(crate) fn known_stretch(&self, me: Position) -> (Position, Position) {
        let first = self.predecessors.last().copied().unwrap_or(me);
        (first, self.successors.last().copied().unwrap_or(me))
    }

    /// Whether the owner of `x` is known from this table.
    pub(crate) fn knows_owner(&self, me: Position, x: Position) -> bool {
        let (after, through) = self.known_stretch(me);
        self.is_whole_ring() || within(after, x, through)
    }

    /// What lies before the range in which `me` holds values: the third predecessor (E86). None if
    /// the ring is so small that every peer holds everything.
    pub(crate) fn replica_floor(&self) -> Option<Position> {
        self.predecessors.get(2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(me: Position, peers: &[Position]) -> Neighbors {
        Neighbors::around(me, &peers.iter().copied().collect())
    }

    // R6940-10.1-02
    #[test]
    fn lists_the_nearest_first_and_wraps() {
        let table = table(50, &[10, 20, 30, 40, 50, 60, 70, 80, 90]);
        assert_eq!(table.successors, [60, 70, 80, 90]);
        assert_eq!(table.predecessors, [40, 30, 20, 10]);
        assert_eq!(Neighbors::around(85, &[10, 90].into()).successors, [90, 10]);
    }

    // R6940-10.7.3-04
    #[test]
    fn never_holds_the_peer_itself() {
        assert_eq!(table(5, &[5]), Neighbors::default());
    }

    #[test]
    fn knows_the_whole_ring_while_it_is_small() {
        assert!(table(1, &[2, 3]).is_whole_ring());
        assert!(table(1, &[2, 3, 4, 5, 6, 7, 8]).is_whole_ring());
        assert!(!table(1, &[2, 3, 4, 5, 6, 7, 8, 9, 10]).is_whole_ring());
    }

    #[test]
    fn knows_owners_between_its_ends_only() {
        let table = table(50, &[10, 20, 30, 40, 60, 70, 80, 90, 95]);
        assert!(table.knows_owner(50, 11) && table.knows_owner(50, 90));
        assert!(!table.knows_owner(50, 91) && !table.knows_owner(50, 10));
    }
}
