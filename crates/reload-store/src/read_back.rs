//! From bytes of a file back to values that may be stored: each is verified again, as if it had just
//! come from the network (sections 7.1 and 7.3), and has the lifetime that was left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reload_config::Configuration;
use reload_identity::{Trust, ValuesError, VerifiedCertificate, VerifyError, verify_value_of};
use reload_storage::{Address, Batch, Change, Keeping, StoredValue, ValueKey};
use reload_wire::{Dialect, ResourceId, UnixTime};

use crate::disk::Contents;
use crate::pending::Pending;
use crate::record::{ValueRecord, read_certificate, read_slot_key, value_key};

/// What values are verified against.
#[derive(Clone, Copy)]
pub struct ReadBack<'a> {
    /// The configuration in force: Kinds and their access control.
    pub configuration: &'a Configuration,
    /// What it says about certificates.
    pub trust: &'a Trust,
    /// The overlay's hash of a resource name.
    pub resource_id: &'a (dyn Fn(&[u8]) -> ResourceId + Sync),
}

/// What became of the contents of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Values that are stored again.
    pub values: usize,
    /// Generation counters, those of slots without values included.
    pub counters: usize,
    /// Values dropped at the end of their lifetime or of their certificate.
    pub expired: usize,
    /// Values dropped because their signature or certificate does not hold.
    pub unverified: usize,
    /// Values dropped because their Kind is gone or its access control does not let them in.
    pub unwanted: usize,
    /// Entries dropped because their bytes mean nothing.
    pub malformed: usize,
    /// How far the clock was set back since the last write: the time from then to now counts as none.
    pub set_back: Duration,
    /// Where a damaged store was moved, and what was wrong with it.
    pub damaged: Option<(PathBuf, String)>,
}

/// Why an entry is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    Expired,
    Unverified,
    Unwanted,
    Malformed,
}

type Known = BTreeMap<[u8; 32], Result<Arc<VerifiedCertificate>, Dropped>>;
type Entry = (Vec<u8>, Vec<u8>);
type Read<'a> = (&'a [u8], Result<(Address, StoredValue), Dropped>);

/// Everything that may be stored again, and what has to go from the file.
pub(crate) fn read_back(
    contents: &Contents,
    read_back: &ReadBack<'_>,
    now: UnixTime,
) -> (Batch, Pending, Report) {
    let reader = Reader {
        read_back,
        keeping: Keeping::new(read_back.configuration),
        dialect: read_back.configuration.dialect(),
        certificates: certificates(contents, read_back.trust, now),
        now,
        set_back: contents.clock.saturating_since(now),
    };
    let mut taken = Taken::default();
    taken.report.set_back = reader.set_back;
    for (key, result) in reader.values(&contents.values) {
        taken.value(key, result);
    }
    for (key, counter) in &contents.counters {
        taken.counter(key, *counter, &reader.keeping);
    }
    (taken.changes.into_iter().collect(), taken.pending, taken.report)
}

/// Each certificate is verified once.
fn certificates(contents: &Contents, trust: &Trust, now: UnixTime) -> Known {
    let verify = |bytes: &[u8]| {
        let (leaf, chain) = read_certificate(bytes).ok_or(Dropped::Malformed)?;
        trust.check(&leaf, &chain, now).map_err(|error| dropped(&error))
    };
    contents.certificates.iter().map(|(hash, bytes)| (*hash, verify(bytes))).collect()
}

fn dropped(error: &VerifyError) -> Dropped {
    match error {
        VerifyError::Expired { .. } => Dropped::Expired,
        _ => Dropped::Unverified,
    }
}

struct Reader<'a> {
    read_back: &'a ReadBack<'a>,
    keeping: Keeping,
    dialect: Dialect,
    certificates: Known,
    now: UnixTime,
    set_back: Duration,
}

