//! The store of a peer: memory that answers, and a writer that brings what has changed to the file.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::DirBuilder;
use std::ops::Bound;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reload_storage::{Batch, Change, MemoryStore, Slot, Store, StoreFault, StoredValue, ValueKey};
use reload_wire::{KindId, ResourceId, UnixTime};

use crate::aside::move_aside;
use crate::clock;
use crate::disk::{Contents, Disk, open_file};
use crate::error::{DiskError, OpenError};
use crate::pending::Pending;
use crate::read_back::{ReadBack, Report, read_back};
use crate::writer::{Reopen, Writer, WriterStatus};

/// The file in the directory of the store.
const FILE: &str = "values.redb";

/// How the store writes.
#[derive(Clone)]
pub struct Settings {
    /// Changes are collected for this long before they are written.
    pub interval: Duration,
    /// The first pause after the disk has refused; it doubles up to sixteen times this.
    pub retry: Duration,
    /// Wall time.
    pub clock: Arc<dyn Fn() -> UnixTime + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(250),
            retry: Duration::from_secs(2),
            clock: Arc::new(clock::wall),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Settings");
        shown.field("interval", &self.interval).field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// Stored values in memory and, unless it is of memory alone, in a file. Dropping it writes what is
/// left.
pub struct PersistentStore {
    memory: MemoryStore,
    read_back: usize,
    writer: Option<Writer>,
}

impl PersistentStore {
    /// A store without a file, for a node that is gone when it ends.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { memory: MemoryStore::new(), read_back: 0, writer: None }
    }

    /// Opens the store in a directory, which is made if it is not there, and reads back what still
    /// holds. A damaged store is moved to `<directory>.damaged-N`, and an empty one takes its place.
    ///
    /// # Errors
    /// The system does not let us, or another process has the store open.
    pub fn open(
        directory: &Path,
        read_back: &ReadBack<'_>,
        settings: Settings,
    ) -> Result<(Self, Report), OpenError> {
        let path = directory.join(FILE);
        let in_directory = |source| OpenError::Directory { path: directory.to_owned(), source };
        let in_file = |source| OpenError::Disk { path: path.clone(), source };
        make(directory).map_err(in_directory)?;
        let mut damaged = None;
        let (disk, contents) = match open(&path) {
            Err(error) if error.is_damage() => {
                let aside = move_aside(directory).map_err(in_directory)?;
                damaged = Some((aside, error.to_string()));
                make(directory).map_err(in_directory)?;
                open(&path).map_err(in_file)?
            }
            result => result.map_err(in_file)?,
        };
        let (name, again) = (path.display().to_string(), directory.to_owned());
        let reopen: Reopen = Box::new(move || reopen(&again));
        let (store, mut report) = Self::begin(name, disk, &contents, read_back, reopen, settings)
            .map_err(in_directory)?;
        report.damaged = damaged;
        Ok((store, report))
    }

    pub(crate) fn begin(
        name: String,
        disk: Disk,
        contents: &Contents,
        how: &ReadBack<'_>,
        reopen: Reopen,
        settings: Settings,
    ) -> std::io::Result<(Self, Report)> {
        let (batch, pending, report) = read_back(contents, how, (settings.clock)());
        let mut memory = MemoryStore::new();
        memory.apply(batch).expect("memory cannot fail");
        let writer = Writer::start(name, disk, reopen, pending, settings)?;
        Ok((Self { memory, read_back: report.values, writer: Some(writer) }, report))
    }

    /// The values in memory.
    #[must_use]
    pub fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    /// How many values were read back when it was opened.
    #[must_use]
    pub fn read_back(&self) -> usize {
        self.read_back
    }

    /// How the writing goes; none without a file.
    #[must_use]
    pub fn status(&self) -> Option<WriterStatus> {
        self.writer.as_ref().map(Writer::status)
    }

    /// Waits until everything is in the file.
    ///
    /// # Errors
    /// Why the disk refuses. It is tried again all the same.
    pub fn flush(&self) -> Result<(), String> {
        self.writer.as_ref().map_or(Ok(()), Writer::flush)
    }

