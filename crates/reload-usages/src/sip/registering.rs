//! The registration of this node's user (RFC 7904 section 3): stored under the AOR with the Node-ID as
//! key, refreshed, removed, and taken up again after a restart. No I/O.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_config::Configuration;
use reload_identity::VerifiedCertificate;
use reload_node::{NewValue, Place, Reply, Request, RequestError, Specifier};
use reload_wire::{
    Encode, KindId, ModelSpecifier, NodeId, Now, ResourceId, StoredDataValue, UnixTime,
};

use super::aor::Aor;
use super::contact::SipContact;
use super::record::{Record, RegistrationState};
use super::register_output::{RegisterError, RegisterId, RegisterOutput, RegisterRequestId};

/// REGISTERs that wait for a Store at a time.
const MAX_WAITING: usize = 256;
/// The first wait after a failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// The longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// Keeps the registration of one user at one node. Call [`SipRegistering::poll_output`] until it gives
/// nothing after each `handle_*` and at [`SipRegistering::wakeup`].
#[derive(Debug)]
pub struct SipRegistering {
    aor: Aor,
    node: NodeId,
    resource: ResourceId,
    allowed: Result<(), RegisterError>,
    record: Option<Record>,
    step: Step,
    /// When the step of waiting ends.
    pause: Instant,
    failures: u32,
    last_storage_time: UnixTime,
    waiting: VecDeque<RegisterId>,
    next_id: u64,
    outputs: VecDeque<RegisterOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Wait,
    /// A Store.
    Storing(Storing),
    /// A Fetch of what is there: its storage time is later than ours.
    Looking {
        request: RegisterRequestId,
    },
    /// The Store after that is due.
    StoreAgain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Storing {
    request: RegisterRequestId,
    /// It is for all REGISTERs up to this one.
    covers: RegisterId,
    /// What it gives to the registration, in seconds; 0 for a removal.
    lifetime: u32,
    /// Its storage time comes from a look before.
    looked: bool,
}

impl SipRegistering {
    /// For the user name of this certificate. `hash` makes a Resource-ID of a name.
    ///
    /// # Errors
    /// [`RegisterError::NoUser`], [`RegisterError::UserName`].
    pub fn new(
        now: Now,
        configuration: &Configuration,
        certificate: &VerifiedCertificate,
        node: NodeId,
        hash: impl Fn(&[u8]) -> ResourceId,
    ) -> Result<Self, RegisterError> {
        let user = certificate.user().ok_or(RegisterError::NoUser)?;
        let aor = Aor::of_user_name(user).map_err(RegisterError::UserName)?;
        Ok(Self::of_aor(now, configuration, aor, node, hash))
    }

