//! Node-IDs of self-signed certificates: derived from the key, so that none can be stolen
//! (section 11.3.1, E16). What is hashed is the DER subjectPublicKeyInfo, not the bare key bits.

use crate::{VerifyError, digest};
use reload_config::SelfSignedDigest;
use reload_wire::{NodeId, NodeIdLength};

/// The `count` Node-IDs of a key: D(SPKI) for a single one, D(index || SPKI) with a 32-bit index
/// from 1 for several; the leftmost bytes of the digest.
#[must_use]
pub fn derived_node_ids(
    digest: SelfSignedDigest,
    spki: &[u8],
    count: u32,
    length: NodeIdLength,
) -> Vec<NodeId> {
    match count {
        1 => vec![derive(digest, &[spki], length)],
        _ => {
            (1..=count).map(|index| derive(digest, &[&index.to_be_bytes(), spki], length)).collect()
        }
    }
}

/// Checks that each Node-ID of a self-signed certificate is one of its key's.
pub(crate) fn check_derived(
    digest: SelfSignedDigest,
    spki: &[u8],
    node_ids: &[NodeId],
    length: NodeIdLength,
) -> Result<(), VerifyError> {
    let count = u32::try_from(node_ids.len()).unwrap_or(u32::MAX);
    let derived = derived_node_ids(digest, spki, count, length);
    match node_ids.iter().find(|node_id| !derived.contains(node_id)) {
        Some(stranger) => Err(VerifyError::NodeIdNotOfKey(*stranger)),
        None => Ok(()),
    }
}

fn derive(digest: SelfSignedDigest, parts: &[&[u8]], length: NodeIdLength) -> NodeId {
    let left = |hash: &[u8]| {
        NodeId::new(&hash[..length.get()]).expect("16 to 20 bytes of a digest are a Node-ID")
    };
    match digest {
        SelfSignedDigest::Sha1 => left(&digest::sha1(parts)),
        SelfSignedDigest::Sha256 => left(&digest::sha256(parts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-11.3.1-03, R6940-11.3.1-04
    #[test]
    fn one_node_id_hashes_the_key_alone_and_several_an_index_before_it() {
        let one = derived_node_ids(SelfSignedDigest::Sha1, b"key", 1, NodeIdLength::DEFAULT);
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].as_bytes(), &digest::sha1(&[b"key"])[..16]);
        let two = derived_node_ids(SelfSignedDigest::Sha256, b"key", 2, NodeIdLength::DEFAULT);
        assert_eq!(two[0].as_bytes(), &digest::sha256(&[b"\0\0\0\x01key"])[..16]);
        assert_eq!(two[1].as_bytes(), &digest::sha256(&[b"\0\0\0\x02key"])[..16]);
    }

    #[test]
    fn sha1_fills_a_node_id_of_twenty_bytes() {
        let length = NodeIdLength::new(20).unwrap();
        let ids = derived_node_ids(SelfSignedDigest::Sha1, b"key", 1, length);
        assert_eq!(ids[0].as_bytes(), digest::sha1(&[b"key"]));
    }

    // R6940-11.3.1-05
    #[test]
    fn a_node_id_of_another_key_or_count_is_refused() {
        let length = NodeIdLength::DEFAULT;
        let of = |key: &[u8], count| derived_node_ids(SelfSignedDigest::Sha256, key, count, length);
        let check = |ids: &[NodeId]| check_derived(SelfSignedDigest::Sha256, b"key", ids, length);
        assert_eq!(check(&of(b"key", 1)), Ok(()));
        assert_eq!(check(&of(b"key", 3)), Ok(()));
        assert_eq!(check(&of(b"yek", 1)), Err(VerifyError::NodeIdNotOfKey(of(b"yek", 1)[0])));
        let only_second = [of(b"key", 2)[1]];
        assert_eq!(check(&only_second), Err(VerifyError::NodeIdNotOfKey(only_second[0])));
    }
}
