//! Crypto jobs under way. Results of checks are handed on in the order in which their messages
//! came over a link; what was sealed goes out in the order in which it was given to seal.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use reload_identity::{Checked, CredentialsError, VerifyError, VerifyJob};
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{MessageCode, MessageParts, Now, ResourceId, TransactionId, UnixTime};

use crate::answers::{request_lifetime, without_time};
use crate::deliver::Caller;
use crate::forward::Origin;
use crate::job::{Outcome, Sealing};
use crate::transactions::Content;
use crate::{Job, JobId, JobResult, LinkId, Node, Output};

/// A message whose signature is to be checked.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) origin: Origin,
    pub(crate) parts: MessageParts,
    /// The resource whose values it holds, if it answers a Fetch of ours.
    pub(crate) fetched: Option<ResourceId>,
}

/// What happens with sealed bytes.
#[derive(Debug)]
pub(crate) enum Then {
    /// The first transmission of a request.
    Request(TransactionId),
    /// The answer to a request.
    Answer(Box<Caller>),
    /// The link is closed: all that was to be said on it has been said.
    Close(LinkId),
}

/// A message being checked.
#[derive(Debug)]
struct Checking {
    job: JobId,
    origin: Origin,
    result: Option<Result<Checked, VerifyError>>,
}

/// A message being signed.
#[derive(Debug)]
struct Signing {
    job: JobId,
    code: MessageCode,
    then: Then,
    result: Option<Result<Bytes, CredentialsError>>,
}

/// Messages of all links that may wait for their check, in multiples of what one link may have.
const LINKS_AT_ONCE: usize = 16;

/// Answers that may wait for their signature. What comes on top is dropped and counted: whoever
/// asked asks again. Own requests are bounded elsewhere.
const ANSWERS_AT_ONCE: usize = 4096;

/// The jobs under way.
#[derive(Debug, Default)]
pub(crate) struct Crypto {
    /// One queue for each link, in order of arrival.
    checks: BTreeMap<Option<LinkId>, VecDeque<Checking>>,
    /// The queue in which the job of a check stands.
    place: BTreeMap<JobId, Option<LinkId>>,
    seals: VecDeque<Signing>,
    /// The storage time given to the last own value.
    stored: UnixTime,
}

