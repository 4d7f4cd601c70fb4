//! Arbitrary sequences of Stores, removals and waiting, beside a model that is as simple as the text
//! of section 7: a map of values, copied before each request and thrown away when it fails.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use reload_storage::{MemoryStore, Storage};
use reload_topology::Range;
use reload_wire::{DataValue, ErrorCode, KindId, ResourceId, StoredDataValue, UnixTime};

use crate::bed::{ARRAY, Bed, DICTIONARY, Fetched, Request, SINGLE, TestPlace};

const KINDS: [KindId; 3] = [SINGLE, ARRAY, DICTIONARY];
const MAX_COUNT: usize = crate::bed::MAX_COUNT;

/// A value of a request before it is signed.
#[derive(Clone, Debug)]
struct Write {
    kind: usize,
    key: u8,
    append: bool,
    time: u64,
    lifetime: u32,
    exists: bool,
    value: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Store { writes: Vec<Write>, generation: Option<u64> },
    Wait(u64),
}

fn write() -> impl Strategy<Value = Write> {
    (0..3_usize, 0..4_u8, any::<bool>(), 1..12_u64, 0..30_u32, any::<bool>(), 0..3_u8).prop_map(
        |(kind, key, append, time, lifetime, exists, value)| Write {
            kind,
            key,
            append,
            time,
            lifetime,
            exists,
            value,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::collection::vec(write(), 1..4), prop::option::weighted(0.2, 0..6_u64))
            .prop_map(|(writes, generation)| Step::Store { writes, generation }),
        1 => (0..20_000_u64).prop_map(Step::Wait),
    ]
}

/// What section 7 says should be there.
#[derive(Clone, Default)]
struct Model {
    kinds: BTreeMap<KindId, ModelKind>,
}

#[derive(Clone, Default)]
struct ModelKind {
    generation: u64,
    values: BTreeMap<ModelKey, ModelValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ModelKey {
    One,
    Index(u32),
    Key(Vec<u8>),
}

#[derive(Clone, PartialEq)]
struct ModelValue {
    time: u64,
    data: DataValue,
    lifetime: u32,
    received: u64,
}

impl Model {
    fn expire(&mut self, now: u64) {
        for kind in self.kinds.values_mut() {
            kind.values.retain(|_, v| now < v.received + u64::from(v.lifetime) * 1000);
        }
    }

    fn store(&mut self, now: u64, request: &Request) -> Result<(), ErrorCode> {
        let mut next = self.clone();
        for (kind, generation, _) in &request.kinds {
            let present = next.kinds.get(kind).map_or(0, |kind| kind.generation);
            if *generation != 0 && *generation != present {
                return Err(ErrorCode::GENERATION_COUNTER_TOO_LOW);
            }
        }
        for (kind, _, values) in &request.kinds {
            let state = next.kinds.entry(*kind).or_default();
            let mut changed = false;
            for (time, lifetime, value) in values {
                changed |= state.write(now, *time, *lifetime, value)?;
            }
            if state.values.len() > MAX_COUNT && changed {
                return Err(ErrorCode::DATA_TOO_LARGE);
            }
            if changed {
                state.generation += 1;
            }
        }
        *self = next;
        Ok(())
    }
}

impl ModelKind {
    fn write(
        &mut self,
        now: u64,
        time: u64,
        lifetime: u32,
        value: &StoredDataValue,
    ) -> Result<bool, ErrorCode> {
        let (key, data) = match value {
            StoredDataValue::Single(data) => (ModelKey::One, data),
            StoredDataValue::Array { index: u32::MAX, value } => {
                if self.values.values().any(|held| held.time == time && held.data == *value) {
                    return Ok(false);
                }
                let last = self.values.keys().next_back();
                let next = match last {
                    Some(ModelKey::Index(last)) => last + 1,
                    _ => 0,
                };
                (ModelKey::Index(next), value)
            }
            StoredDataValue::Array { index, value } => (ModelKey::Index(*index), value),
            StoredDataValue::Dictionary { key, value } => (ModelKey::Key(key.to_vec()), value),
        };
        if let Some(held) = self.values.get(&key) {
            if held.time == time && held.data == *data {
                return Ok(false);
            }
            if time <= held.time {
                return Err(ErrorCode::DATA_TOO_OLD);
            }
        }
        if lifetime == 0 {
            return Ok(false);
        }
        let value = ModelValue { time, data: data.clone(), lifetime, received: now };
        self.values.insert(key, value);
        Ok(true)
    }

