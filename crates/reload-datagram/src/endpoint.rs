//! All datagram links of a node: its inputs, and where they go. Each flow has its file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use reload_ice::{Relayed, Relays, TurnLogin};
use reload_identity::Trust;
use reload_link::{DtlsIdentity, HelloGate};
use reload_node::{Gathering, LinkId, Plan};
use reload_wire::Now;

use crate::accept::{HalfOpens, Numbers};
use crate::demux::Arrival;
use crate::link::{Link, Path};
use crate::output::{EndpointOutput, LinkPath, SendError, SocketId};
use crate::settings::EndpointSettings;
use crate::shared::Shared;
use crate::status::{DatagramLinkStatus, EndpointCounters};
use crate::timer::Timer;

/// All datagram links of a node, without I/O. Drain [`Endpoint::poll_output`] down to
/// [`EndpointOutput::Idle`] after every input.
pub struct Endpoint {
    pub(crate) shared: Shared,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) half_opens: HalfOpens,
    gate_secret: [u8; 32],
    gate: Option<HelloGate>,
    pub(crate) numbers: Numbers,
    pub(crate) relayed_told: Option<Vec<Relayed>>,
}

impl Endpoint {
    /// An endpoint without addresses: tell it those of [`SocketId::OVERLAY`] first. `seed` is random and
    /// secret: cookies and STUN transactions come from it. Keys of DTLS are drawn by its engine.
    #[must_use]
    pub fn new(
        settings: EndpointSettings,
        identity: DtlsIdentity,
        trust: Arc<Trust>,
        seed: [u8; 32],
    ) -> Self {
        let numbers = Numbers::new(settings.first_accepted, settings.accepted_step);
        let mut shared = Shared::new(settings, identity, trust, seed);
        Self {
            gate_secret: shared.seed(),
            gate: None,
            numbers,
            shared,
            links: BTreeMap::new(),
            half_opens: HalfOpens::default(),
            relayed_told: None,
        }
    }

    /// What certificates are checked against from now on, after a new configuration.
    pub fn set_trust(&mut self, trust: Arc<Trust>) {
        self.shared.trust = trust;
    }

    /// Lives by the `max-message-size` of a new configuration (section 11.1).
    pub fn set_max_message_size(&mut self, size: u32) {
        self.shared.settings.link.max_message_size = size;
        for association in self.links.values_mut().filter_map(|link| link.association.as_mut()) {
            association.set_max_message_size(size);
        }
    }

    /// Lives by the `no-ice` of a new configuration (section 6.5.1.5).
    pub fn set_no_ice(&mut self, no_ice: bool) {
        self.shared.settings.no_ice = no_ice;
    }

    /// The STUN servers of the configuration; those learnt from peers come on top (section 6.5.1.4).
    pub fn set_stun_servers(&mut self, servers: Vec<SocketAddr>) {
        self.shared.stun_servers.set_configured(servers);
    }

    /// The STUN servers that the next gathering asks: configured ones, and one peer of each group that
    /// sees us at one address (section 6.5.1.4).
    #[must_use]
    pub fn stun_servers(&self) -> Vec<SocketAddr> {
        self.shared.stun_servers.chosen()
    }

    /// The TURN servers for links gathered from now on. What was allocated at others is given back.
    pub fn set_turn_servers(&mut self, now: Now, servers: Vec<TurnLogin>) {
        self.shared.release_all_but(now, &servers);
        self.shared.settings.turn_servers = servers;
        self.tell_relayed(now);
        self.after(now);
    }

    /// The addresses at TURN servers that relay to [`SocketId::OVERLAY`] now.
    #[must_use]
    pub fn relayed(&self) -> Vec<SocketAddr> {
        let relayed = self.shared.relays.iter().flat_map(Relays::relayed);
        relayed.map(|relayed| relayed.address).collect()
    }

    /// The TURN servers that have refused to relay to [`SocketId::OVERLAY`], or not answered, since they
    /// were set.
    #[must_use]
    pub fn failed_turn_servers(&self) -> Vec<SocketAddr> {
        self.shared.relays.iter().flat_map(Relays::failed).collect()
    }

    /// The addresses, with the port, at which a socket is reached on this host; those of
    /// [`SocketId::OVERLAY`] are told again whenever they change.
    pub fn set_addresses(&mut self, now: Now, socket: SocketId, addresses: Vec<SocketAddr>) {
        self.on_addresses(now, socket, addresses);
        self.after(now);
    }

    /// The socket could not be opened, or broke.
    pub fn handle_socket_failed(&mut self, now: Now, socket: SocketId, reason: &str) {
        self.on_socket_failed(now, socket, reason);
        self.after(now);
    }

