//! Reassembly of fragments at their destination (section 6.7); `send.rs` cuts.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reload_wire::{ForwardingHeader, TransactionId};

use crate::forward::Origin;
use crate::originate::size_of;

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
    /// Header and origin of the part at offset 0, or of the first that came: the way back.
    header: ForwardingHeader,
    origin: Origin,
    until: Instant,
    held: usize,
}

/// A part but the last has at least this many bytes (section 6.7, E34).
pub(crate) const LEAST: usize = 256;

/// The buffer is full, or the message would be larger than allowed: the part is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// The whole message, when the part was the missing one.
type Whole = Option<(Origin, ForwardingHeader, Bytes)>;

/// The fragments held; bounded in bytes, headers included; what does not fit is dropped.
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

    /// Takes one part; the first of a message says until when the others are waited for.
    pub(crate) fn take(
        &mut self,
        until: Instant,
        key: FragmentKey,
        origin: Origin,
        header: &ForwardingHeader,
        rest: &Bytes,
    ) -> Result<Whole, NoRoom> {
        let head = size_of(header);
        let length = u32::try_from(rest.len()).map_err(|_| NoRoom)?;
        let end = header.fragment.offset.checked_add(length).ok_or(NoRoom)?;
        let size = usize::try_from(end).unwrap_or(usize::MAX).saturating_add(head);
        let small = rest.is_empty() || !header.fragment.last && rest.len() < LEAST;
        // the header is kept with each part: both are slices of one message
        let cost = head + rest.len();
        if small || size > self.largest || self.held + cost > self.bound {
            return Err(NoRoom);
        }
        let set = self.sets.entry(key).or_insert_with(|| Set {
            parts: BTreeMap::new(),
            total: None,
            header: header.clone(),
            origin,
            until,
            held: 0,
        });
        if !set.accepts(header, end, rest) {
            self.discard(key);
            return Ok(None);
        }
        if set.add(origin, header, end, rest) {
            set.held += cost;
            self.held += cost;
        }
        let Some(whole) = set.whole() else {
            return Ok(None);
        };
        let (origin, mut header) = (set.origin, set.header.clone());
        header.fragment = reload_wire::Fragment::WHOLE;
        header.length = u32::try_from(size_of(&header) + whole.len()).map_err(|_| NoRoom)?;
        self.discard(key);
        Ok(Some((origin, header, whole)))
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

    /// Adds the part; returns whether it brought something.
    fn add(&mut self, origin: Origin, header: &ForwardingHeader, end: u32, rest: &Bytes) -> bool {
        if header.fragment.last {
            self.total = Some(end);
        }
        let offset = header.fragment.offset;
        if offset == 0 {
            (self.header, self.origin) = (header.clone(), origin);
        }
        if self.parts.get(&offset).is_some_and(|known| known.len() >= rest.len()) {
            return false;
        }
        self.parts.insert(offset, rest.clone());
        true
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
