//! Values that lie outside the replica range are dropped (section 10.7.3), but not before the peers
//! that are responsible for them have answered that they have them (section 6.4.2.3).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use reload_storage::Store;
use reload_topology::{Range, Topology};
use reload_wire::{NodeId, Now, ResourceId};

use crate::Node;
use crate::timer::Timer;

/// The pause before values that nobody took are offered again.
const PAUSE: Duration = Duration::from_secs(30);

/// Resources offered at a time; the others follow.
const PORTION: usize = 4096;

/// What is to be dropped.
#[derive(Debug, Default)]
pub(crate) struct Forgetting {
    /// What stays.
    keep: Option<Range>,
    /// What is being offered, and is dropped when all of it was taken.
    offered: Vec<ResourceId>,
    /// Peers that have not answered yet.
    asked: usize,
    /// One of them did not take what is its own.
    refused: bool,
}

impl<T: Topology, S: Store> Node<T, S> {
    /// What lies outside `keep` is no longer needed here.
    pub(crate) fn forget(&mut self, now: Now, keep: Range) {
        self.forgetting.keep = Some(keep);
        self.offer_unneeded(now);
    }

    /// Offers a portion of what is no longer needed to the peers that are responsible for it.
    pub(crate) fn offer_unneeded(&mut self, now: Now) {
        let Some(keep) = self.forgetting.keep.clone() else { return };
        if self.forgetting.asked > 0 || self.leaving {
            return;
        }
        let unneeded = self.storage.resources_outside(&keep, PORTION);
        let owners = self.owned_before();
        let mut queues: BTreeMap<NodeId, VecDeque<ResourceId>> = BTreeMap::new();
        for resource in unneeded {
            if let Some(owner) = self.way_back(&owners, &resource) {
                self.forgetting.offered.push(resource.clone());
                queues.entry(owner).or_default().push_back(resource);
            }
        }
        self.forgetting.asked = queues.len();
        self.forgetting.refused = false;
        for (owner, queue) in queues {
            self.offer_last(now, owner, queue);
        }
    }

    /// One of the peers has taken what was offered to it, or not.
    pub(crate) fn on_offered(&mut self, now: Now, taken: bool) {
        self.forgetting.asked = self.forgetting.asked.saturating_sub(1);
        self.forgetting.refused |= !taken;
        if self.forgetting.asked > 0 {
            return;
        }
        let offered = std::mem::take(&mut self.forgetting.offered);
        if self.forgetting.refused {
            return self.timers.set(Timer::Forget, now.mono + PAUSE);
        }
        let Some(keep) = self.forgetting.keep.clone() else { return };
        let outside = offered.into_iter().filter(|resource| !keep.contains(resource));
        self.storage.forget(outside);
        self.timers.set(Timer::Forget, now.mono + Duration::from_secs(1));
    }
}
