//! The task: both sides of the usage, driven by time, by events of the node and by answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reload_config::Configuration;
use reload_net::{RequestFailure, Snapshot, Stopped, TurnServer, turn_answers};
use reload_node::{AskingId, Event, Offer, Request, Response};
use reload_topology::{Phase, TopologyEvent};
use reload_usages::{RecordId, SeekId, TURN_CREDENTIALS, TurnOffering, TurnSeeking};
use reload_wire::{ErrorCode, NodeId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::TurnWish;
use super::serving::{place, public, serve};
use crate::daemon::sleep_until;
use crate::running::{PeerNode, Running};
use crate::units::now;

/// How often the node looks at how others see it.
const LOOK: Duration = Duration::from_secs(10);

/// Servers that are used at a time: another one is there when one goes.
const WANTED: usize = 2;

/// How often a server that is used is asked whether it is there.
const CHECK: Duration = Duration::from_secs(60);

/// No faster than that, whatever a usage says.
const BREATH: Duration = Duration::from_millis(20);

/// What a request was made for.
#[derive(Clone, Copy, Debug)]
enum Made {
    Record(RecordId),
    Seek(SeekId),
}

type Finished = (Made, Result<Response, RequestFailure>);

/// What ended the wait.
enum Input {
    Finished(Finished),
    Checked(SocketAddr, bool),
    Event(Event),
    Look,
    Due,
    Stop,
}

/// The usage at work.
pub(super) struct Work {
    node: Running,
    wish: TurnWish,
    /// Whether it looks for servers of others.
    seeks: bool,
    server: Option<TurnServer>,
    offering: TurnOffering,
    seeking: TurnSeeking,
    requests: JoinSet<Finished>,
    /// Stores of records under way.
    storing: usize,
    /// Whether servers that are used can be reached.
    checks: JoinSet<(SocketAddr, bool)>,
    next_check: Instant,
    events: Receiver<Event>,
    look: Interval,
}

impl Work {
    pub(super) async fn new(
        node: Running,
        wish: TurnWish,
        bound: Option<TurnServer>,
        seeks: bool,
    ) -> Result<Self, Stopped> {
        let events = node.handle().events()?;
        let seeds: [[u8; 32]; 2] = rand::random();
        let make = move |running: &mut PeerNode, now| {
            let configuration = Arc::clone(running.configuration());
            let id = running.node_id();
            let hash = |name: &[u8]| running.resource_id(name);
            let offering = TurnOffering::new(now, &configuration, id, hash, seeds[0]);
            (offering, TurnSeeking::new(now, &configuration, id, seeds[1]))
        };
        let (offering, seeking) = node.handle().with(make).await?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            node,
            wish,
            seeks,
            server: bound,
            offering,
            seeking,
            requests: JoinSet::new(),
            storing: 0,
            checks: JoinSet::new(),
            next_check: Instant::now(),
            events,
            look,
        })
    }

    /// Works until the node stops, or is about to leave.
    pub(super) async fn run(&mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            self.ask();
            if self.tell().await.is_err() {
                return;
            }
            let wakeup = self.wakeup();
            let input = tokio::select! {
                _ = &mut stopped => Input::Stop,
                Some(finished) = self.requests.join_next() => match finished {
                    Ok((_, Err(RequestFailure::Stopped(_)))) | Err(_) => return,
                    Ok(finished) => Input::Finished(finished),
                },
                Some(checked) = self.checks.join_next() => match checked {
                    Ok((server, answers)) => Input::Checked(server, answers),
                    Err(_) => return,
                },
                event = self.events.recv() => match event {
                    Ok(event) => Input::Event(event),
                    Err(RecvError::Lagged(_)) => Input::Look,
                    Err(RecvError::Closed) => return,
                },
                _ = self.look.tick() => Input::Look,
                () = sleep_until(wakeup) => Input::Due,
            };
            let done = match input {
                Input::Finished((made, result)) => {
                    self.on_finished(made, result);
                    Ok(())
                }
                Input::Checked(server, answers) => {
                    self.on_checked(server, answers);
                    Ok(())
                }
                Input::Event(event) => self.on_event(event).await,
                Input::Look => self.look().await,
                Input::Due => Ok(()),
                Input::Stop => return self.end().await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// Makes the requests that are due.
    fn ask(&mut self) {
        let now = now();
        while let Some((record, request)) = self.offering.poll_request(now) {
            self.storing += 1;
            self.request(Made::Record(record), request);
        }
        while let Some((seek, request)) = self.seeking.poll_request(now) {
            self.request(Made::Seek(seek), request);
        }
    }

    fn request(&mut self, made: Made, request: Request) {
        let node = self.node.clone();
        self.requests.spawn(async move { (made, node.try_request(request).await) });
    }

    fn on_finished(&mut self, made: Made, result: Result<Response, RequestFailure>) {
        if let Err(error) = &result {
            tracing::debug!(?made, "for the TURN usage: {error}");
        }
        let reply = result.ok().map(|response| response.reply);
        match made {
            Made::Record(record) => {
                self.storing = self.storing.saturating_sub(1);
                self.offering.handle_finished(now(), record, reply.as_ref());
                let records = self.offering.stored();
                self.node.note(|notes| notes.turn.records = records);
            }
            Made::Seek(seek) => self.seeking.handle_finished(now(), seek, reply),
        }
    }

    /// Hands logins that have changed to the links.
    async fn tell(&mut self) -> Result<(), Stopped> {
        let Some(logins) = self.seeking.poll_change() else { return Ok(()) };
        let servers = self.seeking.servers();
        tracing::info!(?servers, "TURN servers of the overlay for this node");
        let used = servers.into_iter().map(|(node, server)| (Some(node), server)).collect();
        self.node.note(|notes| notes.turn.used = used);
        self.check();
        self.node.handle().set_turn_servers(logins).await
    }

    /// A login is of no use where the server can't be reached, whatever its peer says.
    fn check(&mut self) {
        self.next_check = Instant::now() + CHECK;
        if self.checks.is_empty() {
            for (_, server) in self.seeking.servers() {
                self.checks.spawn(async move { (server, turn_answers(server).await) });
            }
        }
    }

    fn on_checked(&mut self, server: SocketAddr, answers: bool) {
        if !answers {
            tracing::info!(%server, "the TURN server does not answer");
            self.seeking.handle_failed(now(), server);
        }
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Stopped> {
        match event {
            Event::Asked { asking, node, application: TURN_CREDENTIALS } => {
                self.on_asked(asking, node).await
            }
            Event::LinkDown { node, .. } => {
                self.seeking.handle_link_down(now(), node);
                Ok(())
            }
            Event::Topology(TopologyEvent::Joined) => self.look().await,
            Event::Configured { .. } => {
                let configuration = self.configuration().await?;
                self.offering.set_configuration(&configuration);
                self.seeking.set_configuration(&configuration);
                self.look().await
            }
            _ => Ok(()),
        }
    }

    async fn configuration(&self) -> Result<Arc<Configuration>, Stopped> {
        self.node.handle().with(|node, _| Arc::clone(node.configuration())).await
    }

    /// A node wants a login (E104): the server knows it before the node does.
    async fn on_asked(&mut self, asking: AskingId, node: NodeId) -> Result<(), Stopped> {
        let answer = match (self.offering.grant(now(), node), &self.server) {
            (Ok(grant), Some(server)) => {
                let (name, password) = (grant.username, grant.password);
                let added = server.add_user(name, password, grant.lifetime).await;
                if added { Ok(grant.answer) } else { Err(ErrorCode::FORBIDDEN) }
            }
            (Ok(_), None) => Err(ErrorCode::NOT_FOUND),
            (Err(code), _) => Err(code),
        };
        tracing::debug!(%node, granted = answer.is_ok(), "asked for a TURN login");
        let handle = self.node.handle();
        handle.with(move |node, now| node.answer_application(now, asking, answer)).await
    }

    /// Serves or not, and seeks or not, by how the node stands now.
    async fn look(&mut self) -> Result<(), Stopped> {
        let snapshot = self.node.handle().snapshot().await?;
        let no_ice = self.configuration().await?.no_ice;
        let phase = snapshot.status.view.phase;
        if !matches!(phase, Phase::Peer | Phase::Client) {
            return Ok(());
        }
        for server in &snapshot.turn_failed {
            tracing::info!(%server, "the TURN server does not relay to this node");
            self.seeking.handle_failed(now(), *server);
        }
        let peer = phase == Phase::Peer && !no_ice;
        self.serve(&snapshot, peer).await?;
        let helped = self.server.is_some() || public(&snapshot).is_some();
        let wanted = if self.seeks && !helped && !no_ice { WANTED } else { 0 };
        self.seeking.set_wanted(now(), wanted);
        if self.next_check <= Instant::now() {
            self.check();
        }
        Ok(())
    }

    /// A server that runs at the right address goes on.
    async fn serve(&mut self, snapshot: &Snapshot, peer: bool) -> Result<(), Stopped> {
        let wanted = place(self.wish, snapshot).filter(|_| peer);
        if self.server.as_ref().map(|it| it.address().ip()) != wanted.map(|it| it.ip()) {
            let overlay = self.node.configuration().instance_name.clone();
            self.server = wanted.and_then(|place| match serve(self.wish, place, &overlay) {
                Ok(server) => Some(server),
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!("this node does not serve TURN: {error:#}");
                    None
                }
            });
        }
        self.announce().await
    }

    /// Tells the overlay, and those who ask, what there is.
    async fn announce(&mut self) -> Result<(), Stopped> {
        let address = self.server.as_ref().map(TurnServer::address);
        let before = self.node.notes().turn.server.as_ref().map(TurnServer::address);
        self.offering.set_address(address);
        if address == before {
            return Ok(());
        }
        match address {
            Some(address) => tracing::info!("serving TURN at {address}"),
            None => tracing::info!("serving TURN no more"),
        }
        let server = self.server.clone();
        self.node.note(|notes| notes.turn.server = server);
        let offered = address.is_some();
        let offer = move |node: &mut PeerNode, _| match offered {
            true => node.offer(TURN_CREDENTIALS, Offer::Ask),
            false => node.withdraw(TURN_CREDENTIALS),
        };
        self.node.handle().with(offer).await
    }

    fn wakeup(&self) -> Option<Instant> {
        let due = self.offering.wakeup().into_iter().chain(self.seeking.wakeup()).min();
        due.map(|due| due.max(Instant::now() + BREATH))
    }

    /// Removes the records; the caller limits the time.
    async fn end(&mut self) {
        self.seeking.set_wanted(now(), 0);
        self.server = None;
        if self.announce().await.is_err() {
            return;
        }
        self.ask();
        while self.offering.stored() > 0 || self.storing > 0 {
            let Some(Ok((made, result))) = self.requests.join_next().await else { return };
            self.on_finished(made, result);
            self.ask();
        }
    }
}
