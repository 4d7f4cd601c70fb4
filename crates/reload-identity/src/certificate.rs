//! A certificate that was checked, and what a certificate says about its node: Node-IDs, user
//! name, time of validity (section 11.3). Whether it is to be trusted is decided in `trust.rs`.

use crate::algorithm::PublicKey;
use crate::{VerifyError, clock, digest, uri};
use bytes::Bytes;
use reload_config::Leniency;
use reload_wire::{NodeId, NodeIdLength, UnixTime};
use std::fmt;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;

/// A certificate of a node of the overlay: it chains to a root certificate (or is self-signed
/// where that is permitted) and named a Node-ID when it was checked. Only [`Trust`](crate::Trust)
/// makes one; it says itself whether the certificate still holds.
pub struct VerifiedCertificate {
    pub(crate) der: Bytes,
    pub(crate) chain: Vec<Bytes>,
    pub(crate) facts: Facts,
    pub(crate) sha256: [u8; 32],
    /// SHA-256 of Node-ID || certificate for each Node-ID; empty for a single one (E09).
    pub(crate) node_id_hashes: Vec<[u8; 32]>,
    pub(crate) trust_mark: [u8; 32],
}

impl VerifiedCertificate {
    pub(crate) fn new(der: Bytes, chain: Vec<Bytes>, facts: Facts, trust_mark: [u8; 32]) -> Self {
        let sha256 = digest::sha256(&[&der]);
        let node_id_hashes = match facts.node_ids.as_slice() {
            [_] => Vec::new(),
            several => several.iter().map(|id| digest::sha256(&[id.as_bytes(), &der])).collect(),
        };
        Self { der, chain, facts, sha256, node_id_hashes, trust_mark }
    }

    /// The certificate as it arrived, DER.
    #[must_use]
    pub fn der(&self) -> &Bytes {
        &self.der
    }

    /// The intermediate certificates of its path, DER, from its issuer upwards; without itself and
    /// without the root certificate.
    #[must_use]
    pub fn chain(&self) -> &[Bytes] {
        &self.chain
    }

    /// Its Node-IDs, at least one, in the order of the certificate.
    #[must_use]
    pub fn node_ids(&self) -> &[NodeId] {
        &self.facts.node_ids
    }

    /// Its first Node-ID.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.facts.node_ids[0]
    }

    /// True if the certificate names this Node-ID.
    #[must_use]
    pub fn names(&self, node_id: &NodeId) -> bool {
        self.facts.node_ids.contains(node_id)
    }

    /// Refuses a certificate that does not name the node we wanted to speak with.
    ///
    /// # Errors
    /// [`VerifyError::NodeIdMismatch`].
    pub fn require(&self, expected: &NodeId) -> Result<(), VerifyError> {
        match self.names(expected) {
            true => Ok(()),
            false => {
                Err(VerifyError::NodeIdMismatch { found: self.node_id(), expected: *expected })
            }
        }
    }

    /// The user name: its rfc822Name, byte for byte (E23).
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.facts.user.as_deref()
    }

    /// Start of validity of the whole path.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.facts.not_before
    }

    /// End of validity of the whole path.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.facts.not_after
    }

    /// SHA-256 of the DER certificate, the key of caches.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The DER subjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &Bytes {
        &self.facts.spki
    }
}

impl PartialEq for VerifiedCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256 && self.trust_mark == other.trust_mark
    }
}

impl Eq for VerifiedCertificate {}

impl fmt::Debug for VerifiedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCertificate")
            .field("node_ids", &self.facts.node_ids)
            .field("user", &self.facts.user)
            .finish_non_exhaustive()
    }
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) node_ids: Vec<NodeId>,
    pub(crate) user: Option<String>,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    pub(crate) spki: Bytes,
    pub(crate) public_key: PublicKey,
}

/// How an overlay reads the names in its certificates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming<'a> {
    pub(crate) overlay: &'a str,
    pub(crate) length: NodeIdLength,
    pub(crate) leniency: Leniency,
}

