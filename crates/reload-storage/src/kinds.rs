//! The Kinds that this peer stores: those of the configuration document whose access control it
//! knows (sections 7.4.5 and 11.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use reload_config::{AccessControl, Configuration, KindDefinition};
use reload_identity::KindModels;
use reload_wire::{DataModel, KindId};

/// The supported Kinds of an overlay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    /// The name of the overlay.
    overlay: String,
    known: BTreeMap<KindId, KindDefinition>,
    models: Arc<KindModels>,
}

impl Kinds {
    pub(crate) fn of(configuration: &Configuration) -> Self {
        let definitions = configuration.kinds.iter().map(|block| &block.definition);
        let supported = definitions.filter(|kind| is_supported(kind));
        let known: BTreeMap<_, _> = supported.map(|kind| (kind.id, kind.clone())).collect();
        let models = known.values().map(|kind| (kind.id, kind.model)).collect();
        let overlay = configuration.instance_name.clone();
        Self { overlay, known, models: Arc::new(models) }
    }

    /// Whether this user may have values of the Kind as far as the domain goes (RFC 7904 section 3.4).
    pub(crate) fn permits_user(&self, kind: &KindDefinition, user: Option<&str>) -> bool {
        match user {
            Some(user) => kind.permits_user(&self.overlay, user),
            None => kind.domain_restriction.is_none(),
        }
    }

    pub(crate) fn models(&self) -> &Arc<KindModels> {
        &self.models
    }

    pub(crate) fn get(&self, kind: KindId) -> Option<&KindDefinition> {
        self.known.get(&kind)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &KindDefinition> {
        self.known.values()
    }

    /// The Kinds among `asked` that are not known, each once.
    pub(crate) fn unknown(&self, asked: impl Iterator<Item = KindId>) -> Vec<KindId> {
        let mut unknown = Vec::new();
        for kind in asked {
            if !self.known.contains_key(&kind) && !unknown.contains(&kind) {
                unknown.push(kind);
            }
        }
        unknown
    }

    /// Whether values stored under `older` may stay under these Kinds: same model, same access.
    pub(crate) fn keeps(&self, older: &KindDefinition) -> bool {
        self.get(older.id)
            .is_some_and(|newer| newer.model == older.model && newer.access == older.access)
    }
}

/// A Kind without a policy we know can't be stored, and USER-NODE-MATCH needs a dictionary
/// (sections 7.3 and 7.3.3).
fn is_supported(kind: &KindDefinition) -> bool {
    match kind.access {
        AccessControl::UserMatch
        | AccessControl::NodeMatch
        | AccessControl::NodeMultiple { .. } => true,
        AccessControl::UserNodeMatch => kind.model == DataModel::Dictionary,
        AccessControl::Unknown(_) => false,
    }
}
