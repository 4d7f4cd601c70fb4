//! A damaged file never stops a peer and never gives a value that was not stored.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use reload_store::Report;

use crate::bed::*;

const LONG: Duration = Duration::from_secs(86_400);

/// A bed whose file holds a value of alice, and the bytes of the file.
fn with_file() -> (Bed, Vec<u8>) {
    let bed = Bed::new();
    let alice = bed.writer("alice", LONG);
    let (mut store, _) = bed.open();
    let batch = bed.batch(&alice, &user_resource("alice"), SINGLE, LIFETIME);
    reload_storage::Store::apply(&mut store, batch).unwrap();
    store.close();
    let bytes = std::fs::read(bed.file()).unwrap();
    (bed, bytes)
}

fn aside(bed: &Bed, number: usize) -> PathBuf {
    bed.home.path().join(format!("store.damaged-{number}"))
}

/// The store was moved aside and an empty one serves.
fn is_replaced(bed: &Bed, report: &Report, number: usize, bytes: &[u8]) {
    let (path, reason) = report.damaged.clone().unwrap();
    assert_eq!(path, aside(bed, number));
    assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
    assert_eq!(std::fs::read(path.join("values.redb")).unwrap(), bytes);
    assert_eq!(report.values, 0);
}

#[test]
fn a_file_that_is_something_else_is_moved_aside_each_time_under_a_new_name() {
    let (bed, _) = with_file();
    for number in 1..=3 {
        let bytes = vec![u8::try_from(number).unwrap(); 5000 * number];
        std::fs::write(bed.file(), &bytes).unwrap();
        let (store, report) = bed.open();
        is_replaced(&bed, &report, number, &bytes);
        store.close();
        assert_eq!(bed.open().1.damaged, None);
    }
}

#[test]
fn a_file_that_is_cut_off_is_moved_aside() {
    let (bed, bytes) = with_file();
    for (number, part) in (1..).zip([1, 100, 4096, bytes.len() / 2, bytes.len() - 1]) {
        std::fs::write(bed.file(), &bytes[..part]).unwrap();
        let (store, report) = bed.open();
        is_replaced(&bed, &report, number, &bytes[..part]);
        store.close();
    }
}

#[test]
fn an_empty_file_is_a_new_store() {
    let (bed, _) = with_file();
    std::fs::write(bed.file(), b"").unwrap();
    assert_eq!(bed.open().1, Report::default());
}

/// Whatever byte is wrong: the value is there as it was, or not there.
#[test]
fn a_changed_byte_is_noticed_or_does_not_matter() {
    let (bed, bytes) = with_file();
    let used: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let (mut moved, mut kept) = (0, 0);
    for at in used.iter().step_by(used.len() / 60) {
        let mut changed = bytes.clone();
        changed[*at] ^= 0x40;
        std::fs::write(bed.file(), &changed).unwrap();
        let (store, report) = bed.open();
        let values = slot(&store, "alice").map_or(0, |slot| slot.values.len());
        assert_eq!(values, report.values);
        moved += usize::from(report.damaged.is_some());
        kept += report.values;
        store.close();
    }
    assert!(moved > 0, "{moved} moved aside, {kept} kept");
    let values = usize::from(aside(&bed, moved).exists());
    assert_eq!((values, aside(&bed, moved + 1).exists()), (1, false));
}

#[test]
fn a_store_that_may_not_be_read_is_no_damage() {
    let (bed, _) = with_file();
    std::fs::set_permissions(bed.directory(), PermissionsExt::from_mode(0o000)).unwrap();
    // The superuser may do anything.
    if std::fs::read(bed.file()).is_err() {
        let trust = bed.trust();
        let read_back = reload_store::ReadBack {
            configuration: &bed.configuration,
            trust: &trust,
            resource_id: &hash,
        };
        let settings = reload_store::Settings::default();
        let opened = reload_store::PersistentStore::open(&bed.directory(), &read_back, settings);
        assert!(opened.is_err() && !aside(&bed, 1).exists());
    }
    std::fs::set_permissions(bed.directory(), PermissionsExt::from_mode(0o700)).unwrap();
}
