//! Signatures over configurations and Kinds (section 11.1, E11, E12): over the blob of the element
//! alone, by a configuration-signer or kind-signer. Reading the document is in `reload-config`.

use crate::message::bucket;
use crate::signer::Finder;
use crate::{
    ConfigurationError, Credentials, CredentialsError, Signer, Trust, Verified, VerifyError,
};
use bytes::Bytes;
use reload_config::{
    Configuration, KindBlock, KindDefinition, Leniency, OverlayDocument, sequence_newer,
};
use reload_wire::{Decode, Encode, NodeId, SecurityBlock, UnixTime};

/// Who may have signed a configuration.
#[derive(Clone, Copy, Debug)]
pub enum Signers<'a> {
    /// A configuration-signer of the configuration in use, which also says what chains are good.
    Previous(&'a Configuration),
    /// A signer that the document itself names: trust on first use, only for a document that came
    /// over HTTPS from the enrollment server or by the hand of the user.
    FirstUse,
}

/// A configuration whose signature was checked; reached through [`Verified`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OverlayConfig {
    /// The document it stands in.
    pub document: OverlayDocument,
    /// The configuration of our overlay.
    pub configuration: Configuration,
    /// Who signed it.
    pub signer: Signer,
}

/// Verifies the configuration of an overlay in a document: its signature and those of its Kinds,
/// expiration, and that it is not older than the previous one.
///
/// # Errors
/// Why the configuration must not be used.
pub fn verify_configuration(
    document: &OverlayDocument,
    instance_name: &str,
    signers: Signers<'_>,
    leniency: Leniency,
    now: UnixTime,
) -> Result<Verified<OverlayConfig>, ConfigurationError> {
    let named = |found: &&Configuration| found.instance_name.eq_ignore_ascii_case(instance_name);
    let Some(configuration) = document.configurations().iter().find(named) else {
        return Err(document.find(instance_name).map_or_else(Into::into, |found| {
            ConfigurationError::NotSigned(found.instance_name.clone())
        }));
    };
    configuration.check_expiration(now)?;
    let judge = match signers {
        Signers::Previous(previous) => previous,
        Signers::FirstUse => configuration,
    };
    refuse_older(configuration, judge)?;
    let signer = check_signatures(configuration, judge, leniency, now)?;
    // Only now: a forged document must not make a node leave an overlay it can't run (11.1).
    configuration.check_usable().map_err(ConfigurationError::Unusable)?;
    let trust = Trust::new(configuration, leniency)?;
    for block in &configuration.kinds {
        if block.signature.is_some() || !leniency.is_lenient() {
            check_kind(block, &configuration.kind_signers, &trust, now)?;
        }
    }
    let (document, configuration) = (document.clone(), configuration.clone());
    Ok(Verified::new(OverlayConfig { document, configuration, signer }))
}

/// Verifies a Kind of a ConfigUpdate: signed by a kind-signer of the configuration in use.
///
/// # Errors
/// Why the Kind must not be used.
pub fn verify_kind(
    block: &KindBlock,
    current: &Configuration,
    trust: &Trust,
    now: UnixTime,
) -> Result<Verified<KindDefinition>, ConfigurationError> {
    check_kind(block, &current.kind_signers, trust, now)?;
    Ok(Verified::new(block.definition.clone()))
}

/// The SecurityBlock over the bytes of a configuration or kind element, to be written in base64
/// into `signature` or `kind-signature`.
///
/// # Errors
/// If the random source of the system fails.
pub fn sign_configuration(
    credentials: &Credentials,
    element: &[u8],
) -> Result<Bytes, CredentialsError> {
    let signature = credentials.signature_over(element)?;
    let certificates = bucket(credentials, &[]);
    Ok(SecurityBlock { certificates, signature }.to_bytes()?)
}

/// As [`sign_configuration`], for the bytes of a kind element (E11).
///
/// # Errors
/// As [`sign_configuration`].
pub fn sign_kind(credentials: &Credentials, element: &[u8]) -> Result<Bytes, CredentialsError> {
    sign_configuration(credentials, element)
}

/// An equal sequence is taken for the same configuration only.
fn refuse_older(new: &Configuration, current: &Configuration) -> Result<(), ConfigurationError> {
    match new.raw == current.raw || sequence_newer(new.sequence, current.sequence) {
        true => Ok(()),
        false => Err(ConfigurationError::Older { found: new.sequence, current: current.sequence }),
    }
}

/// One good signature of a configuration-signer is enough.
fn check_signatures(
    configuration: &Configuration,
    judge: &Configuration,
    leniency: Leniency,
    now: UnixTime,
) -> Result<Signer, ConfigurationError> {
    let trust = Trust::new(judge, leniency)?;
    let mut error = ConfigurationError::NotSigned(configuration.instance_name.clone());
    let blocks = configuration.signature.iter().chain(&configuration.further_signatures);
    for (index, block) in blocks.enumerate() {
        match check_signature(configuration, block, judge, &trust, now) {
            Ok(signer) => return Ok(signer),
            Err(found) if index == 0 => error = found,
            Err(_) => {}
        }
    }
    Err(error)
}

fn check_signature(
    configuration: &Configuration,
    block: &[u8],
    judge: &Configuration,
    trust: &Trust,
    now: UnixTime,
) -> Result<Signer, ConfigurationError> {
    let block = SecurityBlock::decode_exact(&trust.dialect(), block)?;
    let signer = check_blob(&configuration.raw, &block, trust, now)?;
    match is_listed(&signer, &judge.configuration_signers) {
        true => Ok(signer),
        false => Err(ConfigurationError::NotASigner(signer.node_id)),
    }
}

fn check_kind(
    block: &KindBlock,
    kind_signers: &[NodeId],
    trust: &Trust,
    now: UnixTime,
) -> Result<(), ConfigurationError> {
    let kind = block.definition.id;
    let Some(signature) = &block.signature else {
        return Err(ConfigurationError::KindNotSigned(kind));
    };
    let security = SecurityBlock::decode_exact(&trust.dialect(), signature)?;
    let signer = check_blob(&block.raw, &security, trust, now)
        .map_err(|source| ConfigurationError::KindSignature { kind, source })?;
    match is_listed(&signer, kind_signers) {
        true => Ok(()),
        false => Err(ConfigurationError::NotAKindSigner { kind, signer: signer.node_id }),
    }
}

fn is_listed(signer: &Signer, list: &[NodeId]) -> bool {
    list.contains(&signer.node_id)
}

/// The blob alone is signed: neither identity nor overlay takes part (E11).
fn check_blob(
    blob: &[u8],
    block: &SecurityBlock,
    trust: &Trust,
    now: UnixTime,
) -> Result<Signer, VerifyError> {
    let mut finder = Finder::new(trust, &[], &block.certificates, now);
    let signer = finder.find(&block.signature.identity)?;
    let key = &signer.certificate.facts.public_key;
    let signature = &block.signature;
    key.verify(signature.algorithm, trust.leniency(), blob, &signature.value)?;
    Ok(signer)
}
