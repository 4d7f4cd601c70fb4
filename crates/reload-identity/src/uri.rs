//! The RELOAD URI that carries a Node-ID in a certificate (section 14.15, in the form of 11.3):
//! `reload://` hex Destination `@` overlay `/`. Not the URI of a stored value.

use crate::VerifyError;
use reload_config::Leniency;
use reload_wire::{NodeId, NodeIdLength};

const SCHEME: &str = "reload://";
/// DestinationType node (section 6.3.2.2).
const DESTINATION_NODE: u8 = 1;

/// The URI of a Node-ID in an overlay; for 16 bytes `reload://0110<32 hex digits>@<overlay>/`.
///
/// ```
/// let node_id = reload_wire::NodeId::new(&[0xab; 16]).expect("16 bytes are a Node-ID");
/// let uri = reload_identity::node_uri(&node_id, "example.org");
/// assert_eq!(uri, "reload://0110abababababababababababababababab@example.org/");
/// ```
#[must_use]
pub fn node_uri(node_id: &NodeId, overlay: &str) -> String {
    let length = node_id.as_bytes().len();
    format!("{SCHEME}{DESTINATION_NODE:02x}{length:02x}{node_id}@{overlay}/")
}

/// True if a URI of a certificate is meant for RELOAD.
pub(crate) fn is_reload_uri(uri: &str) -> bool {
    uri.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// The Node-ID in a URI of a certificate, which must be for this overlay. The final slash may be
/// missing; the bare Node-ID without type and length is read by the lenient switch only.
pub(crate) fn read_node_uri(
    uri: &str,
    overlay: &str,
    length: NodeIdLength,
    leniency: Leniency,
) -> Result<NodeId, VerifyError> {
    let bad = || VerifyError::BadReloadUri { uri: uri.to_owned() };
    if !is_reload_uri(uri) {
        return Err(bad());
    }
    let (destination, found) = uri[SCHEME.len()..].split_once('@').ok_or_else(bad)?;
    let found = found.strip_suffix('/').unwrap_or(found);
    if !found.eq_ignore_ascii_case(overlay) {
        return Err(VerifyError::OtherOverlay {
            found: found.to_owned(),
            expected: overlay.to_owned(),
        });
    }
    let bytes = unhex(destination).ok_or_else(bad)?;
    let node_id =
        NodeId::new(node_id_bytes(&bytes, length, leniency).ok_or_else(bad)?).map_err(|_| bad())?;
    if node_id.is_wildcard() || node_id.is_zero() {
        return Err(bad());
    }
    Ok(node_id)
}

fn node_id_bytes(bytes: &[u8], length: NodeIdLength, leniency: Leniency) -> Option<&[u8]> {
    match bytes {
        [DESTINATION_NODE, size, rest @ ..]
            if usize::from(*size) == length.get() && rest.len() == length.get() =>
        {
            Some(rest)
        }
        bare if leniency == Leniency::Lenient && bare.len() == length.get() => Some(bare),
        _ => None,
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "reload://011000112233445566778899aabbccddeeff@example.org/";
    const BARE: &str = "reload://00112233445566778899aabbccddeeff@example.org";

    fn read(uri: &str, leniency: Leniency) -> Result<NodeId, VerifyError> {
        read_node_uri(uri, "example.org", NodeIdLength::DEFAULT, leniency)
    }

    fn strict(uri: &str) -> Result<NodeId, VerifyError> {
        read(uri, Leniency::Strict)
    }

    // R6940-11.3-16, R6940-14.15-01, R6940-14.15-02, R6940-14.15.1-01
    #[test]
    fn full_form_is_read_with_and_without_slash_and_in_any_case() {
        let node_id = strict(FULL).unwrap();
        assert_eq!(node_id.to_string(), "00112233445566778899aabbccddeeff");
        assert_eq!(strict(FULL.trim_end_matches('/')), Ok(node_id));
        assert_eq!(strict(&FULL.to_ascii_uppercase()), Ok(node_id));
        assert_eq!(node_uri(&node_id, "example.org"), FULL);
    }

    #[test]
    fn bare_form_is_read_only_by_the_lenient_switch() {
        assert!(matches!(strict(BARE), Err(VerifyError::BadReloadUri { .. })));
        assert_eq!(read(BARE, Leniency::Lenient), strict(FULL));
        assert_eq!(read(FULL, Leniency::Lenient), strict(FULL));
    }

    // R6940-11.3-16, R6940-14.15-02
    #[test]
    fn other_overlays_are_told_from_bad_uris() {
        let other = FULL.replace("example.org", "example.com");
        assert!(matches!(strict(&other), Err(VerifyError::OtherOverlay { .. })));
        for bad in [
            "reload://0110001122334455@example.org/",
            "reload://021000112233445566778899aabbccddeeff@example.org/",
            "reload://011100112233445566778899aabbccddeeff@example.org/",
            "reload://0110ffffffffffffffffffffffffffffffff@example.org/",
            "reload://011000000000000000000000000000000000@example.org/",
            "reload://0110+0112233445566778899aabbccddeeff@example.org/",
            "reload://011000112233445566778899aabbccddeeff0@example.org/",
            "reload://@example.org/",
            "reload://example.org/",
        ] {
            assert!(matches!(strict(bad), Err(VerifyError::BadReloadUri { .. })), "{bad}");
        }
        let specifier = format!("{FULL}00");
        assert!(matches!(strict(&specifier), Err(VerifyError::OtherOverlay { .. })));
    }

    #[test]
    fn node_id_length_of_the_overlay_binds() {
        let length = NodeIdLength::new(20).unwrap();
        let uri = format!("reload://0114{}@o/", "0a".repeat(20));
        assert!(read_node_uri(&uri, "o", length, Leniency::Strict).is_ok());
        assert!(read_node_uri(&uri, "o", NodeIdLength::DEFAULT, Leniency::Strict).is_err());
    }
}
