//! Finds the certificate that a SignerIdentity names, among those known and those of the bucket of
//! a message (section 6.3.4, E08, E09, E10). A certificate is verified once, and only if asked for.

use crate::certificate::{Naming, node_ids_of};
use crate::{Trust, VerifiedCertificate, VerifyError, digest};
use bytes::Bytes;
use reload_wire::{GenericCertificate, HashAlgorithm, NodeId, SignerIdentity, UnixTime};
use std::sync::Arc;

/// X.509 in a GenericCertificate (RFC 6091), the only type with a meaning here.
pub(crate) const X509: u8 = 0;

/// Who signed: the Node-ID that the signature names, and its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signer {
    /// The Node-ID used to sign.
    pub node_id: NodeId,
    /// The certificate that names it.
    pub certificate: Arc<VerifiedCertificate>,
}

impl Signer {
    /// The user name in the certificate.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.certificate.user()
    }
}

/// The DER certificates of a bucket.
pub(crate) fn x509_bucket(bucket: &[GenericCertificate]) -> Vec<Bytes> {
    bucket
        .iter()
        .filter(|generic| generic.kind == X509)
        .map(|generic| generic.certificate.clone())
        .collect()
}

/// The certificates at hand for the signatures of one message.
pub(crate) struct Finder<'a> {
    trust: &'a Trust,
    now: UnixTime,
    bucket: Vec<Bytes>,
    candidates: Vec<Candidate>,
    tables: Vec<Table>,
    resolved: Vec<(SignerIdentity, Result<Signer, VerifyError>)>,
    fresh: Vec<Arc<VerifiedCertificate>>,
}

#[derive(Clone)]
enum Candidate {
    /// Verified at some time before: still to be asked whether it holds.
    Known(Arc<VerifiedCertificate>),
    /// Bytes of the bucket.
    Raw(Bytes),
    /// The result for this message.
    Settled(Result<Arc<VerifiedCertificate>, VerifyError>),
}

/// What a hash algorithm makes of the candidates.
struct Table {
    algorithm: HashAlgorithm,
    with_node_id: bool,
    rows: Vec<Row>,
}

