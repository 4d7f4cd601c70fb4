//! One link of an endpoint, from its first mention to its end: what it waits for, its association, and
//! what the node hears of it. How its datagrams travel is in `direct.rs` and `ice_link.rs`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use reload_link::DtlsRole;
use reload_node::{LinkEvent, LinkId, LinkPurpose, Plan, Security};
use reload_wire::Now;

use crate::association::{Association, HelloRandom};
use crate::direct::Direct;
use crate::ice_link::IceLink;
use crate::output::{EndpointOutput, SendError, SocketId};
use crate::routes::Owner;
use crate::shared::Shared;
use crate::timer::Timer;

/// How a link has, or gets, its datagrams.
pub(crate) enum Path {
    /// Its own socket is being opened; what was asked for waits.
    Opening(reload_node::Gathering),
    /// Without ICE: for somebody who dials its own socket.
    Listening,
    /// Without ICE: for its plan.
    Waiting,
    /// Without ICE: to one address at a time.
    Direct(Direct),
    /// With ICE.
    Ice(Box<IceLink>),
}

pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) purpose: LinkPurpose,
    pub(crate) socket: SocketId,
    pub(crate) security: Security,
    /// When it has failed if it is not up.
    pub(crate) deadline: Option<Instant>,
    pub(crate) path: Path,
    pub(crate) association: Option<Association>,
    /// Addresses whose DTLS comes here, oldest first.
    addresses: VecDeque<SocketAddr>,
    pub(crate) up_at: Option<Instant>,
    /// No ACKs come (section 6.6.3.1).
    pub(crate) silent: bool,
    pub(crate) moves: u32,
    pub(crate) gone: bool,
}

