//! A picture of what is stored, for status pages and commands.

use std::ops::Bound;

use reload_wire::{KindId, NodeId, Now, ResourceId};

use crate::storage::Storage;
use crate::store::Store;
use crate::values::ValueKey;

/// One value as people see it. The resource name is not known to a storing peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueView {
    /// The resource.
    pub resource: ResourceId,
    /// The Kind.
    pub kind: KindId,
    /// The element.
    pub key: ValueKey,
    /// The generation counter of the Kind at the resource.
    pub generation: u64,
    /// The Node-ID that signed the value.
    pub owner: NodeId,
    /// The user name in the owner's certificate.
    pub user: Option<String>,
    /// Whether there is a value; false for a removed one.
    pub exists: bool,
    /// Bytes of the value.
    pub size: usize,
    /// Seconds of lifetime left.
    pub remaining: u32,
}

impl<S: Store> Storage<S> {
    /// All values that have not expired, by resource, Kind and element.
    pub fn view(&self, now: Now) -> impl Iterator<Item = ValueView> {
        let resources = self.store.resources(Bound::Unbounded, Bound::Unbounded);
        resources.flat_map(move |resource| self.view_of(now, resource))
    }

    /// The values at one resource.
    pub fn view_of(&self, now: Now, resource: &ResourceId) -> impl Iterator<Item = ValueView> {
        let resource = resource.clone();
        let slots: Vec<_> = self.store.slots(&resource).collect();
        let values = slots.into_iter().flat_map(move |(kind, slot)| {
            slot.live(now.wall).map(move |(key, value)| (kind, slot.generation, key, value))
        });
        values.map(move |(kind, generation, key, value)| ValueView {
            resource: resource.clone(),
            kind,
            key: key.clone(),
            generation,
            owner: value.owner(),
            user: value.certificate().user().map(str::to_owned),
            exists: value.value().exists,
            size: value.value().value.len(),
            remaining: value.remaining(now.wall),
        })
    }
}