impl Crypto {
    /// The time of values that are signed now: later than that of any before (section 13.5.3).
    fn storage_time(&mut self, now: UnixTime) -> UnixTime {
        self.stored = now.max(UnixTime(self.stored.0.saturating_add(1)));
        self.stored
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Has a message checked; drops it if too many of its link wait already.
    pub(crate) fn check(&mut self, now: Now, check: Check) {
        let waiting = self.crypto.checks.get(&check.origin.link()).map_or(0, VecDeque::len);
        let most = self.limits.checks_per_link;
        if waiting >= most || self.crypto.place.len() >= most.saturating_mul(LINKS_AT_ONCE) {
            self.counters.checks_dropped += 1;
            return;
        }
        let known = self.certificates.lookup_message(&self.dialect, &check.parts);
        let job = VerifyJob {
            parts: check.parts,
            trust: Arc::clone(&self.trust),
            known,
            kinds: self.storage.models(),
            fetched: check.fetched,
            now: now.wall,
        };
        let id = JobId(self.number());
        let (origin, link) = (check.origin, check.origin.link());
        self.crypto.place.insert(id, link);
        let checking = Checking { job: id, origin, result: None };
        self.crypto.checks.entry(link).or_default().push_back(checking);
        self.outputs.push_back(Output::Crypto(id, Job::verify(job)));
    }

    /// Has a message signed.
    pub(crate) fn seal(
        &mut self,
        now: Now,
        transaction: TransactionId,
        code: MessageCode,
        content: Content,
        then: Then,
    ) {
        if matches!(then, Then::Answer(_)) && self.crypto.seals.len() >= ANSWERS_AT_ONCE {
            self.counters.answers_dropped += 1;
            return;
        }
        let now = match content {
            Content::Store { .. } => Now { wall: self.crypto.storage_time(now.wall), ..now },
            Content::Ready { .. } => now,
        };
        let sealing = Sealing {
            credentials: Arc::clone(&self.credentials),
            overlay: self.overlay,
            transaction,
            code,
            content,
            now,
        };
        let id = JobId(self.number());
        self.crypto.seals.push_back(Signing { job: id, code, then, result: None });
        self.outputs.push_back(Output::Crypto(id, Job::seal(sealing)));
    }

    /// Closes a link once everything given to seal so far has gone out.
    pub(crate) fn close_after(&mut self, now: Now, link: LinkId) {
        let id = JobId(self.number());
        let (then, result) = (Then::Close(link), Some(Ok(Bytes::new())));
        let code = MessageCode::ERROR;
        self.crypto.seals.push_back(Signing { job: id, code, then, result });
        self.release_seals(now);
    }

    pub(crate) fn on_job(&mut self, now: Now, job: JobId, result: JobResult) {
        match result.0 {
            Outcome::Checked(result) => self.on_check_done(now, job, *result),
            Outcome::Sealed(result) => {
                if let Some(signing) = self.crypto.seals.iter_mut().find(|entry| entry.job == job) {
                    signing.result = Some(result);
                }
                self.release_seals(now);
            }
        }
    }

    fn on_check_done(&mut self, now: Now, job: JobId, result: Result<Checked, VerifyError>) {
        let Some(link) = self.crypto.place.remove(&job) else {
            return;
        };
        let Some(queue) = self.crypto.checks.get_mut(&link) else {
            return;
        };
        if let Some(checking) = queue.iter_mut().find(|entry| entry.job == job) {
            checking.result = Some(result);
        }
        while let Some((origin, result)) = self.next_checked(link) {
            match result {
                Ok(checked) => self.on_checked(now, origin, checked),
                Err(_) => self.counters.unverified += 1,
            }
        }
    }

    /// The message that is next in turn, if its check is done.
    fn next_checked(
        &mut self,
        link: Option<LinkId>,
    ) -> Option<(Origin, Result<Checked, VerifyError>)> {
        let queue = self.crypto.checks.get_mut(&link)?;
        queue.front()?.result.as_ref()?;
        let checking = queue.pop_front()?;
        if queue.is_empty() {
            self.crypto.checks.remove(&link);
        }
        Some((checking.origin, checking.result?))
    }

    /// A request with effects is done once; one without is done again whenever it comes.
    fn remember_answer(&mut self, now: Now, caller: &Caller, sealed: Bytes) -> Bytes {
        let key = (caller.signer, caller.transaction);
        if self.answers.get(&key).is_some() {
            self.answers.answer(&key, &sealed);
            return sealed;
        }
        let until = now.mono + request_lifetime(self.configuration.overlay_reliability_timer);
        let said = |sealed: &Bytes| without_time(&self.dialect, sealed);
        let same = |before: &Bytes, sealed: &Bytes| said(before) == said(sealed);
        self.given.alike((now.mono, until), key, sealed, same)
    }

    fn release_seals(&mut self, now: Now) {
        while self.crypto.seals.front().is_some_and(|entry| entry.result.is_some()) {
            let Some(Signing { code, then, result: Some(result), .. }) =
                self.crypto.seals.pop_front()
            else {
                return;
            };
            match (then, result) {
                (Then::Request(id), Ok(sealed)) => self.on_request_sealed(now, id, sealed),
                (Then::Request(id), Err(error)) => self.on_request_unsealed(now, id, &error),
                (Then::Answer(caller), Ok(sealed)) => {
                    let sealed = self.remember_answer(now, &caller, sealed);
                    self.send_answer(now, &caller, &sealed);
                }
                // an answer that cannot be encoded is one that does not fit: too many certificates
                (Then::Answer(caller), Err(_)) if code != MessageCode::ERROR => {
                    self.refuse_large_answer(now, &caller);
                }
                (Then::Answer(_), Err(_)) => self.counters.answers_dropped += 1,
                (Then::Close(link), _) => self.close_link(now, link, "closed by this node"),
            }
        }
    }
}
