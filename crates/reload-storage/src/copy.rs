//! Copies for other peers (sections 7.4.1.1 and 10.4): Store requests with a replica number that is
//! not 0, the lifetime that is left, real array indices, and the certificates of the writers.

use std::ops::Bound;

use bytes::Bytes;
use reload_topology::Range;
use reload_wire::{Encode, KindId, Now, ResourceId, StoreKindData, StoreReq, StoredData};

use crate::fetch::{Certificates, stored_data_size};
use crate::storage::Storage;
use crate::store::Store;
use crate::values::{StoredValue, ValueKey};
use crate::write::Stored;

/// One Store request to another peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyBatch {
    /// The resource.
    pub resource: ResourceId,
    /// The Kinds in it; what to fetch if the other peer has newer data.
    pub kinds: Vec<KindId>,
    /// How many values are in it.
    pub values: usize,
    /// The message body: a StoreReq.
    pub body: Bytes,
    /// The certificates (DER) of the writers, each once, for the security block.
    pub certificates: Vec<Bytes>,
}

impl CopyBatch {
    /// Bytes of body and certificates together, as the `max_size` of the makers counts them.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len() + self.certificates.iter().map(|der| 3 + der.len()).sum::<usize>()
    }
}

impl<S: Store> Storage<S> {
    /// The Stores that bring what a Store changed to a replica. Each fits `max_size` bytes of body
    /// and certificates, unless a single value with its certificates doesn't; it stands alone then.
    #[must_use]
    pub fn replica_requests(
        &self,
        now: Now,
        stored: &Stored,
        replica_number: u8,
        max_size: usize,
    ) -> Vec<CopyBatch> {
        let mut batches = Vec::new();
        let mut packer = Packer::new(&stored.resource, replica_number, max_size);
        for kind in &stored.kinds {
            for item in self.items(&stored.resource, kind.kind, &kind.changed) {
                if packer.offer(now, &item) == Offer::Full {
                    batches.extend(packer.finish());
                    packer = Packer::new(&stored.resource, replica_number, max_size);
                    packer.offer(now, &item);
                }
            }
        }
        batches.extend(packer.finish());
        batches
    }

    /// A walk over all values in `range`, for a hand-over or a new replica. It holds no values: it
    /// can wait between two requests while the storage changes.
    #[must_use]
    pub fn copy_range(&self, range: &Range, replica_number: u8, max_size: usize) -> CopyCursor {
        CopyCursor::new(range.clone(), replica_number, max_size)
    }

    fn items(
        &self,
        resource: &ResourceId,
        kind: KindId,
        keys: &[ValueKey],
    ) -> impl Iterator<Item = Item<'_>> {
        let slot = self.store.slot(resource, kind);
        slot.into_iter().flat_map(move |slot| {
            let held = keys.iter().filter_map(|key| slot.values.get_key_value(key));
            held.map(move |(key, value)| Item { kind, generation: slot.generation, key, value })
        })
    }
}

/// Where a walk over a range is.
#[derive(Clone, Debug)]
pub struct CopyCursor {
    range: Range,
    replica_number: u8,
    max_size: usize,
    /// The part of the ring: a range over zero has two.
    part: usize,
    at: Position,
}

#[derive(Clone, Debug)]
enum Position {
    /// At the start of the part.
    Start,
    /// Behind this element.
    Within(ResourceId, KindId, ValueKey),
    /// Behind this resource.
    Behind(ResourceId),
}

impl CopyCursor {
    fn new(range: Range, replica_number: u8, max_size: usize) -> Self {
        Self { range, replica_number, max_size, part: 0, at: Position::Start }
    }

    /// The next request: values of one resource, as many as fit. Clockwise through the range. None
    /// at the end.
    pub fn next<S: Store>(&mut self, storage: &Storage<S>, now: Now) -> Option<CopyBatch> {
        loop {
            let resource = self.resource(&storage.store)?;
            match self.pack(&storage.store, now, &resource) {
                Some(batch) => return Some(batch),
                None => self.at = Position::Behind(resource),
            }
        }
    }

    /// The resource to go on with.
    fn resource<S: Store>(&mut self, store: &S) -> Option<ResourceId> {
        if let Position::Within(resource, ..) = &self.at {
            return Some(resource.clone());
        }
        loop {
            let (from, to) = self.bounds()?;
            let next = store.resources(from, to).next().cloned();
            if next.is_some() {
                return next;
            }
            self.part += 1;
            self.at = Position::Start;
        }
    }

