//! Whether a value that was stored before may still be kept: by the Kinds of the configuration in
//! force and their access control (sections 7.3 and 11.1). For stores that read values back.

use reload_config::Configuration;
use reload_identity::VerifiedValue;
use reload_wire::{DataModel, KindId, NodeId, ResourceId};

use crate::kinds::Kinds;
use crate::place::Place;
use crate::policy;
use crate::values::ValueKey;

/// The rules of one configuration.
#[derive(Clone, Debug)]
pub struct Keeping {
    kinds: Kinds,
}

impl Keeping {
    /// The rules of `configuration`.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        Self { kinds: Kinds::of(configuration) }
    }

    /// The data model of a Kind, if it is stored at all.
    #[must_use]
    pub fn model(&self, kind: KindId) -> Option<DataModel> {
        self.kinds.get(kind).map(|kind| kind.model)
    }

    /// Whether the signer of `value` may write it there. `hash` is the overlay's hash function.
    #[must_use]
    pub fn permits(
        &self,
        resource: &ResourceId,
        kind: KindId,
        value: &VerifiedValue,
        hash: &dyn Fn(&[u8]) -> ResourceId,
    ) -> bool {
        let key = ValueKey::of(value.value());
        self.kinds.get(kind).is_some_and(|kind| {
            kind.model == value.value().model()
                && policy::permits(&kind.access, value.signer(), resource, &key, &Anywhere(hash))
        })
    }
}

/// Access control asks a place for nothing but the hash of a name.
struct Anywhere<'a>(&'a dyn Fn(&[u8]) -> ResourceId);

impl Place for Anywhere<'_> {
    fn resource_id(&self, name: &[u8]) -> ResourceId {
        (self.0)(name)
    }

    fn is_responsible(&self, _: &ResourceId) -> bool {
        false
    }

    fn admits_replica(&self, _: &ResourceId, _: &NodeId) -> bool {
        false
    }
}
