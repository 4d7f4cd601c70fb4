//! What a node signs with: its key, its certificate, and the Node-ID it acts as (section 6.1.2: a
//! certificate may hold several). Made from files once; cheap to clone and to send to a job.

use crate::{
    CredentialsError, KeyPair, Signer, Trust, VerifiedCertificate, certificates_from_pem, digest,
};
use bytes::Bytes;
use reload_wire::{
    HashAlgorithm, NodeId, Signature, SignatureAndHashAlgorithm, SignerIdentity, UnixTime,
};
use std::fmt;
use std::sync::Arc;

/// Key, certificate and Node-ID of this node.
#[derive(Clone)]
pub struct Credentials {
    key: Key,
    certificate: Arc<VerifiedCertificate>,
    node_id: NodeId,
    identity: SignerIdentity,
}

#[derive(Clone)]
enum Key {
    Pair(Arc<KeyPair>),
    #[cfg(feature = "simulation")]
    Simulated(crate::simulation::SimulatedKey),
}

impl Credentials {
    /// Reads a PKCS#8 key and a certificate with its chain, both PEM, the leaf first; checks the
    /// certificate as every other node will.
    ///
    /// # Errors
    /// If either can't be read, they don't belong together, or the overlay would not take them.
    pub fn load(
        key_pem: &str,
        certificate_pem: &str,
        trust: &Trust,
        now: UnixTime,
    ) -> Result<Self, CredentialsError> {
        let key = KeyPair::from_pem(key_pem)?;
        let chain = certificates_from_pem(certificate_pem)?;
        let certificate = trust.check(&chain[0], &chain[1..], now)?;
        Self::new(key, certificate)
    }

    /// Joins a key and its certificate; the node acts as the first Node-ID.
    ///
    /// # Errors
    /// If they do not belong together.
    pub fn new(
        key: KeyPair,
        certificate: Arc<VerifiedCertificate>,
    ) -> Result<Self, CredentialsError> {
        match key.spki() == certificate.spki() {
            true => Ok(Self::with_key(Key::Pair(Arc::new(key)), certificate)),
            false => Err(CredentialsError::KeyMismatch),
        }
    }

    fn with_key(key: Key, certificate: Arc<VerifiedCertificate>) -> Self {
        let node_id = certificate.node_id();
        let identity = identity(&certificate, &node_id);
        Self { key, certificate, node_id, identity }
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(
        key: crate::simulation::SimulatedKey,
        certificate: Arc<VerifiedCertificate>,
    ) -> Self {
        Self::with_key(Key::Simulated(key), certificate)
    }

    /// The same credentials acting as another Node-ID of the certificate.
    ///
    /// # Errors
    /// If the certificate does not name it.
    pub fn acting_as(&self, node_id: NodeId) -> Result<Self, CredentialsError> {
        if !self.certificate.names(&node_id) {
            return Err(CredentialsError::NoSuchNodeId(node_id));
        }
        let identity = identity(&self.certificate, &node_id);
        Ok(Self { node_id, identity, ..self.clone() })
    }

    /// The Node-ID we act as.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Who signs with it, as others find it.
    #[must_use]
    pub fn signer(&self) -> Signer {
        Signer { node_id: self.node_id, certificate: Arc::clone(&self.certificate) }
    }

    /// Our user name.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.certificate.user()
    }

    /// Our certificate.
    #[must_use]
    pub fn certificate(&self) -> &Arc<VerifiedCertificate> {
        &self.certificate
    }

    /// The signer identity of our signatures: cert_hash, or cert_hash_node_id if the certificate
    /// has several Node-IDs (E09); with sha256.
    #[must_use]
    pub fn identity(&self) -> &SignerIdentity {
        &self.identity
    }

    /// The algorithm pair of our signatures.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAndHashAlgorithm {
        match &self.key {
            Key::Pair(key) => key.signature_algorithm(),
            #[cfg(feature = "simulation")]
            Key::Simulated(_) => crate::simulation::ALGORITHM,
        }
    }

    /// The key as PKCS#8 DER for the TLS engine; empty for a key of the simulation.
    #[must_use]
    pub fn key_pkcs8_der(&self) -> &[u8] {
        match &self.key {
            Key::Pair(key) => key.pkcs8_der(),
            #[cfg(feature = "simulation")]
            Key::Simulated(_) => &[],
        }
    }

    /// Signs bytes that already hold everything to be covered.
    ///
    /// # Errors
    /// If the random source of the system fails.
    pub fn sign(&self, input: &[u8]) -> Result<Bytes, CredentialsError> {
        match &self.key {
            Key::Pair(key) => key.sign(input),
            #[cfg(feature = "simulation")]
            Key::Simulated(key) => Ok(key.sign(input)),
        }
    }

    /// The Signature element over an input, which must end in [`identity`](Self::identity) where
    /// the RFC says so.
    ///
    /// # Errors
    /// If the random source of the system fails.
    pub fn signature_over(&self, input: &[u8]) -> Result<Signature, CredentialsError> {
        Ok(Signature {
            algorithm: self.signature_algorithm(),
            identity: self.identity.clone(),
            value: self.sign(input)?,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

fn identity(certificate: &VerifiedCertificate, node_id: &NodeId) -> SignerIdentity {
    let hash_alg = HashAlgorithm(digest::SHA256);
    if certificate.node_ids().len() == 1 {
        let hash = Bytes::copy_from_slice(certificate.sha256());
        return SignerIdentity::CertHash { hash_alg, hash };
    }
    let hash = digest::sha256(&[node_id.as_bytes(), certificate.der()]);
    SignerIdentity::CertHashNodeId { hash_alg, hash: Bytes::copy_from_slice(&hash) }
}
