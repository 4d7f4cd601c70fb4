//! What a request has to be before it is looked at further (RFC 3261 section 16.3).

use rsipstack::sip::{Header, Method, Request, Scheme, StatusCode};

use super::header::status;
use super::plain::ambiguity;
use super::via::Branches;

/// What is assumed of a request that does not say (RFC 3261 section 16.6 step 3).
const MAX_FORWARDS: u32 = 70;

/// Refuses what cannot be forwarded.
pub(super) fn check(
    request: &Request,
    branches: &Branches,
) -> Result<(), (StatusCode, Vec<Header>)> {
    if let Some(why) = ambiguity(&request.headers) {
        return Err((status(400, why), Vec::new()));
    }
    if request.uri.to_string().contains(char::is_control) {
        return Err((StatusCode::BadRequest, Vec::new()));
    }
    if !matches!(request.uri.scheme, Some(Scheme::Sip | Scheme::Sips)) {
        return Err((StatusCode::UnsupportedUriScheme, Vec::new()));
    }
    if forwards_left(request).is_none() {
        return Err((StatusCode::TooManyHops, Vec::new()));
    }
    let required = request.headers.iter().find_map(|header| match header {
        Header::ProxyRequire(required) => Some(required.value().to_owned()),
        _ => None,
    });
    if let Some(required) = required
        && !matches!(request.method, Method::Ack | Method::Cancel)
    {
        return Err((StatusCode::BadExtension, vec![Header::Unsupported(required.into())]));
    }
    if branches.is_loop(request) {
        return Err((status(482, "Loop Detected"), Vec::new()));
    }
    Ok(())
}

/// The Max-Forwards of the request that is sent on; none if it may not be.
pub(super) fn forwards_left(request: &Request) -> Option<u32> {
    let given = request.headers.iter().find_map(|header| match header {
        Header::MaxForwards(forwards) => Some(forwards.value().trim().to_owned()),
        _ => None,
    });
    let Some(given) = given else { return Some(MAX_FORWARDS) };
    // more than a byte is none (RFC 3261 section 20.22)
    let given: u8 = given.parse().unwrap_or(0);
    given.checked_sub(1).map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, more: &str) -> Request {
        let text = format!(
            "OPTIONS {uri} SIP/2.0\r\n{more}From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\n\
             CSeq: 1 OPTIONS\r\n\r\n"
        );
        Request::try_from(text.as_str()).unwrap()
    }

    #[test]
    fn max_forwards_is_one_byte_and_is_lowered() {
        let left = |more: &str| forwards_left(&request("sip:b@x", more));
        assert_eq!(left(""), Some(70));
        assert_eq!(left("Max-Forwards: 255\r\n"), Some(254));
        assert_eq!(left("Max-Forwards: 1\r\n"), Some(0));
        for none in ["0", "256", "-1", "x"] {
            assert_eq!(left(&format!("Max-Forwards: {none}\r\n")), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_sip_uri_is_not_forwarded() {
        let code = |uri: &str| check(&request(uri, ""), &Branches::new()).map_err(|it| it.0.code());
        assert_eq!(code("tel:+4930"), Err(416));
        assert_eq!(code("sips:b@x"), Ok(()));
    }
}
