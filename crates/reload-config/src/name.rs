//! The overlay name: characters that a DNS name may have (section 6.3.2), and its hash.

use sha1::{Digest, Sha1};

/// Whether the text could be a DNS name: labels of letters, digits and inner hyphens (RFC 1035
/// section 2.3.1; a digit may come first, as RFC 1123 allows), 63 characters each, 253 in all.
#[must_use]
pub fn is_overlay_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The last four bytes of the SHA-1 of the name, big-endian (section 6.3.2).
pub(crate) fn overlay_hash(name: &str) -> u32 {
    let digest: [u8; 20] = Sha1::digest(name.as_bytes()).into();
    let [.., a, b, c, d] = digest;
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::{is_overlay_name, overlay_hash};

    // R6940-6.3.2-04
    #[test]
    fn names_that_dns_allows() {
        for name in ["example", "a.b", "overlay-1.example.org", "3com.example", "Example.ORG"] {
            assert!(is_overlay_name(name), "{name}");
        }
    }

    // R6940-6.3.2-04
    #[test]
    fn names_that_dns_does_not_allow() {
        let long = "a".repeat(64);
        let longer = ["a".repeat(63).as_str(); 4].join(".");
        for name in ["", ".", "a..b", "a.", "-a", "a-", "a_b", "a b", "ä.example", &long, &longer]
        {
            assert!(!is_overlay_name(name), "{name}");
        }
    }

    // R6940-6.3.2-03
    #[test]
    fn the_hash_is_the_end_of_the_sha1_digest() {
        // SHA-1("abc") = a9993e36 4706816a ba3e2571 7850c26c 9cd0d89d (RFC 3174 section 7.3).
        assert_eq!(overlay_hash("abc"), 0x9cd0_d89d);
    }
}
