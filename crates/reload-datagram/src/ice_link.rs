//! Links with ICE (sections 6.5.1.3 to 6.5.1.14 and 6.6.4): checks find the path, DTLS runs over whatever path
//! is selected, and does not notice when that changes. The side that sent the Attach controls, and is the
//! DTLS server. Plain SIP begins as soon as a pair is selected (RFC 7904 section 5.1).

use std::net::SocketAddr;

use bytes::Bytes;
use reload_ice::{
    IceCredentials, IceEvent, IceSession, IceSettings, IceTransmit, PairReport, Relayed,
    SelectedPair,
};
use reload_link::DtlsRole;
use reload_node::{IceGathering, LinkEvent, LinkPurpose};
use reload_wire::{CandType, IceCandidate, Now};

use crate::association::Association;
use crate::link::{Link, Path};
use crate::output::{EndpointOutput, SocketId};
use crate::routes::Asker;
use crate::shared::Shared;
use crate::stun_header;

/// One session and the path it has found.
pub(crate) struct IceLink {
    pub(crate) session: IceSession,
    pub(crate) controlling: bool,
    pub(crate) ufrag: Bytes,
    /// Waits for the relayed addresses that it shares with the other links of the socket.
    awaits_relays: bool,
    pub(crate) planned: bool,
    pub(crate) gathered: bool,
    pub(crate) selected: Option<SelectedPair>,
    /// Where DTLS came from last: the way back until a pair is selected (section 6.5.1.14).
    pub(crate) heard: Option<(SocketAddr, SocketAddr)>,
    handshakes: u8,
}

/// Handshakes over one path: anyone who knows its addresses can spoil one.
const HANDSHAKES: u8 = 4;

impl IceLink {
    /// Starts gathering on a socket whose addresses are known.
    pub(crate) fn gather(
        now: Now,
        shared: &mut Shared,
        socket: SocketId,
        gathering: &IceGathering,
    ) -> Self {
        let IceGathering { ufrag, password, controlling } = gathering.clone();
        let local = IceCredentials { ufrag: ufrag.clone(), password };
        let hosts = shared.sockets.addresses(socket).to_vec();
        let mut settings = IceSettings::new(local, controlling, hosts);
        settings.stun_servers = shared.stun_servers.chosen();
        let turn = !shared.settings.turn_servers.is_empty();
        settings.shared_relays = turn && socket == SocketId::OVERLAY;
        if turn && socket != SocketId::OVERLAY {
            settings.turn_servers = shared.settings.turn_servers.clone();
        }
        let awaits_relays = settings.shared_relays;
        let session = IceSession::new(now.mono, settings, shared.seed());
        Self {
            session,
            controlling,
            ufrag,
            awaits_relays,
            planned: false,
            gathered: false,
            selected: None,
            heard: None,
            handshakes: 0,
        }
    }

    /// A datagram of DTLS for the other side. One that has no way yet is dropped: DTLS repeats it.
    pub(crate) fn transmit(
        &mut self,
        now: Now,
        shared: &mut Shared,
        socket: SocketId,
        datagram: Bytes,
    ) {
        match (self.selected, self.heard) {
            (Some(_), _) => self.session.send(now.mono, &datagram),
            (None, Some((local, remote))) => {
                let transmit = IceTransmit { local, remote, data: datagram };
                shared.transmit_from(now, socket, transmit);
            }
            (None, None) => {}
        }
    }

    /// Whether these are the ends of the selected pair.
    pub(crate) fn uses(&self, ends: (SocketAddr, SocketAddr)) -> bool {
        self.selected.is_some_and(|pair| (pair.local, pair.remote) == ends)
    }

    pub(crate) fn too_late(&self) -> String {
        let lines = self.session.report().pairs.iter().map(PairReport::to_string).collect();
        match self.selected {
            Some(pair) => format!("no DTLS with {} in time, over a pair that works", pair.remote),
            None => failed(lines),
        }
    }
}

