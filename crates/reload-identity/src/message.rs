//! Signatures over messages (section 6.3.4, E01): sealing our own, verifying those of others over
//! the bytes that arrived. Responses against requests are checked by the node, not here.

use crate::signer::{Finder, X509};
use crate::{
    Credentials, CredentialsError, Signer, Trust, Verified, VerifiedCertificate, VerifyError,
};
use bytes::Bytes;
use reload_wire::{
    Encode, EncodeError, ForwardingHeader, GenericCertificate, MessageContents, MessageParts,
    SecurityBlock, SignerIdentity, TransactionId, UnixTime,
};
use std::sync::Arc;

/// A message whose signature and certificate were checked; reached through [`Verified`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The forwarding header. Of it, the signature covers overlay and transaction id only.
    pub header: ForwardingHeader,
    /// Code, body and extensions.
    pub contents: MessageContents,
    /// The contents as they arrived.
    pub contents_raw: Bytes,
    /// The bucket as it arrived; its certificates are not all checked.
    pub bucket: Vec<GenericCertificate>,
    pub(crate) signer: Signer,
    pub(crate) certificates: Vec<Arc<VerifiedCertificate>>,
}

impl Message {
    /// Who signed the message.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The certificates that were verified for this message and were not known before, for the
    /// cache.
    #[must_use]
    pub fn certificates(&self) -> &[Arc<VerifiedCertificate>] {
        &self.certificates
    }
}

/// Verifies signature and certificate of a message. `known` are certificates of the cache, at best
/// those that [`CertificateCache::lookup_message`](crate::CertificateCache::lookup_message) finds.
///
/// # Errors
/// Why the message must be dropped (section 6.3.4).
pub fn verify_message(
    parts: MessageParts,
    trust: &Trust,
    known: &[Arc<VerifiedCertificate>],
    now: UnixTime,
) -> Result<Verified<Message>, VerifyError> {
    let mut finder = Finder::new(trust, known, &parts.security.certificates, now);
    let mut message = check_message(parts, trust, &mut finder)?;
    message.certificates = finder.into_fresh();
    Ok(Verified::new(message))
}

/// The one signature check of a message; `certificates` is still empty.
pub(crate) fn check_message(
    parts: MessageParts,
    trust: &Trust,
    finder: &mut Finder<'_>,
) -> Result<Message, VerifyError> {
    let MessageParts { header, contents_raw, contents, security } = parts;
    let SecurityBlock { certificates: bucket, signature } = security;
    let signer = finder.find(&signature.identity)?;
    let input =
        signature_input(header.overlay, header.transaction_id, &contents_raw, &signature.identity)
            .map_err(|_| VerifyError::BadSignature)?;
    let key = &signer.certificate.facts.public_key;
    key.verify(signature.algorithm, trust.leniency(), &input, &signature.value)?;
    Ok(Message { header, contents, contents_raw, bucket, signer, certificates: Vec::new() })
}

/// Signs contents: returns MessageContents and SecurityBlock as they follow the header. The bucket
/// gets the signer's certificate and its chain, then `extra_certificates` (those of stored data).
///
/// # Errors
/// If the contents can't be encoded or the random source fails.
pub fn seal(
    credentials: &Credentials,
    overlay: u32,
    transaction_id: TransactionId,
    contents: &MessageContents,
    extra_certificates: &[Bytes],
) -> Result<Bytes, CredentialsError> {
    let raw = contents.to_bytes()?;
    seal_raw(credentials, overlay, transaction_id, &raw, extra_certificates)
}

/// As [`seal`], for contents that are encoded already.
///
/// # Errors
/// As [`seal`].
pub fn seal_raw(
    credentials: &Credentials,
    overlay: u32,
    transaction_id: TransactionId,
    contents_raw: &[u8],
    extra_certificates: &[Bytes],
) -> Result<Bytes, CredentialsError> {
    let input = signature_input(overlay, transaction_id, contents_raw, credentials.identity())?;
    let block = SecurityBlock {
        certificates: bucket(credentials, extra_certificates),
        signature: credentials.signature_over(&input)?,
    };
    Ok([contents_raw, &block.to_bytes()?].concat().into())
}

/// The certificate of the signer, its chain and others, each once.
pub(crate) fn bucket(credentials: &Credentials, extra: &[Bytes]) -> Vec<GenericCertificate> {
    let certificate = credentials.certificate();
    let mut bucket: Vec<GenericCertificate> = Vec::new();
    let all = std::iter::once(certificate.der()).chain(certificate.chain()).chain(extra);
    for der in all {
        if !bucket.iter().any(|known| known.certificate == *der) {
            bucket.push(GenericCertificate { kind: X509, certificate: der.clone() });
        }
    }
    bucket
}

/// overlay || transaction_id || MessageContents || SignerIdentity (section 6.3.4).
fn signature_input(
    overlay: u32,
    transaction_id: TransactionId,
    contents_raw: &[u8],
    identity: &SignerIdentity,
) -> Result<Vec<u8>, EncodeError> {
    let identity = identity.to_bytes()?;
    Ok([&overlay.to_be_bytes()[..], &transaction_id.0.to_be_bytes(), contents_raw, &identity]
        .concat())
}
