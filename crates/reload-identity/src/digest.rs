//! The hash algorithms of the TLS 1.2 registry, as RELOAD names them (section 6.3.4).
//! Not signatures: see `algorithm.rs`.

use reload_wire::HashAlgorithm;
use ring::digest;

/// sha1 of the TLS 1.2 HashAlgorithm registry.
pub(crate) const SHA1: u8 = 2;
/// sha224.
const SHA224: u8 = 3;
/// sha256, what we produce.
pub(crate) const SHA256: u8 = 4;
/// sha384.
pub(crate) const SHA384: u8 = 5;
/// sha512.
pub(crate) const SHA512: u8 = 6;

/// The hash of some parts put together, or `None` for an algorithm that selects no certificate
/// (none, md5, unknown).
pub(crate) fn hash(algorithm: HashAlgorithm, parts: &[&[u8]]) -> Option<Vec<u8>> {
    let algorithm = match algorithm.0 {
        SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        SHA224 => return Some(sha224(parts)),
        SHA256 => &digest::SHA256,
        SHA384 => &digest::SHA384,
        SHA512 => &digest::SHA512,
        _ => return None,
    };
    Some(run(algorithm, parts).as_ref().to_vec())
}

/// SHA-256 of some parts put together.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    run(&digest::SHA256, parts).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// SHA-1 of some parts put together; only for self-signed Node-IDs with `digest="sha1"`.
pub(crate) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let digest = run(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts);
    digest.as_ref().try_into().expect("SHA-1 has 20 bytes")
}

fn run(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> digest::Digest {
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish()
}

/// SHA-224 is not in ring.
fn sha224(parts: &[&[u8]]) -> Vec<u8> {
    use sha2::Digest;
    let mut context = sha2::Sha224::new();
    parts.iter().for_each(|part| context.update(part));
    context.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_abc_are_those_of_fips_180() {
        let start =
            |algorithm| hash(HashAlgorithm(algorithm), &[b"a", b"bc"]).unwrap()[..4].to_vec();
        assert_eq!(start(SHA1), [0xa9, 0x99, 0x3e, 0x36]);
        assert_eq!(start(SHA224), [0x23, 0x09, 0x7d, 0x22]);
        assert_eq!(start(SHA256), [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(start(SHA384), [0xcb, 0x00, 0x75, 0x3f]);
        assert_eq!(start(SHA512), [0xdd, 0xaf, 0x35, 0xa1]);
    }

    #[test]
    fn none_and_md5_name_no_certificate() {
        assert_eq!(hash(HashAlgorithm(0), &[b"abc"]), None);
        assert_eq!(hash(HashAlgorithm(1), &[b"abc"]), None);
    }
}
