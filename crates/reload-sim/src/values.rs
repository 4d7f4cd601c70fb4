//! Values for scenarios: what each node may store, over the three data models, spread over the ring.

use bytes::Bytes;
use rand::Rng;
use reload_node::{NewValue, Place, Request};
use reload_wire::{DataValue, KindId, ResourceId};

use crate::check::Address;
use crate::world::{HostId, World};

/// Long enough to outlive every scenario.
const LIFETIME: u32 = 24 * 3600;

/// A value of a host: where it goes, and the request that stores it.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The host that owns it.
    pub host: HostId,
    /// Where it goes.
    pub address: Address,
    /// What it is.
    pub value: Bytes,
}

impl Assignment {
    /// The `number`-th value of a host; the kind goes round.
    pub fn new(world: &mut World, host: HostId, number: u8) -> Self {
        let value = Bytes::from(world.rng().random::<[u8; 24]>().to_vec());
        let node = world.hosts[host].node();
        let user = node.resource_id(world.hosts[host].user.as_bytes());
        let (resource, kind, place) = match number % 4 {
            0 => (user, KindId(0xF000_0001), Place::Single),
            1 => (user, KindId(0xF000_0002), Place::Index(u32::from(number))),
            2 => (user, KindId(0xF000_0003), Place::Key(Bytes::copy_from_slice(&[number]))),
            _ => (Self::multiple(world, host, number), KindId(0xF000_0004), Place::Single),
        };
        Self { host, address: Address::new(&resource, kind, &place), value }
    }

    /// H(Node-ID || i) (section 7.3.4).
    fn multiple(world: &World, host: HostId, i: u8) -> ResourceId {
        let mut name = world.hosts[host].node_id.as_bytes().to_vec();
        name.push(i);
        world.hosts[host].node().resource_id(&name)
    }

    /// The request that stores it.
    #[must_use]
    pub fn store(&self) -> Request {
        let place = match (&self.address.index, &self.address.key) {
            (Some(index), _) => Place::Index(*index),
            (_, Some(key)) => Place::Key(key.clone()),
            _ => Place::Single,
        };
        let value = NewValue {
            kind: self.address.kind,
            generation: 0,
            place,
            value: DataValue { exists: true, value: self.value.clone() },
            lifetime: LIFETIME,
            storage_time: None,
        };
        Request::Store { resource: self.address.resource.clone(), values: vec![value] }
    }
}