impl Reader<'_> {
    /// Verifies on all cores, in order.
    fn values<'v>(&self, values: &'v [Entry]) -> Vec<Read<'v>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = values.len().div_ceil(cores).max(1);
        let read = |entries: &'v [Entry]| -> Vec<Read<'v>> {
            let entries = entries.iter();
            entries.map(|(key, value)| (&key[..], self.value(key, value))).collect()
        };
        std::thread::scope(|scope| {
            let shares = values.chunks(share).map(|share| scope.spawn(move || read(share)));
            let shares: Vec<_> = shares.collect();
            let joined = shares.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .flat_map(|share| share.expect("verification refuses, it does not panic"))
                .collect()
        })
    }

    fn value(&self, key: &[u8], bytes: &[u8]) -> Result<(Address, StoredValue), Dropped> {
        let (resource, kind, _) = read_slot_key(key).ok_or(Dropped::Malformed)?;
        let model = self.keeping.model(kind).ok_or(Dropped::Unwanted)?;
        let record = ValueRecord::read(&self.dialect, bytes).ok_or(Dropped::Malformed)?;
        let received = self.received(record.received);
        let lifetime = Duration::from_secs(u64::from(record.data.lifetime));
        if received.saturating_add(lifetime) <= self.now {
            return Err(Dropped::Expired); // before the costly part
        }
        let certificate = self.certificates.get(&record.certificate).ok_or(Dropped::Unverified)?;
        let certificate = certificate.as_ref().map_err(|dropped| *dropped)?;
        let (trust, place) = (self.read_back.trust, (kind, model));
        let verified =
            verify_value_of(&record.data, &resource, place, trust, certificate, self.now);
        let verified = verified.map_err(|error| match error {
            ValuesError::Forbidden { source, .. } => dropped(&source),
            _ => Dropped::Malformed,
        })?;
        let element = ValueKey::of(verified.value());
        if value_key(&resource, kind, &element) != key {
            return Err(Dropped::Malformed);
        }
        if !self.keeping.permits(&resource, kind, &verified, &self.read_back.resource_id) {
            return Err(Dropped::Unwanted);
        }
        let value = StoredValue::new(&verified, received);
        let live = value.is_live(self.now);
        live.then_some((Address { resource, kind, key: element }, value)).ok_or(Dropped::Expired)
    }

    /// The lifetime runs from the receipt (E70). Where the clock was set back since the last write,
    /// what was left then is left now; nothing was received later than now.
    fn received(&self, received: UnixTime) -> UnixTime {
        let set_back = u64::try_from(self.set_back.as_millis()).unwrap_or(u64::MAX);
        UnixTime(received.0.saturating_sub(set_back)).min(self.now)
    }
}

/// What was taken so far.
#[derive(Default)]
struct Taken {
    changes: Vec<Change>,
    pending: Pending,
    report: Report,
}

impl Taken {
    fn value(&mut self, key: &[u8], result: Result<(Address, StoredValue), Dropped>) {
        let report = &mut self.report;
        let dropped = match result {
            Ok((at, value)) => {
                report.values += 1;
                self.changes.push(Change::Put(at, Box::new(value)));
                return;
            }
            Err(dropped) => dropped,
        };
        match dropped {
            Dropped::Expired => report.expired += 1,
            Dropped::Unverified => report.unverified += 1,
            Dropped::Unwanted => report.unwanted += 1,
            Dropped::Malformed => report.malformed += 1,
        }
        self.pending.remove_key(key.to_vec());
    }

    /// Counters stay for all Kinds that are stored, with values or without.
    fn counter(&mut self, key: &[u8], generation: u64, keeping: &Keeping) {
        match read_slot_key(key) {
            Some((resource, kind, [])) if keeping.model(kind).is_some() && generation > 0 => {
                self.report.counters += 1;
                self.changes.push(Change::Generation { resource, kind, generation });
            }
            Some((_, _, [])) => self.pending.forget_key(key.to_vec()),
            _ => {
                self.report.malformed += 1;
                self.pending.forget_key(key.to_vec());
            }
        }
    }
}
