//! Session descriptions on their way between phones and peers: handed to the media side, which may change
//! where the media goes.

use rsipstack::sip::{Request, Response, StatusCode};

use super::hop::Hop;
use super::router::Router;

/// Which way a message goes.
#[derive(Clone, Copy)]
pub(super) struct Direction<'a> {
    pub(super) from: &'a Hop,
    pub(super) to: &'a Hop,
    /// Whether it is an answer: then `from` is where the request went.
    pub(super) is_answer: bool,
}

impl Router {
    /// The body of a request that is about to be sent on.
    pub(super) async fn carry_request(
        &self,
        request: &mut Request,
        direction: Direction<'_>,
    ) -> Result<(), StatusCode> {
        let _ = (request, direction.from, direction.to, direction.is_answer);
        Ok(())
    }

    /// The body of an answer that is about to be sent on.
    pub(super) async fn carry_response(
        &self,
        response: &mut Response,
        direction: Direction<'_>,
    ) -> Result<(), StatusCode> {
        let _ = (response, direction.from, direction.to, direction.is_answer);
        Ok(())
    }
}
