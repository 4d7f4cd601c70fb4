//! The Finger Table (sections 10.1 and 10.7.4.2): which stretch of the ring belongs to entry i, and
//! which entries are valid. Entries are drawn from the linked peers. Not the searches.

use std::collections::BTreeSet;

use rand::Rng;
use rand::rngs::StdRng;

use crate::ring::{Position, clockwise};

/// The largest number of entries (section 10.7.4.3).
pub(crate) const ENTRIES: u8 = 128;

/// Where entry i begins: n + 2^(128-i), i from 1 (section 10.5, E82).
pub(crate) fn start(me: Position, i: u8) -> Position {
    me.wrapping_add(1 << (ENTRIES - i))
}

/// The entry whose range [n + 2^(128-i), n + 2^(128-(i-1)) - 1] holds `x`; none for `me` itself.
pub(crate) fn entry_of(me: Position, x: Position) -> Option<u8> {
    let distance = clockwise(me, x);
    let zeros = u8::try_from(distance.leading_zeros()).ok()?;
    (distance != 0).then_some(zeros + 1)
}

/// A random position in the range of entry i (section 10.7.4.2).
pub(crate) fn random_target(me: Position, i: u8, rng: &mut StdRng) -> Position {
    let width: u128 = 1 << (ENTRIES - i);
    let high = u128::from(rng.random::<u64>());
    let low = u128::from(rng.random::<u64>());
    start(me, i).wrapping_add(((high << 64) | low) & (width - 1))
}

/// The valid entries over these peers, ascending i; of several peers in a range the one nearest to
/// its start.
pub(crate) fn valid(me: Position, peers: &BTreeSet<Position>) -> Vec<(u8, Position)> {
    let mut entries: Vec<(u8, Position)> = Vec::new();
    for peer in peers.range(me..).chain(peers.range(..me)).copied() {
        let Some(i) = entry_of(me, peer) else {
            continue;
        };
        if entries.last().is_none_or(|(last, _)| *last != i) {
            entries.push((i, peer));
        }
    }
    entries.reverse();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    // R6940-10.1-04, R6940-10.7.4.3-02
    #[test]
    fn the_first_entry_is_half_way_round() {
        assert_eq!(start(3, 1), 3 + (1 << 127));
        assert_eq!(start(3, 128), 4);
        assert_eq!(start(u128::MAX, 128), 0);
    }

    // R6940-10.7.4.2-01
    #[test]
    fn ranges_meet_without_a_gap() {
        assert_eq!(entry_of(0, 1 << 127), Some(1));
        assert_eq!(entry_of(0, (1 << 127) - 1), Some(2));
        assert_eq!(entry_of(0, u128::MAX), Some(1));
        assert_eq!(entry_of(0, 1), Some(128));
        assert_eq!(entry_of(9, 9), None);
    }

    // R6940-10.7.4.2-03
    #[test]
    fn random_targets_stay_in_their_range() {
        let mut rng = StdRng::seed_from_u64(1);
        for i in [1, 2, 64, 127, 128] {
            for me in [0, u128::MAX, 1 << 127] {
                assert_eq!(entry_of(me, random_target(me, i, &mut rng)), Some(i));
            }
        }
    }

    // R6940-10.7.4.3-02
    #[test]
    fn entries_ascend_and_are_valid() {
        let peers = BTreeSet::from([1, 2, 3, 1 << 126, (1 << 127) + 5, (1 << 127) + 9]);
        let expected = [(1, (1 << 127) + 5), (2, 1 << 126), (127, 2), (128, 1)];
        assert_eq!(valid(0, &peers), expected);
    }
}
