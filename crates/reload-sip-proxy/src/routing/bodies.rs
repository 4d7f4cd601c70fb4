//! Session descriptions on their way between phones and peers: handed to the media side, which may change
//! where the media goes. Those inside of other bodies are left alone.

use rsipstack::sip::{ContentLength, Header, Headers, Request, Response, StatusCode};

use super::header::{call_id, has_sdp, status};
use super::hop::{Hop, PhoneHop};
use super::router::Router;
use crate::media::{Leg, Role};
use crate::pipes::SipPipe;

/// Between whom a message goes.
#[derive(Clone, Copy)]
pub(super) struct Course<'a> {
    /// Who has sent it.
    pub(super) from: &'a Hop,
    /// Who gets it.
    pub(super) to: &'a Hop,
    /// Whether it has been sent by who has begun the call, or is an answer to such a request's other end:
    /// whether `from` is the side that called.
    pub(super) is_from_caller: bool,
}

impl Router {
    /// The body of a request that is about to be sent on.
    pub(super) fn carry_request(
        &self,
        request: &mut Request,
        course: Course<'_>,
    ) -> Result<(), StatusCode> {
        let call_id = call_id(request);
        self.carry(&mut request.headers, &mut request.body, call_id, course)
    }

    /// The body of an answer that is about to be sent on; none stays if it cannot be carried.
    pub(super) fn carry_response(
        &self,
        response: &mut Response,
        course: Course<'_>,
    ) -> Result<(), StatusCode> {
        let call_id = call_id(response);
        let carried = self.carry(&mut response.headers, &mut response.body, call_id, course);
        if carried.is_err() {
            response.body.clear();
            response.headers.unique_push(length(&response.body));
        }
        carried
    }

    fn carry(
        &self,
        headers: &mut Headers,
        body: &mut Vec<u8>,
        call_id: String,
        course: Course<'_>,
    ) -> Result<(), StatusCode> {
        if body.is_empty() || !has_sdp(headers) {
            return Ok(());
        }
        let changed = match (course.from, course.to) {
            (Hop::Phone(phone), Hop::Peer(pipe)) => {
                let role = if course.is_from_caller { Role::Caller } else { Role::Callee };
                leg(call_id, phone, pipe, role).map(|leg| self.media.outward(&leg, body))
            }
            (Hop::Peer(pipe), Hop::Phone(phone)) => {
                let role = if course.is_from_caller { Role::Callee } else { Role::Caller };
                leg(call_id, phone, pipe, role).map(|leg| self.media.inward(&leg, body))
            }
            _ => None,
        };
        match changed {
            Some(Ok(sdp)) => {
                *body = sdp;
                headers.unique_push(length(body));
            }
            Some(Err(error)) => return Err(status(error.status(), error.to_string())),
            None => {}
        }
        Ok(())
    }

    /// One way of a call has led nowhere.
    pub(super) fn release_branch(&self, call_id: String, course: Course<'_>) {
        let leg = match (course.from, course.to) {
            (Hop::Phone(phone), Hop::Peer(pipe)) => leg(call_id, phone, pipe, Role::Caller),
            (Hop::Peer(pipe), Hop::Phone(phone)) => leg(call_id, phone, pipe, Role::Callee),
            _ => None,
        };
        if let Some(leg) = leg {
            self.media.release_branch(&leg);
        }
    }
}

/// The length of a body: of answers and ACKs nobody sets it later, and two of them would let the end of a
/// body pass for another message.
pub(super) fn length(body: &[u8]) -> Header {
    ContentLength::new(body.len().to_string()).into()
}

fn leg(call_id: String, phone: &PhoneHop, pipe: &SipPipe, role: Role) -> Option<Leg> {
    let address = phone.destination.get_socketaddr().ok()?;
    Some(Leg {
        call_id,
        peer: pipe.peer().node,
        path: pipe.path(),
        role,
        line: phone.line.clone().unwrap_or_else(|| address.to_string()),
        phone: address,
        local_ip: phone.local.ip(),
    })
}