impl Link {
    /// The plan has come: checks begin. The controlling side awaits the ClientHello from now on, also
    /// before its own checks are done (section 6.5.1.14).
    pub(crate) fn check(
        &mut self,
        now: Now,
        shared: &mut Shared,
        remote: IceCredentials,
        candidates: &[IceCandidate],
    ) {
        let Path::Ice(ice) = &mut self.path else { return };
        ice.planned = true;
        ice.session.set_remote(now.mono, remote, candidates);
        if ice.controlling && !self.security.is_path() {
            self.shake_hands(now, shared);
        }
        self.settle(now, shared);
    }

    /// STUN, or what a TURN server wraps. What comes out of it is DTLS of the other side.
    pub(crate) fn handle_ice(
        &mut self,
        now: Now,
        shared: &mut Shared,
        (local, remote): (SocketAddr, SocketAddr),
        datagram: &[u8],
    ) {
        let Path::Ice(ice) = &mut self.path else { return };
        let arrived = ice.session.handle_datagram(now.mono, local, remote, datagram);
        if let Some(arrived) = arrived {
            return self.handle_dtls(now, shared, (arrived.local, arrived.remote), &arrived.data);
        }
        self.settle(now, shared);
    }

    /// The relayed addresses of the socket, told once they are all known, and when one is lost.
    pub(crate) fn set_relayed(&mut self, now: Now, shared: &mut Shared, relayed: &[Relayed]) {
        let Path::Ice(ice) = &mut self.path else { return };
        if ice.awaits_relays {
            ice.session.set_relayed(now.mono, relayed);
            self.settle(now, shared);
        }
    }

    /// The host has other addresses.
    pub(crate) fn set_hosts(&mut self, now: Now, shared: &mut Shared, hosts: &[SocketAddr]) {
        if let Path::Ice(ice) = &mut self.path {
            ice.session.set_hosts(now.mono, hosts);
            self.settle(now, shared);
        }
    }

    pub(crate) fn pump_ice(&mut self, now: Now, shared: &mut Shared) -> bool {
        let mut busy = false;
        while let Path::Ice(ice) = &mut self.path
            && let Some(event) = ice.session.poll_event()
        {
            self.on_ice(now, shared, event);
            busy = true;
        }
        while let Path::Ice(ice) = &mut self.path
            && let Some(transmit) = ice.session.poll_transmit()
        {
            if let Some(transaction) = stun_header::request(&transmit.data) {
                shared.routes.asked(transaction, Asker::Link(self.id));
            }
            shared.transmit_from(now, self.socket, transmit);
        }
        busy
    }

    /// A handshake over the selected pair failed. Unless it was for the certificate, another may do.
    pub(crate) fn on_no_ice_handshake(&mut self, now: Now, shared: &mut Shared, reason: String) {
        let Path::Ice(ice) = &self.path else { return };
        let hopeless = self.association.as_ref().is_some_and(Association::has_verdict);
        if hopeless || ice.handshakes >= HANDSHAKES {
            return self.end(shared, reason, Vec::new());
        }
        self.shake_hands(now, shared);
    }

    /// Peers that are reached directly serve as STUN servers (section 6.5.1.4). Without ICE there is nothing
    /// to gather, and no STUN (section 6.6.6).
    pub(crate) fn offer_as_stun_server(&mut self, now: Now, shared: &mut Shared) {
        let shared_socket = self.socket == SocketId::OVERLAY;
        if self.purpose != LinkPurpose::Overlay || !shared_socket || shared.settings.no_ice {
            return;
        }
        let (local, remote, host) = match &self.path {
            Path::Direct(direct) => {
                let addresses = shared.sockets.addresses(self.socket);
                let alike = |it: &&SocketAddr| it.is_ipv4() == direct.remote.is_ipv4();
                let same = addresses.iter().find(|it| it.ip() == direct.local.ip());
                let Some(local) = same.or_else(|| addresses.iter().find(alike)) else { return };
                (*local, direct.remote, !self.id.is_accepted())
            }
            Path::Ice(ice) => match ice.selected {
                Some(pair) if is_direct(&pair) && pair.remote_kind != CandType::Relay => {
                    (pair.local, pair.remote, pair.remote_kind == CandType::Host)
                }
                _ => return shared.stun_servers.on_lost(self.id),
            },
            Path::Opening(_) | Path::Listening | Path::Waiting => return,
        };
        let seed = shared.seed();
        shared.stun_servers.on_connected(now.mono, self.id, host, (local, remote), seed);
        shared.pump_stun_servers(now);
    }

