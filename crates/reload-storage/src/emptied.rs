//! Generation counters of slots that have lost their last value (section 7.4.1.1): were they
//! forgotten, a counter would start again, and a Store that expects an old state could pass.

use std::collections::BTreeMap;

use reload_wire::{KindId, ResourceId};

/// Counters that are remembered; the oldest makes room for a new one. A number of ours: it takes as
/// many slots as a peer has at most by default, some 10 MB.
pub(crate) const MOST: usize = 100_000;

type Place = (ResourceId, KindId);

/// The remembered counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Emptied {
    counters: BTreeMap<Place, Remembered>,
    /// The same by age.
    ages: BTreeMap<u64, Place>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    generation: u64,
    age: u64,
}

impl Emptied {
    pub(crate) fn get(&self, resource: &ResourceId, kind: KindId) -> Option<u64> {
        let remembered = self.counters.get(&(resource.clone(), kind));
        remembered.map(|remembered| remembered.generation)
    }

    /// Takes a counter out: the slot has values again, or is to be forgotten.
    pub(crate) fn take(&mut self, resource: &ResourceId, kind: KindId) -> Option<u64> {
        if self.counters.is_empty() {
            return None;
        }
        let remembered = self.counters.remove(&(resource.clone(), kind))?;
        self.ages.remove(&remembered.age);
        Some(remembered.generation)
    }

    /// Remembers a counter; gives the slot whose counter made room for it.
    pub(crate) fn insert(
        &mut self,
        resource: ResourceId,
        kind: KindId,
        generation: u64,
    ) -> Option<Place> {
        self.take(&resource, kind);
        if generation == 0 {
            return None;
        }
        let age = self.next;
        self.next += 1;
        self.ages.insert(age, (resource.clone(), kind));
        self.counters.insert((resource, kind), Remembered { generation, age });
        if self.counters.len() <= MOST {
            return None;
        }
        let (_, oldest) = self.ages.pop_first()?;
        self.counters.remove(&oldest);
        Some(oldest)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ResourceId, KindId, u64)> {
        self.counters.iter().map(|((resource, kind), held)| (resource, *kind, held.generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: KindId = KindId(1);

    fn resource(number: usize) -> ResourceId {
        ResourceId::from_u128(u128::try_from(number).unwrap())
    }

    #[test]
    fn the_oldest_counter_makes_room() {
        let mut emptied = Emptied::default();
        for number in 0..MOST {
            assert_eq!(emptied.insert(resource(number), KIND, 7), None);
        }
        // Emptied again, it is the youngest.
        assert_eq!(emptied.insert(resource(0), KIND, 8), None);
        assert_eq!(emptied.insert(resource(MOST), KIND, 7), Some((resource(1), KIND)));
        assert_eq!(emptied.get(&resource(0), KIND), Some(8));
        assert_eq!(emptied.get(&resource(1), KIND), None);
        assert_eq!((emptied.counters.len(), emptied.ages.len()), (MOST, MOST));
    }

    #[test]
    fn a_counter_is_taken_once() {
        let mut emptied = Emptied::default();
        emptied.insert(resource(1), KIND, 5);
        assert_eq!(emptied.take(&resource(1), KIND), Some(5));
        assert_eq!(emptied.take(&resource(1), KIND), None);
        assert!(emptied.ages.is_empty());
    }
}