    /// What is left of the present part of the ring.
    fn bounds(&self) -> Option<(Bound<&ResourceId>, Bound<&ResourceId>)> {
        let Range { after, through } = &self.range;
        let straight = after < through;
        let (from, to) = match (straight, self.part) {
            (true, 0) => (Bound::Excluded(after), Bound::Included(through)),
            (false, 0) => (Bound::Excluded(after), Bound::Unbounded),
            (false, 1) => (Bound::Unbounded, Bound::Included(through)),
            _ => return None,
        };
        match &self.at {
            Position::Behind(resource) => Some((Bound::Excluded(resource), to)),
            Position::Start | Position::Within(..) => Some((from, to)),
        }
    }

    /// Takes as many values of `resource` as fit; none if none is left.
    fn pack<S: Store>(&mut self, store: &S, now: Now, resource: &ResourceId) -> Option<CopyBatch> {
        let mut packer = Packer::new(resource, self.replica_number, self.max_size);
        for item in items_behind(store, resource, self.at.clone()) {
            if packer.offer(now, &item) == Offer::Full {
                break;
            }
            self.at = Position::Within(resource.clone(), item.kind, item.key.clone());
        }
        packer.finish()
    }
}

/// The values of a resource behind a position, in order.
fn items_behind<'a, S: Store>(
    store: &'a S,
    resource: &'a ResourceId,
    position: Position,
) -> impl Iterator<Item = Item<'a>> {
    let behind = match position {
        Position::Within(_, kind, key) => Some((kind, key)),
        Position::Start | Position::Behind(_) => None,
    };
    store.slots(resource).flat_map(move |(kind, slot)| {
        let from = match &behind {
            Some((last, _)) if kind < *last => None,
            Some((last, key)) if kind == *last => Some(Bound::Excluded(key)),
            _ => Some(Bound::Unbounded),
        };
        let values = from.map(|from| slot.values.range::<ValueKey, _>((from, Bound::Unbounded)));
        let generation = slot.generation;
        let item = move |(key, value)| Item { kind, generation, key, value };
        values.into_iter().flatten().map(item)
    })
}

/// A value to copy.
struct Item<'a> {
    kind: KindId,
    generation: u64,
    key: &'a ValueKey,
    value: &'a StoredValue,
}

/// What became of a value offered to a [`Packer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// It is in the request.
    Taken,
    /// It has no lifetime left or can't be written: it is not copied (section 7.4.1.1, E70).
    Skipped,
    /// It needs a request of its own.
    Full,
}

/// Builds one request up to a size.
struct Packer {
    request: StoreReq,
    certificates: Certificates,
    values: usize,
    size: usize,
    max_size: usize,
}

/// Bytes of a Kind's part before its values: Kind, generation counter, length (section 7.4.1.1).
const KIND_HEADER: usize = 4 + 8 + 4;

impl Packer {
    fn new(resource: &ResourceId, replica_number: u8, max_size: usize) -> Self {
        let request =
            StoreReq { resource: resource.clone(), replica_number, kind_data: Vec::new() };
        // Resource with its length byte, replica number, length of the Kinds.
        let size = 1 + resource.as_bytes().len() + 1 + 4;
        Self { request, certificates: Certificates::default(), values: 0, size, max_size }
    }

    fn offer(&mut self, now: Now, item: &Item<'_>) -> Offer {
        let live = item.value.is_live(now.wall) && item.value.remaining(now.wall) > 0;
        let data = item.value.to_wire(item.key, now.wall);
        let (true, Ok(data)) = (live, data) else {
            return Offer::Skipped;
        };
        let size = self.size
            + stored_data_size(&data)
            + self.certificates.cost(item.value.certificate())
            + if self.has(item.kind) { 0 } else { KIND_HEADER };
        if size > self.max_size && self.values > 0 {
            return Offer::Full;
        }
        self.certificates.add(item.value.certificate());
        self.push(item, data);
        self.size = size;
        Offer::Taken
    }

    /// Kinds come in order, so that only the last one can be the same.
    fn has(&self, kind: KindId) -> bool {
        self.request.kind_data.last().is_some_and(|last| last.kind == kind)
    }

    fn push(&mut self, item: &Item<'_>, data: StoredData) {
        self.values += 1;
        match self.request.kind_data.last_mut().filter(|last| last.kind == item.kind) {
            Some(last) => last.values.push(data),
            None => self.request.kind_data.push(StoreKindData {
                kind: item.kind,
                generation_counter: item.generation,
                values: vec![data],
            }),
        }
    }

    /// The request, if there is a value in it.
    fn finish(self) -> Option<CopyBatch> {
        if self.values == 0 {
            return None;
        }
        Some(CopyBatch {
            kinds: self.request.kind_data.iter().map(|data| data.kind).collect(),
            values: self.values,
            body: self.request.to_bytes().ok()?,
            certificates: self.certificates.into_list(),
            resource: self.request.resource,
        })
    }
}
