//! Public keys of certificates and the algorithm pairs taken with them (section 6.3.4, E07):
//! RSASSA-PKCS1-v1_5 and ECDSA, with SHA-256 upwards. Private keys are in `key.rs`.

use crate::VerifyError;
use crate::digest::{SHA1, SHA256, SHA384, SHA512};
use bytes::Bytes;
use reload_config::Leniency;
use reload_wire::SignatureAndHashAlgorithm;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::oid_registry as oid;
use x509_parser::x509::SubjectPublicKeyInfo;

/// rsa of the TLS 1.2 SignatureAlgorithm registry.
const RSA: u8 = 1;
/// ecdsa.
const ECDSA: u8 = 3;

/// RSA moduli shorter than this are refused.
const RSA_MIN_BITS: usize = 2048;
/// The longest RSA modulus the engine takes.
const RSA_MAX_BITS: usize = 8192;
/// Uncompressed points: a byte 04 and two coordinates.
const P256_POINT: usize = 65;
const P384_POINT: usize = 97;

/// The key of a certificate, in the form that the engine reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// The DER RSAPublicKey.
    Rsa(Bytes),
    /// The uncompressed point.
    P256(Bytes),
    /// The uncompressed point.
    P384(Bytes),
    /// A key of the simulation, which anyone can compute.
    #[cfg(feature = "simulation")]
    Simulated(crate::simulation::SimulatedKey),
}

impl PublicKey {
    /// The key of a subjectPublicKeyInfo, or the name of what it is instead.
    pub(crate) fn from_spki(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, String> {
        let algorithm = &spki.algorithm.algorithm;
        let key = Bytes::copy_from_slice(&spki.subject_public_key.data);
        if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
            return rsa(spki, key);
        }
        if *algorithm != oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            return Err(algorithm.to_id_string());
        }
        let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        match curve {
            Some(curve) if curve == oid::OID_EC_P256 => point(key, P256_POINT).map(Self::P256),
            Some(curve) if curve == oid::OID_NIST_EC_P384 => point(key, P384_POINT).map(Self::P384),
            Some(curve) => Err(format!("elliptic curve {}", curve.to_id_string())),
            None => Err("elliptic curve without a name".to_owned()),
        }
    }

    /// Checks a signature over `input`.
    pub(crate) fn verify(
        &self,
        algorithm: SignatureAndHashAlgorithm,
        leniency: Leniency,
        input: &[u8],
        value: &[u8],
    ) -> Result<(), VerifyError> {
        let refused = || VerifyError::UnsupportedAlgorithm(algorithm);
        let numbers = (algorithm.hash.0, algorithm.signature.0);
        let (engine, key) = match self {
            Self::Rsa(key) => (rsa_engine(numbers, leniency).ok_or_else(refused)?, key),
            Self::P256(key) => (p256_engine(numbers).ok_or_else(refused)?, key),
            Self::P384(key) => (p384_engine(numbers).ok_or_else(refused)?, key),
            #[cfg(feature = "simulation")]
            Self::Simulated(key) => return key.verify(algorithm, input, value),
        };
        UnparsedPublicKey::new(engine, key)
            .verify(input, value)
            .map_err(|_| VerifyError::BadSignature)
    }
}

fn rsa(spki: &SubjectPublicKeyInfo<'_>, key: Bytes) -> Result<PublicKey, String> {
    let bits = spki.parsed().map_err(|_| "malformed RSA key".to_owned())?.key_size();
    match bits {
        RSA_MIN_BITS..=RSA_MAX_BITS => Ok(PublicKey::Rsa(key)),
        _ => Err(format!("RSA with {bits} bits")),
    }
}

fn point(key: Bytes, length: usize) -> Result<Bytes, String> {
    match key.first() {
        Some(4) if key.len() == length => Ok(key),
        _ => Err("elliptic curve point that is not uncompressed".to_owned()),
    }
}

fn rsa_engine(numbers: (u8, u8), leniency: Leniency) -> Option<&'static dyn VerificationAlgorithm> {
    match numbers {
        (SHA256, RSA) => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        (SHA384, RSA) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        (SHA512, RSA) => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        (SHA1, RSA) if leniency == Leniency::Lenient => {
            Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)
        }
        _ => None,
    }
}

/// ring has no ECDSA with SHA-512.
fn p256_engine(numbers: (u8, u8)) -> Option<&'static dyn VerificationAlgorithm> {
    match numbers {
        (SHA256, ECDSA) => Some(&signature::ECDSA_P256_SHA256_ASN1),
        (SHA384, ECDSA) => Some(&signature::ECDSA_P256_SHA384_ASN1),
        _ => None,
    }
}

fn p384_engine(numbers: (u8, u8)) -> Option<&'static dyn VerificationAlgorithm> {
    match numbers {
        (SHA256, ECDSA) => Some(&signature::ECDSA_P384_SHA256_ASN1),
        (SHA384, ECDSA) => Some(&signature::ECDSA_P384_SHA384_ASN1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-6.3-03
    #[test]
    fn each_key_takes_the_hashes_from_sha256_that_its_engine_has() {
        let hashes = [SHA1, SHA256, SHA384, SHA512];
        let taken = |engine: &dyn Fn((u8, u8)) -> bool, signature| {
            hashes.map(|hash| engine((hash, signature)))
        };
        let strict = |numbers| rsa_engine(numbers, Leniency::Strict).is_some();
        let lenient = |numbers| rsa_engine(numbers, Leniency::Lenient).is_some();
        let p256 = |numbers| p256_engine(numbers).is_some();
        let p384 = |numbers| p384_engine(numbers).is_some();
        assert_eq!(taken(&strict, RSA), [false, true, true, true]);
        assert_eq!(taken(&lenient, RSA), [true; 4]);
        assert_eq!(taken(&p256, ECDSA), [false, true, true, false]);
        assert_eq!(taken(&p384, ECDSA), [false, true, true, false]);
        assert_eq!(taken(&lenient, ECDSA), [false; 4]);
        assert_eq!(taken(&p256, RSA), [false; 4]);
        assert_eq!(taken(&p384, RSA), [false; 4]);
    }
}
