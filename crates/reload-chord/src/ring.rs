//! Arithmetic on the ring of 2^128 identifiers (section 10.1). Not the tables.

use reload_topology::Range;
use reload_wire::{NodeId, ResourceId};
use sha1::{Digest, Sha1};

/// A place on the ring: a Node-ID or Resource-ID of 16 bytes as a number (E79).
pub(crate) type Position = u128;

/// The position of a Node-ID; none for lengths other than 16.
pub(crate) fn position(node: &NodeId) -> Option<Position> {
    node.to_u128()
}

/// The Node-ID at a position.
pub(crate) fn node(position: Position) -> NodeId {
    NodeId::from_u128(position)
}

/// Steps clockwise from `from` to `to`.
pub(crate) fn clockwise(from: Position, to: Position) -> u128 {
    to.wrapping_sub(from)
}

/// Whether `x` lies clockwise after `after` up to and with `through`; the whole ring if both are equal.
pub(crate) fn within(after: Position, x: Position, through: Position) -> bool {
    span(after, x) <= span(after, through)
}

/// One less than the number of identifiers in (`after`, `through`], so that the whole ring fits.
pub(crate) fn span(after: Position, through: Position) -> u128 {
    clockwise(after, through).wrapping_sub(1)
}

/// The stretch (`after`, `through`] in the words of the contract.
pub(crate) fn range(after: Position, through: Position) -> Range {
    Range { after: ResourceId::from_u128(after), through: ResourceId::from_u128(through) }
}

/// The Resource-ID of a name: the first 128 bits of its SHA-1 (section 10.2, E80).
#[must_use]
pub fn resource_id(name: &[u8]) -> ResourceId {
    let digest = Sha1::digest(name);
    let first =
        digest.iter().take(16).fold(0u128, |number, byte| (number << 8) | u128::from(*byte));
    ResourceId::from_u128(first)
}

/// The share of the ring that (`after`, `through`] is, in parts per billion (section 6.4.2.5).
pub(crate) fn parts_per_billion(after: Position, through: Position) -> u32 {
    let upper_half = span(after, through) >> 64;
    let share = ((upper_half + 1) * 1_000_000_000) >> 64;
    u32::try_from(share).unwrap_or(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-10.1-01
    #[test]
    fn distance_goes_clockwise_over_zero() {
        assert_eq!(clockwise(u128::MAX, 0), 1);
        assert_eq!(clockwise(0, u128::MAX), u128::MAX);
    }

    // R6940-10.1-01, R6940-10.1-03
    #[test]
    fn a_stretch_is_open_at_its_start_and_closed_at_its_end() {
        assert!(!within(10, 10, 20));
        assert!(within(10, 11, 20) && within(10, 20, 20));
        assert!(!within(10, 21, 20));
        assert!(within(200, 3, 5) && !within(200, 100, 5));
    }

    #[test]
    fn a_stretch_with_equal_ends_is_the_whole_ring() {
        assert!(within(7, 7, 7) && within(7, 8, 7) && within(7, 6, 7));
        assert_eq!(span(7, 7), u128::MAX);
    }

    // R6940-10.2-01, R6940-10.2-02
    #[test]
    fn resource_id_is_the_start_of_sha1() {
        let expected = "a9993e364706816aba3e25717850c26c"; // SHA-1("abc"), FIPS 180
        assert_eq!(resource_id(b"abc").to_string(), expected);
    }

    // R6940-6.4.2.5.2-02
    #[test]
    fn shares_are_parts_per_billion() {
        assert_eq!(parts_per_billion(5, 5), 1_000_000_000);
        assert_eq!(parts_per_billion(0, 1 << 127), 500_000_000);
        assert_eq!(parts_per_billion(u128::MAX - 9, (1 << 126) - 10), 250_000_000);
    }
}