impl Link {
    pub(crate) fn new(id: LinkId, purpose: LinkPurpose, socket: SocketId, path: Path) -> Self {
        Self {
            id,
            purpose,
            socket,
            security: Security::Handshake(None),
            deadline: None,
            path,
            association: None,
            addresses: VecDeque::new(),
            up_at: None,
            silent: false,
            moves: 0,
            gone: false,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up_at.is_some() && !self.gone
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.silent
    }

    /// Whether it has its plan, or needed none.
    pub(crate) fn is_planned(&self) -> bool {
        match &self.path {
            Path::Direct(_) => true,
            Path::Ice(ice) => ice.planned,
            Path::Opening(_) | Path::Listening | Path::Waiting => false,
        }
    }

    /// Whom to expect, what assures us of that, and until when.
    pub(crate) fn follow(&mut self, plan: &Plan) {
        (self.security, self.deadline) = (plan.security.clone(), Some(plan.deadline));
    }

    /// A handshake in which we wait for, or have got, a ClientHello.
    pub(crate) fn awaits_hello(&self) -> bool {
        let server = match &self.path {
            Path::Ice(ice) => ice.controlling,
            Path::Opening(_) | Path::Listening | Path::Waiting | Path::Direct(_) => false,
        };
        server && self.association.as_ref().is_some_and(Association::is_in_handshake)
    }

    /// What we dial with, while nobody has answered.
    pub(crate) fn own_hello(&self) -> Option<&HelloRandom> {
        self.association.as_ref().and_then(Association::own_hello)
    }

    /// Begins a handshake, or goes without.
    pub(crate) fn associate(&mut self, now: Now, shared: &mut Shared, role: DtlsRole) {
        let expected = self.security.expected();
        let mut from = shared.beginning(self.purpose, expected, shared.settings.datagram);
        if let Path::Ice(ice) = &self.path {
            from.datagram = from.datagram.saturating_sub(RELAYED);
            from.round_trip = ice.session.round_trip(); // section 6.6.3.1
        }
        let begun = match &self.security {
            Security::Handshake(_) => Association::new(now, role, &from),
            Security::Path(signer) => Ok(Association::bare(now, signer, &from)),
        };
        match begun {
            Ok(association) => self.association = Some(association),
            Err(error) => self.end(shared, error.to_string(), Vec::new()),
        }
    }

    /// Takes an association that was accepted.
    pub(crate) fn adopt(&mut self, now: Now, shared: &mut Shared, association: Association) {
        self.association = Some(association);
        self.settle(now, shared);
    }

    pub(crate) fn send(
        &mut self,
        now: Now,
        shared: &mut Shared,
        message: Bytes,
    ) -> Result<(), SendError> {
        let association = self.association.as_mut().ok_or(SendError::NotUp)?;
        let sent = association.send(now, message);
        self.settle(now, shared);
        sent
    }

    /// Takes a datagram of DTLS, or of the application, that came from `remote`.
    pub(crate) fn handle_dtls(
        &mut self,
        now: Now,
        shared: &mut Shared,
        (local, remote): (SocketAddr, SocketAddr),
        datagram: &[u8],
    ) {
        match &mut self.path {
            Path::Direct(direct) => direct.local = local,
            Path::Ice(ice) if self.security.is_path() && !ice.uses((local, remote)) => {
                shared.counters.strays += 1;
                return;
            }
            Path::Ice(ice) => ice.heard = Some((local, remote)),
            Path::Opening(_) | Path::Listening | Path::Waiting => return,
        }
        if let Some(association) = &mut self.association {
            association.handle_datagram(now, datagram);
        }
        self.settle(now, shared);
    }

    pub(crate) fn handle_timeout(&mut self, now: Now, shared: &mut Shared) {
        if let Path::Ice(ice) = &mut self.path {
            ice.session.handle_timeout(now.mono);
        }
        if let Some(association) = &mut self.association {
            association.handle_timeout(now);
        }
        if !self.is_up() && self.deadline.is_some_and(|at| at <= now.mono) {
            let reason = self.too_late();
            self.end(shared, reason, Vec::new());
        }
        self.next_address_if_due(now, shared);
        self.settle(now, shared);
    }

    /// Closes it without a word to the node.
    pub(crate) fn close(&mut self, now: Now, shared: &mut Shared) {
        self.say_goodbye(now, shared);
        self.gone = true;
        self.settle(now, shared);
    }

    /// Ends a link that was up or not, and tells the node.
    pub(crate) fn lose(&mut self, now: Now, shared: &mut Shared, reason: &str) {
        if self.gone {
            return;
        }
        let unacknowledged =
            self.association.as_mut().map(Association::take_unacknowledged).unwrap_or_default();
        self.say_goodbye(now, shared);
        self.end(shared, reason.to_owned(), unacknowledged);
        self.settle(now, shared);
    }

    /// Passes on what its parts have for each other and for the driver; sets its timer. After it, a
    /// link that is gone has left nothing behind.
    pub(crate) fn settle(&mut self, now: Now, shared: &mut Shared) {
        while self.pump_ice(now, shared) || self.pump_association(now, shared) {}
        if self.gone {
            self.leave(now, shared);
            return;
        }
        shared.timers.after(now.mono, Timer::Link(self.id), self.next_timeout());
    }

    /// DTLS from this address comes here. The oldest address is forgotten, but not the one in use.
    pub(crate) fn listen_to(&mut self, shared: &mut Shared, remote: SocketAddr) {
        if self.addresses.contains(&remote) {
            return;
        }
        if !shared.routes.add((self.socket, remote), Owner::Link(self.id)) {
            return;
        }
        self.addresses.push_back(remote);
        if self.addresses.len() > shared.settings.limits.addresses_per_link {
            let in_use = self.remote();
            let oldest = self.addresses.iter().position(|address| Some(*address) != in_use);
            if let Some(address) = oldest.and_then(|index| self.addresses.remove(index)) {
                shared.routes.remove((self.socket, address), Owner::Link(self.id));
            }
        }
    }

    /// No DTLS from these addresses any more.
    pub(crate) fn forget_addresses(&mut self, shared: &mut Shared) {
        for address in std::mem::take(&mut self.addresses) {
            shared.routes.remove((self.socket, address), Owner::Link(self.id));
        }
    }

    pub(crate) fn end(&mut self, shared: &mut Shared, reason: String, unacknowledged: Vec<Bytes>) {
        if !self.gone {
            self.gone = true;
            shared.tell(self.id, LinkEvent::Down { reason, unacknowledged });
        }
    }

    fn pump_association(&mut self, now: Now, shared: &mut Shared) -> bool {
        let mut busy = false;
        while let Some(datagram) = self.association.as_mut().and_then(Association::poll_transmit) {
            self.transmit(now, shared, datagram);
            busy = true;
        }
        while let Some(event) = self.association.as_mut().and_then(Association::poll_event) {
            self.on_association(now, shared, event);
            busy = true;
        }
        busy
    }

    fn transmit(&mut self, now: Now, shared: &mut Shared, datagram: Bytes) {
        match &mut self.path {
            Path::Direct(direct) => {
                shared.transmit(self.socket, direct.local.ip(), direct.remote, datagram);
            }
            Path::Ice(ice) => ice.transmit(now, shared, self.socket, datagram),
            Path::Opening(_) | Path::Listening | Path::Waiting => {}
        }
    }

    fn say_goodbye(&mut self, now: Now, shared: &mut Shared) {
        if let Some(association) = &mut self.association {
            association.close(now);
        }
        self.pump_association(now, shared);
        self.pump_ice(now, shared);
    }

    fn leave(&mut self, now: Now, shared: &mut Shared) {
        if let Path::Ice(ice) = &mut self.path {
            ice.session.close(now.mono);
        }
        self.pump_ice(now, shared); // gives its allocations back
        shared.gone.push(self.id);
        self.forget_addresses(shared);
        shared.timers.set(Timer::Link(self.id), None);
        shared.stun_servers.on_lost(self.id);
        if let Path::Ice(ice) = &self.path {
            shared.routes.forget_name(&ice.ufrag, self.id);
        }
        if self.socket != SocketId::OVERLAY {
            let owned = shared.sockets.get(self.socket).is_some_and(|it| it.owner == Some(self.id));
            if owned {
                shared.sockets.close(self.socket);
                shared.output(EndpointOutput::CloseSocket(self.socket));
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let path = match &self.path {
            Path::Ice(ice) => ice.session.next_timeout(),
            Path::Direct(direct) if !self.is_up() => direct.until,
            Path::Opening(_) | Path::Listening | Path::Waiting | Path::Direct(_) => None,
        };
        let association = self.association.as_ref().and_then(Association::next_timeout);
        let deadline = self.deadline.filter(|_| !self.is_up());
        [path, association, deadline].into_iter().flatten().min()
    }

    fn too_late(&self) -> String {
        match &self.path {
            Path::Opening(_) => "no socket could be opened in time".to_owned(),
            Path::Listening => "nobody dialled in time".to_owned(), // section 6.5.1.11, our 15 s
            Path::Waiting => "no plan came in time".to_owned(),
            Path::Direct(direct) => direct.too_late(),
            Path::Ice(ice) => ice.too_late(),
        }
    }
}

/// What TURN adds to a datagram, at most: a Send indication with an IPv6 address (RFC 8656 section 10).
const RELAYED: usize = 48;
