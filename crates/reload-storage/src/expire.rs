//! What goes by itself: values at the end of their lifetime or of their writer's certificate
//! (sections 7 and 7.1), and values outside this peer's range (section 10.7.3).

use std::ops::Bound;
use std::time::{Duration, Instant};

use reload_topology::Range;
use reload_wire::{Now, ResourceId};

use crate::storage::Storage;
use crate::store::{Batch, Change, Store};

/// Expired values are not answered with from the moment they expire; they are swept at most so often.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

impl<S: Store> Storage<S> {
    /// Removes what has expired; gives the number of values.
    pub fn handle_timeout(&mut self, now: Now) -> usize {
        self.clock = Some(now);
        let mut batch = Batch::default();
        for address in self.ledger.expired(now.wall) {
            batch.push(Change::Remove(address.clone()));
        }
        let removed = self.sweep(batch);
        self.counters.expired += u64::try_from(removed).unwrap_or(u64::MAX);
        removed
    }

    /// When [`Storage::handle_timeout`] has something to do next. It lies after the last `now` that
    /// was given.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        let clock = self.clock?;
        let wait = self.ledger.first_expiry()?.saturating_since(clock.wall);
        // A deadline beyond the clock's range is none.
        clock.mono.checked_add(wait.max(SWEEP_INTERVAL))
    }

    /// At most `most` resources outside a range, in order.
    #[must_use]
    pub fn resources_outside(&self, keep: &Range, most: usize) -> Vec<ResourceId> {
        let all = self.store.resources(Bound::Unbounded, Bound::Unbounded);
        all.filter(|resource| !keep.contains(resource)).take(most).cloned().collect()
    }

    /// Drops all values at these resources; gives their number.
    pub fn forget(&mut self, resources: impl IntoIterator<Item = ResourceId>) -> usize {
        let mut batch = Batch::default();
        for resource in resources {
            for kind in self.kinds_at(&resource) {
                batch.push(Change::Drop { resource: resource.clone(), kind });
            }
        }
        self.sweep(batch)
    }

    fn sweep(&mut self, batch: Batch) -> usize {
        let before = self.value_count();
        if self.commit(batch).is_err() {
            self.counters.faults += 1;
        }
        before - self.value_count()
    }
}