    fn fetched(&self, now: u64) -> Vec<Fetched> {
        let entry = |(key, held): (&ModelKey, &ModelValue)| {
            let value = held.data.clone();
            let value = match key {
                ModelKey::One => StoredDataValue::Single(value),
                ModelKey::Index(index) => StoredDataValue::Array { index: *index, value },
                ModelKey::Key(key) => {
                    StoredDataValue::Dictionary { key: Bytes::copy_from_slice(key), value }
                }
            };
            let end = held.received + u64::from(held.lifetime) * 1000;
            let lifetime = u32::try_from((end - now) / 1000).unwrap();
            Fetched { storage_time: UnixTime(held.time), lifetime, value }
        };
        self.values.iter().map(entry).collect()
    }
}

/// One request: writes of one Kind stand together, each Kind once.
fn request(resource: &ResourceId, writes: &[Write], generation: Option<u64>) -> Request {
    let mut request = Request::new(resource);
    for kind in KINDS {
        let own: Vec<_> =
            writes.iter().filter(|write| KINDS[write.kind] == kind).map(value_of).collect();
        if !own.is_empty() {
            request = request.kind(kind, generation.unwrap_or(0), own);
        }
    }
    request
}

fn value_of(write: &Write) -> (u64, u32, StoredDataValue) {
    let bytes = vec![write.value; usize::from(write.exists)];
    let value = DataValue { exists: write.exists, value: Bytes::from(bytes) };
    let index = if write.append { u32::MAX } else { u32::from(write.key) };
    let value = match write.kind {
        0 => StoredDataValue::Single(value),
        1 => StoredDataValue::Array { index, value },
        _ => StoredDataValue::Dictionary { key: Bytes::from(vec![write.key]), value },
    };
    (write.time, write.lifetime, value)
}

/// What the storage holds of a Kind, without synthetic values.
fn held(
    bed: &Bed,
    storage: &Storage<MemoryStore>,
    resource: &ResourceId,
    kind: KindId,
) -> (u64, Vec<Fetched>) {
    let (generation, mut values) = bed.fetch_all(storage, resource, kind);
    values.retain(|value| !bed.is_synthetic(value));
    (generation, values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn storage_is_what_the_model_says(steps in prop::collection::vec(step(), 1..24)) {
        let mut bed = Bed::new();
        let alice = bed.writer("alice");
        let place = TestPlace::responsible();
        let resource = bed.user_resource("alice");
        let mut storage = bed.storage();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Wait(ms) => {
                    bed.wait(Duration::from_millis(ms));
                    storage.handle_timeout(bed.now);
                    model.expire(bed.now.wall.0);
                }
                Step::Store { writes, generation } => {
                    let request = request(&resource, &writes, generation);
                    let expected = model.store(bed.now.wall.0, &request);
                    let stored = storage.store(bed.now, &bed.sign(&alice, &request), &place);
                    prop_assert_eq!(stored.map(|_| ()).map_err(|refusal| refusal.code()), expected);
                }
            }
            for kind in KINDS {
                let (generation, values) = held(&bed, &storage, &resource, kind);
                let model = model.kinds.get(&kind).cloned().unwrap_or_default();
                prop_assert_eq!(generation, model.generation);
                prop_assert_eq!(values, model.fetched(bed.now.wall.0));
            }
            let recounted = Storage::new(storage.store_ref().clone(), &bed.configuration);
            prop_assert_eq!(storage.usage(), recounted.usage());
            if let Some(at) = storage.wakeup() {
                prop_assert!(at > bed.now.mono);
            }
        }
    }

    #[test]
    fn copies_stored_elsewhere_give_the_same_answers(
        steps in prop::collection::vec(prop::collection::vec(write(), 1..4), 1..12),
        max_size in 200..4000_usize,
        wait in 0..5_u64,
    ) {
        let mut bed = Bed::new();
        let place = TestPlace::responsible();
        let mut storage = bed.storage();
        let names = ["alice", "bob", "carol"];
        for (at, writes) in steps.iter().enumerate() {
            let writer = bed.writer(names[at % 3]);
            let request = request(&bed.user_resource(names[at % 3]), writes, None);
            let _ = storage.store(bed.now, &bed.sign(&writer, &request), &place);
        }
        bed.wait(Duration::from_secs(wait));
        storage.handle_timeout(bed.now);
        let mut other = bed.storage();
        let ring = Range { after: bed.user_resource("bob"), through: bed.user_resource("bob") };
        let mut cursor = storage.copy_range(&ring, 1, max_size);
        while let Some(batch) = cursor.next(&storage, bed.now) {
            prop_assert!(batch.size() <= max_size || batch.values == 1);
            other.store(bed.now, &bed.sign_copy(&batch), &place).expect("a copy is taken");
        }
        for name in names {
            let resource = bed.user_resource(name);
            for kind in KINDS {
                let (theirs, ours) = (
                    held(&bed, &other, &resource, kind),
                    held(&bed, &storage, &resource, kind),
                );
                prop_assert_eq!(&theirs.1, &ours.1);
                // The counter of a slot without values is not copied.
                prop_assert!(ours.1.is_empty() || theirs.0 == ours.0);
            }
        }
        prop_assert_eq!(storage.usage(), other.usage());
    }
}
