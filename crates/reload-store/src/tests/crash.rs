//! What the file holds after a crash at any moment, and what happens while the disk is full.

use std::time::Duration;

use proptest::prelude::*;
use reload_storage::{Address, Batch, Change, MemoryStore, Store};

use super::bed::{
    Act, Bed, DICTIONARY, File, LIFETIME, Picture, START, apply, element, picture, resource,
    settings,
};
use crate::disk::Disk;
use crate::store::{PersistentStore, Settings};

/// A change before its value is signed.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, usize),
    Remove(u8, u8),
    Generation(u8, u64),
    Drop(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..4_u8, 0..6_u8, 0..900_usize).prop_map(|(w, key, size)| Step::Put(w, key, size)),
        3 => (0..4_u8, 0..6_u8).prop_map(|(writer, key)| Step::Remove(writer, key)),
        3 => (0..4_u8, 1..9_u64).prop_map(|(writer, counter)| Step::Generation(writer, counter)),
        1 => (0..4_u8).prop_map(Step::Drop),
    ]
}

fn batches() -> impl Strategy<Value = Vec<(Vec<Step>, bool)>> {
    prop::collection::vec((prop::collection::vec(step(), 1..5), any::<bool>()), 1..12)
}

/// A batch with no address twice.
fn batch(bed: &Bed, steps: &[Step], time: u64) -> Batch {
    let mut seen = Vec::new();
    let mut batch = Batch::default();
    for step in steps {
        let (writer, key) = match step {
            Step::Put(writer, key, _) | Step::Remove(writer, key) => (*writer, Some(*key)),
            Step::Generation(writer, _) | Step::Drop(writer) => (*writer, None),
        };
        let clashes = |(other, _): &(u8, Option<u8>)| *other == writer;
        if seen.contains(&(writer, key)) || key.is_none() && seen.iter().any(clashes) {
            continue;
        }
        if seen.contains(&(writer, None)) {
            continue;
        }
        seen.push((writer, key));
        batch.push(change(bed, step, time));
    }
    batch
}

fn change(bed: &Bed, step: &Step, time: u64) -> Change {
    let kind = DICTIONARY;
    let at = |writer: u8, key: u8| Address { resource: resource(writer), kind, key: element(key) };
    match *step {
        Step::Put(writer, key, size) => {
            Change::Put(at(writer, key), Box::new(bed.value(writer, key, time, size)))
        }
        Step::Remove(writer, key) => Change::Remove(at(writer, key)),
        Step::Generation(writer, generation) => {
            Change::Generation { resource: resource(writer), kind, generation }
        }
        Step::Drop(writer) => Change::Drop { resource: resource(writer), kind },
    }
}

/// Applies batches to a store and a model; the picture behind each batch, and for each how many acts
/// the tape had when it was known to be in the file.
fn play(
    bed: &Bed,
    store: &mut PersistentStore,
    file: &File,
    batches: &[(Vec<Step>, bool)],
) -> (Vec<Picture>, Vec<(usize, usize)>) {
    let mut model = MemoryStore::new();
    let (mut pictures, mut flushed) = (vec![picture(&model)], Vec::new());
    for (number, (steps, flush)) in (1..).zip(batches) {
        let batch = batch(bed, steps, number);
        model.apply(batch.clone()).unwrap();
        store.apply(batch).unwrap();
        pictures.push(picture(&model));
        if *flush {
            store.flush().unwrap();
            flushed.push((file.tape().acts.len(), pictures.len() - 1));
        }
    }
    (pictures, flushed)
}

