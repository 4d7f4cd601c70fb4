//! What a datagram is, and whose (RFC 7983): by its first byte, then STUN by user name or transaction, DTLS by
//! the address it came from, TURN by its server.

use std::net::SocketAddr;

use reload_ice::{DatagramKind, answer_binding, kind_of};
use reload_link::{Hello, is_client_hello};
use reload_node::{LinkId, LinkPurpose};
use reload_wire::Now;

use crate::accept::Progress;
use crate::association::{HelloRandom, hello_random};
use crate::direct::Direct;
use crate::endpoint::Endpoint;
use crate::link::{Link, Path};
use crate::output::SocketId;
use crate::routes::{Asker, Owner};
use crate::stun_header::{self, StunMessage};

/// Where a datagram came from and to.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) socket: SocketId,
    /// Our address; a relayed one if it came through TURN.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// It came through a relay of the overlay socket.
    pub(crate) relayed: bool,
}

impl Endpoint {
    pub(crate) fn on_datagram(&mut self, now: Now, from: Arrival, datagram: &[u8]) {
        if !from.relayed && self.on_turn(now, from, datagram) {
            return;
        }
        match kind_of(datagram) {
            DatagramKind::Stun => self.on_stun(now, from, datagram),
            // SIP begins with any letter, of which RFC 7983 gives some to DTLS and to TURN
            _ if self.is_bare(from.socket) => self.give_owner(now, from, datagram),
            DatagramKind::Dtls if is_client_hello(datagram) => self.on_hello(now, from, datagram),
            DatagramKind::Dtls => self.on_dtls(now, from, datagram),
            DatagramKind::ChannelData => self.give_owner(now, from, datagram),
            DatagramKind::Other => self.shared.counters.strays += 1,
        }
    }

    /// Whether all that is not STUN on this socket is for one application, as it is.
    fn is_bare(&self, socket: SocketId) -> bool {
        let owner = self.shared.sockets.get(socket).and_then(|socket| socket.owner);
        owner.and_then(|id| self.links.get(&id)).is_some_and(|link| link.security.is_path())
    }

    fn on_stun(&mut self, now: Now, from: Arrival, datagram: &[u8]) {
        match stun_header::read(datagram) {
            StunMessage::PlainBinding if !from.relayed => self.answer(from, datagram),
            StunMessage::Named(ufrag) => match self.shared.routes.named(ufrag) {
                Some(link) => self.give_session(now, link, from, datagram),
                None => self.shared.counters.strays += 1,
            },
            StunMessage::Answer(transaction) => match self.shared.routes.asker(&transaction) {
                Some(Asker::Link(link)) => self.give_session(now, link, from, datagram),
                Some(Asker::StunServers) => self.give_stun_servers(now, from, datagram),
                None => self.give_owner(now, from, datagram),
            },
            StunMessage::Indication => self.give_owner(now, from, datagram),
            StunMessage::PlainBinding | StunMessage::Other => self.shared.counters.strays += 1,
        }
    }

    /// Every node answers plain Binding requests of anybody (section 6.5.1.4).
    fn answer(&mut self, from: Arrival, datagram: &[u8]) {
        if let Some(answer) = answer_binding(datagram, from.remote) {
            self.shared.counters.bindings_answered += 1;
            self.shared.transmit(from.socket, from.local.ip(), from.remote, answer);
        }
    }

    fn give_stun_servers(&mut self, now: Now, from: Arrival, datagram: &[u8]) {
        self.shared.stun_servers.handle_datagram(now.mono, from.local, from.remote, datagram);
        self.shared.pump_stun_servers(now);
    }

    /// To the session of a link. DTLS from there belongs to the link too, if the session takes it.
    fn give_session(&mut self, now: Now, id: LinkId, from: Arrival, datagram: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Path::Ice(ice) = &link.path else { return };
        let ours =
            link.socket == from.socket && ice.session.accepts(from.local, from.remote, datagram);
        if !ours {
            self.shared.counters.strays += 1;
            return;
        }
        if matches!(stun_header::read(datagram), StunMessage::Named(_)) {
            link.listen_to(&mut self.shared, from.remote);
        }
        link.handle_ice(now, &mut self.shared, (from.local, from.remote), datagram);
    }

    /// What names nobody, on a socket of one link: its session may know it, as TURN of its server.
    fn give_owner(&mut self, now: Now, from: Arrival, datagram: &[u8]) {
        let owner = self.shared.sockets.get(from.socket).and_then(|socket| socket.owner);
        match owner {
            Some(link) => self.give_session(now, link, from, datagram),
            None => self.shared.counters.strays += 1,
        }
    }

    /// DTLS that is no ClientHello: everyone who listens to that address gets it, and takes what is for
    /// his keys.
    fn on_dtls(&mut self, now: Now, from: Arrival, datagram: &[u8]) {
        let owners = self.shared.routes.owners((from.socket, from.remote));
        if owners.is_empty() {
            self.shared.counters.strays += 1;
        }
        for owner in owners {
            self.deliver(now, owner, from, datagram);
        }
    }

