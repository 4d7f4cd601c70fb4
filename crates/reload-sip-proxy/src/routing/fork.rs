//! A request that begins something, tried at all its targets at once (RFC 3261 sections 16.6 to 16.8).

use std::sync::Arc;
use std::time::Duration;

use reload_usages::sip::SipUri;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{Header, Method, Request, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::best::best;
use super::bodies::Course;
use super::branch::{Branch, Event};
use super::dialogs::Found;
use super::forward::Way;
use super::header::{begins_dialog, call_id, is_final, is_success, to_tag};
use super::hop::Hop;
use super::redirect::Redirects;
use super::router::{Router, now};
use super::server::Server;
use super::shares::Share;
use super::stop::{Stop, answered_elsewhere};
use super::targets::Target;

/// Events of branches that wait.
const EVENTS: usize = 32;
/// Timer C: how long it may ring without news (RFC 3261 section 16.6 step 11).
const TIMER_C: Duration = Duration::from_secs(180);
/// Branches of one request, redirections included.
const MAX_BRANCHES: usize = 64;

/// One request and all its branches.
pub(super) struct Fork {
    router: Arc<Router>,
    server: Server,
    request: Arc<Request>,
    from: Hop,
    branches: Vec<State>,
    redirects: Redirects,
    events: mpsc::Sender<Event>,
    /// Cancelled when this request is over, and with it all branches.
    end: CancellationToken,
    /// Whether all branches have been told to stop.
    is_stopped: bool,
    /// The dialog that the request is in, if it is in one.
    pub(super) dialog: Option<Found>,
    _share: Share,
}

struct State {
    hop: Option<Hop>,
    stop: Stop,
    rings_until: Instant,
    last: Option<Response>,
}

impl Fork {
    pub(super) fn new(
        router: Arc<Router>,
        server: Server,
        from: Hop,
        share: Share,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (events, inbox) = mpsc::channel(EVENTS);
        let request = Arc::new(server.request.clone());
        let limit = router.settings.limits.redirects;
        let fork = Self {
            end: router.end.child_token(),
            redirects: Redirects::new(limit, &request.uri.to_string()),
            router,
            server,
            request,
            from,
            branches: Vec::new(),
            events,
            is_stopped: false,
            dialog: None,
            _share: share,
        };
        (fork, inbox)
    }

    /// Tries these targets, and drives the request to its end.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Event>, targets: Vec<Target>) {
        self.router.begin_call(&self.request, &self.from);
        for target in targets {
            self.try_target(target);
        }
        self.drive(&mut inbox).await;
    }

    /// Sends the request one way that is known already.
    pub(super) async fn run_way(mut self, mut inbox: mpsc::Receiver<Event>, way: Way) {
        let branch = self.branch();
        tokio::spawn(branch.send(way));
        self.drive(&mut inbox).await;
    }

    async fn drive(&mut self, inbox: &mut mpsc::Receiver<Event>) {
        while !self.is_over() {
            let timer_c = self.timer_c();
            tokio::select! {
                event = inbox.recv() => match event {
                    Some(event) => self.on_event(event).await,
                    None => break,
                },
                () = self.server.stop.told(), if !self.is_stopped => {
                    self.stop(self.server.stop.reason());
                }
                () = sleep_until(timer_c) => self.on_timer_c(),
            }
        }
        if self.server.is_answered() {
            self.linger(inbox).await;
        }
    }

    /// Whether nothing more can come of it.
    fn is_over(&self) -> bool {
        self.server.is_answered() && self.branches.iter().all(|branch| branch.last.is_some())
    }

    /// After a 2xx another one may come, until the first has its ACK. What comes later is dealt with by
    /// what is kept of that ACK.
    async fn linger(&mut self, inbox: &mut mpsc::Receiver<Event>) {
        let (unused, _) = mpsc::channel(1);
        self.events = unused;
        loop {
            let event = tokio::select! {
                event = inbox.recv() => event,
                () = self.server.over.cancelled() => None,
            };
            match event {
                Some(Event::Answer(number, response)) => self.on_repeated(number, *response),
                Some(Event::Sent(..)) => {}
                None => return,
            }
        }
    }

    fn branch(&mut self) -> Branch {
        let stop = Stop::default();
        self.branches.push(State {
            hop: None,
            stop: stop.clone(),
            rings_until: Instant::now() + TIMER_C,
            last: None,
        });
        Branch {
            router: Arc::clone(&self.router),
            number: self.branches.len() - 1,
            request: Arc::clone(&self.request),
            from: self.from.clone(),
            is_from_caller: self.is_from_caller(),
            is_call: self.is_call(),
            stop,
            end: self.end.clone(),
            events: self.events.clone(),
        }
    }

    fn try_target(&mut self, target: Target) {
        if self.branches.len() < MAX_BRANCHES {
            let branch = self.branch();
            tokio::spawn(branch.run(target));
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Sent(number, hop, noted) => {
                noted.send(self.on_sent(number, *hop)).ok();
            }
            Event::Answer(number, response) => self.on_answer(number, *response).await,
        }
    }

    /// A branch is about to be sent. False if it may not be.
    fn on_sent(&mut self, number: usize, hop: Hop) -> bool {
        let is_first = self.is_new() && begins_dialog(self.request.method);
        let may = !is_first || self.router.dialogs().begin(now(), &self.request, &self.from, &hop);
        if may {
            self.branches[number].hop = Some(hop);
        }
        may
    }

    async fn on_answer(&mut self, number: usize, response: Response) {
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
        let contact = super::header::contact(response);
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
    fn on_repeated(&mut self, number: usize, response: Response) {
        let known = self.branches[number].last.as_ref().map(to_tag);
        if is_success(&response) && known != Some(to_tag(&response)) {
            self.pass(number, response);
        }
    }

    async fn follow(&mut self, response: &Response) {
        let found = self.redirects.follow(response);
        for uri in found {
            self.redirect(uri).await;
        }
    }

    async fn redirect(&mut self, uri: SipUri) {
        // an address that leads nowhere leaves the redirection as the answer
        if let Ok(targets) = self.router.targets(&uri, &self.from).await {
            for target in targets {
                self.try_target(target);
            }
        }
    }

    /// All branches are told to stop.
    fn stop(&mut self, reason: Option<Header>) {
        self.is_stopped = true;
        for branch in self.branches.iter().filter(|branch| branch.last.is_none()) {
            branch.stop.tell(reason.clone());
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

    /// Whether the request comes from the side that has begun the dialog.
    fn is_from_caller(&self) -> bool {
        self.dialog.as_ref().is_none_or(|found| found.is_forth)
    }

    /// Whether the request begins a call or belongs to one: only those have media.
    fn is_call(&self) -> bool {
        let begins = || self.request.method == Method::Invite;
        self.dialog.as_ref().map_or_else(begins, |found| found.is_call)
    }

    fn is_new(&self) -> bool {
        to_tag(&*self.request).is_none()
    }

    fn timer_c(&self) -> Option<Instant> {
        if self.request.method != Method::Invite || self.is_stopped {
            return None;
        }
        let waiting = self.branches.iter().filter(|branch| branch.last.is_none());
        waiting.map(|branch| branch.rings_until).min()
    }

    fn on_timer_c(&mut self) {
        let now = Instant::now();
        for branch in self.branches.iter_mut().filter(|it| it.last.is_none()) {
            if branch.rings_until <= now {
                branch.rings_until = now + TIMER_C;
                branch.stop.tell(None);
            }
        }
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        self.end.cancel();
        if !self.server.is_answered() {
            self.server.reply(StatusCode::ServerInternalError, Vec::new());
            let code = StatusCode::ServerInternalError.code();
            self.router.end_request(&self.request, &self.from, self.dialog.as_ref(), code);
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
