//! The slots of the connection table that opaque ids name (section 6.3.2.2): an index and a
//! generation counter, in fifteen bits or in full.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

use crate::LinkId;

/// Slots: as many as 12 bits of an index can name (section 6.3.2.2).
const SLOTS: u16 = 4096;
/// Bits of the generation counter in a compact id (section 6.3.2.2).
const COMPACT_GENERATION: u16 = 3;

/// A slot at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) index: u16,
    pub(crate) generation: u16,
}

impl Slot {
    /// 12 bits of index and the 3 low bits of the generation (section 6.3.2.2).
    pub(crate) const fn compact(self) -> u16 {
        let mask = (1 << COMPACT_GENERATION) - 1;
        self.index << COMPACT_GENERATION | self.generation & mask
    }
}

/// All slots. A link gets one when it first needs one, and keeps it; the slot is free again when
/// the link is gone.
#[derive(Debug)]
pub(crate) struct Slots {
    generations: Vec<u16>,
    links: BTreeMap<u16, LinkId>,
    taken: BTreeMap<LinkId, u16>,
    /// The slot to try first: they are used in rotation.
    next: u16,
}

impl Slots {
    /// Generations begin at random (section 6.3.2.2).
    pub(crate) fn new(rng: &mut StdRng) -> Self {
        let generations = (0..SLOTS).map(|_| rng.random()).collect();
        Self { generations, links: BTreeMap::new(), taken: BTreeMap::new(), next: 0 }
    }

    /// The slot of a link; `None` if all are taken by links that live.
    pub(crate) fn of(&mut self, link: LinkId, lives: impl Fn(LinkId) -> bool) -> Option<Slot> {
        let index = match self.taken.get(&link) {
            Some(index) => *index,
            None => self.take(link, lives)?,
        };
        Some(Slot { index, generation: self.generation(index) })
    }

    fn take(&mut self, link: LinkId, lives: impl Fn(LinkId) -> bool) -> Option<u16> {
        let rotation = (self.next..SLOTS).chain(0..self.next);
        let free = |index: &u16| self.links.get(index).is_none_or(|holder| !lives(*holder));
        let index = rotation.into_iter().find(free)?;
        if let Some(gone) = self.links.insert(index, link) {
            self.taken.remove(&gone);
        }
        self.taken.insert(link, index);
        self.next = (index + 1) % SLOTS;
        let generation = self.generations.get_mut(usize::from(index))?;
        *generation = generation.wrapping_add(1);
        Some(index)
    }

    /// The link in a slot, if the generation is the present one.
    pub(crate) fn at(&self, slot: Slot) -> Option<LinkId> {
        let link = self.links.get(&slot.index)?;
        (self.generation(slot.index) == slot.generation).then_some(*link)
    }

    /// As [`Self::at`], by the fifteen bits of a compact id; its top bit is no part of it.
    pub(crate) fn at_compact(&self, id: u16) -> Option<LinkId> {
        let index = id >> COMPACT_GENERATION & (SLOTS - 1);
        let slot = Slot { index, generation: self.generation(index) };
        let link = self.at(slot)?;
        (slot.compact() == id & 0x7fff).then_some(link)
    }

    fn generation(&self, index: u16) -> u16 {
        self.generations.get(usize::from(index)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn slots(seed: u8) -> Slots {
        Slots::new(&mut StdRng::from_seed([seed; 32]))
    }

    fn link(number: u16) -> LinkId {
        LinkId::accepted(u64::from(number))
    }

    // R6940-6.3.2.2-09
    #[test]
    fn generations_begin_at_random() {
        let (one, other) = (slots(1), slots(2));
        assert_ne!(one.generations, other.generations);
        assert_ne!(one.generations[0], one.generations[1]);
    }

    // R6940-6.3.2.2-10
    #[test]
    fn twelve_bits_are_the_index_and_three_the_generation() {
        assert_eq!(Slot { index: 4095, generation: 7 }.compact(), 0x7fff);
        assert_eq!(Slot { index: 4095, generation: 8 }.compact(), 0x7ff8);
        assert_eq!(Slot { index: 1, generation: 2 }.compact(), 0x000a);
        let mut slots = slots(1);
        for number in 0..SLOTS {
            let slot = slots.of(link(number), |_| true).expect("one is free");
            assert_eq!(slots.at_compact(slot.compact() | 0x8000), Some(link(number)));
            assert_eq!(slots.at_compact((slot.compact() ^ 1) | 0x8000), None);
        }
        assert_eq!(slots.of(link(SLOTS), |_| true), None);
    }

    // R6940-6.3.2.2-08, R6940-6.3.2.2-11
    #[test]
    fn slots_are_used_in_rotation_and_a_new_link_in_one_is_a_new_generation() {
        let mut slots = slots(1);
        let first = slots.of(link(1), |_| true).expect("one is free");
        assert_eq!(slots.of(link(1), |_| true), Some(first));
        let second = slots.of(link(2), |_| false).expect("one is free");
        assert_eq!(second.index, first.index + 1);
        for number in 3..=SLOTS {
            slots.of(link(number), |_| false).expect("one is free");
        }
        let again = slots.of(link(SLOTS + 1), |_| false).expect("one is free");
        assert_eq!(again.index, first.index);
        assert_eq!(again.generation, first.generation.wrapping_add(1));
        assert_ne!(again.compact(), first.compact());
        assert_eq!(slots.at(first), None);
        assert_eq!(slots.at(again), Some(link(SLOTS + 1)));
    }

    // R6940-6.3.2.2-11
    #[test]
    fn a_generation_wraps() {
        let mut slots = slots(1);
        slots.generations[0] = u16::MAX;
        assert_eq!(slots.of(link(1), |_| true), Some(Slot { index: 0, generation: 0 }));
    }
}
