//! Reassembly of fragments at their destination (section 6.7).

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reload_wire::{ForwardingHeader, TransactionId};

use crate::answers::REQUEST_LIFETIME;

/// Parts belong together if the transaction is the same, and if both are requests to this node or
/// both answers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FragmentKey {
    pub(crate) transaction: TransactionId,
    /// Whether this node waits for an answer with this transaction id.
    pub(crate) answer: bool,
}

#[derive(Debug)]
struct Set {
    /// By offset.
    parts: BTreeMap<u32, Bytes>,
    /// The size of the whole, once the last part is there.
    total: Option<u32>,
    /// The header of the part at offset 0, or of the first that came.
    header: ForwardingHeader,
    until: Instant,
    held: usize,
}

/// The fragments held; bounded in bytes, what does not fit is dropped.
#[derive(Debug)]
pub(crate) struct Fragments {
    sets: BTreeMap<FragmentKey, Set>,
    held: usize,
    bound: usize,
    /// The largest message that may result.
    largest: usize,
}

impl Fragments {
    pub(crate) fn new(bound: usize, largest: usize) -> Self {
        Self { sets: BTreeMap::new(), held: 0, bound, largest }
    }

    /// Takes another max-message-size.
    pub(crate) fn set_largest(&mut self, largest: usize) {
        self.largest = largest;
    }

    /// Takes one part; returns the whole message when it was the missing one.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        key: FragmentKey,
        header: &ForwardingHeader,
        rest: &Bytes,
    ) -> Option<(ForwardingHeader, Bytes)> {
        let length = u32::try_from(rest.len()).ok()?;
        let end = header.fragment.offset.checked_add(length)?;
        let fits = usize::try_from(end).is_ok_and(|end| end <= self.largest);
        if rest.is_empty() || !fits || self.held + rest.len() > self.bound {
            return None;
        }
        let set = self.sets.entry(key).or_insert_with(|| Set {
            parts: BTreeMap::new(),
            total: None,
            header: header.clone(),
            until: now + REQUEST_LIFETIME,
            held: 0,
        });
        if !set.accepts(header, end, rest) {
            self.discard(key);
            return None;
        }
        self.held += set.add(header, end, rest);
        let whole = set.whole()?;
        let mut header = set.header.clone();
        header.fragment = reload_wire::Fragment::WHOLE;
        self.discard(key);
        Some((header, whole))
    }

    /// Drops sets that stayed incomplete for too long; returns when to come again.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Instant> {
        let old: Vec<_> =
            self.sets.iter().filter(|(_, set)| set.until <= now).map(|(key, _)| *key).collect();
        for key in old {
            self.discard(key);
        }
        self.sets.values().map(|set| set.until).min()
    }

    fn discard(&mut self, key: FragmentKey) {
        if let Some(set) = self.sets.remove(&key) {
            self.held -= set.held;
        }
    }
}

impl Set {
    /// Whether the part agrees with those that are here: what overlaps must be equal.
    fn accepts(&self, header: &ForwardingHeader, end: u32, rest: &Bytes) -> bool {
        if header.fragment.last && self.total.is_some_and(|total| total != end) {
            return false;
        }
        if self.total.is_some_and(|total| end > total) {
            return false;
        }
        if header.fragment.last
            && self.parts.iter().any(|(at, part)| part_end(*at, part) > u64::from(end))
        {
            return false;
        }
        self.parts.iter().all(|(at, part)| agree(*at, part, header.fragment.offset, rest))
    }

    /// Adds the part; returns by how many bytes the set grew.
    fn add(&mut self, header: &ForwardingHeader, end: u32, rest: &Bytes) -> usize {
        if header.fragment.last {
            self.total = Some(end);
        }
        let offset = header.fragment.offset;
        if offset == 0 {
            self.header = header.clone();
        }
        let before = self.parts.get(&offset).map_or(0, Bytes::len);
        if before >= rest.len() {
            return 0;
        }
        self.parts.insert(offset, rest.clone());
        let grown = rest.len() - before;
        self.held += grown;
        grown
    }

    /// The whole, if no byte is missing.
    fn whole(&self) -> Option<Bytes> {
        let total = usize::try_from(self.total?).ok()?;
        let mut whole = BytesMut::new();
        for (at, part) in &self.parts {
            let at = usize::try_from(*at).ok()?;
            if at > whole.len() {
                return None;
            }
            let known = whole.len() - at;
            if known < part.len() {
                whole.extend_from_slice(&part[known..]);
            }
        }
        (whole.len() == total).then(|| whole.freeze())
    }
}

fn part_end(at: u32, part: &Bytes) -> u64 {
    u64::from(at) + u64::try_from(part.len()).unwrap_or(u64::MAX)
}

fn agree(a_at: u32, a: &Bytes, b_at: u32, b: &Bytes) -> bool {
    let (Ok(a_at), Ok(b_at)) = (usize::try_from(a_at), usize::try_from(b_at)) else {
        return false;
    };
    let start = a_at.max(b_at);
    let end = (a_at + a.len()).min(b_at + b.len());
    start >= end || a[start - a_at..end - a_at] == b[start - b_at..end - b_at]
}
