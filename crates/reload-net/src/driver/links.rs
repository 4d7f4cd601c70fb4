//! Links of the node: by TLS over a connection of their own, or by the datagram links. The node names
//! a link; which of the two carries it, is known here alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reload_node::{Gathering, LinkEvent, LinkId, LinkPurpose, Plan, Way};
use reload_wire::IceCandidate;

use super::datagrams::{Datagrams, Told};
use super::dialler::{Dialled, Failure, work_off};
use super::race::{Outcome, Protocol, split};
use super::{Driven, Driver, Entry, Life, candidates};
use crate::clock;
use crate::handshake::Authenticated;
use crate::link::Link;
use crate::listener::{Accepted, AddressPlace};

impl<N: Driven> Driver<N> {
    /// With ICE, and for a socket of its own, the endpoint knows; otherwise the addresses that others
    /// can dial are those listened on.
    pub(super) fn gather(&mut self, link: LinkId, gathering: Gathering) {
        let dialled = gathering.ice.is_none() && !gathering.own_socket;
        if dialled && gathering.purpose == LinkPurpose::Overlay {
            let event = LinkEvent::Candidates(self.dialled_candidates());
            return self.node.handle_link(clock::now(), link, event);
        }
        match &mut self.datagrams {
            Some(datagrams) => datagrams.gather(clock::now(), link, gathering),
            None => {
                let event = LinkEvent::Candidates(Vec::new());
                self.node.handle_link(clock::now(), link, event);
            }
        }
    }

    /// TLS first, then DTLS on the same ports.
    fn dialled_candidates(&self) -> Vec<IceCandidate> {
        let hosts = self.datagrams.as_ref().map_or(&[][..], Datagrams::hosts);
        let link_address = self.link_address.or_else(|| hosts.first().map(SocketAddr::ip));
        let advertise = &self.settings.advertise;
        let addresses = candidates::addresses(advertise, &self.listening, link_address);
        let tls = if self.listeners.is_empty() { &[] } else { &addresses[..] };
        let dtls = if self.datagrams.is_none() { &[] } else { &addresses[..] };
        candidates::candidates(tls, dtls)
    }

    pub(super) fn connect(&mut self, link: LinkId, plan: Plan) {
        let now = clock::now();
        if let (Way::Ice { .. }, Some(datagrams)) = (&plan.way, &mut self.datagrams) {
            return datagrams.connect(now, link, plan);
        }
        match (split(&plan), &mut self.datagrams) {
            ((Some(tls), Some(dtls)), Some(_)) => {
                self.races.begin(now.mono, link, dtls);
                self.dial(link, tls);
            }
            ((Some(tls), _), _) => self.dial(link, tls),
            ((None, Some(dtls)), Some(datagrams)) => datagrams.connect(now, link, dtls),
            _ => self.down(link, "this node has no UDP socket for it".to_owned()),
        }
    }

    fn dial(&mut self, link: LinkId, plan: Plan) {
        if self.is_full() {
            return self.give_up(link, "too many links".to_owned());
        }
        let (dials, dialled) = (Arc::clone(&self.dials), self.dialled_sender.clone());
        let task = tokio::spawn(work_off(self.identity.clone(), link, plan, dials, dialled));
        self.links.insert(link, Entry::Dialling(task.abort_handle()));
    }

    /// One of the ways to a link has come to nothing.
    fn on_failed(&mut self, link: LinkId, protocol: Protocol, reason: String) {
        match (self.races.fail(link, protocol, reason), &mut self.datagrams) {
            (Outcome::Runs, _) => {}
            (Outcome::Begins(plan), Some(datagrams)) => {
                datagrams.connect(clock::now(), link, *plan);
            }
            (Outcome::Begins(_), None) => self.down(link, "no UDP socket".to_owned()),
            (Outcome::Failed(reason), _) => self.down(link, reason),
        }
    }

    /// Begins with DTLS where TLS has had its head start.
    pub(super) fn second_runners(&mut self) {
        let now = clock::now();
        for (link, plan) in self.races.due(now.mono) {
            if let Some(datagrams) = &mut self.datagrams {
                datagrams.connect(now, link, plan);
            }
        }
    }

    pub(super) fn send(&mut self, link: LinkId, message: Bytes) {
        // What is not sent is lost like any message; end-to-end retransmission brings it back
        // (section 6.2.1).
        if let Some(Entry::Up(up)) = self.links.get(&link) {
            if let Err(error) = up.send(message) {
                tracing::debug!(remote = %up.facts.remote, "not sent: {error}");
            }
        } else if let Some(datagrams) = &mut self.datagrams
            && let Err(error) = datagrams.send(clock::now(), link, message)
        {
            tracing::debug!(?link, "not sent: {error}");
        }
    }

