//! The certificate store usage (section 8): a node keeps its certificate stored under its user name
//! and under each of its Node-IDs. It does not look up the certificates of others.

mod entry;
#[cfg(test)]
mod tests;

use std::time::Instant;

use bytes::Bytes;
use reload_config::Configuration;
use reload_identity::VerifiedCertificate;
use reload_node::{Reply, Request};
use reload_wire::{KindId, Now, ResourceId};

use entry::Entry;

/// Seconds a stored certificate lives: long against the refresh, short enough that the certificates
/// of nodes that are gone for good do not pile up.
const LIFETIME: u32 = 24 * 3600;

/// Names one of the places where the certificate is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(usize);

/// How far an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// Nothing was found out yet.
    Unknown,
    /// The certificate is stored.
    Stored,
    /// The last try failed; another follows.
    Failed,
}

/// One place and its state, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryStatus {
    /// CERTIFICATE_BY_NODE or CERTIFICATE_BY_USER.
    pub kind: KindId,
    /// The hash of the Node-ID or the user name.
    pub resource: ResourceId,
    /// How far it has come.
    pub state: StoreState,
}

/// Keeps one certificate stored. Call [`CertificateStore::poll_request`] at the start, at
/// [`CertificateStore::wakeup`] and after each [`CertificateStore::handle_finished`].
#[derive(Clone, Debug)]
pub struct CertificateStore {
    certificate: Bytes,
    lifetime: u32,
    entries: Vec<Entry>,
}

impl CertificateStore {
    /// Begins at once. Kinds that the overlay does not have are left out.
    pub fn new(
        now: Now,
        configuration: &Configuration,
        certificate: &VerifiedCertificate,
        hash: impl Fn(&[u8]) -> ResourceId,
    ) -> Self {
        let nodes = certificate.node_ids().iter();
        // Not at the Node-ID itself but at its hash, so that no peer keeps its own (section 8).
        let nodes = nodes.map(|node| (KindId::CERTIFICATE_BY_NODE, hash(node.as_bytes())));
        let user = certificate.user();
        let user = user.map(|user| (KindId::CERTIFICATE_BY_USER, hash(user.as_bytes())));
        let places = nodes.chain(user).filter(|(kind, _)| configuration.kind(*kind).is_some());
        Self::at_places(now, certificate.der().clone(), places)
    }

    fn at_places(
        now: Now,
        certificate: Bytes,
        places: impl Iterator<Item = (KindId, ResourceId)>,
    ) -> Self {
        let entries = places.map(|(kind, resource)| Entry::new(kind, resource, now.mono)).collect();
        Self { certificate, lifetime: LIFETIME, entries }
    }

    /// The next request to make, until there is none.
    pub fn poll_request(&mut self, now: Now) -> Option<(EntryId, Request)> {
        let (certificate, lifetime) = (self.certificate.clone(), self.lifetime);
        self.entries.iter_mut().enumerate().find_map(|(number, entry)| {
            let request = entry.poll_request(now, &certificate, lifetime)?;
            Some((EntryId(number), request))
        })
    }

    /// The request of an entry has ended: its good answer, or none if it failed or could not be made.
    pub fn handle_finished(&mut self, now: Now, entry: EntryId, reply: Option<Reply>) {
        if let Some(entry) = self.entries.get_mut(entry.0) {
            entry.handle_finished(now, reply, &self.certificate, self.lifetime);
        }
    }

    /// When [`CertificateStore::poll_request`] has something next; none while all wait for answers.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        self.entries.iter().filter_map(Entry::wakeup).min()
    }

    /// The places, for people.
    #[must_use]
    pub fn status(&self) -> Vec<EntryStatus> {
        self.entries.iter().map(Entry::status).collect()
    }
}
