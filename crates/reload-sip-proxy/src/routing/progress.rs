//! What is known of calls while they go on: for the list of calls, the dialogs and the media.

use rsipstack::sip::{Method, Request, Response};

use super::dialogs::Found;
use super::header::{begins_dialog, call_id};
use super::hop::Hop;
use super::router::{Router, now};

impl Router {
    /// A request outside of dialogs is about to be tried.
    pub(super) fn begin_call(&self, request: &Request, from: &Hop) {
        if request.method == Method::Invite {
            self.calls.begin(request, from.node());
        }
    }

    /// It has an answer.
    pub(super) fn on_call_answer(&self, request: &Request, from: &Hop, response: &Response) {
        if request.method == Method::Invite {
            self.calls.answer(&call_id(request), from.node(), response.status_code.code());
        }
    }

    /// A request has got its last answer, which in a dialog may be a yes.
    pub(super) fn end_request(
        &self,
        request: &Request,
        from: &Hop,
        dialog: Option<&Found>,
        code: u16,
    ) {
        let is_over = match dialog {
            Some(found) => self.dialogs().finished(now(), request, found, code),
            None if begins_dialog(request.method) => {
                self.dialogs().refused(request, from) && request.method == Method::Invite
            }
            None => false,
        };
        if is_over {
            self.calls.end(&call_id(request));
            self.media.release(&call_id(request));
        }
    }
}
