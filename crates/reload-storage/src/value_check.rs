//! What a usage asks of the values of its Kind, beyond data model, access control and limits. Which
//! usages there are is not known here.

use std::collections::BTreeMap;

use reload_identity::Signer;
use reload_wire::{Dialect, KindId, ResourceId, StoredDataValue};

/// A value that somebody wants to store; its signature is good and its signer may write it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// What decoding depends on.
    pub dialect: &'a Dialect,
    /// Where it would stand.
    pub resource: &'a ResourceId,
    /// The value; one with `exists` = false removes what is there.
    pub value: &'a StoredDataValue,
    /// Who signed it.
    pub signer: &'a Signer,
}

/// Whether a value may be stored; otherwise the Store is refused with Error_Forbidden. It must tell the
/// same at every peer, or copies of values are lost.
pub type ValueCheck = fn(&Candidate<'_>) -> bool;

/// The checks that usages have asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueChecks(BTreeMap<KindId, ValueCheck>);

impl ValueChecks {
    pub(crate) fn set(&mut self, kind: KindId, check: ValueCheck) {
        self.0.insert(kind, check);
    }

    pub(crate) fn accepts(&self, kind: KindId, candidate: &Candidate<'_>) -> bool {
        self.0.get(&kind).is_none_or(|check| check(candidate))
    }
}