    pub(super) fn of_aor(
        now: Now,
        configuration: &Configuration,
        aor: Aor,
        node: NodeId,
        hash: impl Fn(&[u8]) -> ResourceId,
    ) -> Self {
        Self {
            resource: aor.resource(hash),
            allowed: check(configuration, &aor),
            aor,
            node,
            record: None,
            step: Step::Wait,
            pause: now.mono,
            failures: 0,
            last_storage_time: UnixTime(0),
            waiting: VecDeque::new(),
            next_id: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The AOR that is registered here, and no other.
    #[must_use]
    pub const fn aor(&self) -> &Aor {
        &self.aor
    }

    /// Takes up what an earlier run has left ([`SipRegistering::state`]): what has not expired is stored
    /// again at once.
    pub fn handle_restart(&mut self, now: Now, state: &RegistrationState) {
        self.last_storage_time = self.last_storage_time.max(state.last_storage_time);
        if self.record.is_none() {
            self.record = state.record.as_ref().and_then(|saved| Record::restore(saved, now));
        }
        self.pause = now.mono;
    }

    /// What a later run needs to go on; to be kept after each [`RegisterOutput::Finished`].
    #[must_use]
    pub fn state(&self, now: Now) -> RegistrationState {
        RegistrationState {
            last_storage_time: self.last_storage_time,
            record: self.record.as_ref().map(|record| record.save(now)),
        }
    }

    /// Another configuration is in force.
    pub fn handle_configuration(&mut self, configuration: &Configuration) {
        self.allowed = check(configuration, &self.aor);
        if let Err(error) = &self.allowed
            && self.record.take().is_some()
        {
            self.outputs.push_back(RegisterOutput::Ended(error.clone()));
        }
    }

    /// The user is to be found there for so many seconds, the SIP Expires: that is the lifetime of what
    /// is stored (RFC 7904 section 3.1). A phone registers again in time by itself. 0 removes.
    ///
    /// # Errors
    /// What keeps this user from being registered in this overlay; nothing is sent then.
    pub fn handle_register(
        &mut self,
        now: Now,
        contact: &SipContact,
        expires: u32,
    ) -> Result<RegisterId, RegisterError> {
        self.put(now, contact, expires, false)
    }

    /// As [`SipRegistering::handle_register`], and refreshed by this node until it is replaced or removed.
    ///
    /// # Errors
    /// As there.
    pub fn handle_keep(
        &mut self,
        now: Now,
        contact: &SipContact,
        expires: u32,
    ) -> Result<RegisterId, RegisterError> {
        self.put(now, contact, expires, true)
    }

    /// The user is not to be found here any longer.
    ///
    /// # Errors
    /// As [`SipRegistering::handle_register`].
    pub fn handle_unregister(&mut self, now: Now) -> Result<RegisterId, RegisterError> {
        self.allowed.clone()?;
        let id = self.wait_for_it()?;
        self.record = Some(Record::removal(self.record.as_ref(), now));
        self.pause = now.mono;
        Ok(id)
    }

    fn put(
        &mut self,
        now: Now,
        contact: &SipContact,
        expires: u32,
        kept: bool,
    ) -> Result<RegisterId, RegisterError> {
        self.allowed.clone()?;
        let value = contact.registration().to_bytes()?;
        if expires == 0 {
            return self.handle_unregister(now);
        }
        let id = self.wait_for_it()?;
        self.record = Some(Record::new(value, expires, kept, now));
        self.pause = now.mono;
        Ok(id)
    }

    fn wait_for_it(&mut self) -> Result<RegisterId, RegisterError> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(RegisterError::Busy);
        }
        let id = RegisterId(self.number());
        self.waiting.push_back(id);
        Ok(id)
    }

    fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A request has ended.
    pub fn handle_finished(
        &mut self,
        now: Now,
        id: RegisterRequestId,
        result: Result<Reply, RequestError>,
    ) {
        match (self.step, result) {
            (Step::Storing(it), Ok(Reply::Stored(_))) if it.request == id => {
                self.on_stored(now, it);
            }
            (Step::Storing(it), result) if it.request == id => {
                let error = result.err().map_or(RegisterError::NotMade, RegisterError::Request);
                self.on_failed(now, it, error);
            }
            (Step::Looking { request }, result) if request == id => self.on_looked(result),
            _ => {} // the answer to nothing that is asked
        }
    }

    fn on_stored(&mut self, now: Now, it: Storing) {
        self.failures = 0;
        self.step = Step::Wait;
        self.finish(it.covers, &Ok(it.lifetime));
        let is_newest = self.waiting.is_empty();
        if let Some(record) = self.record.as_mut().filter(|_| is_newest) {
            record.on_stored(now);
            if record.is_removal() {
                self.record = None;
            }
        }
    }

    fn on_failed(&mut self, now: Now, it: Storing, error: RegisterError) {
        if error.is_too_old() && !it.looked {
            let request = RegisterRequestId(self.number());
            self.step = Step::Looking { request };
            self.outputs.push_back(RegisterOutput::Request(request, self.look()));
            return;
        }
        self.step = Step::Wait;
        let for_good = error.is_for_good();
        self.finish(it.covers, &Err(error));
        if !self.waiting.is_empty() {
            return;
        }
        if for_good && self.record.as_ref().is_some_and(|record| !record.kept) {
            self.record = None;
        }
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LAST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.pause = now.mono + if for_good { LAST_RETRY } else { wait };
    }