    /// A ClientHello goes to the handshake it belongs to: one that awaits it by ICE, one that it began
    /// itself, or a new one. A live association never sees it.
    fn on_hello(&mut self, now: Now, from: Arrival, datagram: &[u8]) {
        let owners = self.shared.routes.owners((from.socket, from.remote));
        let awaits = |owner: &&Owner| match owner {
            Owner::Link(link) => self.links.get(link).is_some_and(Link::awaits_hello),
            Owner::HalfOpen(_) => false,
        };
        let awaiting: Vec<Owner> = owners.iter().filter(awaits).copied().collect();
        if !awaiting.is_empty() {
            for owner in awaiting {
                self.deliver(now, owner, from, datagram);
            }
            return;
        }
        let Some(random) = hello_random(datagram) else {
            self.shared.counters.strays += 1;
            return;
        };
        match self.half_opens.find(&owners, &random) {
            Some(id) => self.deliver(now, Owner::HalfOpen(id), from, datagram),
            None if self.dials_itself(&owners, &random) => {}
            None => self.on_stranger(now, from, random, datagram),
        }
    }

    /// Two nodes that dial each other at once would mix their handshakes: the larger random goes on, and
    /// does not hear of the other.
    fn dials_itself(&self, owners: &[Owner], theirs: &HelloRandom) -> bool {
        owners.iter().any(|owner| match owner {
            Owner::Link(link) => {
                self.links.get(link).and_then(Link::own_hello).is_some_and(|ours| ours > theirs)
            }
            Owner::HalfOpen(_) => false,
        })
    }

    /// A new handshake, on a socket that takes any. A first ClientHello costs a cookie and no state.
    fn on_stranger(&mut self, now: Now, from: Arrival, random: HelloRandom, datagram: &[u8]) {
        let Some(purpose) = self.accepts_on(from) else { return };
        match self.gate(now).judge(now.mono, from.remote, datagram) {
            Hello::Challenge(cookie) => {
                self.shared.counters.cookies += 1;
                self.shared.transmit(from.socket, from.local.ip(), from.remote, cookie);
            }
            Hello::Proven(proven) => {
                let addresses = (from.socket, from.local, from.remote);
                let shared = &mut self.shared;
                let hello = (random, &*proven);
                let progress = self.half_opens.begin(now, shared, addresses, purpose, hello);
                self.on_progress(now, progress);
            }
            Hello::Noise => self.shared.counters.strays += 1,
        }
    }

    fn accepts_on(&mut self, from: Arrival) -> Option<LinkPurpose> {
        let owner = self.shared.sockets.get(from.socket)?.owner;
        let purpose = match owner.map(|owner| self.links.get(&owner)) {
            None => (!from.relayed).then_some(LinkPurpose::Overlay),
            Some(link) => {
                link.filter(|link| matches!(link.path, Path::Listening)).map(|it| it.purpose)
            }
        };
        let full = self.links.len() >= self.shared.settings.limits.links;
        if purpose.is_none() {
            self.shared.counters.strays += 1;
        } else if full {
            self.shared.counters.refused += 1;
        }
        purpose.filter(|_| !full)
    }

    fn deliver(&mut self, now: Now, owner: Owner, from: Arrival, datagram: &[u8]) {
        match owner {
            Owner::Link(link) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.handle_dtls(now, &mut self.shared, (from.local, from.remote), datagram);
                }
            }
            Owner::HalfOpen(id) => {
                let shared = &mut self.shared;
                let progress =
                    self.half_opens.handle_datagram(now, shared, id, from.local, datagram);
                self.on_progress(now, progress);
            }
        }
    }

    /// A handshake that has completed is a link.
    pub(crate) fn on_progress(&mut self, now: Now, progress: Progress) {
        let Progress::Complete(half_open) = progress else { return };
        let (socket, remote) = (half_open.socket, half_open.remote);
        let direct = Direct::accepted(half_open.local, remote);
        let mut association = half_open.association;
        let owner = self.shared.sockets.get(socket).and_then(|socket| socket.owner);
        let id = owner.unwrap_or_else(|| self.numbers.next());
        let new = || Link::new(id, LinkPurpose::Overlay, socket, Path::Waiting);
        let link = self.links.entry(id).or_insert_with(new);
        if !matches!(link.path, Path::Waiting | Path::Listening) {
            association.close(now); // somebody else was faster on a socket for one link
            while let Some(datagram) = association.poll_transmit() {
                self.shared.transmit(socket, half_open.local.ip(), remote, datagram);
            }
            return;
        }
        link.path = Path::Direct(direct);
        link.listen_to(&mut self.shared, remote);
        link.adopt(now, &mut self.shared, association);
    }
}