    /// Writes what is left and ends, as dropping does.
    pub fn close(self) {}
}

impl Drop for PersistentStore {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        // A file that was lost gets everything, too.
        writer.note(|_| {}, || Pending::all(&self.memory));
        writer.close();
    }
}

impl fmt::Debug for PersistentStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PersistentStore").field("status", &self.status()).finish()
    }
}

impl Store for PersistentStore {
    fn slot(&self, resource: &ResourceId, kind: KindId) -> Option<&Slot> {
        self.memory.slot(resource, kind)
    }

    fn generation(&self, resource: &ResourceId, kind: KindId) -> u64 {
        self.memory.generation(resource, kind)
    }

    fn slots(&self, resource: &ResourceId) -> impl Iterator<Item = (KindId, &Slot)> {
        self.memory.slots(resource)
    }

    fn resources(
        &self,
        from: Bound<&ResourceId>,
        to: Bound<&ResourceId>,
    ) -> impl Iterator<Item = &ResourceId> {
        self.memory.resources(from, to)
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StoreFault> {
        let Some(writer) = &self.writer else {
            return self.memory.apply(batch);
        };
        let noted = Noted::of(&self.memory, &batch);
        self.memory.apply(batch)?;
        let memory = &self.memory;
        writer.note(|pending| noted.write(memory, pending), || Pending::all(memory));
        Ok(())
    }
}

/// What a batch changes, value by value.
#[derive(Default)]
struct Noted {
    slots: BTreeSet<(ResourceId, KindId)>,
    values: Vec<(ResourceId, KindId, ValueKey, Option<StoredValue>)>,
}

impl Noted {
    fn of(memory: &MemoryStore, batch: &Batch) -> Self {
        let mut noted = Self::default();
        for change in batch.changes() {
            noted.change(memory, change);
        }
        noted
    }

    fn change(&mut self, memory: &MemoryStore, change: &Change) {
        let (resource, kind) = match change {
            Change::Put(at, value) => {
                let value = Some(StoredValue::clone(value));
                self.values.push((at.resource.clone(), at.kind, at.key.clone(), value));
                (&at.resource, at.kind)
            }
            Change::Remove(at) => {
                self.values.push((at.resource.clone(), at.kind, at.key.clone(), None));
                (&at.resource, at.kind)
            }
            Change::Generation { resource, kind, .. } => (resource, *kind),
            Change::Drop { resource, kind } => {
                let slot = memory.slot(resource, *kind);
                for key in slot.into_iter().flat_map(|slot| slot.values.keys()) {
                    self.values.push((resource.clone(), *kind, key.clone(), None));
                }
                (resource, *kind)
            }
        };
        self.slots.insert((resource.clone(), kind));
    }

    /// The counters are those that memory has afterwards.
    fn write(self, memory: &MemoryStore, pending: &mut Pending) {
        for (resource, kind, key, value) in self.values {
            match value {
                Some(value) => pending.put(&resource, kind, key, value),
                None => pending.remove(&resource, kind, &key),
            }
        }
        for (resource, kind) in self.slots.iter().chain(memory.forgotten()) {
            pending.count(resource, *kind, memory.generation(resource, *kind));
        }
    }
}

fn open(path: &Path) -> Result<(Disk, Contents), DiskError> {
    let disk = Disk::open(open_file(path)?)?;
    let contents = disk.read()?;
    Ok((disk, contents))
}

/// Opens the file again while the peer runs; what is damaged goes aside, and memory fills the new one.
fn reopen(directory: &Path) -> Result<Disk, DiskError> {
    make(directory)?;
    let path: PathBuf = directory.join(FILE);
    match Disk::open(open_file(&path)?) {
        Err(error) if error.is_damage() => {
            let aside = move_aside(directory)?;
            tracing::error!(
                "the store {} is damaged ({error}): moved to {}",
                path.display(),
                aside.display()
            );
            Err(error)
        }
        result => result,
    }
}

fn make(directory: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
