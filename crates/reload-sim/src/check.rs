//! The reference model: what a ring of these peers has to look like, and where each value has to be.

use std::collections::BTreeMap;

use bytes::Bytes;
use reload_node::{Place, Reply, Request, Specifier};
use reload_wire::{
    ArrayRange, DataModel, DataValue, KindId, ModelSpecifier, NodeId, ResourceId, StoredDataValue,
};

use crate::world::{HostId, World};

/// The running peers, in the order of the ring.
#[must_use]
pub fn ring(world: &World) -> Vec<(NodeId, HostId)> {
    let running = world.hosts.iter().enumerate().filter(|(_, host)| host.is_running());
    let mut ring: Vec<_> = running.map(|(id, host)| (host.node_id, id)).collect();
    ring.sort_unstable();
    ring
}

/// What is wrong with the ring: peers whose nearest neighbours are not those of the sorted order.
#[must_use]
pub fn ring_faults(world: &World) -> Vec<String> {
    faults_of(world, &ring(world))
}

/// As [`ring_faults`], for a ring that some of the hosts form by themselves.
#[must_use]
pub fn ring_faults_among(world: &World, hosts: &[HostId]) -> Vec<String> {
    let mut part = ring(world);
    part.retain(|(_, host)| hosts.contains(host));
    faults_of(world, &part)
}

fn faults_of(world: &World, ring: &[(NodeId, HostId)]) -> Vec<String> {
    let count = ring.len();
    let wanted = count.saturating_sub(1).min(3);
    let mut faults = Vec::new();
    for (at, (node, host)) in ring.iter().enumerate() {
        let view = world.hosts[*host].node().status(world.now).view;
        let after: Vec<NodeId> = (1..=wanted).map(|n| ring[(at + n) % count].0).collect();
        let before: Vec<NodeId> = (1..=wanted).map(|n| ring[(at + count - n) % count].0).collect();
        let successors: Vec<NodeId> = view.successors.iter().take(wanted).copied().collect();
        let predecessors: Vec<NodeId> = view.predecessors.iter().take(wanted).copied().collect();
        if successors != after {
            faults.push(format!("host {host} {node}: successors {successors:?}, not {after:?}"));
        }
        if predecessors != before {
            faults
                .push(format!("host {host} {node}: predecessors {predecessors:?}, not {before:?}"));
        }
        if !world.hosts[*host].joined {
            faults.push(format!("host {host} {node}: not joined, {:?}", view.phase));
        }
    }
    faults
}

/// The host that has to be responsible for a resource: the first peer at or after it.
#[must_use]
pub fn owner(world: &World, resource: &ResourceId) -> Option<HostId> {
    let ring = ring(world);
    let at = ring.iter().find(|(node, _)| node.as_bytes() >= resource.as_bytes());
    at.or(ring.first()).map(|(_, host)| *host)
}

/// One value that was stored and acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Where.
    pub resource: ResourceId,
    /// Its kind.
    pub kind: KindId,
    /// Its index, for arrays.
    pub index: Option<u32>,
    /// Its key, for dictionaries.
    pub key: Option<Bytes>,
}

impl Address {
    /// The address of a value in a request.
    #[must_use]
    pub fn new(resource: &ResourceId, kind: KindId, place: &Place) -> Self {
        let (index, key) = match place {
            Place::Single => (None, None),
            Place::Index(index) => (Some(*index), None),
            Place::Key(key) => (None, Some(key.clone())),
        };
        Self { resource: resource.clone(), kind, index, key }
    }

    fn which(&self) -> ModelSpecifier {
        match (&self.index, &self.key) {
            (Some(index), _) => {
                ModelSpecifier::Array(vec![ArrayRange { first: *index, last: *index }])
            }
            (_, Some(key)) => ModelSpecifier::Dictionary(vec![key.clone()]),
            _ => ModelSpecifier::Single,
        }
    }

    /// The request that reads it.
    #[must_use]
    pub fn fetch(&self) -> Request {
        let specifier = Specifier { kind: self.kind, generation: 0, which: self.which() };
        Request::Fetch { resource: self.resource.clone(), specifiers: vec![specifier] }
    }

    /// The data model that it belongs to.
    #[must_use]
    pub fn model(&self) -> DataModel {
        match (&self.index, &self.key) {
            (Some(_), _) => DataModel::Array,
            (_, Some(_)) => DataModel::Dictionary,
            _ => DataModel::Single,
        }
    }
}

/// The values that must be there, and what they are.
pub type Book = BTreeMap<Address, Bytes>;

/// The value in an answer to [`Address::fetch`].
#[must_use]
pub fn fetched(reply: &Reply) -> Option<Bytes> {
    let Reply::Fetched(kinds) = reply else { return None };
    let value = kinds.first()?.values.first()?.value();
    let data: &DataValue = match value {
        StoredDataValue::Single(data) => data,
        StoredDataValue::Array { value, .. } | StoredDataValue::Dictionary { value, .. } => value,
    };
    data.exists.then(|| data.value.clone())
}

/// The running hosts that hold something at this resource and kind.
#[must_use]
pub fn holders(world: &World, address: &Address) -> Vec<HostId> {
    let holds = |host: &HostId| {
        let storage = world.hosts[*host].node().storage();
        storage.kinds_at(&address.resource).contains(&address.kind)
    };
    ring(world).into_iter().map(|(_, host)| host).filter(holds).collect()
}
