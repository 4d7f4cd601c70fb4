//! What this peer holds, and how much it is willing to hold. The limits of a Kind (max-size and
//! max-count) are in the configuration; these here are the peer's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reload_identity::VerifiedCertificate;
use reload_wire::{KindId, UnixTime};

use crate::store::Store;
use crate::values::{Address, StoredValue};

/// The most that this peer keeps for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of values, signatures and certificates, a rough overhead for each included.
    pub bytes: usize,
    /// Resources.
    pub resources: usize,
    /// Values of one Kind at one resource, where max-count allows more.
    pub values_per_kind: usize,
}

impl Default for Limits {
    /// 256 MiB, 100,000 resources, 10,000 values of a Kind at a resource: what a small machine bears.
    fn default() -> Self {
        Self { bytes: 256 << 20, resources: 100_000, values_per_kind: 10_000 }
    }
}

/// What this peer holds at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes, as [`Limits::bytes`] counts them.
    pub bytes: usize,
    /// Resources.
    pub resources: usize,
    /// Values, removed ones that have not expired included.
    pub values: usize,
    /// Certificates.
    pub certificates: usize,
}

/// The books: usage, shared certificates and the order of expiry, kept in step with the store.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    usage: Usage,
    slots: BTreeMap<KindId, usize>,
    certificates: BTreeMap<[u8; 32], Held>,
    expiry: BTreeSet<(UnixTime, Address)>,
}

#[derive(Debug)]
struct Held {
    certificate: Arc<VerifiedCertificate>,
    values: usize,
}

impl Ledger {
    /// The books of a store that holds something already.
    pub(crate) fn of(store: &impl Store) -> Self {
        let mut ledger = Self::default();
        for resource in store.resources(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded) {
            ledger.usage.resources += 1;
            for (kind, slot) in store.slots(resource) {
                *ledger.slots.entry(kind).or_default() += 1;
                for (key, value) in &slot.values {
                    let at = Address { resource: resource.clone(), kind, key: key.clone() };
                    ledger.add(&Entry::of(at, value), value.certificate());
                }
            }
        }
        ledger
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// At how many resources there are values of `kind`.
    pub(crate) fn slots_of(&self, kind: KindId) -> usize {
        self.slots.get(&kind).copied().unwrap_or(0)
    }

    /// The certificate with this hash, if a value here is signed with it.
    pub(crate) fn certificate(&self, hash: &[u8; 32]) -> Option<&Arc<VerifiedCertificate>> {
        self.certificates.get(hash).map(|held| &held.certificate)
    }

    /// The first value to expire, and when.
    pub(crate) fn first_expiry(&self) -> Option<UnixTime> {
        self.expiry.first().map(|(at, _)| *at)
    }

    /// The values that have expired at `now`, the oldest first.
    pub(crate) fn expired(&self, now: UnixTime) -> impl Iterator<Item = &Address> {
        self.expiry.iter().take_while(move |(at, _)| *at <= now).map(|(_, address)| address)
    }

    pub(crate) fn add(&mut self, entry: &Entry, certificate: &Arc<VerifiedCertificate>) {
        self.usage.bytes += entry.bytes;
        self.usage.values += 1;
        self.expiry.insert((entry.expires, entry.at.clone()));
        let held = self.certificates.entry(entry.certificate).or_insert_with(|| {
            self.usage.bytes += certificate_size(certificate);
            self.usage.certificates += 1;
            Held { certificate: Arc::clone(certificate), values: 0 }
        });
        held.values += 1;
    }

    pub(crate) fn remove(&mut self, entry: &Entry) {
        self.usage.bytes -= entry.bytes;
        self.usage.values -= 1;
        self.expiry.remove(&(entry.expires, entry.at.clone()));
        let held = self.certificates.get_mut(&entry.certificate);
        let held = held.expect("a value is added with its certificate before it is removed");
        held.values -= 1;
        if held.values == 0 {
            self.usage.bytes -= certificate_size(&held.certificate);
            self.usage.certificates -= 1;
            self.certificates.remove(&entry.certificate);
        }
    }

    /// A slot of `kind` appeared or went.
    pub(crate) fn count_slot(&mut self, kind: KindId, before: bool, after: bool) {
        let count = self.slots.entry(kind).or_default();
        match (before, after) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            (false, false) | (true, true) => {}
        }
        if *count == 0 {
            self.slots.remove(&kind);
        }
    }

    /// A resource appeared or went.
    pub(crate) fn count_resource(&mut self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.usage.resources += 1,
            (true, false) => self.usage.resources -= 1,
            (false, false) | (true, true) => {}
        }
    }
}

/// What the books note of a value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    at: Address,
    expires: UnixTime,
    bytes: usize,
    certificate: [u8; 32],
}

impl Entry {
    pub(crate) fn of(at: Address, value: &StoredValue) -> Self {
        Self {
            expires: value.expires(),
            bytes: value.size() + at.key.size(),
            certificate: *value.certificate().sha256(),
            at,
        }
    }
}

/// Bytes of a certificate and its chain.
pub(crate) fn certificate_size(certificate: &VerifiedCertificate) -> usize {
    certificate.der().len() + certificate.chain().iter().map(bytes::Bytes::len).sum::<usize>()
}