    /// The clock has gone back, or what is there was stored by an earlier run.
    fn on_looked(&mut self, result: Result<Reply, RequestError>) {
        self.step = Step::StoreAgain;
        let Ok(Reply::Fetched(kinds)) = result else { return };
        let values = kinds.iter().filter(|it| it.kind == KindId::SIP_REGISTRATION);
        for value in values.flat_map(|kind| &kind.values) {
            if matches!(value.value(), StoredDataValue::Dictionary { key, .. }
                if **key == *self.node.as_bytes())
            {
                self.last_storage_time = self.last_storage_time.max(value.data().storage_time);
            }
        }
    }

    fn finish(&mut self, covers: RegisterId, result: &Result<u32, RegisterError>) {
        while let Some(id) = self.waiting.pop_front_if(|id| *id <= covers) {
            self.outputs.push_back(RegisterOutput::Finished(id, result.clone()));
        }
    }

    /// What is to be done next, until there is nothing.
    pub fn poll_output(&mut self, now: Now) -> Option<RegisterOutput> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        match self.step {
            Step::Wait | Step::StoreAgain => self.expire(now),
            Step::Storing(_) | Step::Looking { .. } => return None,
        }
        let looked = self.step == Step::StoreAgain;
        if self.due().is_some_and(|at| looked || at <= now.mono) {
            let request = RegisterRequestId(self.number());
            let covers = RegisterId(self.next_id);
            let (lifetime, store) = self.store(now)?;
            self.step = Step::Storing(Storing { request, covers, lifetime, looked });
            return Some(RegisterOutput::Request(request, store));
        }
        self.step = Step::Wait;
        self.outputs.pop_front()
    }

    /// When [`SipRegistering::poll_output`] has something next; none while it waits for an answer.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        match self.step {
            Step::Wait if self.outputs.is_empty() => {
                let ends = self.record.as_ref().filter(|it| !it.kept).map(|it| it.ends);
                [self.due(), ends].into_iter().flatten().min()
            }
            Step::Storing(_) | Step::Looking { .. } if self.outputs.is_empty() => None,
            _ => Some(self.pause),
        }
    }

    /// When a Store is due.
    fn due(&self) -> Option<Instant> {
        self.record.as_ref()?.due().map(|at| at.max(self.pause))
    }

    /// What has ended is not there any longer.
    fn expire(&mut self, now: Now) {
        let over = self.record.as_ref().is_some_and(|it| !it.kept && it.ends <= now.mono);
        if !over {
            return;
        }
        let was_removal = self.record.take().is_some_and(|record| record.is_removal());
        self.finish(RegisterId(self.next_id), &Err(RegisterError::Expired));
        if !was_removal {
            self.outputs.push_back(RegisterOutput::Ended(RegisterError::Expired));
        }
    }

    /// A Store, and the seconds it gives to the registration.
    fn store(&mut self, now: Now) -> Option<(u32, Request)> {
        let record = self.record.as_ref()?;
        // A later Store has a later time, however close they follow (E59).
        let next = UnixTime(self.last_storage_time.0.saturating_add(1));
        self.last_storage_time = now.wall.max(next);
        let granted = if record.is_removal() { 0 } else { record.lifetime(now) };
        let value = NewValue {
            kind: KindId::SIP_REGISTRATION,
            generation: 0,
            place: Place::Key(Bytes::copy_from_slice(self.node.as_bytes())),
            value: record.value(),
            lifetime: record.lifetime(now),
            storage_time: Some(self.last_storage_time),
        };
        Some((granted, Request::Store { resource: self.resource.clone(), values: vec![value] }))
    }

    fn look(&self) -> Request {
        let key = Bytes::copy_from_slice(self.node.as_bytes());
        let which = ModelSpecifier::Dictionary(vec![key]);
        let specifier = Specifier { kind: KindId::SIP_REGISTRATION, generation: 0, which };
        Request::Fetch { resource: self.resource.clone(), specifiers: vec![specifier] }
    }
}

/// Before a Store the domain of the AOR is checked (RFC 7904 section 3.3).
fn check(configuration: &Configuration, aor: &Aor) -> Result<(), RegisterError> {
    if configuration.kind(KindId::SIP_REGISTRATION).is_none() {
        return Err(RegisterError::NoKind);
    }
    if super::way::serves_domain(configuration, aor.domain()) {
        Ok(())
    } else {
        Err(RegisterError::Domain(aor.clone()))
    }
}