/// What a file held when `acts` of the tape were done; of those since the last sync only the ones
/// that `kept` says, when the power went and not just the process.
fn cut(tape: &[Act], acts: usize, kept: Option<u64>) -> Vec<u8> {
    let synced = tape[..acts].iter().rposition(|act| matches!(act, Act::Sync)).unwrap_or(0);
    let mut bytes = Vec::new();
    for (number, act) in tape[..acts].iter().enumerate() {
        let is_kept = |kept: u64| kept.rotate_right(u32::try_from(number % 64).unwrap()) & 1 == 1;
        let lost = number > synced && matches!(act, Act::Write(..)) && !kept.is_none_or(is_kept);
        if !lost {
            apply(&mut bytes, act);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_store_opened_again_equals_the_model_after_any_batches(batches in batches()) {
        let (bed, file) = (Bed::new(), File::default());
        let mut model = MemoryStore::new();
        for (number, (steps, reopen)) in (1..).zip(&batches) {
            // Each time it is opened, it goes on where it was.
            let (mut store, report) = bed.open(&file);
            let values: usize = picture(&model).iter().map(|slot| slot.2.len()).sum();
            prop_assert_eq!(report.values, values);
            prop_assert_eq!(picture(store.memory()), picture(&model));
            let batch = batch(&bed, steps, number);
            model.apply(batch.clone()).unwrap();
            store.apply(batch).unwrap();
            prop_assert_eq!(picture(store.memory()), picture(&model));
            if *reopen {
                store.flush().unwrap();
                prop_assert_eq!(store.status().unwrap().pending, 0);
            }
            store.close();
        }
    }

    #[test]
    fn a_copy_of_the_file_at_any_moment_opens_and_is_the_state_behind_some_batch(
        batches in batches(),
        moments in prop::collection::vec((any::<prop::sample::Index>(), any::<Option<u64>>()), 12),
    ) {
        let (bed, file) = (Bed::new(), File::default());
        let (mut store, _) = bed.open(&file);
        let begun = file.tape().acts.len();
        let (pictures, flushed) = play(&bed, &mut store, &file, &batches);
        store.close();
        let tape = file.tape().acts.clone();
        for (moment, kept) in moments {
            let acts = begun + moment.index(tape.len() - begun + 1);
            let (reopened, _) = bed.open(&File::of(cut(&tape, acts, kept)));
            let found = picture(reopened.memory());
            let flushed = flushed.iter().filter(|(at, _)| *at <= acts);
            let least = flushed.map(|(_, batch)| *batch).max().unwrap_or(0);
            prop_assert!(
                pictures[least..].contains(&found),
                "after {} of {} acts: {:?} is none of {:?}", acts, tape.len(), found, pictures
            );
        }
    }
}

fn put(bed: &Bed, writer: u8, key: u8, time: u64) -> Batch {
    [change(bed, &Step::Put(writer, key, 600), time)].into_iter().collect()
}

#[test]
fn while_the_disk_is_full_memory_serves_and_nothing_is_lost_when_there_is_room_again() {
    let (bed, file) = (Bed::new(), File::default());
    let (mut store, _) = bed.open(&file);
    store.apply(put(&bed, 0, 0, 1)).unwrap();
    store.flush().unwrap();
    file.tape().full = true;
    for time in 2..40 {
        store.apply(put(&bed, 1, u8::try_from(time).unwrap(), time)).unwrap();
    }
    store.apply([change(&bed, &Step::Remove(0, 0), 1)].into_iter().collect()).unwrap();
    let refused = store.flush().unwrap_err();
    assert!(refused.contains("full") || refused.contains("space"), "{refused}");
    let status = store.status().unwrap();
    assert!(status.pending >= 39 && status.failures > 0 && status.failing.is_some(), "{status:?}");
    assert_eq!(store.slot(&resource(1), DICTIONARY).unwrap().values.len(), 38);

    file.tape().full = false;
    while store.flush().is_err() {}
    let status = store.status().unwrap();
    assert_eq!((status.pending, status.failing), (0, None));
    let before = picture(store.memory());
    store.close();
    let (store, _) = bed.open(&file);
    assert_eq!(picture(store.memory()), before);
}

#[test]
fn a_file_that_is_damaged_while_the_peer_runs_is_filled_from_memory() {
    let (bed, file) = (Bed::new(), File::default());
    let (mut store, _) = bed.open(&file);
    for key in 0..50 {
        store.apply(put(&bed, 0, key, 1)).unwrap();
    }
    // A slot without values, too, has its counter.
    for step in [Step::Put(3, 0, 1), Step::Generation(3, 7), Step::Remove(3, 0)] {
        store.apply([change(&bed, &step, 1)].into_iter().collect()).unwrap();
    }
    store.flush().unwrap();
    // The disk fails, and when it works again the file is gone.
    file.tape().full = true;
    store.apply(put(&bed, 1, 0, 2)).unwrap();
    assert!(store.flush().is_err());
    file.tape().bytes.iter_mut().for_each(|byte| *byte = 0x55);
    file.tape().full = false;
    while !store.flush().unwrap_err().contains("waiting for all values") {}
    file.tape().bytes.clear();
    store.apply(put(&bed, 1, 1, 3)).unwrap();
    while store.flush().is_err() {}
    let before = picture(store.memory());
    store.close();
    let (store, report) = bed.open(&file);
    assert_eq!((picture(store.memory()), report.values), (before, 52));
    assert_eq!(store.generation(&resource(3), DICTIONARY), 7);
}

#[test]
fn a_certificate_is_kept_as_long_as_a_value_is_signed_with_it() {
    let (bed, file) = (Bed::new(), File::default());
    let certificates = |file: &File| {
        let bytes = file.tape().bytes.clone();
        Disk::open(File::of(bytes)).unwrap().read().unwrap().certificates.len()
    };
    let (mut store, _) = bed.open(&file);
    for (writer, key) in [(0, 0), (0, 1), (1, 0)] {
        store.apply(put(&bed, writer, key, 1)).unwrap();
    }
    store.flush().unwrap();
    assert_eq!(certificates(&file), 2);
    store.apply([change(&bed, &Step::Remove(0, 0), 1)].into_iter().collect()).unwrap();
    store.apply([change(&bed, &Step::Drop(1), 1)].into_iter().collect()).unwrap();
    store.flush().unwrap();
    assert_eq!(certificates(&file), 1);
    // It is counted anew when the file is opened.
    store.close();
    let (mut store, _) = bed.open(&file);
    store.apply([change(&bed, &Step::Remove(0, 1), 1)].into_iter().collect()).unwrap();
    store.flush().unwrap();
    assert_eq!(certificates(&file), 0);
}

#[test]
fn what_was_removed_while_the_disk_was_full_for_long_is_not_there_again() {
    let (bed, file) = (Bed::new(), File::default());
    let (mut store, _) = bed.open(&file);
    for key in 0..9 {
        store.apply(put(&bed, 0, key, 1)).unwrap();
    }
    store.flush().unwrap();
    file.tape().full = true;
    store.apply([change(&bed, &Step::Remove(0, 3), 1)].into_iter().collect()).unwrap();
    // More removals than are listed one by one: of values that the file does not even have.
    for part in 0..70_u32 {
        let removals = (0..1000_u32).map(|number| {
            let key = reload_storage::ValueKey::Index(part * 1000 + number);
            Change::Remove(Address { resource: resource(2), kind: DICTIONARY, key })
        });
        store.apply(removals.collect()).unwrap();
    }
    assert!(store.status().unwrap().pending < 66_000, "the list has a bound");
    file.tape().full = false;
    while store.flush().is_err() {}
    store.close();
    let (store, report) = bed.open(&file);
    assert_eq!(report.values, 8);
    assert!(!store.slot(&resource(0), DICTIONARY).unwrap().values.contains_key(&element(3)));
}

#[test]
fn lifetimes_run_on_while_the_peer_is_down() {
    let (bed, file) = (Bed::new(), File::default());
    let (mut store, _) = bed.open(&file);
    store.apply(put(&bed, 0, 0, 1)).unwrap();
    store.close();
    let at = |seconds: u64| {
        let now = START.saturating_add(Duration::from_secs(seconds));
        Settings { clock: std::sync::Arc::new(move || now), ..settings() }
    };
    let hour = u64::from(LIFETIME);
    let (store, report) = bed.open_with(&file, at(hour - 10));
    assert_eq!((report.values, report.expired), (1, 0));
    let value = &store.slot(&resource(0), DICTIONARY).unwrap().values[&element(0)];
    assert_eq!(value.remaining(START.saturating_add(Duration::from_secs(hour - 10))), 10);
    store.close();
    let (store, report) = bed.open_with(&file, at(hour));
    assert_eq!((report.values, report.expired), (0, 1));
    assert!(store.slot(&resource(0), DICTIONARY).is_none());
    store.close();
    assert_eq!(bed.open_with(&file, at(0)).1.expired, 0, "it went from the file, too");
}

/// Else a clock that was an hour ahead would have given every value one more hour.
#[test]
fn a_clock_set_back_while_the_peer_is_down_does_not_lengthen_a_lifetime() {
    let (bed, file) = (Bed::new(), File::default());
    let at = |seconds: u64| {
        let now = START.saturating_add(Duration::from_secs(seconds));
        Settings { clock: std::sync::Arc::new(move || now), ..settings() }
    };
    // Received at 0, written at 1000, and then the clock is at 400.
    let (mut store, _) = bed.open_with(&file, at(1000));
    store.apply(put(&bed, 0, 0, 1)).unwrap();
    store.close();
    let (store, report) = bed.open_with(&file, at(400));
    assert_eq!(report.set_back, Duration::from_secs(600));
    let value = &store.slot(&resource(0), DICTIONARY).unwrap().values[&element(0)];
    let now = START.saturating_add(Duration::from_secs(400));
    assert_eq!(value.remaining(now), LIFETIME - 1000);
}
