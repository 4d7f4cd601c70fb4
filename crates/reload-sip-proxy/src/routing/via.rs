//! Via: the way back of responses (RFC 3261 sections 16.6 and 16.7), and the detection of loops by what
//! is in our own branches (section 16.3).

use std::hash::{BuildHasher, RandomState};

use rsipstack::sip::{Header, Headers, Request, Response};
use rsipstack::transaction::random_text;

use super::header::{call_id, from_tag, sequence, to_tag, vias};

/// What every branch begins with (RFC 3261 section 8.1.1.7).
const COOKIE: &str = "z9hG4bK";

/// Makes the branches of one proxy, and knows them again.
#[derive(Debug)]
pub(super) struct Branches {
    /// Marks them as ours.
    token: String,
    state: RandomState,
}

impl Branches {
    pub(super) fn new() -> Self {
        Self { token: random_text(8), state: RandomState::new() }
    }

    /// A new branch for a request as it came.
    pub(super) fn make(&self, request: &Request) -> String {
        format!("{COOKIE}{}.{:016x}.{}", self.token, self.hash(request), random_text(8))
    }

    /// Whether the request has been here before, and nothing that decides its way has changed since.
    pub(super) fn is_loop(&self, request: &Request) -> bool {
        let mine = format!("branch={COOKIE}{}.{:016x}.", self.token, self.hash(request));
        vias(&request.headers).any(|via| via.contains(&mine))
    }

    /// What decides the way (RFC 3261 section 16.6 step 8).
    fn hash(&self, request: &Request) -> u64 {
        let proxy = request.headers.iter().filter(|header| {
            matches!(header, Header::ProxyRequire(_) | Header::ProxyAuthorization(_))
        });
        let proxy: Vec<_> = proxy.map(Header::value).collect();
        self.state.hash_one((
            request.uri.to_string(),
            from_tag(request),
            to_tag(request),
            call_id(request),
            sequence(request),
            proxy,
        ))
    }
}

/// Puts our Via on top. `sent_by` is a transport and a host, as in `UDP 127.0.0.1:5060`.
pub(super) fn push(request: &mut Request, sent_by: &str, branch: &str) {
    let via = format!("SIP/2.0/{sent_by};branch={branch};rport");
    request.headers.push_front(Header::Via(via.into()));
}

/// Puts one Via of ours in place of those behind us (RFC 7904 section 5.1): peers have no use for addresses
/// of the underlay. The answer gets them back by [`answer_to`].
pub(super) fn hide(request: &mut Request, sent_by: &str, branch: &str) {
    request.headers.retain(|header| !matches!(header, Header::Via(_)));
    push(request, sent_by, &format!("{branch}.inside"));
}

/// Gives a response the way back of the request that it answers. What a user agent has made of the
/// Via header fields in its answer, such as joining them by commas, does not matter then.
pub(super) fn answer_to(request: &Request, response: &mut Response) {
    response.headers.retain(|header| !matches!(header, Header::Via(_)));
    let ways = request.headers.iter().filter(|header| matches!(header, Header::Via(_))).cloned();
    let rest = std::mem::take(&mut response.headers);
    response.headers = Headers(ways.chain(rest).collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, more: &str) -> Request {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\n{more}Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
             From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        Request::try_from(text.as_str()).unwrap()
    }

    #[test]
    fn a_request_is_a_loop_only_if_nothing_that_decides_its_way_has_changed() {
        let branches = Branches::new();
        let first = request("sip:b@x", "");
        assert!(!branches.is_loop(&first));
        let branch = branches.make(&first);
        let again = |uri| request(uri, &format!("Via: SIP/2.0/UDP me;branch={branch}\r\n"));
        assert!(branches.is_loop(&again("sip:b@x")));
        assert!(!branches.is_loop(&again("sip:c@x")), "a spiral");
        assert!(!Branches::new().is_loop(&again("sip:b@x")), "the branch of another");
    }

    #[test]
    fn branches_differ_for_each_copy() {
        let branches = Branches::new();
        let request = request("sip:b@x", "");
        assert_ne!(branches.make(&request), branches.make(&request));
    }

    #[test]
    fn an_answer_goes_back_the_way_of_its_request() {
        let came = request("sip:b@x", "");
        let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP odd;branch=z\r\nCall-ID: c\r\n\r\n";
        let mut answer = Response::try_from(text).unwrap();
        answer_to(&came, &mut answer);
        let ways: Vec<_> = vias(&answer.headers).collect();
        assert_eq!(ways, ["SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b;branch=z9hG4bK2"]);
    }
}