    /// Finds out where others reach this node; answered by [`reload_node::LinkEvent::Candidates`],
    /// empty if there is no way.
    pub fn gather(&mut self, now: Now, link: LinkId, gathering: Gathering) {
        self.on_gather(now, link, gathering);
        self.after(now);
    }

    /// Forms the link; answered by [`reload_node::LinkEvent::Up`] or [`reload_node::LinkEvent::Down`].
    /// Addresses to dial that are not of type DTLS-UDP-SR-NO-ICE are the driver's.
    pub fn connect(&mut self, now: Now, link: LinkId, plan: Plan) {
        self.on_plan(now, link, plan);
        self.after(now);
    }

    /// Sends a message on an overlay link, or a datagram on an application link.
    ///
    /// # Errors
    /// [`SendError`]; nothing was queued.
    pub fn send(&mut self, now: Now, link: LinkId, message: Bytes) -> Result<(), SendError> {
        let link = self.links.get_mut(&link).ok_or(SendError::NotUp)?;
        let sent = link.send(now, &mut self.shared, message);
        self.after(now);
        sent
    }

    /// Closes a link, or gives up forming it, without an event.
    pub fn close(&mut self, now: Now, link: LinkId) {
        if let Some(link) = self.links.get_mut(&link) {
            link.close(now, &mut self.shared);
        }
        self.after(now);
    }

    /// Takes a datagram: it came from `remote` to the address `local` of the socket.
    pub fn handle_datagram(
        &mut self,
        now: Now,
        socket: SocketId,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let from = Arrival { socket, local, remote, relayed: false };
        self.on_datagram(now, from, datagram);
        self.after(now);
    }

    /// Does what is due. The next deadline lies after `now` then.
    pub fn handle_timeout(&mut self, now: Now) {
        for timer in self.shared.timers.take_due(now.mono) {
            self.on_timer(now, timer);
        }
        self.after(now);
        debug_assert!(self.shared.timers.next().is_none_or(|next| next > now.mono));
    }

    /// What the driver has to do next.
    pub fn poll_output(&mut self) -> EndpointOutput {
        self.shared.poll_output()
    }

    /// All links, by name.
    #[must_use]
    pub fn links(&self, now: Now) -> Vec<DatagramLinkStatus> {
        self.links.values().map(|link| link.status(now)).collect()
    }

    /// The way of a link, once it is known; [`EndpointOutput::Moved`] tells when it changes.
    #[must_use]
    pub fn path(&self, link: LinkId) -> Option<LinkPath> {
        self.links.get(&link)?.link_path()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> EndpointCounters {
        self.shared.counters
    }

    /// Accepted handshakes that have not completed.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_opens.len()
    }

    /// Made with the first stranger: its periods count from then.
    pub(crate) fn gate(&mut self, now: Now) -> &HelloGate {
        self.gate.get_or_insert_with(|| HelloGate::new(&self.gate_secret, now.mono))
    }

    fn on_timer(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Link(link) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.handle_timeout(now, &mut self.shared);
                }
            }
            Timer::HalfOpen(id) => {
                let progress = self.half_opens.handle_timeout(now, &mut self.shared, id);
                self.on_progress(now, progress);
            }
            Timer::Relays => self.on_relays_due(now),
            Timer::StunServers => {
                self.shared.stun_servers.handle_timeout(now.mono);
                self.shared.pump_stun_servers(now);
            }
        }
    }

    /// What one link does to others: one that came up takes the place of those that were up between
    /// the same addresses. Then those that are gone go.
    fn after(&mut self, now: Now) {
        while let Some((pair, newest)) = self.shared.claims.pop() {
            for owner in self.shared.routes.owners(pair) {
                self.replace(now, owner, newest);
            }
        }
        for id in std::mem::take(&mut self.shared.gone) {
            if let Some(link) = self.links.remove(&id)
                && link.socket != SocketId::OVERLAY
            {
                self.half_opens.drop_socket(&mut self.shared, link.socket);
            }
        }
    }

    fn replace(&mut self, now: Now, owner: crate::routes::Owner, newest: LinkId) {
        let crate::routes::Owner::Link(id) = owner else { return };
        let older = self.links.get_mut(&id).filter(|link| link.is_up() && id != newest);
        if let Some(link) = older {
            self.shared.counters.replaced += 1;
            link.lose(now, &mut self.shared, "replaced by a new association of the same addresses");
        }
    }
}

/// For a link that waits for its socket, or for what the node does with it.
impl Link {
    pub(crate) fn opening(id: LinkId, socket: SocketId, gathering: Gathering) -> Self {
        Self::new(id, gathering.purpose, socket, Path::Opening(gathering))
    }
}
