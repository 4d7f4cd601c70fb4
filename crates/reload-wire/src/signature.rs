//! `Signature` and `SignerIdentity` (section 6.3.4): how a signature is written down. What is
//! signed,
//! and whether it is right, belongs to the identity crate.

use bytes::Bytes;

use crate::{
    Decode, Decoded, Dialect, Encode, EncodeError, Fault, HashAlgorithm, SignatureAlgorithm,
    Writer, read,
};

const CERT_HASH: u8 = 1;
const CERT_HASH_NODE_ID: u8 = 2;
const NONE: u8 = 3;

/// The pair of algorithms, hash first, as TLS 1.2 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignatureAndHashAlgorithm {
    /// The hash.
    pub hash: HashAlgorithm,
    /// The signature scheme.
    pub signature: SignatureAlgorithm,
}

impl SignatureAndHashAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, which everybody supports.
    pub const RSA_SHA256: Self =
        Self { hash: HashAlgorithm::SHA256, signature: SignatureAlgorithm::RSA };
    /// ECDSA with SHA-256.
    pub const ECDSA_SHA256: Self =
        Self { hash: HashAlgorithm::SHA256, signature: SignatureAlgorithm::ECDSA };
    /// No signature: the pair of synthetic values (section 7.4.2.2).
    pub const ANONYMOUS: Self =
        Self { hash: HashAlgorithm::NONE, signature: SignatureAlgorithm::ANONYMOUS };
}

/// How the signer's certificate is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SignerIdentity {
    /// By the hash of a certificate with one Node-ID.
    CertHash {
        /// The hash algorithm.
        hash_alg: HashAlgorithm,
        /// The hash of the DER certificate.
        hash: Bytes,
    },
    /// By the hash of a Node-ID and the certificate that holds it among others.
    CertHashNodeId {
        /// The hash algorithm.
        hash_alg: HashAlgorithm,
        /// The hash of the Node-ID followed by the DER certificate.
        hash: Bytes,
    },
    /// Nobody: synthetic values (section 7.4.2.2).
    None,
    /// A type that this code does not know, kept as it is.
    Unknown {
        /// The type: above 3.
        kind: u8,
        /// The identity value.
        data: Bytes,
    },
}

impl Decode for SignerIdentity {
    const NAME: &'static str = "identity";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("identity_type", input)?;
        match kind {
            0 => read::fail("identity_type", Fault::NotAllowed, input),
            CERT_HASH => {
                let (rest, (hash_alg, hash)) = read::nested16("cert_hash", rest, cert_hash)?;
                Ok((rest, Self::CertHash { hash_alg, hash }))
            }
            CERT_HASH_NODE_ID => {
                let (rest, (hash_alg, hash)) =
                    read::nested16("cert_hash_node_id", rest, cert_hash)?;
                Ok((rest, Self::CertHashNodeId { hash_alg, hash }))
            }
            NONE => {
                let (rest, ()) = read::nested16("none", rest, |part| Ok((part, ())))?;
                Ok((rest, Self::None))
            }
            kind => {
                let (rest, data) = read::opaque16("identity", rest)?;
                Ok((rest, Self::Unknown { kind, data }))
            }
        }
    }
}

fn cert_hash(part: &[u8]) -> Decoded<'_, (HashAlgorithm, Bytes)> {
    let (rest, algorithm) = read::uint8("hash_alg", part)?;
    let (rest, hash) = read::opaque8("certificate_hash", rest)?;
    Ok((rest, (HashAlgorithm(algorithm), hash)))
}

impl Encode for SignerIdentity {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::CertHash { hash_alg, hash } => write_hash(CERT_HASH, *hash_alg, hash, out),
            Self::CertHashNodeId { hash_alg, hash } => {
                write_hash(CERT_HASH_NODE_ID, *hash_alg, hash, out)
            }
            Self::None => {
                out.uint8(NONE)?;
                out.uint16(0)
            }
            Self::Unknown { kind, data } if *kind > NONE => {
                out.uint8(*kind)?;
                out.opaque16("identity", data)
            }
            Self::Unknown { .. } => Err(EncodeError::NotAllowed { field: "identity_type" }),
        }
    }
}

fn write_hash(
    kind: u8,
    algorithm: HashAlgorithm,
    hash: &[u8],
    out: &mut Writer,
) -> Result<(), EncodeError> {
    out.uint8(kind)?;
    out.nested16("identity", |out| {
        out.uint8(algorithm.0)?;
        out.opaque8("certificate_hash", hash)
    })
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// How it was made.
    pub algorithm: SignatureAndHashAlgorithm,
    /// Who made it.
    pub identity: SignerIdentity,
    /// The signature itself.
    pub value: Bytes,
}

impl Signature {
    /// The empty signature of synthetic values: `00 00`, identity `03 0000`, length `0000`
    /// (section 7.4.2.2).
    #[must_use]
    pub const fn none() -> Self {
        Self {
            algorithm: SignatureAndHashAlgorithm::ANONYMOUS,
            identity: SignerIdentity::None,
            value: Bytes::new(),
        }
    }
}

impl Decode for Signature {
    const NAME: &'static str = "signature";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, hash) = read::uint8("algorithm", input)?;
        let (rest, signature) = read::uint8("algorithm", rest)?;
        let (rest, identity) = read::field("identity", dialect, rest)?;
        let (rest, value) = read::opaque16("signature_value", rest)?;
        let algorithm = SignatureAndHashAlgorithm {
            hash: HashAlgorithm(hash),
            signature: SignatureAlgorithm(signature),
        };
        Ok((rest, Self { algorithm, identity, value }))
    }
}

impl Encode for Signature {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint8(self.algorithm.hash.0)?;
        out.uint8(self.algorithm.signature.0)?;
        self.identity.encode(out)?;
        out.opaque16("signature_value", &self.value)
    }
}
