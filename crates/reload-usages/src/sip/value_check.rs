//! What a storing peer asks of a registration beside the checks of RFC 7904 section 3.3, which the
//! storage makes itself: that it is one.

use reload_storage::Candidate;
use reload_wire::{Decode, SipRegistration, StoredDataValue};

use super::aor::Aor;
use super::uri::SipUri;

/// Whether a value is a registration that readers can use, or step over: its structure is whole, and an
/// address in it names a user. For [`reload_node::Node::set_value_check`]; preferences and types that are
/// not known here are no reason to refuse.
#[must_use]
pub fn is_registration(candidate: &Candidate<'_>) -> bool {
    let StoredDataValue::Dictionary { value, .. } = candidate.value else { return false };
    if !value.exists {
        return true;
    }
    match SipRegistration::decode_exact(candidate.dialect, &value.value) {
        Ok(SipRegistration::Uri(uri)) => std::str::from_utf8(&uri).is_ok_and(is_address),
        Ok(SipRegistration::Route { .. } | SipRegistration::Unknown { .. }) => true,
        Err(_) => false,
    }
}

fn is_address(text: &str) -> bool {
    let uri = SipUri::parse(text).map_err(Into::into);
    uri.and_then(|uri| Aor::of_uri(&uri)).or_else(|_| Aor::of_user_name(text)).is_ok()
}
