//! Whether a ConfigUpdate that carries a document fits into `max-message-size` (sections 6.5.4.1
//! and 11.1). The rest of the message is estimated from above, because its lists and certificates
//! are known only when it is sent.

use crate::error::ConfigError;

/// The fixed part of the forwarding header (6.3.2).
const FIXED_HEADER: usize = 38;
/// A destination with the longest Node-ID: type, length, 20 bytes (6.3.2.2).
const DESTINATION: usize = 2 + 20;
/// Entries of the via list we allow for: a path of 16 hops is the mean of a ring of 2^32 peers.
const VIA_ENTRIES: usize = 16;
/// Entries of the destination list we allow for.
const DESTINATION_ENTRIES: usize = 2;
/// Message code, length of the body, length of the extensions (6.3.3).
const CONTENTS_FRAME: usize = 2 + 4 + 4;
/// Type, length and the 24-bit length of the document (6.5.4.1).
const CONFIG_UPDATE_FRAME: usize = 1 + 4 + 3;
/// A certificate of the security block with its type and length; 1500 bytes hold an RSA-2048 one.
const CERTIFICATE: usize = 1 + 2 + 1500;
/// The leaf and one intermediate; the roots are in the configuration.
const CERTIFICATES: usize = 2 + 2 * CERTIFICATE;
/// Algorithms, identity by SHA-512, and an RSA-4096 signature (6.3.4).
const SIGNATURE: usize = 2 + (1 + 2 + 1 + 1 + 64) + 2 + 512;

/// What a ConfigUpdate needs beside the document, in bytes: header, frames and security block.
pub const CONFIG_UPDATE_OVERHEAD: usize = FIXED_HEADER
    + (VIA_ENTRIES + DESTINATION_ENTRIES) * DESTINATION
    + CONTENTS_FRAME
    + CONFIG_UPDATE_FRAME
    + CERTIFICATES
    + SIGNATURE;

/// The size of a ConfigUpdate with a document of this many bytes, estimated from above.
#[must_use]
pub const fn config_update_size(document: usize) -> usize {
    document.saturating_add(CONFIG_UPDATE_OVERHEAD)
}

/// Whether a ConfigUpdate with a document of this many bytes fits into `max_message_size`.
#[must_use]
pub fn config_update_fits(document: usize, max_message_size: u32) -> bool {
    u32::try_from(config_update_size(document)).is_ok_and(|size| size <= max_message_size)
}

/// As [`config_update_fits`], with an error that gives the sizes.
///
/// # Errors
/// [`ConfigError::DoesNotFit`].
pub fn check_config_update_fits(document: usize, max_message_size: u32) -> Result<(), ConfigError> {
    if config_update_fits(document, max_message_size) {
        return Ok(());
    }
    let needed = config_update_size(document);
    Err(ConfigError::DoesNotFit { size: document, needed, limit: max_message_size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_fits_and_one_byte_more_does_not() {
        let room = 65536 - CONFIG_UPDATE_OVERHEAD;
        assert!(config_update_fits(room, 65536));
        assert!(!config_update_fits(room + 1, 65536));
        assert!(check_config_update_fits(room + 1, 65536).is_err());
        assert!(!config_update_fits(usize::MAX, u32::MAX));
    }

    #[test]
    fn the_default_size_leaves_too_little_room_for_a_document_with_certificates() {
        assert!(!config_update_fits(2000, 5000));
    }
}
