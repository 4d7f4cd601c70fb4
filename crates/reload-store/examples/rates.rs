//! Measures the store: `cargo run --release -p reload-store --example rates -- [VALUES]`. Values of
//! 600 bytes from 100 writers with real keys; how fast they are taken and written, how large the file
//! is, and how long it takes to open it again and to verify every value.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reload_config::{AccessControl, ConfigurationBuilder, KindBlock, KindDefinition, Leniency};
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, Validity, certificates_to_pem, sign_value,
    verify_value_of,
};
use reload_storage::{Address, Batch, Change, MemoryStore, Store, StoredValue, ValueKey};
use reload_store::{PersistentStore, ReadBack, Settings};
use reload_wire::{DataModel, DataValue, KindId, NodeId, ResourceId, UnixTime};

const KIND: KindId = KindId(0xf000_0003);
const WRITERS: usize = 100;
const SIZE: usize = 600;
const OVERLAY: &str = "example.org";

fn main() {
    let count = std::env::args().nth(1).map_or(50_000, |count| count.parse().unwrap());
    let (read_back, batches) = prepare(count);
    let (configuration, trust) = read_back;
    let read_back = ReadBack { configuration: &configuration, trust: &trust, resource_id: &hash };
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("store");

    let mut memory = MemoryStore::new();
    let begin = Instant::now();
    batches.iter().for_each(|batch| memory.apply(batch.clone()).unwrap());
    let alone = begin.elapsed();
    say("memory alone", count, alone);

    let (mut store, _) =
        PersistentStore::open(&directory, &read_back, Settings::default()).unwrap();
    let begin = Instant::now();
    batches.iter().for_each(|batch| store.apply(batch.clone()).unwrap());
    let taken = begin.elapsed();
    say("taken by the store", count, taken);
    store.flush().unwrap();
    let written = begin.elapsed();
    say("and written", count, written);
    println!("  {} transactions", store.status().unwrap().commits);
    store.close();
    let size = std::fs::metadata(directory.join("values.redb")).unwrap().len();
    println!("  the file has {size} bytes: {:.2} times the values", ratio(size, count * SIZE));

    // As after a kill: nothing is said to redb.
    let copied = home.path().join("copy");
    let mut store = open(&directory, &read_back, "opened again", count);
    store.apply(batches[0].clone()).unwrap();
    store.flush().unwrap();
    std::fs::create_dir(&copied).unwrap();
    std::fs::copy(directory.join("values.redb"), copied.join("values.redb")).unwrap();
    drop(store);
    drop(open(&copied, &read_back, "opened after a crash", count));

    let (mut store, _) = PersistentStore::open(
        &home.path().join("single"),
        &read_back,
        Settings { interval: Duration::ZERO, ..Settings::default() },
    )
    .unwrap();
    let single = count.min(2000);
    let begin = Instant::now();
    for batch in &batches[..single] {
        store.apply(batch.clone()).unwrap();
        store.flush().unwrap();
    }
    say("one value a transaction", single, begin.elapsed());
}

fn open(
    directory: &std::path::Path,
    read_back: &ReadBack<'_>,
    what: &str,
    count: usize,
) -> PersistentStore {
    let begin = Instant::now();
    let (store, report) = PersistentStore::open(directory, read_back, Settings::default()).unwrap();
    assert_eq!(report.values, count);
    say(what, count, begin.elapsed());
    store
}

fn say(what: &str, count: usize, took: Duration) {
    let rate = ratio(u64::try_from(count).unwrap() * 1_000_000, micros(took));
    println!("{what}: {count} values in {took:.3?}, {rate:.0}/s");
}

fn micros(took: Duration) -> usize {
    usize::try_from(took.as_micros()).unwrap().max(1)
}

#[allow(clippy::as_conversions, clippy::cast_precision_loss, reason = "shown to people")]
fn ratio(a: u64, b: usize) -> f64 {
    a as f64 / b as f64
}

type Prepared = ((reload_config::Configuration, Trust), Vec<Batch>);

fn prepare(count: usize) -> Prepared {
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let year = Validity::starting(now(), Duration::from_secs(365 * 86_400));
    let issuer = Issuer::create(key, "CA", year).unwrap();
    let mut builder = ConfigurationBuilder::new(OVERLAY);
    builder.root_certs = vec![issuer.certificate_der().clone()];
    let access = AccessControl::UserMatch;
    let kind = KindDefinition::private(KIND, DataModel::Dictionary, access, 100_000, 9999);
    builder.kinds = vec![KindBlock::new(kind)];
    let configuration = builder.to_configuration().unwrap();
    let trust = Trust::new(&configuration, Leniency::Strict).unwrap();
    let writers: Vec<_> = (0..WRITERS).map(|number| writer(&issuer, &trust, number)).collect();
    let begin = Instant::now();
    let batch = |number: usize| {
        let (writer, resource) = &writers[number % WRITERS];
        batch(&trust, writer, resource, number)
    };
    let batches = (0..count).map(batch).collect();
    say("signed and verified on one core", count, begin.elapsed());
    ((configuration, trust), batches)
}

fn writer(issuer: &Issuer, trust: &Trust, number: usize) -> (Credentials, ResourceId) {
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let user = format!("user-{number}@{OVERLAY}");
    let node = NodeId::new(&hash(user.as_bytes()).as_bytes()[..16]).unwrap();
    let validity = Validity::starting(now(), Duration::from_secs(86_400));
    let der = issuer.node_certificate(key.spki(), OVERLAY, &[node], Some(&user), validity);
    let pem = certificates_to_pem([&der.unwrap()]);
    let writer = Credentials::load(&key.to_pem(), &pem, trust, now()).unwrap();
    (writer, hash(user.as_bytes()))
}

fn batch(trust: &Trust, writer: &Credentials, resource: &ResourceId, number: usize) -> Batch {
    let key = ValueKey::Key(Bytes::copy_from_slice(&number.to_be_bytes()));
    let value = key.with(DataValue::new(Bytes::from(vec![7; SIZE])));
    let signed = sign_value(writer, resource, KIND, now(), 86_400, &value).unwrap();
    let place = (KIND, DataModel::Dictionary);
    let verified =
        verify_value_of(&signed, resource, place, trust, writer.certificate(), now()).unwrap();
    let at = Address { resource: resource.clone(), kind: KIND, key };
    let generation = u64::try_from(number / WRITERS + 1).unwrap();
    let counter = Change::Generation { resource: resource.clone(), kind: KIND, generation };
    [Change::Put(at, Box::new(StoredValue::new(&verified, now()))), counter].into_iter().collect()
}

fn hash(name: &[u8]) -> ResourceId {
    let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, name);
    ResourceId::new(&hash.as_ref()[..16]).unwrap()
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixTime(u64::try_from(since.as_millis()).unwrap())
}
