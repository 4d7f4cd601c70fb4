//! The answers to a request: what they say about its dialog, and which of them goes to who has sent it
//! (RFC 3261 section 16.7).

use rsipstack::sip::{Method, Response};
use tokio::time::Instant;

use super::{Fork, TIMER_C};
use crate::routing::best::best;
use crate::routing::bodies::Course;
use crate::routing::header::{begins_dialog, call_id, contact, is_final, is_success, to_tag};
use crate::routing::router::now;
use crate::routing::stop::answered_elsewhere;

impl Fork {
    pub(super) async fn on_answer(&mut self, number: usize, response: Response) {
        if self.branches[number].last.as_ref().is_some_and(is_final) {
            return self.on_repeated(number, response);
        }
        self.learn(number, &response);
        if !is_final(&response) {
            self.branches[number].rings_until = Instant::now() + TIMER_C;
            if response.status_code.code() != 100 && !self.server.is_answered() {
                self.pass(number, response);
            }
            return;
        }
        self.branches[number].last = Some(response.clone());
        self.release(number, &response);
        let code = response.status_code.code();
        match code / 100 {
            2 => {
                if let Some(found) = &self.dialog {
                    self.router.end_request(&self.request, &self.from, Some(found), code);
                }
                self.pass(number, response);
                self.stop(Some(answered_elsewhere(code)));
            }
            3 if self.from.is_phone() && self.is_new() && !self.is_stopped => {
                self.follow(&response).await;
            }
            6 => self.stop(Some(answered_elsewhere(code))),
            _ => {}
        }
        self.conclude();
    }

    /// What an answer says about the dialog and the call.
    fn learn(&self, number: usize, response: &Response) {
        let Some(hop) = &self.branches[number].hop else { return };
        let now = now();
        let contact = contact(response);
        let mut dialogs = self.router.dialogs();
        if let Some(found) = &self.dialog {
            if let (Some(contact), true, true) = (contact, is_success(response), hop.is_phone()) {
                dialogs.refresh(&self.request, found, false, &contact);
            }
        } else if begins_dialog(self.request.method) {
            dialogs.answer(now, &self.request, hop, response);
        }
        drop(dialogs);
        if self.is_new() {
            self.router.on_call_answer(&self.request, hop, response);
        }
    }

    /// Nobody speaks on a way that has led nowhere.
    fn release(&self, number: usize, response: &Response) {
        if let Some(hop) = &self.branches[number].hop
            && self.is_new()
            && self.request.method == Method::Invite
            && !is_success(response)
        {
            let course = Course { from: &self.from, to: hop, is_from_caller: true };
            self.router.release_branch(call_id(&*self.request), course);
        }
    }

    /// Hands an answer on.
    fn pass(&mut self, number: usize, response: Response) {
        let response = self.prepare(number, response);
        self.server.respond(response);
    }

    fn prepare(&self, number: usize, response: Response) -> Response {
        let Some(hop) = &self.branches[number].hop else { return response };
        let mut response = self.router.answer(&self.request, &self.from, hop, response);
        let is_from_caller = !self.is_from_caller();
        let course = Course { from: hop, to: &self.from, is_from_caller };
        if self.is_call()
            && let Err(status) = self.router.carry_response(&mut response, course)
        {
            response.status_code = status;
        }
        response
    }

    /// A branch has ended and says more: another 2xx goes through. The same again does not: the server
    /// transaction repeats it by itself, until its ACK is there.
    pub(super) fn on_repeated(&mut self, number: usize, response: Response) {
        let known = self.branches[number].last.as_ref().map(to_tag);
        if is_success(&response) && known != Some(to_tag(&response)) {
            self.pass(number, response);
        }
    }

    /// The best answer, when all have come.
    fn conclude(&mut self) {
        if self.server.is_answered() || self.branches.iter().any(|branch| branch.last.is_none()) {
            return;
        }
        let numbered = self.branches.iter().enumerate();
        let answers = numbered.filter_map(|(number, branch)| Some((number, branch.last.clone()?)));
        let Some((number, response)) = best(answers.collect()) else { return };
        self.pass_last(number, response);
    }

    fn pass_last(&mut self, number: usize, response: Response) {
        let code = response.status_code.code();
        self.router.end_request(&self.request, &self.from, self.dialog.as_ref(), code);
        if self.branches[number].hop.is_some() {
            self.pass(number, response);
        } else {
            self.server.reply(response.status_code, Vec::new());
        }
    }
}
