//! The data models of the Kinds of an overlay (sections 7.2, 11.1): what the checks of stored values
//! need of a configuration. Limits and access control are the storage's.

use reload_config::Configuration;
use reload_wire::{DataModel, KindId};
use std::collections::BTreeMap;

/// The data model of each Kind we know: without it a stored value can't be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindModels(BTreeMap<KindId, DataModel>);

impl KindModels {
    /// The Kinds of a configuration.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        configuration
            .kinds
            .iter()
            .map(|block| (block.definition.id, block.definition.model))
            .collect()
    }

    /// The data model of a Kind.
    #[must_use]
    pub fn get(&self, kind: KindId) -> Option<DataModel> {
        self.0.get(&kind).copied()
    }

    /// Adds a Kind, as a ConfigUpdate may.
    pub fn insert(&mut self, kind: KindId, model: DataModel) {
        self.0.insert(kind, model);
    }
}

impl FromIterator<(KindId, DataModel)> for KindModels {
    fn from_iter<I: IntoIterator<Item = (KindId, DataModel)>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}
