//! Kinds that come, go and change with the configuration (sections 7.4.5 and 11.1).

use reload_config::{AccessControl, KindBlock};
use reload_storage::{MemoryStore, Refusal, Storage};
use reload_wire::{DataModel, KindId};

use crate::bed::*;

fn filled(bed: &Bed) -> Storage<MemoryStore> {
    let mut storage = bed.storage();
    let alice = bed.writer("alice");
    let request = Request::new(&bed.user_resource("alice"))
        .kind(SINGLE, 0, vec![(1, LIFETIME, single(b"x"))])
        .kind(ARRAY, 0, vec![(1, LIFETIME, put(0, b"x")), (1, LIFETIME, put(1, b"y"))]);
    bed.store(&mut storage, &alice, &request).unwrap();
    storage
}

fn without(kind: KindId) -> Vec<KindBlock> {
    kinds().into_iter().filter(|block| block.definition.id != kind).collect()
}

fn changed(kind: KindId, change: impl Fn(&mut reload_config::KindDefinition)) -> Vec<KindBlock> {
    let block = |block: KindBlock| {
        let mut definition = block.definition.clone();
        if definition.id != kind {
            return block;
        }
        change(&mut definition);
        KindBlock::new(definition)
    };
    kinds().into_iter().map(block).collect()
}

// R6940-11.1-52
#[test]
fn a_kind_that_is_gone_takes_its_values_along() {
    let bed = Bed::new();
    let mut storage = filled(&bed);
    let result = storage.configure(&bed.reconfigured(without(ARRAY), vec![])).unwrap();
    assert_eq!((result.dropped, result.added, result.values), (vec![ARRAY], vec![], 2));
    assert_eq!(storage.value_count(), 1);
    let home = bed.user_resource("alice");
    let refused = storage.fetch_all_request(&home, &[ARRAY]).unwrap_err();
    assert_eq!(refused, Refusal::UnknownKinds(vec![ARRAY]));
    let back = storage.configure(&bed.configuration).unwrap();
    assert_eq!(back.added, [ARRAY]);
    assert_eq!(storage.generation(&home, ARRAY), 0);
}

// R6940-11.1-51
#[test]
fn another_model_or_policy_drops_the_values_and_other_limits_do_not() {
    let bed = Bed::new();
    let mut storage = filled(&bed);
    let limits = changed(ARRAY, |kind| (kind.max_count, kind.max_size) = (1, 1));
    let result = storage.configure(&bed.reconfigured(limits, vec![])).unwrap();
    assert_eq!((result.dropped, result.values), (vec![], 0));
    let policy = changed(ARRAY, |kind| kind.access = AccessControl::NodeMatch);
    let result = storage.configure(&bed.reconfigured(policy, vec![])).unwrap();
    assert_eq!((result.dropped, result.values), (vec![ARRAY], 2));
    let model = changed(SINGLE, |kind| kind.model = DataModel::Array);
    let result = storage.configure(&bed.reconfigured(model, vec![])).unwrap();
    assert_eq!(result.values, 1);
    assert_eq!(storage.model(SINGLE), Some(DataModel::Array));
}

#[test]
fn a_request_checked_under_the_former_model_is_refused() {
    let bed = Bed::new();
    let mut storage = bed.storage();
    let request = Request::of(&bed.user_resource("alice"), SINGLE, 1, single(b"x"));
    let request = bed.sign(&bed.writer("alice"), &request);
    let model = changed(SINGLE, |kind| kind.model = DataModel::Array);
    let _ = storage.configure(&bed.reconfigured(model, vec![])).unwrap();
    let refusal = storage.store(bed.now, &request, &TestPlace::responsible()).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownKinds(vec![SINGLE]));
}

#[test]
fn the_values_of_a_revoked_writer_go() {
    let bed = Bed::new();
    let mut storage = filled(&bed);
    let bob = Request::of(&bed.user_resource("bob"), SINGLE, 1, single(b"x"));
    bed.store(&mut storage, &bed.writer("bob"), &bob).unwrap();
    let bad = bed.writer("alice").node_id();
    let result = storage.configure(&bed.reconfigured(kinds(), vec![bad])).unwrap();
    assert_eq!((result.dropped, result.values), (vec![], 3));
    assert_eq!(storage.value_count(), 1);
}

// R6940-7.3-01, R6940-7.3.3-04
#[test]
fn kinds_whose_policy_cannot_be_checked_are_not_stored() {
    let bed = Bed::new();
    let unknown = AccessControl::Unknown("OTHER-MATCH".to_owned());
    for access in [AccessControl::UserNodeMatch, unknown] {
        let mut configuration = bed.configuration.clone();
        configuration.settings.kinds = changed(SINGLE, |kind| kind.access.clone_from(&access));
        let storage = Storage::new(MemoryStore::new(), &configuration);
        assert_eq!(storage.model(SINGLE), None, "{access:?}");
        assert_eq!(storage.models().get(SINGLE), None);
        assert_eq!(storage.model(USER_NODE), Some(DataModel::Dictionary));
    }
}
