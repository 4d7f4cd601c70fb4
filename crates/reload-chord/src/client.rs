//! Clients (section 4.2): a client that can be dialled stays attached to the peer that is responsible
//! for its Node-ID and follows that peer's Updates, one that cannot stays at its bootstrap peer. A
//! client is never responsible and sends no Updates.

use std::time::Duration;

use reload_topology::{Action, Failure, Phase, TopologyEvent};
use reload_wire::{Destination, ResourceId};

use crate::chord::{Chord, Role, Stage};
use crate::ring::{Position, clockwise, node};
use crate::tasks::Task;
use crate::timer::Timer;
use crate::update::View;

/// Attempts at finding the responsible peer (ours).
const ATTEMPTS: u32 = 6;

/// A client on its way or at its place.
#[derive(Debug)]
pub(crate) struct Client {
    bootstrap: Position,
    home: Home,
    attempts: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Home {
    /// The Attach to the own Node-ID as a Resource-ID runs or will be repeated.
    Searched,
    /// Settled here.
    At(Position),
}

impl Client {
    pub(crate) fn phase(&self) -> Phase {
        match self.home {
            Home::Searched => Phase::Joining,
            Home::At(_) => Phase::Client,
        }
    }
}

impl Chord {
    pub(crate) fn settle_at(&mut self, bootstrap: Position) {
        if !self.links.is_up(bootstrap) {
            self.stage = Stage::Idle;
            return self.event(TopologyEvent::JoinFailed { step: "connect to the bootstrap peer" });
        }
        let home = match self.role {
            Role::Client { dialable: false } => Home::At(bootstrap),
            _ => Home::Searched,
        };
        let settled = home != Home::Searched;
        self.stage = Stage::Client(Client { bootstrap, home, attempts: 0 });
        self.event(TopologyEvent::Joining { step: "bootstrap", node: Some(node(bootstrap)) });
        if settled {
            self.event(TopologyEvent::Joined);
        } else {
            self.find_home();
        }
    }

    /// Attach to the peer responsible for the own Node-ID (section 4.2.1, first way).
    fn find_home(&mut self) {
        if self.tasks.runs(|task| *task == Task::FindPeer) {
            return;
        }
        let to = vec![Destination::Resource(ResourceId::from_u128(self.me))];
        let task = self.tasks.start(Task::FindPeer);
        self.actions.push_back(Action::Attach { task, to, send_update: true });
    }

    pub(crate) fn on_home_found(&mut self, result: Result<Position, Failure>) {
        let Stage::Client(client) = &mut self.stage else {
            return;
        };
        match result {
            Ok(peer) => {
                let news = client.home == Home::Searched;
                client.home = Home::At(peer);
                client.attempts = 0;
                self.links.up(peer);
                let changed = TopologyEvent::Changed;
                self.event(if news { TopologyEvent::Joined } else { changed });
            }
            Err(_) => self.retry_home(),
        }
    }

    fn retry_home(&mut self) {
        let Stage::Client(client) = &mut self.stage else {
            return;
        };
        client.attempts += 1;
        let attempts = client.attempts;
        if attempts > ATTEMPTS && client.home == Home::Searched {
            self.stage = Stage::Idle;
            let step = "attach to the responsible peer";
            return self.event(TopologyEvent::JoinFailed { step });
        }
        let pause = self.jitter(Duration::from_millis(500 << attempts.min(ATTEMPTS)));
        self.timers.set(Timer::Join, self.now() + pause);
    }

    pub(crate) fn on_client_timer(&mut self) {
        self.find_home();
    }

    /// The Update of the home peer may show that another is responsible now (section 4.2.1).
    pub(crate) fn on_update_as_client(&mut self, from: Position, view: &View) {
        let Stage::Client(client) = &self.stage else {
            return;
        };
        if client.home != Home::At(from) || self.role != (Role::Client { dialable: true }) {
            return;
        }
        let nearer = |peer: &Position| clockwise(self.me, *peer) < clockwise(self.me, from);
        if view.predecessor_of(from).as_ref().is_some_and(nearer) {
            self.find_home();
        }
    }

    pub(crate) fn on_link_lost_as_client(&mut self, peer: Position) {
        let Stage::Client(client) = &mut self.stage else {
            return;
        };
        if client.home != Home::At(peer) {
            return;
        }
        let others = self.links.connected();
        let Some(next) = others.iter().copied().find(|other| *other != peer) else {
            if !self.links.is_linked(peer) {
                self.stage = Stage::Idle;
                self.event(TopologyEvent::Isolated);
            }
            return;
        };
        client.bootstrap = next;
        client.home = Home::At(next);
        if self.role == (Role::Client { dialable: true }) {
            self.find_home();
        }
    }

    /// The peer to which a client sends everything that it has no link for.
    pub(crate) fn client_gateway(&self) -> Option<Position> {
        let Stage::Client(client) = &self.stage else {
            return None;
        };
        let home = match client.home {
            Home::At(peer) => peer,
            Home::Searched => client.bootstrap,
        };
        let any = || self.links.connected().first().copied();
        Some(home).filter(|peer| self.links.is_up(*peer)).or_else(any)
    }
}
