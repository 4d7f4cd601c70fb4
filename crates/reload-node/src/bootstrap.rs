//! Finding a way into the overlay: bootstrap nodes and cached peers, one after the other (11.4).

use std::net::SocketAddr;
use std::time::Duration;

use reload_storage::Store;
use reload_topology::{Input, Topology, TopologyEvent};
use reload_wire::{NodeId, Now};

use crate::timer::Timer;
use crate::{Event, LinkId, Node, Output, Plan, Security, Start, Way};

/// How long one bootstrap address may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pauses between rounds grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where the search stands.
#[derive(Debug, Default)]
enum State {
    /// No search.
    #[default]
    Idle,
    /// The address at this place of the list is being dialled.
    Dialling { at: usize, link: LinkId },
    /// The link is up and the join under way. The refusal of a TLS 1.3 server comes only now.
    Joining { at: usize, link: LinkId, node: NodeId },
    /// All were tried in vain; the timer starts the next round.
    Pausing,
}

/// The search for a bootstrap node.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    start: Start,
    state: State,
    pause: Duration,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { start: Start::default(), state: State::Idle, pause: Duration::from_secs(1) }
    }
}

impl Bootstrap {
    /// The addresses that lead into the overlay, as far as known.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.start.bootstrap
    }

    /// Whether this is the link to the address that is tried now.
    pub(crate) fn is_dialling(&self, link: LinkId) -> bool {
        matches!(self.state, State::Dialling { link: dialled, .. } if dialled == link)
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    pub(crate) fn set_out(&mut self, now: Now, start: Start) {
        self.bootstrap.start = start;
        self.dial_bootstrap(now, 0);
    }

    fn dial_bootstrap(&mut self, now: Now, at: usize) {
        let Some(address) = self.bootstrap.start.bootstrap.get(at).copied() else {
            return self.end_round(now);
        };
        let link = self.links.plan();
        self.bootstrap.state = State::Dialling { at, link };
        let deadline = now.mono + PATIENCE;
        let plan =
            Plan { way: Way::bootstrap(address), security: Security::Handshake(None), deadline };
        self.outputs.push_back(Output::Connect(link, plan));
    }

    /// No address led anywhere.
    fn end_round(&mut self, now: Now) {
        if self.bootstrap.start.first {
            // once founded, the overlay is never founded again by this node
            self.bootstrap.start.first = false;
            self.bootstrap.state = State::Idle;
            return self.topology.handle_input(now, Input::Found);
        }
        let pause = self.bootstrap.pause;
        self.bootstrap.pause = (pause * 2).min(LONGEST_PAUSE);
        self.bootstrap.state = State::Pausing;
        self.timers.set(Timer::Bootstrap, now.mono + pause);
        let tried = self.bootstrap.start.bootstrap.len();
        self.emit(Event::NoBootstrap { tried, again_in: pause.as_secs() });
    }

    pub(crate) fn on_bootstrap_timer(&mut self, now: Now) {
        if matches!(self.bootstrap.state, State::Pausing) && !self.leaving {
            self.dial_bootstrap(now, 0);
        }
    }

    /// A link is up: if it is the one to the bootstrap node, the join begins.
    pub(crate) fn on_bootstrap_up(&mut self, now: Now, link: LinkId, node: NodeId) {
        let State::Dialling { at, link: dialled } = self.bootstrap.state else {
            return;
        };
        if dialled == link {
            self.bootstrap.state = State::Joining { at, link, node };
            self.topology.handle_input(now, Input::Join { bootstrap: node });
        }
    }

    pub(crate) fn on_bootstrap_down(&mut self, now: Now, link: LinkId, reason: &str) {
        let at = match self.bootstrap.state {
            State::Dialling { at, link: dialled } if dialled == link => at,
            State::Joining { at, link: dialled, node }
                if dialled == link && self.links.to_node(&node).is_none() =>
            {
                at
            }
            _ => return,
        };
        if let Some(address) = self.bootstrap.start.bootstrap.get(at).copied() {
            self.emit(Event::BootstrapFailed { address, reason: reason.to_owned() });
        }
        if self.leaving {
            self.bootstrap.state = State::Idle;
        } else {
            self.dial_bootstrap(now, at + 1);
        }
    }

    /// The plug-in told something; a node without a place looks for a way in again.
    pub(crate) fn on_topology_event(&mut self, now: Now, event: TopologyEvent) {
        let lost = matches!(event, TopologyEvent::JoinFailed { .. } | TopologyEvent::Isolated);
        if event == TopologyEvent::Joined {
            self.bootstrap.start.first = false;
            self.bootstrap.state = State::Idle;
            self.bootstrap.pause = Duration::from_secs(1);
            self.remember_peers();
            self.begin_lookout(now);
        }
        self.emit(Event::Topology(event));
        if let (true, State::Joining { at, .. }) = (lost && !self.leaving, &self.bootstrap.state) {
            // it led to a peer without a place, or to nobody
            let next = at + 1;
            return self.dial_bootstrap(now, next);
        }
        let searching = matches!(self.bootstrap.state, State::Dialling { .. } | State::Pausing);
        if lost && !self.leaving && !searching {
            self.bootstrap.state = State::Pausing;
            self.timers.set(Timer::Bootstrap, now.mono + self.bootstrap.pause);
        }
    }

    /// Peers with a link are ways back in, behind those that were given (section 11.4).
    fn remember_peers(&mut self) {
        let known: Vec<SocketAddr> = self.links.dialled().map(|(_, remote)| remote).collect();
        for address in known {
            let list = &mut self.bootstrap.start.bootstrap;
            if list.len() < 32 && !list.contains(&address) {
                list.push(address);
            }
        }
    }
}
