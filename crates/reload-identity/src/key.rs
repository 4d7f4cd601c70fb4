//! Key pairs: made, read from and written to PEM, signing, certificate requests and self-signed
//! certificates (sections 11.3, 11.3.1). ECDSA P-256 is what our tools make, RSA-2048 on request.

use crate::issue::{Validity, user_name};
use crate::{CredentialsError, IssueError, derived_node_ids, node_uri};
use bytes::Bytes;
use rcgen::{CertificateParams, DistinguishedName, PublicKeyData, SanType, SigningKey};
use reload_config::SelfSignedDigest;
use reload_wire::{NodeIdLength, SignatureAndHashAlgorithm};
use rsa::pkcs8::EncodePrivateKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;

/// Kinds of keys that our tools make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256, signing with SHA-256.
    #[default]
    EcdsaP256,
    /// RSA with 2048 bits, signing PKCS#1 v1.5 with SHA-256.
    Rsa2048,
}

/// A private key and its public half. Its secret is never shown by `Debug`.
pub struct KeyPair {
    key: rcgen::KeyPair,
    spki: Bytes,
    algorithm: SignatureAndHashAlgorithm,
}

impl KeyPair {
    /// A new key from the random source of the system. RSA takes a noticeable time.
    ///
    /// # Errors
    /// If the random source fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, CredentialsError> {
        let engine = |_| CredentialsError::Engine;
        match algorithm {
            Algorithm::EcdsaP256 => {
                let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
                Self::new(key.map_err(engine)?)
            }
            Algorithm::Rsa2048 => Self::from_pkcs8(&generate_rsa()?),
        }
    }

    /// Reads a `PRIVATE KEY` block (PKCS#8).
    ///
    /// # Errors
    /// If there is none or its key is of another kind.
    pub fn from_pem(pem: &str) -> Result<Self, CredentialsError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| CredentialsError::NoPem("PRIVATE KEY"))?;
        Self::from_pkcs8(der.secret_pkcs8_der())
    }

    /// Reads a PKCS#8 key.
    ///
    /// # Errors
    /// If its key is neither RSA of 2048 bits or more nor P-256.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CredentialsError> {
        let key = rcgen::KeyPair::try_from(der).map_err(|_| CredentialsError::UnsupportedKey)?;
        Self::new(key)
    }

    fn new(key: rcgen::KeyPair) -> Result<Self, CredentialsError> {
        let algorithm = match key.algorithm() {
            found if *found == rcgen::PKCS_ECDSA_P256_SHA256 => {
                SignatureAndHashAlgorithm::ECDSA_SHA256
            }
            found if *found == rcgen::PKCS_RSA_SHA256 => SignatureAndHashAlgorithm::RSA_SHA256,
            _ => return Err(CredentialsError::UnsupportedKey),
        };
        let spki = Bytes::from(key.subject_public_key_info());
        Ok(Self { key, spki, algorithm })
    }

    /// The key as a PKCS#8 `PRIVATE KEY` block. Keep it in a file that only its owner can read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The key as PKCS#8 DER, for the TLS engine.
    #[must_use]
    pub fn pkcs8_der(&self) -> &[u8] {
        self.key.serialized_der()
    }

    /// The DER subjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &Bytes {
        &self.spki
    }

    /// The algorithm pair of its signatures: 04 03 for P-256, 04 01 for RSA.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAndHashAlgorithm {
        self.algorithm
    }

    /// Signs bytes.
    ///
    /// # Errors
    /// If the random source of the system fails.
    pub fn sign(&self, input: &[u8]) -> Result<Bytes, CredentialsError> {
        self.key.sign(input).map(Bytes::from).map_err(|_| CredentialsError::Engine)
    }

    /// A certificate signing request, DER, that asks for a user name as rfc822Name (E19).
    ///
    /// # Errors
    /// If the user name is no mailbox.
    pub fn csr(&self, user: &str) -> Result<Vec<u8>, IssueError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::Rfc822Name(user_name(user)?)];
        let request = params.serialize_request(&self.key).map_err(|_| IssueError::Engine)?;
        Ok(request.der().to_vec())
    }

    /// A self-signed certificate, DER, with `count` Node-IDs derived from this key (section
    /// 11.3.1); empty subject, critical subjectAltName (E18).
    ///
    /// # Errors
    /// If user name, overlay, count or validity can't stand in a certificate.
    pub fn self_signed_certificate(
        &self,
        overlay: &str,
        user: Option<&str>,
        digest: SelfSignedDigest,
        count: u32,
        length: NodeIdLength,
        validity: Validity,
    ) -> Result<Bytes, IssueError> {
        if count == 0 {
            return Err(IssueError::BadNodeIds);
        }
        let uris: Vec<String> = derived_node_ids(digest, &self.spki, count, length)
            .iter()
            .map(|node_id| node_uri(node_id, overlay))
            .collect();
        let params = crate::issue::node_params(&uris, user, validity)?;
        let certificate = params.self_signed(&self.key).map_err(|_| IssueError::Engine)?;
        Ok(Bytes::copy_from_slice(certificate.der()))
    }

    pub(crate) fn into_signing_key(self) -> rcgen::KeyPair {
        self.key
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// ring makes no RSA keys. The rsa crate makes the key and nothing else: its signing is not
/// constant in time (RUSTSEC-2023-0071).
fn generate_rsa() -> Result<Vec<u8>, CredentialsError> {
    let engine = |_| CredentialsError::Engine;
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).map_err(engine)?;
    let der = key.to_pkcs8_der().map_err(|_| CredentialsError::Engine)?;
    Ok(der.as_bytes().to_vec())
}
