//! Links coming up, failing, working again and going down (sections 6.5.1.13 and 6.6.5).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_storage::Store;
use reload_topology::{Input, Topology};
use reload_wire::{Destination, Encode, MessageCode, NodeId, Now, PingReq};

use crate::candidates::Family;
use crate::links::{Link, LinkState};
use crate::originate::Ending;
use crate::timer::Timer;
use crate::transactions::{Content, Purpose};
use crate::{Event, LinkId, Node, Output};

/// How long an older link to a node stays after a newer one came up.
const DRAIN: Duration = Duration::from_secs(15);

/// Links that one node may have here: both sides dial, both restart (E102). The oldest goes first.
const LINKS_OF_A_NODE: usize = 4;

impl<T: Topology, S: Store> Node<T, S> {
    /// A link is up; its certificate was checked in the handshake.
    pub(crate) fn on_up(
        &mut self,
        now: Now,
        link: LinkId,
        certificate: Arc<VerifiedCertificate>,
        remote: SocketAddr,
        mtu: Option<usize>,
    ) {
        if self.links.get(link).is_some() {
            return;
        }
        if let Err(reason) = self.welcome(now, link, &certificate) {
            self.outputs.push_back(Output::Close(link));
            self.on_bootstrap_down(now, link, reason);
            return self.attach_link_down(now, link, reason);
        }
        self.certificates.insert(Arc::clone(&certificate));
        self.timers.set(Timer::Keepalive(link), now.mono + self.pause_of_links());
        if mtu.is_some() {
            self.watch_path(now, link);
        }
        let node = self.meant(link, &certificate);
        let (state, last_traffic) = (LinkState::Up, now.mono);
        let expected = self.attaches.expected(link, certificate.node_ids());
        let attached = expected.is_some() || !link.is_accepted();
        let ice = self.attaches.forming(link).is_some_and(|f| f.family == Family::Ice);
        let dialled = !link.is_accepted() && !ice;
        let entry = Link {
            state,
            node: None,
            certificate,
            remote,
            mtu,
            ice,
            dialled,
            attached,
            since: now.mono,
            last_traffic,
        };
        match node {
            Some(node) => self.enter_link(now, link, node, entry),
            None => {
                self.links.insert(link, entry);
                self.identify(now, link);
            }
        }
    }

