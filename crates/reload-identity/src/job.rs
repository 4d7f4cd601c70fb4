//! The checks of a message as one job without ties: the node collects what is known, another
//! thread runs it, the node takes the result (all of it is `Send + 'static`). No threads here.

use crate::fetch_answer::check_fetch;
use crate::message::check_message;
use crate::signer::Finder;
use crate::store_request::check_store;
use crate::{
    Credentials, CredentialsError, FetchedValues, KindModels, Message, StoreReq, Trust,
    ValuesError, Verified, VerifiedCertificate, VerifyError, seal,
};
use bytes::Bytes;
use reload_wire::{
    MessageCode, MessageContents, MessageParts, ResourceId, TransactionId, UnixTime,
};
use std::sync::Arc;

/// Everything needed to verify a message and the stored values in it.
#[derive(Clone, Debug)]
pub struct VerifyJob {
    /// The message.
    pub parts: MessageParts,
    /// What the overlay trusts.
    pub trust: Arc<Trust>,
    /// Certificates of the cache, as [`CertificateCache::lookup_message`] finds them.
    ///
    /// [`CertificateCache::lookup_message`]: crate::CertificateCache::lookup_message
    pub known: Vec<Arc<VerifiedCertificate>>,
    /// The data models of the known Kinds.
    pub kinds: Arc<KindModels>,
    /// For the answer to a Fetch of ours: the resource we asked for, which the answer does not
    /// name but the signatures of its values cover.
    pub fetched: Option<ResourceId>,
    /// The time of the check.
    pub now: UnixTime,
}

/// The result of a [`VerifyJob`]: the message itself is good.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The message.
    pub message: Verified<Message>,
    /// For a Store request: its values, or why they are refused, to be answered with an error.
    pub store: Option<Result<Verified<StoreReq>, ValuesError>>,
    /// For the answer to our Fetch: its values.
    pub fetched: Option<Result<FetchedValues, ValuesError>>,
    /// Certificates that were not known before, for the cache.
    pub new_certificates: Vec<Arc<VerifiedCertificate>>,
}

impl VerifyJob {
    /// Does the checks.
    ///
    /// # Errors
    /// Why the message must be dropped.
    pub fn run(self) -> Result<Checked, VerifyError> {
        let Self { parts, trust, known, kinds, fetched, now } = self;
        let bucket = &parts.security.certificates.clone();
        let mut finder = Finder::new(&trust, &known, bucket, now);
        let mut message = check_message(parts, &trust, &mut finder)?;
        let code = message.contents.code;
        let store = (code == MessageCode::STORE_REQUEST)
            .then(|| check_store(&message, &trust, &mut finder, &kinds));
        let fetched = fetched
            .filter(|_| code == MessageCode::FETCH_ANSWER)
            .map(|resource| check_fetch(&message, &resource, &trust, &mut finder, &kinds));
        let new_certificates = finder.into_fresh();
        message.certificates.clone_from(&new_certificates);
        Ok(Checked { message: Verified::new(message), store, fetched, new_certificates })
    }
}

/// Everything needed to sign a message of ours.
#[derive(Clone, Debug)]
pub struct SealJob {
    /// What to sign with.
    pub credentials: Credentials,
    /// The overlay field of the header.
    pub overlay: u32,
    /// The transaction id of the header.
    pub transaction_id: TransactionId,
    /// Code, body and extensions.
    pub contents: MessageContents,
    /// Certificates of the signers of stored values in the body.
    pub extra_certificates: Vec<Bytes>,
}

impl SealJob {
    /// Signs: returns MessageContents and SecurityBlock as they follow the header.
    ///
    /// # Errors
    /// As [`seal`].
    pub fn run(&self) -> Result<Bytes, CredentialsError> {
        let Self { credentials, overlay, transaction_id, contents, extra_certificates } = self;
        seal(credentials, *overlay, *transaction_id, contents, extra_certificates)
    }
}
