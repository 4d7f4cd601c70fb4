//! Which elements a Fetch or a Stat asks for (sections 7.4.2.1 and 7.4.3.1), absent ones included.

use reload_config::KindDefinition;
use reload_wire::{ArrayRange, Dialect, ModelSpecifier, StoredDataSpecifier, UnixTime};

use crate::refusal::Refusal;
use crate::values::{Slot, StoredValue, ValueKey};

/// An element that was asked for.
#[derive(Debug)]
pub(crate) enum Selected<'a> {
    /// A value is stored there.
    Stored(&'a ValueKey, &'a StoredValue),
    /// Nothing is known of it: the answer has a synthetic value (section 7.4.2.2).
    Absent(ValueKey),
}

/// The question about one Kind.
pub(crate) struct Selection<'a> {
    kind: &'a KindDefinition,
    slot: Option<&'a Slot>,
    generation: u64,
    specifier: ModelSpecifier,
    matches: bool,
    max_absent: u32,
    now: UnixTime,
}

impl<'a> Selection<'a> {
    /// Reads the specifier by the data model of its Kind.
    pub(crate) fn read(
        dialect: &Dialect,
        kind: &'a KindDefinition,
        (slot, generation): (Option<&'a Slot>, u64),
        asked: &StoredDataSpecifier,
        now: UnixTime,
    ) -> Result<Self, Refusal> {
        let specifier = ModelSpecifier::decode_as(dialect, kind.model, &asked.model_specifier)
            .map_err(|error| Refusal::BadSpecifier { kind: kind.id, error })?;
        if let ModelSpecifier::Array(ranges) = &specifier {
            check_ranges(kind, ranges)?;
        }
        let slot = slot.filter(|slot| slot.live(now).next().is_some());
        // Counters of what is stored are never 0, which stands for "not known" (section 7.4.1.1).
        let matches = slot.is_some_and(|slot| slot.generation == asked.generation);
        Ok(Self { kind, slot, generation, specifier, matches, max_absent: kind.max_count, now })
    }

    /// The present generation counter; 0 where nothing was stored.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Calls `visit` for each element asked for, none if the requester has seen this generation.
    pub(crate) fn visit<F>(&self, mut visit: F) -> Result<(), Refusal>
    where
        F: FnMut(Selected<'a>) -> Result<(), Refusal>,
    {
        if self.matches {
            return Ok(());
        }
        match &self.specifier {
            ModelSpecifier::Single => visit(self.at(ValueKey::Single)),
            ModelSpecifier::Array(ranges) => {
                ranges.iter().try_for_each(|range| self.visit_range(range, &mut visit))
            }
            ModelSpecifier::Dictionary(keys) if keys.is_empty() => self.visit_all(&mut visit),
            ModelSpecifier::Dictionary(keys) => {
                keys.iter().try_for_each(|key| visit(self.at(ValueKey::Key(key.clone()))))
            }
        }
    }

    fn at(&self, key: ValueKey) -> Selected<'a> {
        let found = self.slot.and_then(|slot| slot.values.get_key_value(&key));
        match found.filter(|(_, value)| value.is_live(self.now)) {
            Some((key, value)) => Selected::Stored(key, value),
            None => Selected::Absent(key),
        }
    }

    fn visit_all(
        &self,
        visit: &mut impl FnMut(Selected<'a>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut live = self.slot.into_iter().flat_map(|slot| slot.live(self.now));
        live.try_for_each(|(key, value)| visit(Selected::Stored(key, value)))
    }

    /// The elements of a range; absent ones only in ranges of at most max-count indices (E64).
    fn visit_range(
        &self,
        range: &ArrayRange,
        visit: &mut impl FnMut(Selected<'a>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Some(last) = self.end_of(range).filter(|last| range.first <= *last) else {
            return Ok(());
        };
        if last - range.first < self.max_absent {
            return (range.first..=last)
                .try_for_each(|index| visit(self.at(ValueKey::Index(index))));
        }
        let within = ValueKey::Index(range.first)..=ValueKey::Index(last);
        let stored = self.slot.into_iter().flat_map(|slot| slot.values.range(within.clone()));
        let mut live = stored.filter(|(_, value)| value.is_live(self.now));
        live.try_for_each(|(key, value)| visit(Selected::Stored(key, value)))
    }

    /// 0xffffffff stands for the last element stored (E64).
    fn end_of(&self, range: &ArrayRange) -> Option<u32> {
        if range.last != u32::MAX {
            return Some(range.last);
        }
        let live = self.slot.into_iter().flat_map(|slot| slot.live(self.now));
        live.filter_map(|(key, _)| match key {
            ValueKey::Index(index) => Some(*index),
            ValueKey::Single | ValueKey::Key(_) => None,
        })
        .last()
    }

    /// The Kind asked about.
    pub(crate) fn kind(&self) -> &KindDefinition {
        self.kind
    }
}

/// Each range goes upward, and none overlaps another (section 7.4.2.1).
fn check_ranges(kind: &KindDefinition, ranges: &[ArrayRange]) -> Result<(), Refusal> {
    let mut sorted: Vec<_> = ranges.iter().map(|range| (range.first, range.last)).collect();
    sorted.sort_unstable();
    let upward = sorted.iter().all(|(first, last)| first <= last);
    let apart = sorted.windows(2).all(|pair| pair[0].1 < pair[1].0);
    if upward && apart { Ok(()) } else { Err(Refusal::BadRanges(kind.id)) }
}
