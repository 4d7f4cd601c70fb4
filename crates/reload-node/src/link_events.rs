//! Links coming up, failing, working again and going down (sections 6.5.1.13 and 6.6.5).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_storage::Store;
use reload_topology::{Input, Topology};
use reload_wire::{Destination, Encode, MessageCode, NodeId, Now, PingReq};

use crate::links::{Link, LinkState};
use crate::timer::Timer;
use crate::transactions::{Content, Purpose};
use crate::{Event, LinkId, Node, Output};

/// How long an older link to a node stays after a newer one came up.
const DRAIN: Duration = Duration::from_secs(15);

impl<T: Topology, S: Store> Node<T, S> {
    /// A link is up; its certificate was checked in the handshake.
    pub(crate) fn on_up(
        &mut self,
        now: Now,
        link: LinkId,
        certificate: Arc<VerifiedCertificate>,
        remote: SocketAddr,
    ) {
        if certificate.node_ids().contains(&self.node_id) {
            self.outputs.push_back(Output::Close(link));
            return self.on_bootstrap_down(now, link, "this is the node itself");
        }
        let full = self.links.len() >= self.limits.links;
        if full || self.leaving || self.trust.still_valid(&certificate, now.wall).is_err() {
            self.counters.overload += u64::from(full);
            self.outputs.push_back(Output::Close(link));
            return;
        }
        self.certificates.insert(Arc::clone(&certificate));
        let node = self.meant(link, &certificate);
        let entry =
            Link { state: LinkState::Up, node, certificate, remote, last_traffic: now.mono };
        let address = entry.address();
        let was_linked = self.links.to_node(&address).is_some();
        for older in self.links.insert(link, entry) {
            self.timers.set(Timer::Drain(older), now.mono + DRAIN);
        }
        self.timers.set(Timer::Keepalive(link), now.mono + self.limits.keepalive);
        if let Some(node) = node {
            self.on_node_linked(now, link, node, remote, was_linked);
        }
    }

    /// Which of the Node-IDs of the certificate the link is for.
    fn meant(&self, link: LinkId, certificate: &VerifiedCertificate) -> Option<NodeId> {
        let ids = certificate.node_ids();
        let expected = self.attaches.expected(link, ids);
        expected.or_else(|| (ids.len() == 1).then(|| certificate.node_id()))
    }

    fn on_node_linked(
        &mut self,
        now: Now,
        link: LinkId,
        node: NodeId,
        remote: SocketAddr,
        was_linked: bool,
    ) {
        if !was_linked {
            self.emit(Event::LinkUp { node, remote });
            self.topology.handle_input(now, Input::LinkUp(node));
        }
        self.on_bootstrap_up(now, link, node);
        self.complete_attaches(now, node);
    }

    /// A link went without acknowledgements for its timeout: it leaves the routing table at once,
    /// and what waited on it goes another way.
    pub(crate) fn on_failing(&mut self, now: Now, link: LinkId, waiting: Vec<Bytes>) {
        let Some(entry) = self.links.get_mut(link) else {
            return;
        };
        entry.state = LinkState::Failing;
        let node = entry.address();
        if self.links.to_node(&node).is_none() {
            self.topology.handle_input(now, Input::LinkFailing(node));
        }
        self.resend_from(now, link);
        self.reroute(now, link, waiting);
    }

    /// Acknowledgements have come again.
    pub(crate) fn on_restored(&mut self, now: Now, link: LinkId) {
        let Some(entry) = self.links.get_mut(link) else {
            return;
        };
        let node = entry.address();
        let was_linked = self.links.to_node(&node).is_some();
        let newest = self.links.newest(&node) == Some(link);
        if let Some(entry) = self.links.get_mut(link) {
            entry.state = if newest { LinkState::Up } else { LinkState::Draining };
        }
        if !was_linked {
            self.topology.handle_input(now, Input::LinkRestored(node));
        }
    }

    /// A link is gone, or did not come up.
    pub(crate) fn on_down(&mut self, now: Now, link: LinkId, reason: String, waiting: Vec<Bytes>) {
        self.forget_link(now, link, &reason);
        self.resend_from(now, link);
        self.reroute(now, link, waiting);
        self.on_bootstrap_down(now, link, &reason);
        self.attach_link_down(now, link);
    }

    /// Closes a link of ours.
    pub(crate) fn close_link(&mut self, now: Now, link: LinkId, reason: &str) {
        if self.links.get(link).is_some() {
            self.outputs.push_back(Output::Close(link));
            self.forget_link(now, link, reason);
            self.resend_from(now, link);
        }
    }

    fn forget_link(&mut self, now: Now, link: LinkId, reason: &str) {
        self.timers.cancel(Timer::Keepalive(link));
        self.timers.cancel(Timer::Drain(link));
        let Some(gone) = self.links.remove(link) else {
            return;
        };
        let node = gone.address();
        match self.links.newest(&node) {
            // an older link carries on
            Some(other) => {
                self.timers.cancel(Timer::Drain(other));
                if let Some(entry) = self.links.get_mut(other)
                    && entry.state == LinkState::Draining
                {
                    entry.state = LinkState::Up;
                }
            }
            None => {
                self.emit(Event::LinkDown { node, reason: reason.to_owned() });
                self.topology.handle_input(now, Input::LinkDown(node));
            }
        }
    }

    pub(crate) fn on_drain_timer(&mut self, link: LinkId) {
        let draining = self.links.get(link).is_some_and(|entry| entry.state == LinkState::Draining);
        if draining {
            self.timers.cancel(Timer::Keepalive(link));
            self.links.remove(link);
            self.outputs.push_back(Output::Close(link));
        }
    }

    /// Pings a link that had no traffic for a while: only the acknowledgement of a frame shows
    /// that the other process lives.
    pub(crate) fn on_keepalive_timer(&mut self, now: Now, link: LinkId) {
        let Some(entry) = self.links.get(link) else {
            return;
        };
        let due = entry.last_traffic + self.limits.keepalive;
        if due > now.mono {
            return self.timers.set(Timer::Keepalive(link), due);
        }
        let to = vec![Destination::Node(entry.address())];
        self.timers.set(Timer::Keepalive(link), now.mono + self.limits.keepalive);
        let Ok(body) = (PingReq { padding: Bytes::new() }).to_bytes() else {
            return;
        };
        let content = Content::Ready { body, certificates: Vec::new() };
        let purpose = Purpose::Keepalive;
        self.originate(now, MessageCode::PING_REQUEST, to, content, purpose, Some(link));
    }

    /// The topology plug-in has no more use for the links to a node. Clients and nodes that settle
    /// here still may: only a link that we planned is closed.
    pub(crate) fn release(&mut self, now: Now, node: NodeId) {
        if let Some(link) = self.links.newest(&node)
            && !link.is_accepted()
        {
            self.close_after(now, link);
        }
    }
}
