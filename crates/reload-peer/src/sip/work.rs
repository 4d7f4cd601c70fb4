//! The task that keeps the registration of this node's user: it drives [`SipRegistering`], keeps its state
//! in the home, and stores either this node, as long as a phone is registered here, or a forward.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reload_config::Configuration;
use reload_node::{Reply, RequestError};
use reload_sip_proxy::OverlayError;
use reload_usages::sip::{
    ContactPrefs, RegisterError, RegisterId, RegisterOutput, RegisterRequestId, Scheme, SipContact,
    SipRegistering,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::lookup::reply;
use super::registration::{Done, Order, Picture};
use super::saved::Saved;
use crate::daemon::sleep_until;
use crate::home::Home;
use crate::running::{Notes, Running};
use crate::units::now;

/// Seconds that a forward lives when nobody refreshes it: a day, so that it stands while a machine is off.
const FORWARD: u32 = 86_400;

type Answer = (Done, Result<u32, OverlayError>);

/// The task.
pub(super) struct Work {
    node: Running,
    home: Home,
    usage: SipRegistering,
    configuration: Arc<Configuration>,
    /// The only scheme that others are to use, where it is one.
    wants: Option<Scheme>,
    phones: Option<Phones>,
    forward: Option<String>,
    waiting: BTreeMap<RegisterId, Done>,
    leaving: Option<Done>,
    requests: JoinSet<(RegisterRequestId, Result<Reply, RequestError>)>,
    /// What is answered when the home has it, so that nothing that was answered is lost in a crash.
    answers: Vec<Answer>,
    /// At most one write, with the answers that wait for it.
    writing: JoinSet<Vec<Answer>>,
    unwritten: bool,
    picture: watch::Sender<Picture>,
}

/// The phones as the proxy has told of them last.
#[derive(Clone, Copy, Debug)]
struct Phones {
    until: Instant,
    wants: Option<Scheme>,
}

impl Work {
    /// With what an earlier run has left in the home.
    pub(super) fn new(
        node: Running,
        home: Home,
        wants: Option<Scheme>,
        picture: watch::Sender<Picture>,
    ) -> Result<Self, RegisterError> {
        let configuration = node.configuration();
        let (certificate, id) = (Arc::clone(node.certificate()), node.node_id());
        let hash = reload_chord::resource_id;
        let mut usage = SipRegistering::new(now(), &configuration, &certificate, id, hash)?;
        let saved = Saved::read(&home);
        if let Some(saved) = &saved {
            usage.handle_restart(now(), &saved.state);
        }
        Ok(Self {
            node,
            home,
            usage,
            configuration,
            wants,
            phones: None,
            forward: saved.and_then(|saved| saved.forward),
            waiting: BTreeMap::new(),
            leaving: None,
            requests: JoinSet::new(),
            answers: Vec::new(),
            writing: JoinSet::new(),
            unwritten: false,
            picture,
        })
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut noted = self.node.noted();
        loop {
            self.drain();
            self.write_down();
            if self.is_over() {
                return;
            }
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.on_order(order),
                    None => return,
                },
                Some(finished) = self.requests.join_next() => match finished {
                    Ok((id, result)) => self.on_finished(id, result),
                    Err(_) => return, // the runtime ends
                },
                Some(Ok(answers)) = self.writing.join_next() => {
                    for (done, result) in answers {
                        // whoever asked may have gone away
                        let _ = done.send(result);
                    }
                }
                Ok(()) = noted.changed() => self.on_noted(&mut noted),
                () = sleep_until(self.usage.wakeup()) => {}
            }
        }
    }

    fn on_order(&mut self, order: Order) {
        let (result, done) = match order {
            Order::Register { expires, wants, done } => (self.on_register(expires, wants), done),
            Order::Forward { to, done } => (self.on_forward(to), done),
            Order::Leave { done } => {
                self.leaving = Some(done);
                return self.on_leave();
            }
        };
        match result {
            Ok(Asked::Stored(id)) => drop(self.waiting.insert(id, done)),
            // whoever asked may have gone away
            Ok(Asked::Nothing(seconds)) => drop(done.send(Ok(seconds))),
            Err(error) => drop(done.send(Err(refused(&error)))),
        }
    }

    fn on_register(&mut self, expires: u32, wants: Option<Scheme>) -> Result<Asked, RegisterError> {
        let until = now().mono + Duration::from_secs(u64::from(expires));
        self.phones = (expires > 0).then_some(Phones { until, wants });
        if self.forward.is_some() {
            return Ok(Asked::Nothing(expires));
        }
        self.store_node(expires)
    }

    fn on_forward(&mut self, to: Option<String>) -> Result<Asked, RegisterError> {
        let Some(to) = to else {
            self.forward = None;
            self.unwritten = true;
            let left = |phones: Phones| phones.until.saturating_duration_since(now().mono);
            let left = self.phones.map_or(Duration::ZERO, left);
            return self.store_node(u32::try_from(left.as_secs()).unwrap_or(u32::MAX));
        };
        let contact = SipContact::forward(&to).map_err(RegisterError::UserName)?;
        let id = self.usage.handle_keep(now(), &contact, FORWARD)?;
        self.forward = Some(to);
        self.unwritten = true;
        Ok(Asked::Stored(id))
    }

    fn on_leave(&mut self) {
        let is_there = self.usage.state(now()).record.is_some_and(|it| it.value.is_some());
        if self.forward.is_none() && is_there {
            // what keeps it from being removed will keep it from being stored again
            let _ = self.usage.handle_unregister(now());
        }
        self.unwritten = true;
    }

    /// Whether the node may leave: a removal is done, and the home has it.
    fn is_over(&mut self) -> bool {
        let removing = self.forward.is_none() && self.usage.state(now()).record.is_some();
        if removing || self.unwritten || !self.writing.is_empty() {
            return false;
        }
        let leaving = self.leaving.take();
        // whoever asked may have gone away
        leaving.map(|done| done.send(Ok(0))).is_some()
    }

    /// This node for so many seconds; 0 removes it.
    fn store_node(&mut self, expires: u32) -> Result<Asked, RegisterError> {
        let wants = self.wants.or(self.phones.and_then(|phones| phones.wants));
        let prefs = wants.map_or_else(ContactPrefs::none, ContactPrefs::only);
        let contact = SipContact::node(&prefs, self.node.node_id());
        self.usage.handle_register(now(), &contact, expires).map(Asked::Stored)
    }

    /// Does what the usage wants done.
    fn drain(&mut self) {
        while let Some(output) = self.usage.poll_output(now()) {
            match output {
                RegisterOutput::Request(id, request) => {
                    let node = self.node.clone();
                    self.requests
                        .spawn(async move { (id, reply(node.try_request(request).await)) });
                }
                RegisterOutput::Finished(id, result) => {
                    self.unwritten = true;
                    if let Some(done) = self.waiting.remove(&id) {
                        self.answers.push((done, result.map_err(|error| refused(&error))));
                    }
                }
                RegisterOutput::Ended(error) => {
                    tracing::info!("the SIP registration has ended: {error}");
                    self.phones = None;
                    self.unwritten = true;
                }
            }
        }
        self.show();
    }

    fn on_finished(&mut self, id: RegisterRequestId, result: Result<Reply, RequestError>) {
        let stored = match &result {
            Ok(Reply::Stored(_)) => Some(Ok(())),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!("the SIP registration is not stored yet: {error}");
                Some(Err(error.to_string()))
            }
        };
        self.usage.handle_finished(now(), id, result);
        if let Some(stored) = stored {
            self.picture.send_if_modified(|picture| {
                picture.stored = stored.is_ok();
                picture.failure = stored.err();
                true
            });
        }
    }

    fn on_noted(&mut self, noted: &mut watch::Receiver<Notes>) {
        let configuration = Arc::clone(&noted.borrow_and_update().configuration);
        if !Arc::ptr_eq(&configuration, &self.configuration) {
            self.usage.handle_configuration(&configuration);
            self.configuration = configuration;
        }
    }

    /// Keeps the picture up to date.
    fn show(&self) {
        let record = self.usage.state(now()).record.filter(|record| record.value.is_some());
        self.picture.send_if_modified(|picture| {
            let before = picture.clone();
            picture.stored &= record.is_some();
            picture.ends = record.as_ref().map(|record| record.ends);
            picture.forward.clone_from(&self.forward);
            *picture != before
        });
    }

    /// Writes the state to the home, beside the work; what comes meanwhile is written next.
    fn write_down(&mut self) {
        if !self.unwritten || !self.writing.is_empty() {
            return;
        }
        self.unwritten = false;
        let saved = Saved { state: self.usage.state(now()), forward: self.forward.clone() };
        let (home, answers) = (self.home.clone(), std::mem::take(&mut self.answers));
        self.writing.spawn_blocking(move || {
            if let Err(error) = saved.write(&home) {
                tracing::warn!("{error:#}");
            }
            answers
        });
    }
}

/// What an order has come to.
enum Asked {
    /// A Store, which is waited for.
    Stored(RegisterId),
    /// Nothing is to be stored; the seconds that hold all the same.
    Nothing(u32),
}

/// Why there is no registration, as a phone is told.
fn refused(error: &RegisterError) -> OverlayError {
    let text = error.to_string();
    match error {
        RegisterError::Busy | RegisterError::Expired | RegisterError::NotMade => {
            OverlayError::NotReached(text)
        }
        RegisterError::Request(RequestError::Leaving) => OverlayError::Stopped,
        RegisterError::Request(RequestError::Refused { .. } | RequestError::TooLarge { .. }) => {
            OverlayError::Refused(text)
        }
        RegisterError::Request(_) => OverlayError::NotReached(text),
        RegisterError::NoUser
        | RegisterError::UserName(_)
        | RegisterError::NoKind
        | RegisterError::Domain(_)
        | RegisterError::Encoding(_) => OverlayError::Refused(text),
    }
}
