//! One place of the certificate: look, store if it is not there, look again before it ends.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_identity::FetchedKind;
use reload_node::{NewValue, Place, Reply, Request, Specifier};
use reload_wire::{
    ArrayRange, DataValue, KindId, ModelSpecifier, Now, ResourceId, StoredDataValue,
};

use super::{EntryStatus, StoreState};

/// An array index that means "append" in a Store and "to the end" in a Fetch (sections 7.2.2, 7.4.2.1).
const END: u32 = u32::MAX;

/// The first wait after a failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(600);

/// Looked at this often even when nothing is due: an overlay that lost data gets it back.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    kind: KindId,
    resource: ResourceId,
    step: Step,
    failures: u32,
    known: StoreState,
}

#[derive(Clone, Debug)]
enum Step {
    /// A Fetch is due then.
    Wait(Instant),
    /// Fetching.
    Looking,
    /// A Store to this index is due.
    StoreAt(u32),
    /// Storing.
    Storing,
}

impl Entry {
    pub(super) fn new(kind: KindId, resource: ResourceId, at: Instant) -> Self {
        Self { kind, resource, step: Step::Wait(at), failures: 0, known: StoreState::Unknown }
    }

    pub(super) fn poll_request(
        &mut self,
        now: Now,
        certificate: &Bytes,
        lifetime: u32,
    ) -> Option<Request> {
        match self.step {
            Step::Wait(at) if at <= now.mono => {
                self.step = Step::Looking;
                Some(self.fetch())
            }
            Step::StoreAt(index) => {
                self.step = Step::Storing;
                Some(self.store(index, certificate, lifetime))
            }
            Step::Wait(_) | Step::Looking | Step::Storing => None,
        }
    }

    pub(super) fn handle_finished(
        &mut self,
        now: Now,
        reply: Option<Reply>,
        certificate: &Bytes,
        lifetime: u32,
    ) {
        match (&self.step, reply) {
            (Step::Looking, Some(Reply::Fetched(kinds))) => {
                self.on_fetched(now, &kinds, certificate, lifetime);
            }
            (Step::Storing, Some(Reply::Stored(_))) => self.settle(now, lifetime, lifetime),
            (Step::Looking | Step::Storing, _) => self.retry(now),
            (Step::Wait(_) | Step::StoreAt(_), _) => {} // answers nothing that was asked
        }
    }

    pub(super) fn wakeup(&self) -> Option<Instant> {
        match self.step {
            Step::Wait(at) => Some(at),
            Step::Looking | Step::StoreAt(_) | Step::Storing => None,
        }
    }

    pub(super) fn status(&self) -> EntryStatus {
        EntryStatus { kind: self.kind, resource: self.resource.clone(), state: self.known }
    }

    /// New certificates go to the end of the list (section 8); one that is there keeps its index.
    fn on_fetched(&mut self, now: Now, kinds: &[FetchedKind], certificate: &Bytes, lifetime: u32) {
        match find(kinds, self.kind, certificate) {
            Some((_, rest)) if rest > lifetime / 2 => self.settle(now, rest, lifetime),
            Some((index, _)) => self.step = Step::StoreAt(index),
            None => self.step = Step::StoreAt(END),
        }
    }

    /// The certificate is there for `rest` seconds: look again while half of the lifetime is left.
    fn settle(&mut self, now: Now, rest: u32, lifetime: u32) {
        self.failures = 0;
        self.known = StoreState::Stored;
        let unhurried = Duration::from_secs(u64::from(rest.saturating_sub(lifetime / 2).max(1)));
        self.step = Step::Wait(now.mono + unhurried.min(LOOK_AGAIN));
    }

    fn retry(&mut self, now: Now) {
        self.known = StoreState::Failed;
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LAST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.step = Step::Wait(now.mono + wait);
    }

    fn fetch(&self) -> Request {
        let all = ModelSpecifier::Array(vec![ArrayRange { first: 0, last: END }]);
        let specifier = Specifier { kind: self.kind, generation: 0, which: all };
        Request::Fetch { resource: self.resource.clone(), specifiers: vec![specifier] }
    }

    fn store(&self, index: u32, certificate: &Bytes, lifetime: u32) -> Request {
        let value = NewValue {
            kind: self.kind,
            generation: 0,
            place: Place::Index(index),
            value: DataValue { exists: true, value: certificate.clone() },
            lifetime,
            storage_time: None,
        };
        Request::Store { resource: self.resource.clone(), values: vec![value] }
    }
}

/// The index at which the certificate stands, and the seconds it still lives.
fn find(kinds: &[FetchedKind], kind: KindId, certificate: &Bytes) -> Option<(u32, u32)> {
    let ours = kinds.iter().filter(|fetched| fetched.kind == kind);
    ours.flat_map(|fetched| &fetched.values).find_map(|fetched| match fetched.value() {
        StoredDataValue::Array { index, value } if value.exists && value.value == *certificate => {
            Some((*index, fetched.data().lifetime))
        }
        _ => None,
    })
}
