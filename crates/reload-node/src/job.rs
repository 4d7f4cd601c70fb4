//! The work with keys: signing and checking. Pure computation, so that a driver spreads it over
//! cores and a simulation runs it on the spot.

use std::sync::Arc;

use bytes::Bytes;
use reload_identity::{
    Checked, Credentials, CredentialsError, VerifyError, VerifyJob, seal, sign_value,
};
use reload_wire::{
    DataModel, Encode, KindId, MessageCode, MessageContents, Now, ResourceId, StoreKindData,
    StoreReq, StoredDataValue, TransactionId,
};

use crate::transactions::Content;
use crate::{NewValue, Place};

/// One piece of work; [`Job::run`] it on any thread.
#[derive(Debug)]
pub struct Job(Work);

/// The outcome of a [`Job`], for [`crate::Node::handle_crypto`].
#[derive(Debug)]
pub struct JobResult(pub(crate) Outcome);

impl JobResult {
    /// Whether it tells what a check has found; it holds a signature otherwise.
    #[must_use]
    pub const fn is_check(&self) -> bool {
        matches!(self.0, Outcome::Checked(_))
    }
}

#[derive(Debug)]
enum Work {
    Seal(Box<Sealing>),
    Verify(Box<VerifyJob>),
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Sealed(Result<Bytes, CredentialsError>),
    Checked(Box<Result<Checked, VerifyError>>),
}

/// A message that is to be signed.
#[derive(Debug)]
pub(crate) struct Sealing {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) overlay: u32,
    pub(crate) transaction: TransactionId,
    pub(crate) code: MessageCode,
    pub(crate) content: Content,
    pub(crate) now: Now,
}

impl Job {
    pub(crate) fn seal(sealing: Sealing) -> Self {
        Self(Work::Seal(Box::new(sealing)))
    }

    pub(crate) fn verify(job: VerifyJob) -> Self {
        Self(Work::Verify(Box::new(job)))
    }

    /// Does the work.
    #[must_use]
    pub fn run(self) -> JobResult {
        JobResult(match self.0 {
            Work::Seal(sealing) => Outcome::Sealed(sealing.run()),
            Work::Verify(job) => Outcome::Checked(Box::new(job.run())),
        })
    }
}

impl Sealing {
    /// Contents and security block (section 6.3.4).
    fn run(self) -> Result<Bytes, CredentialsError> {
        let (body, certificates) = match &self.content {
            Content::Ready { body, certificates } => (body.clone(), certificates.clone()),
            Content::Store { resource, values } => (self.store(resource, values)?, Vec::new()),
        };
        let contents = MessageContents { code: self.code, body, extensions: Vec::new() };
        seal(&self.credentials, self.overlay, self.transaction, &contents, &certificates)
    }

    /// The body of a Store of own values, each signed on its own (section 7.1).
    fn store(&self, resource: &ResourceId, values: &[NewValue]) -> Result<Bytes, CredentialsError> {
        let mut kind_data: Vec<StoreKindData> = Vec::new();
        for value in values {
            let time = value.storage_time.unwrap_or(self.now.wall);
            let stored = sign_value(
                &self.credentials,
                resource,
                value.kind,
                time,
                value.lifetime,
                &value.stored_data_value(),
            )?;
            match kind_data.iter_mut().find(|data| data.kind == value.kind) {
                Some(data) => data.values.push(stored),
                None => kind_data.push(StoreKindData {
                    kind: value.kind,
                    generation_counter: value.generation,
                    values: vec![stored],
                }),
            }
        }
        let request = StoreReq { resource: resource.clone(), replica_number: 0, kind_data };
        Ok(request.to_bytes()?)
    }
}

impl NewValue {
    fn stored_data_value(&self) -> StoredDataValue {
        let value = self.value.clone();
        match &self.place {
            Place::Single => StoredDataValue::Single(value),
            Place::Index(index) => StoredDataValue::Array { index: *index, value },
            Place::Key(key) => StoredDataValue::Dictionary { key: key.clone(), value },
        }
    }

    /// The data model that the place belongs to.
    pub(crate) fn model(&self) -> (KindId, DataModel) {
        let model = match self.place {
            Place::Single => DataModel::Single,
            Place::Index(_) => DataModel::Array,
            Place::Key(_) => DataModel::Dictionary,
        };
        (self.kind, model)
    }
}