    /// Whether a link may stay.
    fn welcome(
        &mut self,
        now: Now,
        link: LinkId,
        certificate: &VerifiedCertificate,
    ) -> Result<(), &'static str> {
        if certificate.names(&self.node_id) {
            return Err("this is the node itself");
        }
        if self.leaving {
            return Err("this node is leaving");
        }
        if self.links.len() >= self.limits.links {
            self.counters.links_refused += 1;
            return Err("too many links");
        }
        if self.trust.still_valid(certificate, now.wall).is_err() {
            self.counters.unverified += 1;
            return Err("its certificate is not valid");
        }
        // 6.5.1.11: the certificate must match the node that sent the Attach
        match self.attaches.forming(link) {
            Some(forming) if !certificate.names(&forming.node) => Err("another node answers there"),
            Some(_) => Ok(()),
            None if link.is_accepted() || self.is_dialling(link) => Ok(()),
            None => Err("it comes too late"),
        }
    }

    /// Whether a way into the overlay is being dialled over this link.
    fn is_dialling(&self, link: LinkId) -> bool {
        self.bootstrap.is_dialling(link) || self.lookout.is_dialling(link)
    }

    /// Which of the Node-IDs of the certificate the link is for.
    fn meant(&self, link: LinkId, certificate: &VerifiedCertificate) -> Option<NodeId> {
        let ids = certificate.node_ids();
        let expected = self.attaches.expected(link, ids);
        expected.or_else(|| (ids.len() == 1).then(|| certificate.node_id()))
    }

    /// A link belongs to a node from now on.
    fn enter_link(&mut self, now: Now, link: LinkId, node: NodeId, mut entry: Link) {
        let remote = entry.remote;
        let was_linked = self.links.to_node(&node).is_some();
        entry.node = Some(node);
        self.links.insert(link, entry);
        self.arrange(now, node);
        if !was_linked {
            self.emit(Event::LinkUp { node, remote });
            self.topology.handle_input(now, Input::LinkUp(node));
        }
        if self.credentials.certificate().node_ids().len() > 1 {
            // the other side learns which of ours is meant from what we sign (6.1.2)
            self.ping_over(now, link, Destination::Node(node), Bytes::new(), Purpose::Keepalive);
        }
        self.on_bootstrap_up(now, link, node);
        self.on_lookout_up(now, link, node, !was_linked);
        self.complete_attaches(now, link, node);
    }

    /// A link whose certificate has several Node-IDs belongs to the one that signs over it, as long
    /// as nobody else can have passed the message on (section 6.1.2).
    pub(crate) fn bind(&mut self, now: Now, link: LinkId, signer: NodeId) {
        let open = |entry: &Link| entry.node.is_none() && entry.certificate.names(&signer);
        if !self.links.get(link).is_some_and(open) {
            return;
        }
        if let Some(entry) = self.links.remove(link) {
            self.arrange(now, entry.address());
            self.enter_link(now, link, signer, entry);
        }
    }

    /// Asks a bootstrap node which of its Node-IDs it uses: the answer is signed by it.
    fn identify(&mut self, now: Now, link: LinkId) {
        if self.bootstrap.is_dialling(link) {
            let to = Destination::Node(NodeId::wildcard(self.dialect.node_id_length));
            self.ping_over(now, link, to, Bytes::new(), Purpose::Identify(link));
        }
    }

    pub(crate) fn finish_identify(&mut self, now: Now, link: LinkId, ending: &Ending) {
        if let Ending::Answered(answer) = ending {
            self.bind(now, link, answer.from);
        }
        if self.links.get(link).is_some_and(|entry| entry.node.is_none()) {
            let reason = "it does not tell its Node-ID";
            self.close_link(now, link, reason);
            self.on_bootstrap_down(now, link, reason);
        }
    }

    /// Puts the links to one node in order after a change among them.
    fn arrange(&mut self, now: Now, node: NodeId) {
        let (carrier, draining) = self.links.arrange(&node);
        if let Some(carrier) = carrier {
            self.timers.cancel(Timer::Drain(carrier));
        }
        for link in draining {
            self.timers.set_once(Timer::Drain(link), now.mono + DRAIN);
        }
        if let Some(oldest) = self.links.surplus(&node, LINKS_OF_A_NODE) {
            self.counters.links_refused += 1;
            self.close_link(now, oldest, "too many links to one node");
        }
    }

    /// A link went without acknowledgements for its timeout: it leaves the routing table at once,
    /// and what waited on it goes another way.
    pub(crate) fn on_failing(&mut self, now: Now, link: LinkId, waiting: Vec<Bytes>) {
        let Some(entry) = self.links.get_mut(link) else {
            return;
        };
        let before = std::mem::replace(&mut entry.state, LinkState::Failing);
        let (node, bound) = (entry.address(), entry.node.is_some());
        self.timers.cancel(Timer::Drain(link));
        self.arrange(now, node);
        if bound && before != LinkState::Failing && self.links.to_node(&node).is_none() {
            self.topology.handle_input(now, Input::LinkFailing(node));
        }
        self.resend_from(now, link);
        self.reroute(now, link, waiting);
    }

    /// Acknowledgements have come again.
    pub(crate) fn on_restored(&mut self, now: Now, link: LinkId) {
        let Some(entry) = self.links.get(link).filter(|entry| entry.state == LinkState::Failing)
        else {
            return;
        };
        let (node, bound) = (entry.address(), entry.node.is_some());
        let was_linked = self.links.to_node(&node).is_some();
        if let Some(entry) = self.links.get_mut(link) {
            entry.state = LinkState::Up;
        }
        self.arrange(now, node);
        if bound && !was_linked {
            self.topology.handle_input(now, Input::LinkRestored(node));
        }
    }

    /// A link is gone, or did not come up.
    pub(crate) fn on_down(&mut self, now: Now, link: LinkId, reason: String, waiting: Vec<Bytes>) {
        if let Some(entry) = self.links.get(link).filter(|entry| entry.dialled) {
            self.look_after(now, entry.remote);
        }
        self.forget_link(now, link, &reason);
        self.resend_from(now, link);
        self.reroute(now, link, waiting);
        self.on_bootstrap_down(now, link, &reason);
        self.attach_link_down(now, link, &reason);
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
        self.forget_path(link);
        let healthy = self.links.get(link).is_some_and(|entry| entry.state != LinkState::Failing);
        let Some(gone) = self.links.remove(link) else {
            return;
        };
        let node = gone.address();
        self.arrange(now, node);
        if gone.node.is_none() {
            return;
        }
        if self.links.newest(&node).is_none() {
            self.emit(Event::LinkDown { node, reason: reason.to_owned() });
            self.acknowledgements.forget(&node);
            self.topology.handle_input(now, Input::LinkDown(node));
        } else if healthy && self.links.to_node(&node).is_none() {
            // only a failing link is left
            self.topology.handle_input(now, Input::LinkFailing(node));
        }
    }

    /// A newer link has carried the traffic for long enough.
    pub(crate) fn on_drain_timer(&mut self, now: Now, link: LinkId) {
        if self.links.get(link).is_some_and(|entry| entry.state == LinkState::Draining) {
            self.close_link(now, link, "a newer link took over");
        }
    }

    /// Pings a link that had no traffic for a while: only the acknowledgement of a frame shows
    /// that the other process lives.
    pub(crate) fn on_keepalive_timer(&mut self, now: Now, link: LinkId) {
        let Some(entry) = self.links.get(link) else {
            return;
        };
        if self.trust.still_valid(&entry.certificate, now.wall).is_err() {
            return self.close_link(now, link, "its certificate is no longer valid");
        }
        let due = entry.last_traffic + self.pause_of_links();
        if due > now.mono {
            return self.timers.set(Timer::Keepalive(link), due);
        }
        let node = entry.node.unwrap_or(NodeId::wildcard(self.dialect.node_id_length));
        self.timers.set(Timer::Keepalive(link), now.mono + self.pause_of_links());
        self.ping_over(now, link, Destination::Node(node), Bytes::new(), Purpose::Keepalive);
    }

    /// The keepalive of the limits; none at all would be a busy loop.
    fn pause_of_links(&self) -> Duration {
        self.limits.keepalive.max(Duration::from_millis(100))
    }

    pub(crate) fn ping_over(
        &mut self,
        now: Now,
        link: LinkId,
        to: Destination,
        padding: Bytes,
        purpose: Purpose,
    ) {
        let Ok(body) = (PingReq { padding }).to_bytes() else {
            return;
        };
        let content = Content::Ready { body, certificates: Vec::new() };
        let code = MessageCode::PING_REQUEST;
        self.originate(now, code, vec![to], content, purpose, Some(link));
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