/// The X.509 certificate in DER bytes, all of them, of version 3, no extension twice.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, VerifyError> {
    let malformed = VerifyError::MalformedCertificate;
    let (rest, x509) =
        X509Certificate::from_der(der).map_err(|_| malformed("not a DER certificate"))?;
    if !rest.is_empty() {
        return Err(malformed("bytes left over"));
    }
    if x509.version() != x509_parser::x509::X509Version::V3 {
        return Err(VerifyError::NotVersion3);
    }
    x509.extensions_map().map_err(|_| malformed("an extension stands twice"))?;
    Ok(x509)
}

/// Start and end of validity of one certificate.
pub(crate) fn validity(x509: &X509Certificate<'_>) -> (UnixTime, UnixTime) {
    let validity = x509.validity();
    (
        clock::not_before(validity.not_before.timestamp()),
        clock::not_after(validity.not_after.timestamp()),
    )
}

impl Facts {
    /// Reads names, key and validity of a certificate.
    pub(crate) fn read(
        x509: &X509Certificate<'_>,
        naming: Naming<'_>,
    ) -> Result<Self, VerifyError> {
        refuse_unknown_critical(x509)?;
        let (node_ids, user) = names(x509, naming)?;
        let (not_before, not_after) = validity(x509);
        Ok(Self {
            node_ids,
            user,
            not_before,
            not_after,
            spki: Bytes::copy_from_slice(x509.public_key().raw),
            public_key: PublicKey::from_spki(x509.public_key())
                .map_err(VerifyError::UnsupportedKey)?,
        })
    }
}

fn refuse_unknown_critical(x509: &X509Certificate<'_>) -> Result<(), VerifyError> {
    let known = [
        oid::OID_X509_EXT_SUBJECT_ALT_NAME,
        oid::OID_X509_EXT_KEY_USAGE,
        oid::OID_X509_EXT_EXTENDED_KEY_USAGE,
        oid::OID_X509_EXT_BASIC_CONSTRAINTS,
    ];
    match x509.iter_extensions().find(|found| found.critical && !known.contains(&found.oid)) {
        Some(found) => Err(VerifyError::UnknownCriticalExtension { oid: found.oid.to_id_string() }),
        None => Ok(()),
    }
}

/// Node-IDs and user name from the subjectAltName. Names of other kinds are no concern of ours.
fn names(
    x509: &X509Certificate<'_>,
    naming: Naming<'_>,
) -> Result<(Vec<NodeId>, Option<String>), VerifyError> {
    let malformed = VerifyError::MalformedCertificate("subjectAltName");
    let Some(names) = x509.subject_alternative_name().map_err(|_| malformed.clone())? else {
        return Err(VerifyError::NoReloadUri);
    };
    let (mut node_ids, mut user) = (Vec::new(), None);
    for name in &names.value.general_names {
        match name {
            GeneralName::URI(found) if uri::is_reload_uri(found) => {
                let Naming { overlay, length, leniency } = naming;
                add_node_id(&mut node_ids, uri::read_node_uri(found, overlay, length, leniency)?)?;
            }
            GeneralName::RFC822Name(_) if user.is_some() => {
                return Err(VerifyError::SeveralUserNames);
            }
            GeneralName::RFC822Name(found) => user = Some(legal_user(found)?),
            GeneralName::Invalid(..) => return Err(malformed),
            _ => {}
        }
    }
    match node_ids.is_empty() {
        true => Err(VerifyError::NoReloadUri),
        false => Ok((node_ids, user)),
    }
}

fn add_node_id(node_ids: &mut Vec<NodeId>, node_id: NodeId) -> Result<(), VerifyError> {
    if node_ids.contains(&node_id) {
        return Err(VerifyError::DuplicateNodeId(node_id));
    }
    node_ids.push(node_id);
    Ok(())
}

/// No embedded NULs and the like (section 11.3).
fn legal_user(name: &str) -> Result<String, VerifyError> {
    match !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(name.to_owned()),
        false => Err(VerifyError::MalformedCertificate("illegal characters in the user name")),
    }
}

/// The Node-IDs that bytes of a bucket claim, unchecked: only to find the certificate by hash.
pub(crate) fn node_ids_of(der: &[u8], naming: Naming<'_>) -> Vec<NodeId> {
    parse(der)
        .and_then(|x509| names(&x509, naming))
        .map(|(node_ids, _)| node_ids)
        .unwrap_or_default()
}