    /// Whether its datagrams go from the socket to the other side, and not to a relay of ours.
    pub(crate) fn is_direct(&self) -> bool {
        match &self.path {
            Path::Direct(_) => true,
            Path::Ice(ice) => ice.selected.is_some_and(|pair| is_direct(&pair)),
            Path::Opening(_) | Path::Listening | Path::Waiting => false,
        }
    }

    /// Whether it goes through a relay of ours, or may come to.
    pub(crate) fn may_be_relayed(&self) -> bool {
        match &self.path {
            Path::Ice(ice) => !self.is_up() || ice.selected.is_some_and(|pair| !is_direct(&pair)),
            Path::Opening(_) | Path::Listening | Path::Waiting | Path::Direct(_) => false,
        }
    }

    /// The other end, as far as it is known.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        match &self.path {
            Path::Direct(direct) => Some(direct.remote),
            Path::Ice(ice) => {
                ice.selected.map(|pair| pair.remote).or(ice.heard.map(|(_, remote)| remote))
            }
            Path::Opening(_) | Path::Listening | Path::Waiting => None,
        }
    }

    fn on_ice(&mut self, now: Now, shared: &mut Shared, event: IceEvent) {
        match event {
            IceEvent::Gathered(candidates) => {
                if let Path::Ice(ice) = &mut self.path {
                    ice.gathered = true;
                }
                shared.tell(self.id, LinkEvent::Candidates(candidates));
            }
            IceEvent::Selected(pair) => self.on_selected(now, shared, pair),
            // The session is over: a path that comes back later is a matter of another Attach.
            IceEvent::ConsentLost => self.lose(now, shared, "the other side answers no checks"),
            IceEvent::Failed { tried } if self.is_up() => self.lose(now, shared, &failed(tried)),
            IceEvent::Failed { tried } => self.end(shared, failed(tried), Vec::new()),
        }
    }

    /// A pair is selected, or another one: the association moves along, without a handshake.
    fn on_selected(&mut self, now: Now, shared: &mut Shared, pair: SelectedPair) {
        let Path::Ice(ice) = &mut self.path else { return };
        let before = ice.selected.replace(pair);
        let controlling = ice.controlling;
        self.listen_to(shared, pair.remote);
        if before.is_some_and(|before| before != pair) && self.is_up() {
            self.moves += 1;
            self.offer_as_stun_server(now, shared);
        }
        if before != Some(pair) && self.is_up() {
            self.tell_path(shared); // DTLS may be up before there is a pair (section 6.5.1.14)
        }
        let begins = !controlling || self.security.is_path();
        if begins && self.association.is_none() {
            self.shake_hands(now, shared);
        }
    }

    /// Whoever uses the link wants to know how it goes.
    fn tell_path(&self, shared: &mut Shared) {
        if let (LinkPurpose::Application(_), Some(path)) = (self.purpose, self.link_path()) {
            shared.output(EndpointOutput::Moved(self.id, path));
        }
    }

    fn shake_hands(&mut self, now: Now, shared: &mut Shared) {
        let Path::Ice(ice) = &mut self.path else { return };
        ice.handshakes += 1;
        let role = if ice.controlling { DtlsRole::Server } else { DtlsRole::Client };
        self.associate(now, shared, role);
    }
}

fn is_direct(pair: &SelectedPair) -> bool {
    pair.local_kind != CandType::Relay
}

fn failed(tried: Vec<String>) -> String {
    match tried.is_empty() {
        true => "no candidate pair came through; none could be tried".to_owned(),
        false => format!("no candidate pair came through; tried {}", tried.join(", ")),
    }
}
