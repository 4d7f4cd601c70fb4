//! What is read back is verified as if it came from the network.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use reload_config::AccessControl;
use reload_storage::{Batch, Change, Store};
use reload_store::{OpenError, PersistentStore, ReadBack, Settings};
use reload_wire::KindId;

use crate::bed::*;

const LONG: Duration = Duration::from_secs(86_400);

#[test]
fn values_certificates_and_counters_are_there_again() {
    let bed = Bed::new();
    let alice = bed.writer("alice", LONG);
    let (mut store, report) = bed.open();
    assert_eq!(report, reload_store::Report::default());
    let home = user_resource("alice");
    store.apply(bed.batch(&alice, &home, SINGLE, LIFETIME)).unwrap();
    let before = slot(&store, "alice").unwrap().values.values().next().unwrap().clone();
    store.close();
    let mode = std::fs::metadata(bed.file()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let (store, report) = bed.open();
    assert_eq!((report.values, report.counters), (1, 1));
    let slot = slot(&store, "alice").unwrap();
    let after = slot.values.values().next().unwrap();
    assert_eq!(slot.generation, 5);
    assert_eq!(after.value(), before.value());
    assert_eq!(after.signature(), before.signature());
    assert_eq!(after.certificate(), alice.certificate());
    assert_eq!((after.received(), after.lifetime()), (before.received(), LIFETIME));
}

#[test]
fn the_counter_of_a_slot_without_values_is_there_again() {
    let bed = Bed::new();
    let (alice, home) = (bed.writer("alice", LONG), user_resource("alice"));
    let (mut store, _) = bed.open();
    store.apply(bed.batch(&alice, &home, SINGLE, LIFETIME)).unwrap();
    let at = reload_storage::Address {
        resource: home.clone(),
        kind: SINGLE,
        key: reload_storage::ValueKey::Single,
    };
    store.apply(Batch::from_iter([Change::Remove(at)])).unwrap();
    assert_eq!(store.generation(&home, SINGLE), 5);
    store.close();
    let (mut store, report) = bed.open();
    assert_eq!((report.values, report.counters), (0, 1));
    assert_eq!(store.generation(&home, SINGLE), 5);
    let drop = Change::Drop { resource: home.clone(), kind: SINGLE };
    store.apply(Batch::from_iter([drop])).unwrap();
    store.close();
    assert_eq!(bed.open().0.generation(&home, SINGLE), 0, "a dropped slot is forgotten");
}

#[test]
fn a_value_whose_certificate_has_expired_is_dropped_and_counted() {
    let bed = Bed::new();
    let short = bed.writer("short", Duration::from_secs(2));
    let (alice, (mut store, _)) = (bed.writer("alice", LONG), bed.open());
    store.apply(bed.batch(&short, &user_resource("short"), SINGLE, LIFETIME)).unwrap();
    store.apply(bed.batch(&alice, &user_resource("alice"), SINGLE, LIFETIME)).unwrap();
    store.close();
    let end = short.certificate().not_after();
    while now() <= end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (store, report) = bed.open();
    assert_eq!((report.values, report.expired), (1, 1));
    assert!(slot(&store, "short").is_none() && slot(&store, "alice").is_some());
}

#[test]
fn the_values_of_a_node_that_was_revoked_in_the_meantime_are_dropped() {
    let mut bed = Bed::new();
    let (alice, (mut store, _)) = (bed.writer("alice", LONG), bed.open());
    store.apply(bed.batch(&alice, &user_resource("alice"), SINGLE, LIFETIME)).unwrap();
    store.close();
    let kinds = bed.configuration.kinds.clone();
    bed.with_kinds(kinds, vec![node_id("alice")]);
    let (store, report) = bed.open();
    assert_eq!((report.values, report.unverified), (0, 1));
    store.close();
    assert_eq!(bed.open().1.unverified, 0, "they went from the file, too");
}

#[test]
fn values_of_a_kind_that_is_gone_or_of_another_access_control_are_dropped() {
    let mut bed = Bed::new();
    let (alice, (mut store, _)) = (bed.writer("alice", LONG), bed.open());
    store.apply(bed.batch(&alice, &user_resource("alice"), SINGLE, LIFETIME)).unwrap();
    let own = hash(node_id("alice").as_bytes());
    store.apply(bed.batch(&alice, &own, NODE, LIFETIME)).unwrap();
    store.close();
    bed.with_kinds(vec![kind(SINGLE, AccessControl::NodeMatch)], Vec::new());
    let (store, report) = bed.open();
    assert_eq!((report.values, report.unwanted), (0, 2));
    assert_eq!(store.generation(&own, NODE), 0);
}

/// The file of another machine, or one that somebody wrote by hand, gets nobody's values in.
#[test]
fn values_of_another_overlay_are_dropped() {
    let (bed, mut other) = (Bed::new(), Bed::new());
    let (alice, (mut store, _)) = (bed.writer("alice", LONG), bed.open());
    store.apply(bed.batch(&alice, &user_resource("alice"), SINGLE, LIFETIME)).unwrap();
    store.close();
    other.home = bed.home;
    let (_, report) = other.open();
    assert_eq!((report.values, report.unverified), (0, 1));
}

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    let bed = Bed::new();
    let (_store, _) = bed.open();
    let trust = bed.trust();
    let read_back =
        ReadBack { configuration: &bed.configuration, trust: &trust, resource_id: &hash };
    let second = PersistentStore::open(&bed.directory(), &read_back, Settings::default());
    let error = second.map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Disk { .. }));
    assert!(error.to_string().ends_with("in use by another process"), "{error}");
}

#[test]
fn a_store_of_memory_alone_has_no_file_and_no_status() {
    let bed = Bed::new();
    let (alice, mut store) = (bed.writer("alice", LONG), PersistentStore::in_memory());
    store.apply(bed.batch(&alice, &user_resource("alice"), SINGLE, LIFETIME)).unwrap();
    assert!(store.slot(&user_resource("alice"), SINGLE).is_some());
    assert!(store.slot(&user_resource("alice"), KindId(1)).is_none());
    assert_eq!((store.status(), store.flush()), (None, Ok(())));
    assert!(!bed.directory().exists());
}