    pub(super) fn close(&mut self, link: LinkId) {
        self.races.end(link);
        match self.links.remove(&link) {
            Some(Entry::Dialling(task)) => task.abort(),
            Some(Entry::Up(up)) => up.close(),
            None => {}
        }
        self.inbox.close(link);
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.close(clock::now(), link);
        }
        self.pipes.end(link, "closed by this node");
    }

    /// A connection that others made.
    pub(super) fn on_accepted(&mut self, accepted: Accepted) {
        let Accepted { connection, place } = accepted;
        if self.is_full() || self.life != Life::Running {
            tracing::debug!("refused {}: too many links", connection.remote);
            return;
        }
        let number = self.next_accepted;
        self.next_accepted += 2; // even numbers are those of the datagram links
        self.up(LinkId::accepted(number), connection, Some(place));
    }

    /// A plan that came to its end. A plan given up in the meantime has no entry any more.
    pub(super) fn on_dialled(&mut self, (link, result): Dialled) {
        if !matches!(self.links.remove(&link), Some(Entry::Dialling(_))) {
            return;
        }
        match result {
            Ok(connection) => {
                if let (true, Some(datagrams)) = (self.races.end(link), &mut self.datagrams) {
                    datagrams.close(clock::now(), link);
                }
                self.link_address.get_or_insert(connection.local.ip());
                self.up(link, connection, None);
            }
            Err(Failure { reason, settled: true }) => self.give_up(link, reason),
            Err(Failure { reason, .. }) => self.on_failed(link, Protocol::Tls, reason),
        }
    }

    /// No other way is tried.
    fn give_up(&mut self, link: LinkId, reason: String) {
        if let (true, Some(datagrams)) = (self.races.end(link), &mut self.datagrams) {
            datagrams.close(clock::now(), link);
        }
        self.down(link, reason);
    }

    fn up(&mut self, id: LinkId, connection: Authenticated, place: Option<AddressPlace>) {
        let (remote, certificate) = (connection.remote, Arc::clone(&connection.certificate));
        let settings = self.node.link_settings();
        let (link, carrier) = Link::new(id, connection, settings, self.inbox.clone(), place);
        tracing::debug!(
            %remote, node = %certificate.node_id(), protocol = link.facts.protocol,
            dialled = link.facts.dialled, "link up"
        );
        self.links.insert(id, Entry::Up(link));
        self.carriers.spawn(carrier);
        self.node.handle_link(clock::now(), id, LinkEvent::Up { certificate, remote, mtu: None });
    }

    fn down(&mut self, link: LinkId, reason: String) {
        let event = LinkEvent::Down { reason, unacknowledged: Vec::new() };
        self.node.handle_link(clock::now(), link, event);
    }

    /// What the datagram links tell.
    pub(super) fn on_told(&mut self, told: Told) {
        if let Told::Link(link, _) = &told
            && matches!(self.links.get(link), Some(Entry::Up(_)))
        {
            return; // TLS has won; what DTLS still tells is late
        }
        match told {
            Told::Application(link, datagram) => self.pipes.deliver(link, datagram),
            Told::Moved(link, path) => self.pipes.set_path(link, path),
            Told::Link(link, LinkEvent::Down { reason, unacknowledged }) => {
                self.on_datagram_link_down(link, reason, unacknowledged);
            }
            Told::Link(link, LinkEvent::Mtu(mtu)) if self.pipes.set_mtu(link, mtu) => {}
            Told::Link(link, event) => {
                if let LinkEvent::Up { remote, certificate, .. } = &event {
                    tracing::debug!(%remote, node = %certificate.node_id(), "datagram link up");
                    self.races.end(link);
                    if let Some(Entry::Dialling(task)) = self.links.remove(&link) {
                        task.abort();
                    }
                }
                self.node.handle_link(clock::now(), link, event);
            }
        }
    }

    fn on_datagram_link_down(&mut self, link: LinkId, reason: String, unacknowledged: Vec<Bytes>) {
        tracing::debug!(?link, reason, "datagram link down");
        let was_up = self.datagrams.as_ref().is_some_and(|datagrams| datagrams.up(link).is_some());
        let application = self.datagrams.as_ref().and_then(|all| all.application(link));
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.on_down(link);
        }
        match application {
            // Since it is up it belongs to the owner of the pipe; the node has forgotten it.
            Some(_) if was_up => self.pipes.end(link, &reason),
            _ if was_up => {
                let event = LinkEvent::Down { reason, unacknowledged };
                self.node.handle_link(clock::now(), link, event);
            }
            _ => self.on_failed(link, Protocol::Dtls, reason),
        }
    }

    /// When the next of the timers here is due.
    pub(super) fn link_deadline(&self) -> Option<Instant> {
        let datagrams = self.datagrams.as_ref().map(Datagrams::next_deadline);
        [datagrams, self.races.next()].into_iter().flatten().min()
    }

    fn is_full(&self) -> bool {
        let dialling = |entry: &&Entry| matches!(entry, Entry::Dialling(_));
        let dialling = self.links.values().filter(dialling).count();
        self.carriers.len() + dialling >= self.settings.links
    }
}
