//! A request as it is sent on (RFC 3261 section 16.6), and the answer to it (section 16.7).

use rsipstack::sip::{Header, Request, Response, Uri};

use super::bodies::length;
use super::contact;
use super::header::{begins_dialog, status_as_it_came, to_tag};
use super::hop::{Hop, PhoneHop};
use super::identity;
use super::router::Router;
use super::{checks, via};

/// Where one copy of a request goes.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) hop: Hop,
    /// The Request-URI there.
    pub(super) uri: Uri,
}

impl Router {
    /// The request for one way out. `request` is as it came.
    pub(super) fn forward(
        &self,
        request: &Request,
        from: &Hop,
        way: &Way,
        branch: &str,
    ) -> Request {
        let mut request = request.clone();
        let is_new = to_tag(&request).is_none();
        self.own.strip(&mut request, from.is_phone());
        if from.is_phone() && is_new {
            // all ways out of here are ours to choose
            request.headers.retain(|header| !matches!(header, Header::Route(_)));
        }
        let forwards = checks::forwards_left(&request).unwrap_or(0);
        request.headers.unique_push(Header::MaxForwards(forwards.into()));
        request.headers.retain(|header| !identity::is_claim(header));
        if from.is_phone() {
            self.authenticator.strip(&mut request);
        }
        if is_new && begins_dialog(request.method) {
            self.own.record(&mut request, from.face(), way.hop.face());
        }
        self.hide_phone(&mut request.headers, from, &way.hop);
        request.uri = way.uri.clone();
        let sent_by = way.hop.sent_by(&self.node_name);
        if let (Hop::Phone(_) | Hop::Outside(_), Hop::Peer(_)) = (from, &way.hop) {
            via::hide(&mut request, &sent_by, branch);
        }
        via::push(&mut request, &sent_by, branch);
        request.headers.unique_push(length(&request.body));
        request
    }

    /// The answer for who has sent the request, out of what came from a way out.
    pub(super) fn answer(
        &self,
        request: &Request,
        from: &Hop,
        way: &Hop,
        response: Response,
    ) -> Response {
        let mut response = response;
        response.status_code = status_as_it_came(&response);
        response.wire_reason = None;
        response.headers.retain(|header| !identity::is_claim(header));
        via::answer_to(request, &mut response);
        response.headers.unique_push(length(&response.body));
        if from.is_phone() && to_tag(request).is_none() && begins_dialog(request.method) {
            self.own.keep(&mut response, from.face());
        }
        // what a redirection names is no phone of ours
        if response.status_code.code() / 100 != 3 {
            self.hide_phone(&mut response.headers, way, from);
        }
        response
    }

    fn hide_phone(&self, headers: &mut rsipstack::sip::Headers, from: &Hop, to: &Hop) {
        if let (Hop::Phone(PhoneHop { line, .. }), Hop::Peer(_) | Hop::Outside(_)) = (from, to) {
            contact::hide(headers, &self.gruu, line.as_deref());
        }
    }
}
