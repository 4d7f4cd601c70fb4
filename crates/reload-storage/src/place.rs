//! What the topology knows about this peer's place in the overlay, as far as storing needs it
//! (sections 7.4.1.1 and 10.4). The node answers it from its topology plug-in.

use reload_wire::{NodeId, ResourceId};

/// The peer's place in the overlay.
pub trait Place {
    /// The Resource-ID of a resource name: the overlay's hash function (section 10.2 for Chord).
    fn resource_id(&self, name: &[u8]) -> ResourceId;

    /// Whether this peer is responsible for `resource`.
    fn is_responsible(&self, resource: &ResourceId) -> bool;

    /// Whether `sender` may store copies for `resource` at this peer (section 7.4.1.1, E71, E72).
    fn admits_replica(&self, resource: &ResourceId, sender: &NodeId) -> bool;
}
