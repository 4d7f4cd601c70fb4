//! A request that begins something, tried at all its targets at once (RFC 3261 sections 16.6 to 16.8).

mod answers;

use std::sync::Arc;
use std::time::Duration;

use reload_usages::sip::SipUri;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{Header, Method, Request, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::branch::{Branch, Event};
use super::dialogs::Found;
use super::forward::Way;
use super::header::{begins_dialog, to_tag};
use super::hop::Hop;
use super::redirect::Redirects;
use super::router::{Router, now};
use super::server::Server;
use super::shares::Share;
use super::stop::Stop;
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