struct Row {
    hash: Vec<u8>,
    candidate: usize,
    node_id: Option<NodeId>,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(
        trust: &'a Trust,
        known: &[Arc<VerifiedCertificate>],
        bucket: &[GenericCertificate],
        now: UnixTime,
    ) -> Self {
        let bucket = x509_bucket(bucket);
        let is_known = |der: &Bytes| known.iter().any(|known| known.der() == der);
        let unknown = bucket.iter().filter(|der| !is_known(der)).cloned().map(Candidate::Raw);
        Self {
            trust,
            now,
            candidates: known.iter().cloned().map(Candidate::Known).chain(unknown).collect(),
            bucket,
            tables: Vec::new(),
            resolved: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// The signer that an identity names.
    pub(crate) fn find(&mut self, identity: &SignerIdentity) -> Result<Signer, VerifyError> {
        if let Some((_, result)) = self.resolved.iter().find(|(known, _)| known == identity) {
            return result.clone();
        }
        let result = self.resolve(identity);
        self.resolved.push((identity.clone(), result.clone()));
        result
    }

    /// The certificates that were verified for this message and were not known before.
    pub(crate) fn into_fresh(self) -> Vec<Arc<VerifiedCertificate>> {
        self.fresh
    }

    fn resolve(&mut self, identity: &SignerIdentity) -> Result<Signer, VerifyError> {
        let (algorithm, hash, with_node_id) = match identity {
            SignerIdentity::CertHash { hash_alg, hash } => (*hash_alg, hash, false),
            SignerIdentity::CertHashNodeId { hash_alg, hash } => (*hash_alg, hash, true),
            SignerIdentity::None => return Err(VerifyError::NotSigned),
            SignerIdentity::Unknown { kind, .. } => {
                return Err(VerifyError::UnknownIdentityType(*kind));
            }
        };
        let (index, node_id) = self.look_up(algorithm, hash, with_node_id)?;
        let certificate = self.settle(index)?;
        // One Node-ID, cert_hash; several, cert_hash_node_id (E09).
        let node_ids = certificate.node_ids().len();
        if with_node_id != (node_ids > 1) {
            return Err(VerifyError::IdentityTypeMismatch { node_ids });
        }
        let node_id = node_id.unwrap_or_else(|| certificate.node_id());
        Ok(Signer { node_id, certificate })
    }

    fn look_up(
        &mut self,
        algorithm: HashAlgorithm,
        hash: &[u8],
        with_node_id: bool,
    ) -> Result<(usize, Option<NodeId>), VerifyError> {
        let fits =
            |table: &Table| table.algorithm == algorithm && table.with_node_id == with_node_id;
        let place = match self.tables.iter().position(fits) {
            Some(place) => place,
            None => {
                let rows = self.rows(algorithm, with_node_id)?;
                self.tables.push(Table { algorithm, with_node_id, rows });
                self.tables.len() - 1
            }
        };
        self.tables[place]
            .rows
            .iter()
            .find(|row| row.hash == hash)
            .map(|row| (row.candidate, row.node_id))
            .ok_or(VerifyError::UnknownSigner)
    }

    fn rows(&self, algorithm: HashAlgorithm, with_node_id: bool) -> Result<Vec<Row>, VerifyError> {
        let unsupported = || VerifyError::UnsupportedHash(algorithm);
        digest::hash(algorithm, &[]).ok_or_else(unsupported)?;
        let mut rows = Vec::new();
        for (candidate, found) in self.candidates.iter().enumerate() {
            let mut add = |hash: Option<Vec<u8>>, node_id| {
                rows.extend(hash.map(|hash| Row { hash, candidate, node_id }));
            };
            match with_node_id {
                false => add(found.hash(algorithm), None),
                true => found
                    .node_id_hashes(algorithm, self.trust.naming())
                    .into_iter()
                    .for_each(|(node_id, hash)| add(hash, Some(node_id))),
            }
        }
        Ok(rows)
    }

    fn settle(&mut self, index: usize) -> Result<Arc<VerifiedCertificate>, VerifyError> {
        let candidate = self.candidates[index].clone();
        let result = match candidate {
            Candidate::Settled(result) => return result,
            Candidate::Known(known) => self.recheck(&known),
            Candidate::Raw(der) => self.check(&der, &self.bucket.clone()),
        };
        self.candidates[index] = Candidate::Settled(result.clone());
        result
    }

    /// A known certificate may have expired, been revoked, or come from before a change of roots.
    fn recheck(
        &mut self,
        known: &Arc<VerifiedCertificate>,
    ) -> Result<Arc<VerifiedCertificate>, VerifyError> {
        match self.trust.still_valid(known, self.now) {
            Ok(()) => Ok(Arc::clone(known)),
            Err(VerifyError::OtherTrust) => self.check(known.der(), known.chain()),
            Err(error) => Err(error),
        }
    }

    fn check(
        &mut self,
        der: &Bytes,
        intermediates: &[Bytes],
    ) -> Result<Arc<VerifiedCertificate>, VerifyError> {
        let verified = self.trust.check(der, intermediates, self.now)?;
        self.fresh.push(Arc::clone(&verified));
        Ok(verified)
    }
}

impl Candidate {
    fn der(&self) -> Option<&Bytes> {
        match self {
            Self::Known(known) | Self::Settled(Ok(known)) => Some(known.der()),
            Self::Raw(der) => Some(der),
            Self::Settled(Err(_)) => None,
        }
    }

    fn verified(&self) -> Option<&Arc<VerifiedCertificate>> {
        match self {
            Self::Known(known) | Self::Settled(Ok(known)) => Some(known),
            Self::Raw(_) | Self::Settled(Err(_)) => None,
        }
    }

    /// H(certificate).
    fn hash(&self, algorithm: HashAlgorithm) -> Option<Vec<u8>> {
        match self.verified() {
            Some(known) if algorithm.0 == digest::SHA256 => Some(known.sha256().to_vec()),
            _ => digest::hash(algorithm, &[self.der()?]),
        }
    }

    /// H(Node-ID || certificate) for each Node-ID of the certificate.
    fn node_id_hashes(
        &self,
        algorithm: HashAlgorithm,
        naming: Naming<'_>,
    ) -> Vec<(NodeId, Option<Vec<u8>>)> {
        let Some(der) = self.der() else {
            return Vec::new();
        };
        let node_ids = match self.verified() {
            Some(known) => known.node_ids().to_vec(),
            None => node_ids_of(der, naming),
        };
        node_ids
            .into_iter()
            .map(|node_id| (node_id, digest::hash(algorithm, &[node_id.as_bytes(), der])))
            .collect()
    }
}
