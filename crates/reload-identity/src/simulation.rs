//! Certificates and signatures for simulations of thousands of nodes: a hash in place of a
//! signature, which anyone can compute. Exists with the feature `simulation` only, and is accepted
//! only by a [`Trust`] that was told so.

use crate::algorithm::PublicKey;
use crate::certificate::Facts;
use crate::{Credentials, Trust, VerifyError, digest};
use bytes::{BufMut, Bytes, BytesMut};
use reload_wire::{
    HashAlgorithm, NodeId, NodeIdLength, SignatureAlgorithm, SignatureAndHashAlgorithm, UnixTime,
};

/// Numbers for private use in both TLS 1.2 registries (224 to 255).
pub(crate) const ALGORITHM: SignatureAndHashAlgorithm =
    SignatureAndHashAlgorithm { hash: HashAlgorithm(0xe0), signature: SignatureAlgorithm(0xe0) };

/// No DER certificate begins so.
const MAGIC: &[u8] = b"reload-simulation:";

/// The key of a simulated node: the hash of its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SimulatedKey([u8; 32]);

impl SimulatedKey {
    fn of(certificate: &[u8]) -> Self {
        Self(digest::sha256(&[certificate]))
    }

    pub(crate) fn sign(&self, input: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&digest::sha256(&[&self.0, input])[..16])
    }

    pub(crate) fn verify(
        &self,
        algorithm: SignatureAndHashAlgorithm,
        input: &[u8],
        value: &[u8],
    ) -> Result<(), VerifyError> {
        if algorithm != ALGORITHM {
            return Err(VerifyError::UnsupportedAlgorithm(algorithm));
        }
        match self.sign(input) == value {
            true => Ok(()),
            false => Err(VerifyError::BadSignature),
        }
    }
}

impl Credentials {
    /// Credentials of a simulated node, valid for ever.
    ///
    /// # Errors
    /// If the trust is not one of a simulation, or the node is a bad-node.
    pub fn simulate(
        node_id: NodeId,
        user: Option<&str>,
        trust: &Trust,
    ) -> Result<Self, VerifyError> {
        let mut der = BytesMut::from(MAGIC);
        der.put_slice(node_id.as_bytes());
        der.put_slice(user.unwrap_or_default().as_bytes());
        let certificate = trust.check(&der.freeze(), &[], UnixTime(0))?;
        Ok(Self::simulated(SimulatedKey::of(certificate.der()), certificate))
    }
}

/// What a simulated certificate says: magic, Node-ID, user name to the end.
pub(crate) fn read(certificate: &Bytes, length: NodeIdLength) -> Option<Facts> {
    let rest = certificate.strip_prefix(MAGIC)?;
    let (node_id, user) = rest.split_at_checked(length.get())?;
    let user = std::str::from_utf8(user).ok()?;
    Some(Facts {
        node_ids: vec![NodeId::new(node_id).ok()?],
        user: (!user.is_empty()).then(|| user.to_owned()),
        not_before: UnixTime(0),
        not_after: UnixTime(u64::MAX),
        spki: certificate.clone(),
        public_key: PublicKey::Simulated(SimulatedKey::of(certificate)),
    })
}
