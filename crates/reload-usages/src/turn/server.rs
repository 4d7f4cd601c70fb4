//! One TURN server of another peer: a link to it, a login, and the login again before it ends (E104).

use std::time::{Duration, Instant};

use reload_ice::TurnLogin;
use reload_node::{Reply, Request};
use reload_wire::{AppAttachReqAns, Destination, NodeId, Now};

use super::{LOGIN_LIFETIME, TURN_CREDENTIALS};

/// A login is asked for again when so much of its time is over.
const RENEWAL: Duration = Duration::from_secs(2700);

/// The pause after a renewal that failed.
const RETRY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Server {
    pub(super) node: NodeId,
    /// The login, and until when it holds.
    login: Option<(TurnLogin, Instant)>,
    step: Step,
    /// It may be gone: if it does not answer now, it is of no use, whatever its login says.
    doubted: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// An Attach is due then: what is asked and told goes over a link of our own to the server, and
    /// nobody else reads it.
    Attach(Instant),
    Attaching,
    /// An AppAttach is due.
    Ask,
    Asking,
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on.
    Same,
    /// There is a login, or another one.
    Login,
    /// It is of no use.
    Useless,
}

impl Server {
    pub(super) fn new(node: NodeId, at: Instant) -> Self {
        Self { node, login: None, step: Step::Attach(at), doubted: false }
    }

    pub(super) fn poll_request(&mut self, now: Now) -> Option<Request> {
        let to = vec![Destination::Node(self.node)];
        match self.step {
            Step::Attach(at) if at <= now.mono => {
                self.step = Step::Attaching;
                Some(Request::Attach { to })
            }
            Step::Ask => {
                self.step = Step::Asking;
                let (application, connect) = (TURN_CREDENTIALS, false);
                Some(Request::AppAttach { to, application, connect })
            }
            _ => None,
        }
    }

    pub(super) fn handle_finished(&mut self, now: Now, reply: Option<Reply>) -> Outcome {
        match (self.step, reply) {
            (Step::Attaching, Some(Reply::Attached(_))) => {
                self.step = Step::Ask;
                Outcome::Same
            }
            (Step::Asking, Some(Reply::AppAnswered(answer))) => match login_of(&answer) {
                Some(login) => self.renewed(now, login),
                None => self.retry(now),
            },
            (Step::Attaching | Step::Asking, _) => self.retry(now),
            (Step::Attach(_) | Step::Ask, _) => Outcome::Same, // answers nothing that was asked
        }
    }

    /// The link to it is lost.
    pub(super) fn doubt(&mut self, now: Now) {
        self.doubted = true;
        if let Step::Attach(at) = &mut self.step {
            *at = now.mono;
        }
    }

    fn renewed(&mut self, now: Now, login: TurnLogin) -> Outcome {
        self.doubted = false;
        let is_new = self.login.as_ref().is_none_or(|(known, _)| *known != login);
        self.login = Some((login, now.mono + LOGIN_LIFETIME));
        self.step = Step::Attach(now.mono + RENEWAL);
        if is_new { Outcome::Login } else { Outcome::Same }
    }

    /// Without a login another server is better than this one again.
    fn retry(&mut self, now: Now) -> Outcome {
        self.step = Step::Attach(now.mono + RETRY);
        if self.is_good(now) && !self.doubted { Outcome::Same } else { Outcome::Useless }
    }

    /// Whether it has a login that still holds.
    pub(super) fn is_good(&self, now: Now) -> bool {
        self.login.as_ref().is_some_and(|(_, until)| *until > now.mono)
    }

    /// Whether its login has ended.
    pub(super) fn is_over(&self, now: Now) -> bool {
        self.login.is_some() && !self.is_good(now)
    }

    pub(super) fn login(&self) -> Option<&TurnLogin> {
        self.login.as_ref().map(|(login, _)| login)
    }

    pub(super) fn wakeup(&self) -> Option<Instant> {
        let step = match self.step {
            Step::Attach(at) => Some(at),
            Step::Attaching | Step::Ask | Step::Asking => None,
        };
        step.into_iter().chain(self.login.as_ref().map(|(_, until)| *until)).min()
    }
}

/// User name and password stand in the fields of ICE, the server is the one candidate (E104).
fn login_of(answer: &AppAttachReqAns) -> Option<TurnLogin> {
    let [candidate] = &answer.candidates[..] else { return None };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().filter(|it| !it.is_empty());
    Some(TurnLogin {
        server: candidate.addr_port.socket_addr()?,
        username: text(&answer.ufrag)?,
        password: text(&answer.password)?,
    })
}
