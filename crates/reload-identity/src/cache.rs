//! Certificates that were verified once, by hash, so that a message costs one signature check.
//! Bounded: the least recently used goes. It says nothing of validity now; the checks ask again.

use crate::signer::x509_bucket;
use crate::{VerifiedCertificate, digest};
use reload_wire::{
    Decode, Dialect, FetchAns, GenericCertificate, MessageCode, MessageContents, MessageParts,
    SignerIdentity, StoreReq, StoredData,
};
use std::collections::BTreeMap;
use std::sync::Arc;

type Hash = [u8; 32];

/// Verified certificates by SHA-256 of their DER. It belongs to the node, which alone changes it.
#[derive(Clone, Debug)]
pub struct CertificateCache {
    capacity: usize,
    entries: BTreeMap<Hash, Entry>,
    /// Certificates by their last use.
    uses: BTreeMap<u64, Hash>,
    /// Certificates of several Node-IDs by SHA-256 of Node-ID || certificate.
    by_node_id: BTreeMap<Hash, Hash>,
    clock: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    certificate: Arc<VerifiedCertificate>,
    last_use: u64,
}

impl CertificateCache {
    /// A cache of at most `capacity` certificates.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: BTreeMap::new(),
            uses: BTreeMap::new(),
            by_node_id: BTreeMap::new(),
            clock: 0,
        }
    }

    /// Number of certificates held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a certificate in; the least recently used one goes if the cache is full.
    pub fn insert(&mut self, certificate: Arc<VerifiedCertificate>) {
        let hash = *certificate.sha256();
        self.remove(&hash);
        while self.entries.len() >= self.capacity {
            match self.uses.first_key_value().map(|(_, oldest)| *oldest) {
                Some(oldest) => self.remove(&oldest),
                None => return,
            }
        }
        for node_id_hash in &certificate.node_id_hashes {
            self.by_node_id.insert(*node_id_hash, hash);
        }
        self.clock += 1;
        self.uses.insert(self.clock, hash);
        self.entries.insert(hash, Entry { certificate, last_use: self.clock });
    }

    /// The certificate with this SHA-256.
    pub fn get(&mut self, sha256: &Hash) -> Option<Arc<VerifiedCertificate>> {
        let entry = self.entries.get_mut(sha256)?;
        self.clock += 1;
        self.uses.remove(&entry.last_use);
        entry.last_use = self.clock;
        self.uses.insert(self.clock, *sha256);
        Some(Arc::clone(&entry.certificate))
    }

    /// Those certificates of a bucket that are known.
    pub fn lookup(&mut self, bucket: &[GenericCertificate]) -> Vec<Arc<VerifiedCertificate>> {
        x509_bucket(bucket).iter().filter_map(|der| self.get(&digest::sha256(&[der]))).collect()
    }

    /// The certificate that a signer identity with sha256 names.
    pub fn find(&mut self, identity: &SignerIdentity) -> Option<Arc<VerifiedCertificate>> {
        match identity {
            SignerIdentity::CertHash { hash_alg, hash } if hash_alg.0 == digest::SHA256 => {
                self.get(&hash[..].try_into().ok()?)
            }
            SignerIdentity::CertHashNodeId { hash_alg, hash } if hash_alg.0 == digest::SHA256 => {
                let node_id_hash: Hash = hash[..].try_into().ok()?;
                let sha256 = *self.by_node_id.get(&node_id_hash)?;
                self.get(&sha256)
            }
            _ => None,
        }
    }

    /// All known certificates that a message needs: of its bucket, of its signer, and of the
    /// signers of the values in a Store request or Fetch answer.
    pub fn lookup_message(
        &mut self,
        dialect: &Dialect,
        parts: &MessageParts,
    ) -> Vec<Arc<VerifiedCertificate>> {
        let mut found = self.lookup(&parts.security.certificates);
        let mut identities = value_identities(dialect, &parts.contents);
        identities.push(parts.security.signature.identity.clone());
        for identity in &identities {
            if let Some(certificate) = self.find(identity)
                && !found.contains(&certificate)
            {
                found.push(certificate);
            }
        }
        found
    }

    /// Drops a certificate.
    pub fn remove(&mut self, sha256: &Hash) {
        if let Some(entry) = self.entries.remove(sha256) {
            self.uses.remove(&entry.last_use);
            for node_id_hash in &entry.certificate.node_id_hashes {
                self.by_node_id.remove(node_id_hash);
            }
        }
    }
}

/// The signer identities of the values in a Store request or Fetch answer: what to look for in a
/// cache. Empty for other bodies and for bodies that do not decode.
fn value_identities(dialect: &Dialect, contents: &MessageContents) -> Vec<SignerIdentity> {
    let identity = |stored: StoredData| stored.signature.identity;
    match contents.code {
        MessageCode::STORE_REQUEST => StoreReq::decode_exact(dialect, &contents.body)
            .map(|request| request.kind_data.into_iter().flat_map(|data| data.values))
            .map(|values| values.map(identity).collect())
            .unwrap_or_default(),
        MessageCode::FETCH_ANSWER => FetchAns::decode_exact(dialect, &contents.body)
            .map(|answer| answer.kind_responses.into_iter().flat_map(|data| data.values))
            .map(|values| values.map(identity).collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}
