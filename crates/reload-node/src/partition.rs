//! Has the overlay come apart? A peer looks for bootstrap nodes again now and then, as if it were to
//! join, and lets the topology plug-in ask one of them for its own place (section 10.7.4.4).

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use reload_storage::Store;
use reload_topology::{Input, Phase, Topology};
use reload_wire::{NodeId, Now};

use crate::timer::Timer;
use crate::{LinkId, Node, Output, Plan, Role, Security, Way};

/// The shortest pause between two looks; up to as much again is added by chance.
const PAUSE: Duration = Duration::from_secs(45);

/// How long a dial may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a link that was dialled for the look is kept, if nothing else needs it.
const KEPT: Duration = Duration::from_secs(20);

/// The pause before a look at the place of a peer that is gone; up to as much again by chance.
const SOON: Duration = Duration::from_secs(3);

/// The look for another part of the overlay.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    /// Where a peer was to be reached that is gone: it may have come back alone.
    gone: Option<SocketAddr>,
    /// It has joined, and looks around regularly.
    regular: bool,
    /// The link that is being dialled for it.
    dialling: Option<LinkId>,
    /// The link that was dialled for it, and the node it led to.
    kept: Option<(LinkId, NodeId)>,
}

impl Lookout {
    /// Whether this link is being dialled for a look.
    pub(crate) fn is_dialling(&self, link: LinkId) -> bool {
        self.dialling == Some(link)
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// This node has become a peer: it looks around from now on.
    pub(crate) fn begin_lookout(&mut self, now: Now) {
        self.lookout.regular = self.role == Role::Peer;
        self.look_again(now);
    }

    fn look_again(&mut self, now: Now) {
        if self.lookout.regular {
            let pause = PAUSE + PAUSE.mul_f64(self.rng.random());
            self.timers.set(Timer::Lookout, now.mono + pause);
        }
    }

    /// A peer that was dialled at this address is gone. Started again, it may have founded an overlay
    /// of its own.
    pub(crate) fn look_after(&mut self, now: Now, address: SocketAddr) {
        if self.topology.view().phase == Phase::Peer && !self.leaving {
            self.lookout.gone = Some(address);
            let pause = SOON + SOON.mul_f64(self.rng.random());
            self.timers.set(Timer::Lookout, now.mono + pause);
        }
    }

    pub(crate) fn on_lookout_timer(&mut self, now: Now) {
        if self.leaving {
            return;
        }
        self.look_again(now);
        let is_peer = self.topology.view().phase == Phase::Peer;
        let Some(address) = self.some_bootstrap_address().filter(|_| is_peer) else { return };
        let known = self.links.dialled().find(|(_, remote)| *remote == address);
        match known {
            Some((node, _)) => self.look_through(now, node),
            None => self.dial_lookout(now, address),
        }
    }

    fn some_bootstrap_address(&mut self) -> Option<SocketAddr> {
        if let Some(address) = self.lookout.gone.take() {
            return Some(address);
        }
        let addresses = self.bootstrap.addresses();
        let count = addresses.len();
        let at = (count > 0).then(|| self.rng.random_range(0..count))?;
        self.bootstrap.addresses().get(at).copied()
    }

    fn dial_lookout(&mut self, now: Now, address: SocketAddr) {
        let link = self.links.plan();
        self.lookout.dialling = Some(link);
        let deadline = now.mono + PATIENCE;
        let plan =
            Plan { way: Way::bootstrap(address), security: Security::Handshake(None), deadline };
        self.outputs.push_back(Output::Connect(link, plan));
    }

    /// To a settled peer, a bootstrap node is one to ask for its own place.
    fn look_through(&mut self, now: Now, node: NodeId) {
        self.topology.handle_input(now, Input::Join { bootstrap: node });
    }

    /// A link is up: if it was dialled for the look, the look begins.
    pub(crate) fn on_lookout_up(&mut self, now: Now, link: LinkId, node: NodeId, new: bool) {
        if self.lookout.dialling != Some(link) {
            return;
        }
        self.lookout.dialling = None;
        if new {
            self.lookout.kept = Some((link, node));
            self.timers.set(Timer::LookoutEnd, now.mono + KEPT);
        }
        self.look_through(now, node);
    }

    /// Closes the link that was dialled for the look, unless the node is in the tables now.
    pub(crate) fn on_lookout_end(&mut self, now: Now) {
        let Some((link, node)) = self.lookout.kept.take() else { return };
        let view = self.topology.view();
        let in_tables = view.predecessors.contains(&node)
            || view.successors.contains(&node)
            || view.fingers.iter().any(|(_, finger)| *finger == node);
        if !in_tables && self.links.newest(&node) == Some(link) {
            self.close_link(now, link, "no longer needed");
        }
    }
}
