//! A store that fails: the request is refused, and nothing has changed, the books neither.

use std::ops::Bound;

use bytes::Bytes;
use reload_storage::{Batch, MemoryStore, Refusal, Slot, Storage, Store, StoreFault};
use reload_wire::{ErrorCode, KindId, ResourceId};

use crate::bed::*;

/// A store whose disk is full after a number of batches.
#[derive(Debug)]
struct FullDisk {
    inner: MemoryStore,
    batches_left: usize,
}

impl Store for FullDisk {
    fn slot(&self, resource: &ResourceId, kind: KindId) -> Option<&Slot> {
        self.inner.slot(resource, kind)
    }

    fn generation(&self, resource: &ResourceId, kind: KindId) -> u64 {
        self.inner.generation(resource, kind)
    }

    fn slots(&self, resource: &ResourceId) -> impl Iterator<Item = (KindId, &Slot)> {
        self.inner.slots(resource)
    }

    fn resources(
        &self,
        from: Bound<&ResourceId>,
        to: Bound<&ResourceId>,
    ) -> impl Iterator<Item = &ResourceId> {
        self.inner.resources(from, to)
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StoreFault> {
        match self.batches_left.checked_sub(1) {
            Some(left) => {
                self.batches_left = left;
                self.inner.apply(batch)
            }
            None => Err(StoreFault { reason: "disk full" }),
        }
    }
}

// R6940-7.4.1.1-04, R6940-7.4.1.1-05
#[test]
fn a_failing_store_refuses_and_keeps_the_state_before() {
    let mut bed = Bed::new();
    let disk = FullDisk { inner: MemoryStore::new(), batches_left: 1 };
    let mut storage = Storage::new(disk, &bed.configuration);
    let (alice, home) = (bed.writer("alice"), bed.user_resource("alice"));
    bed.store(&mut storage, &alice, &Request::of(&home, SINGLE, 1, single(b"old"))).unwrap();
    let before = storage.usage();

    let request = Request::of(&home, SINGLE, 2, single(b"new"));
    let refusal = bed.store(&mut storage, &alice, &request).unwrap_err();
    assert_eq!(refusal, Refusal::Fault(StoreFault { reason: "disk full" }));
    assert_eq!(refusal.code(), ErrorCode::FORBIDDEN);
    assert_eq!(refusal.to_string(), "the store of this peer cannot write: disk full");
    assert_eq!(bed.single(&storage, &home), Some(Bytes::from_static(b"old")));
    assert_eq!((storage.usage(), storage.generation(&home, SINGLE)), (before, 1));

    assert_eq!(storage.forget([home.clone()]), 0);
    bed.wait(std::time::Duration::from_secs(u64::from(LIFETIME)));
    assert_eq!(storage.handle_timeout(bed.now), 0);
    assert!(storage.wakeup().unwrap() > bed.now.mono, "a fault doesn't make the timer spin");
    assert_eq!(storage.counters().faults, 2);
    assert_eq!(bed.single(&storage, &home), None, "expired all the same");
}
