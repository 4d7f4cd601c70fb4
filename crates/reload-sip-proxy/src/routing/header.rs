//! Small questions to SIP messages that the SIP stack leaves open. It keeps header fields as they were
//! written, which is what a proxy has to pass on (RFC 3261 section 16.6); nothing here takes one apart
//! further than is needed.

use rsipstack::sip::{
    Header, Headers, HeadersExt, Method, Response, StatusCode, StatusCodeKind, Uri,
};

use super::plain::{in_one_line, party};
use crate::edge::NameAddr;

/// The tag of From; empty if there is none.
pub(super) fn from_tag(message: &impl HeadersExt) -> String {
    message.from_header().ok().and_then(|from| tag(from.value())).unwrap_or_default()
}

/// The tag of To, if there is one.
pub(super) fn to_tag(message: &impl HeadersExt) -> Option<String> {
    message.to_header().ok().and_then(|to| tag(to.value()))
}

fn tag(value: &str) -> Option<String> {
    party(value)?.parameter("tag").filter(|tag| !tag.is_empty()).map(str::to_owned)
}

/// The Call-ID; empty if there is none.
pub(super) fn call_id(message: &impl HeadersExt) -> String {
    message.call_id_header().map(|it| it.value().to_owned()).unwrap_or_default()
}

/// The number in CSeq; 0 if there is none.
pub(super) fn sequence(message: &impl HeadersExt) -> u32 {
    message.cseq_header().and_then(|it| it.seq()).unwrap_or_default()
}

/// The first address of Contact or Route.
pub(super) fn address(value: &str) -> Option<NameAddr> {
    NameAddr::parse_list(value)?.into_iter().next()
}

/// Whether a request is one of those that begin a dialog (RFC 3261 section 12.1, RFC 6665, RFC 3515).
pub(super) fn begins_dialog(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Subscribe | Method::Refer)
}

/// Whether a response ends its transaction.
pub(super) fn is_final(response: &Response) -> bool {
    response.status_code.kind() != StatusCodeKind::Provisional
}

/// Whether a response says yes.
pub(super) fn is_success(response: &Response) -> bool {
    response.status_code.kind() == StatusCodeKind::Successful
}

/// Every value of the Via header fields, topmost first, also of those joined by commas.
pub(super) fn vias(headers: &Headers) -> impl Iterator<Item = &str> {
    let fields = headers.iter().filter_map(|header| match header {
        Header::Via(via) => Some(via.value()),
        _ => None,
    });
    fields.flat_map(|value| value.split(',')).map(str::trim)
}

/// The first Contact URI.
pub(super) fn contact(message: &impl HeadersExt) -> Option<Uri> {
    let contact = message.contact_header().ok()?;
    rsipstack::sip::parse_uri(&address(contact.value())?.uri).ok()
}

/// A status with a reason of our own.
pub(super) fn status(code: u16, reason: impl Into<String>) -> StatusCode {
    StatusCode::Other(code, in_one_line(&reason.into()))
}

/// The status as it came: the SIP stack would write the standard reason instead.
pub(super) fn status_as_it_came(response: &Response) -> StatusCode {
    match &response.wire_reason {
        Some(reason) => status(response.status_code.code(), reason.clone()),
        None => match &response.status_code {
            StatusCode::Other(code, reason) => status(*code, reason.clone()),
            known => known.clone(),
        },
    }
}

/// A header field by its name, for those that the SIP stack has no name for.
pub(super) fn is_named(header: &Header, name: &str) -> bool {
    header.name().eq_ignore_ascii_case(name)
}

/// Whether the body is a session description.
pub(super) fn has_sdp(headers: &Headers) -> bool {
    headers.iter().any(|header| match header {
        Header::ContentType(kind) => {
            let kind = kind.value().split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/sdp")
        }
        _ => false,
    })
}
