//! What goes out by way of a TURN server, and how the overlay socket comes to its relayed addresses: one
//! allocation a server for all links, as a server knows a client by its address (RFC 8656 section 5).

use std::net::SocketAddr;
use std::time::Duration;

use reload_ice::{IceTransmit, Relayed, Relays, TurnLogin};
use reload_wire::Now;

use crate::demux::Arrival;
use crate::endpoint::Endpoint;
use crate::output::SocketId;
use crate::routes::Asker;
use crate::shared::Shared;
use crate::stun_header;
use crate::timer::Timer;

impl Shared {
    /// Sends what a session has: from the socket, or through a relay that the socket shares.
    pub(crate) fn transmit_from(&mut self, now: Now, socket: SocketId, it: IceTransmit) {
        let relays = self.relays.as_mut().filter(|_| socket == SocketId::OVERLAY);
        match relays.filter(|relays| relays.owns(it.local)) {
            Some(relays) => {
                relays.send(now.mono, it.local, it.remote, it.data);
                self.pump_relays(now);
            }
            None => self.transmit(socket, it.local.ip(), it.remote, it.data),
        }
    }

    /// Asks the TURN servers for the overlay socket, those that were not asked yet.
    pub(crate) fn allocate(&mut self, now: Now) {
        self.relays_wanted = Some(now.mono);
        let relays = self.relays.get_or_insert_with(|| Relays::new(now.mono));
        let addresses = self.sockets.addresses(SocketId::OVERLAY);
        for login in &self.settings.turn_servers {
            if let Some(base) = addresses.iter().find(|base| reaches(**base, login)) {
                relays.allocate(now.mono, login, *base);
            }
        }
        self.pump_relays(now);
    }

    /// The host has other addresses: what was allocated for those that are gone is lost.
    pub(crate) fn allocate_anew(&mut self, now: Now) {
        if let Some(relays) = &mut self.relays {
            relays.set_bases(self.sockets.addresses(SocketId::OVERLAY));
            self.allocate(now);
        }
    }

    /// Gives back what was allocated at servers that are not ours any more.
    pub(crate) fn release_all_but(&mut self, now: Now, kept: &[TurnLogin]) {
        let Some(relays) = &mut self.relays else { return };
        for login in &self.settings.turn_servers {
            if !kept.contains(login) {
                relays.release(now.mono, Some(login.server));
            }
        }
        self.pump_relays(now);
    }

    /// Gives all back that nobody has used for a while; the next gathering asks again.
    fn release_idle(&mut self, now: Now) {
        let idle = self.relays_wanted.is_some_and(|at| at + IDLE <= now.mono);
        if let Some(relays) = self.relays.as_mut().filter(|_| idle) {
            self.relays_wanted = None;
            relays.release(now.mono, None);
        }
    }

    pub(crate) fn pump_relays(&mut self, now: Now) {
        while let Some(it) = self.relays.as_mut().and_then(Relays::poll_transmit) {
            self.transmit(SocketId::OVERLAY, it.local.ip(), it.remote, it.data);
        }
        let next = self.relays.as_ref().and_then(Relays::next_timeout);
        self.timers.after(now.mono, Timer::Relays, next);
    }

    /// The relayed addresses, once all servers have answered.
    pub(crate) fn relayed(&self) -> Option<Vec<Relayed>> {
        self.relays.as_ref().filter(|relays| !relays.pending()).map(Relays::relayed)
    }

    pub(crate) fn pump_stun_servers(&mut self, now: Now) {
        while let Some(it) = self.stun_servers.poll_transmit() {
            if let Some(transaction) = stun_header::request(&it.data) {
                self.routes.asked(transaction, Asker::StunServers);
            }
            self.transmit(SocketId::OVERLAY, it.local.ip(), it.remote, it.data);
        }
        let next = self.stun_servers.next_timeout();
        self.timers.after(now.mono, Timer::StunServers, next);
    }
}

impl Endpoint {
    /// Takes TURN of a server of the overlay socket; says whether it was.
    pub(crate) fn on_turn(&mut self, now: Now, from: Arrival, datagram: &[u8]) -> bool {
        let relays = self.shared.relays.as_mut().filter(|_| from.socket == SocketId::OVERLAY);
        let (local, remote) = (from.local, from.remote);
        let Some(relays) = relays.filter(|it| it.accepts(local, remote, datagram)) else {
            return false;
        };
        let arrived = relays.handle_datagram(now.mono, local, remote, datagram);
        self.shared.pump_relays(now);
        self.tell_relayed(now);
        if let Some(arrived) = arrived {
            let (local, remote) = (arrived.local, arrived.remote);
            let from = Arrival { socket: from.socket, local, remote, relayed: true };
            self.on_datagram(now, from, &arrived.data);
        }
        true
    }

    /// Does for the relays what is due.
    pub(crate) fn on_relays_due(&mut self, now: Now) {
        if self.links.values().any(|link| link.socket == SocketId::OVERLAY && link.may_be_relayed())
        {
            self.shared.relays_wanted = Some(now.mono);
        }
        self.shared.release_idle(now);
        if let Some(relays) = &mut self.shared.relays {
            relays.handle_timeout(now.mono);
        }
        self.shared.pump_relays(now);
        self.tell_relayed(now);
    }

    /// Tells all links that wait for them, or use them, which relayed addresses there are.
    pub(crate) fn tell_relayed(&mut self, now: Now) {
        let relayed = self.shared.relayed();
        if relayed.is_none() || relayed == self.relayed_told {
            return;
        }
        let told = relayed.clone().unwrap_or_default();
        self.relayed_told = relayed;
        for link in self.links.values_mut().filter(|link| link.socket == SocketId::OVERLAY) {
            link.set_relayed(now, &mut self.shared, &told);
        }
    }
}

/// How long an allocation is kept that no link has use for: attaching comes in bursts.
const IDLE: Duration = Duration::from_secs(60);

/// Loopback reaches loopback only.
fn reaches(base: SocketAddr, login: &TurnLogin) -> bool {
    let server = login.server;
    base.is_ipv4() == server.is_ipv4() && base.ip().is_loopback() == server.ip().is_loopback()
}
