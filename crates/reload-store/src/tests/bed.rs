//! Signed values, a file in memory that keeps a tape of what was done to it and can be
//! full, and a picture of a store to compare.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use redb::StorageBackend;
use reload_config::{
    AccessControl, Configuration, ConfigurationBuilder, KindBlock, KindDefinition, Leniency,
};
use reload_identity::{Credentials, Trust, sign_value, verify_value_of};
use reload_storage::{MemoryStore, Store, StoredValue, ValueKey};
use reload_wire::{DataModel, DataValue, KindId, NodeId, ResourceId, UnixTime};

use crate::disk::Disk;
use crate::read_back::{ReadBack, Report};
use crate::store::{PersistentStore, Settings};
use crate::writer::Reopen;

pub(super) const DICTIONARY: KindId = KindId(0xf000_0003);
pub(super) const LIFETIME: u32 = 3600;
pub(super) const START: UnixTime = UnixTime(1_800_000_000_000);

/// An overlay with one Kind and simulated writers.
pub(super) struct Bed {
    pub(super) configuration: Configuration,
    pub(super) trust: Trust,
    writers: Vec<Credentials>,
}

pub(super) fn resource(writer: u8) -> ResourceId {
    hash(user(writer).as_bytes())
}

fn user(writer: u8) -> String {
    format!("user-{writer}@example.org")
}

pub(super) fn hash(name: &[u8]) -> ResourceId {
    let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, name);
    ResourceId::new(&hash.as_ref()[..16]).unwrap()
}

impl Bed {
    pub(super) fn new() -> Self {
        let mut builder = ConfigurationBuilder::new("example.org");
        let user_match = AccessControl::UserMatch;
        let kind = KindDefinition::private(DICTIONARY, DataModel::Dictionary, user_match, 99, 9999);
        builder.kinds = vec![KindBlock::new(kind)];
        let configuration = builder.to_configuration().unwrap();
        let trust = Trust::new(&configuration, Leniency::Strict).unwrap().for_simulation();
        let writer = |number: u8| {
            let node = NodeId::new(&[number + 1; 16]).unwrap();
            Credentials::simulate(node, Some(&user(number)), &trust).unwrap()
        };
        let writers = (0..4).map(writer).collect();
        Self { configuration, trust, writers }
    }

    pub(super) fn read_back(&self) -> ReadBack<'_> {
        ReadBack { configuration: &self.configuration, trust: &self.trust, resource_id: &hash }
    }

    /// A value of a writer at its own resource.
    pub(super) fn value(&self, writer: u8, key: u8, time: u64, size: usize) -> StoredValue {
        let data = DataValue::new(Bytes::from(vec![u8::try_from(time % 251).unwrap(); size]));
        let value = element(key).with(data);
        let writer_of = &self.writers[usize::from(writer)];
        let (resource, time) = (resource(writer), UnixTime(time));
        let signed = sign_value(writer_of, &resource, DICTIONARY, time, LIFETIME, &value).unwrap();
        let certificate = writer_of.certificate();
        let place = (DICTIONARY, DataModel::Dictionary);
        let verified =
            verify_value_of(&signed, &resource, place, &self.trust, certificate, START).unwrap();
        StoredValue::new(&verified, START)
    }

    /// Opens what a file in memory holds.
    pub(super) fn open(&self, file: &File) -> (PersistentStore, Report) {
        self.open_with(file, settings())
    }

    pub(super) fn open_with(&self, file: &File, settings: Settings) -> (PersistentStore, Report) {
        let disk = Disk::open(file.clone()).unwrap();
        let contents = disk.read().unwrap();
        let again = file.clone();
        let reopen: Reopen = Box::new(move || Disk::open(again.clone()));
        let name = "in memory".to_owned();
        PersistentStore::begin(name, disk, &contents, &self.read_back(), reopen, settings).unwrap()
    }
}

/// Written at once, tried again soon, at a time that stands still.
pub(super) fn settings() -> Settings {
    let moment = Duration::from_millis(1);
    Settings { interval: moment, retry: moment, clock: Arc::new(|| START) }
}

pub(super) fn element(key: u8) -> ValueKey {
    ValueKey::Key(Bytes::from(vec![key]))
}

/// All that a store says of itself: slots with their values, and counters of emptied ones.
pub(super) type Picture = Vec<(ResourceId, u64, Vec<(ValueKey, u64, usize)>)>;

pub(super) fn picture(memory: &MemoryStore) -> Picture {
    let slot_of = |resource: &ResourceId| {
        let slot = memory.slot(resource, DICTIONARY).unwrap();
        let value = |(key, value): (&ValueKey, &StoredValue)| {
            (key.clone(), value.storage_time().0, value.value().value.len())
        };
        (resource.clone(), slot.generation, slot.values.iter().map(value).collect())
    };
    let mut picture: Picture =
        memory.resources(Bound::Unbounded, Bound::Unbounded).map(slot_of).collect();
    let emptied =
        memory.emptied().map(|(resource, _, counter)| (resource.clone(), counter, vec![]));
    picture.extend(emptied);
    picture
}

/// What was done to a file.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Write(usize, Vec<u8>),
    Length(usize),
    Sync,
}

/// A file in memory; its clones are the same file.
#[derive(Clone, Debug, Default)]
pub(super) struct File(Arc<Mutex<Tape>>);

#[derive(Debug, Default)]
pub(super) struct Tape {
    pub(super) bytes: Vec<u8>,
    pub(super) acts: Vec<Act>,
    pub(super) full: bool,
}

impl File {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Tape { bytes, ..Tape::default() })))
    }

    pub(super) fn tape(&self) -> MutexGuard<'_, Tape> {
        self.0.lock().unwrap()
    }
}

impl Tape {
    fn act(&mut self, act: Act) {
        apply(&mut self.bytes, &act);
        self.acts.push(act);
    }
}

/// Does an act to bytes.
pub(super) fn apply(bytes: &mut Vec<u8>, act: &Act) {
    match act {
        Act::Write(at, data) => bytes[*at..at + data.len()].copy_from_slice(data),
        Act::Length(length) => bytes.resize(*length, 0),
        Act::Sync => {}
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.tape().bytes.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let tape = self.tape();
        let part = tape.bytes.get(place(offset)..place(offset) + out.len());
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.tape().act(Act::Length(place(length)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.tape().act(Act::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut tape = self.tape();
        if tape.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        tape.act(Act::Write(place(offset), data.to_vec()));
        Ok(())
    }
}
