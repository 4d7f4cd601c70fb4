//! The file: tables in redb, read whole when it is opened and changed in transactions. It knows bytes
//! and which certificates are still needed, not what may be stored.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, Table, TableDefinition,
    WriteTransaction,
};
use reload_wire::UnixTime;

use crate::error::DiskError;
use crate::pending::{Pending, Value};
use crate::record::{ValueRecord, certificate_bytes, certificate_of};

const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
const COUNTERS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("counters");
const CERTIFICATES: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("certificates");
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

/// The number of the layout in [`crate::record`], in the table `about`.
const FORMAT: u64 = 1;
/// Wall time of the last transaction, in the table `about`.
const CLOCK: &str = "clock";

/// Memory is what answers: the file is read once and then only written.
const CACHE: usize = 16 << 20;

type Hash = [u8; 32];

/// An open file.
pub(crate) struct Disk {
    database: Database,
    /// How many values are signed with each certificate.
    holders: BTreeMap<Hash, u64>,
}

/// All that a file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) values: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) counters: Vec<(Vec<u8>, u64)>,
    pub(crate) certificates: BTreeMap<Hash, Vec<u8>>,
    /// Wall time of the last transaction.
    pub(crate) clock: UnixTime,
}

/// Opens the file at `path`, made with mode 0600 if it is not there.
pub(crate) fn open_file(path: &Path) -> Result<FileBackend, DiskError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    Ok(FileBackend::new(options.open(path)?)?)
}

impl Disk {
    /// Opens what `backend` holds, or begins it if that is nothing. After a crash redb repairs it.
    pub(crate) fn open(backend: impl StorageBackend) -> Result<Self, DiskError> {
        guarded(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(CACHE);
            // Else a file that was altered is trusted, and reading it may end in a panic.
            builder.set_check_integrity_on_open(true);
            let mut disk =
                Self { database: builder.create_with_backend(backend)?, holders: BTreeMap::new() };
            disk.begin()?;
            disk.count_holders()?;
            Ok(disk)
        })
    }

    /// Everything in the file.
    pub(crate) fn read(&self) -> Result<Contents, DiskError> {
        guarded(|| {
            let transaction = self.database.begin_read()?;
            let mut contents = Contents::default();
            for entry in transaction.open_table(VALUES)?.iter()? {
                let (key, value) = entry?;
                contents.values.push((key.value().to_vec(), value.value().to_vec()));
            }
            for entry in transaction.open_table(COUNTERS)?.iter()? {
                let (key, counter) = entry?;
                contents.counters.push((key.value().to_vec(), counter.value()));
            }
            for entry in transaction.open_table(CERTIFICATES)?.iter()? {
                let (hash, certificate) = entry?;
                contents.certificates.insert(hash.value(), certificate.value().to_vec());
            }
            let clock = transaction.open_table(ABOUT)?.get(CLOCK)?;
            contents.clock = UnixTime(clock.map_or(0, |clock| clock.value()));
            Ok(contents)
        })
    }

    /// Writes everything that is pending, durably, or nothing. After a failure the file has to be
    /// opened anew.
    pub(crate) fn write(&mut self, pending: &Pending, clock: UnixTime) -> Result<(), DiskError> {
        guarded(|| {
            let mut transaction = self.database.begin_write()?;
            transaction
                .set_durability(Durability::Immediate)
                .map_err(|error| DiskError::damaged(error.to_string()))?;
            // The values are those of strangers: see `set_two_phase_commit`.
            transaction.set_two_phase_commit(true);
            if pending.anew {
                transaction.delete_table(VALUES)?;
                transaction.delete_table(COUNTERS)?;
                transaction.delete_table(CERTIFICATES)?;
            }
            let before = if pending.anew { BTreeMap::new() } else { self.holders.clone() };
            let holders = write_values(&transaction, pending, before)?;
            write_counters(&transaction, pending)?;
            transaction.open_table(ABOUT)?.insert(CLOCK, clock.0)?;
            transaction.commit()?;
            self.holders = holders;
            Ok(())
        })
    }

    /// Makes the tables, or sees that they are of our format.
    fn begin(&mut self) -> Result<(), DiskError> {
        let transaction = self.database.begin_write()?;
        {
            let mut about = transaction.open_table(ABOUT)?;
            let format = about.get("format")?.map(|format| format.value());
            match format {
                Some(FORMAT) => {}
                Some(other) => {
                    return Err(DiskError::damaged(format!("format {other} is not known")));
                }
                None => {
                    about.insert("format", FORMAT)?;
                }
            }
            transaction.open_table(VALUES)?;
            transaction.open_table(COUNTERS)?;
            transaction.open_table(CERTIFICATES)?;
        }
        Ok(transaction.commit()?)
    }

    fn count_holders(&mut self) -> Result<(), DiskError> {
        let transaction = self.database.begin_read()?;
        for entry in transaction.open_table(VALUES)?.iter()? {
            let (_, value) = entry?;
            *self.holders.entry(certificate_of(value.value())?).or_default() += 1;
        }
        Ok(())
    }
}

type Values<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// Writes and removes values, and certificates as they are needed; how many values hold each then.
fn write_values(
    transaction: &WriteTransaction,
    pending: &Pending,
    mut holders: BTreeMap<Hash, u64>,
) -> Result<BTreeMap<Hash, u64>, DiskError> {
    let mut values: Values<'_> = transaction.open_table(VALUES)?;
    let mut certificates = transaction.open_table(CERTIFICATES)?;
    for (key, value) in &pending.values {
        if let Some(hash) = write_value(&mut values, key, value.as_ref())? {
            let left = holders.entry(hash).or_default();
            *left = left.saturating_sub(1);
        }
        if let Some(value) = value {
            let certificate = value.1.certificate();
            let held = holders.entry(*certificate.sha256()).or_default();
            if *held == 0 {
                let bytes = certificate_bytes(certificate);
                certificates.insert(certificate.sha256(), &bytes[..])?;
            }
            *held += 1;
        }
    }
    for (hash, _) in holders.iter().filter(|(_, held)| **held == 0) {
        certificates.remove(hash)?;
    }
    holders.retain(|_, held| *held > 0);
    Ok(holders)
}

/// Writes or removes one value; the certificate of the one that was there.
fn write_value(
    values: &mut Values<'_>,
    key: &[u8],
    value: Option<&Value>,
) -> Result<Option<Hash>, DiskError> {
    let before = match value {
        None => values.remove(key)?,
        Some(value) => {
            let (element, stored) = &**value;
            let bytes = ValueRecord::of(element, stored).and_then(|record| record.to_bytes());
            let bytes = bytes.expect("a value that came in a message can be written like one");
            values.insert(key, &bytes[..])?
        }
    };
    before.map(|before| certificate_of(before.value())).transpose()
}

fn write_counters(transaction: &WriteTransaction, pending: &Pending) -> Result<(), DiskError> {
    let mut counters = transaction.open_table(COUNTERS)?;
    for (key, counter) in &pending.counters {
        match counter {
            Some(counter) => counters.insert(&key[..], *counter)?,
            None => counters.remove(&key[..])?,
        };
    }
    Ok(())
}

/// redb panics where its file contradicts itself; for us that is damage like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, DiskError>) -> Result<T, DiskError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(DiskError::damaged("it contradicts itself")))
}
