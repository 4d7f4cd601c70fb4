//! Nobody calls under another's name: From of a request outside of dialogs has to be the user of the
//! phone, or the user that the certificate of the peer names (RFC 7904 section 8.1). Other header fields
//! that claim an identity mean nothing here and go no further.

use reload_usages::sip::{Aor, SipUri};
use rsipstack::sip::{Header, HeadersExt, Request, StatusCode};

use super::header::{is_named, status};
use super::plain::party;

/// From of a request out of a phone of this user.
pub(super) fn check_phone(request: &Request, user: &Aor) -> Result<(), StatusCode> {
    match from(request) {
        Some(from) if from == *user => Ok(()),
        _ => Err(status(403, format!("From must be {user}"))),
    }
}

/// From of a request out of a peer whose certificate names this user.
pub(super) fn check_peer(request: &Request, user: Option<&Aor>) -> Result<(), StatusCode> {
    match (from(request), user) {
        (Some(from), Some(user)) if from == *user => Ok(()),
        (_, Some(user)) => Err(status(403, format!("From must be {user}"))),
        (_, None) => Err(status(403, "the certificate names no SIP address")),
    }
}

/// From of a request out of the ordinary SIP world: no user of the overlay.
pub(super) fn check_outside(
    request: &Request,
    serves: impl Fn(&str) -> bool,
) -> Result<(), StatusCode> {
    let unreadable = || status(400, "From is no address");
    let from = request.from_header().ok().and_then(|from| party(from.value()));
    let from = from.ok_or_else(unreadable)?.uri;
    if from.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:")) {
        return Ok(());
    }
    let from = SipUri::parse(&from).ok().filter(|it| it.scheme().is_some());
    let from = from.ok_or_else(unreadable)?;
    if serves(from.host()) {
        return Err(status(403, format!("{} calls out of the overlay only", from.host())));
    }
    Ok(())
}

/// Whether the header field claims who somebody is (RFC 3325, RFC 8224).
pub(super) fn is_claim(header: &Header) -> bool {
    matches!(
        header,
        Header::PAssertedIdentity(_) | Header::PPreferredIdentity(_) | Header::Identity(_)
    ) || ["Remote-Party-ID", "P-Asserted-Identity", "P-Preferred-Identity", "Identity"]
        .iter()
        .any(|name| is_named(header, name))
}

fn from(request: &Request) -> Option<Aor> {
    Aor::parse(&party(request.from_header().ok()?.value())?.uri).ok()
}
