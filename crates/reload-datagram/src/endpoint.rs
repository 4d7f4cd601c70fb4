//! All datagram links of a node: the inputs, and what they come to. Each flow has its file.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use reload_identity::Trust;
use reload_link::DtlsIdentity;
use reload_node::{Gathering, LinkId, Plan};
use reload_wire::Now;

use crate::output::{EndpointOutput, SendError, SocketId};
use crate::seam::TurnLogin;
use crate::settings::EndpointSettings;
use crate::status::{DatagramLinkStatus, EndpointCounters};

/// All datagram links of a node, without I/O. Drain [`Endpoint::poll_output`] down to
/// [`EndpointOutput::Idle`] after every input.
pub struct Endpoint {
    settings: EndpointSettings,
    identity: DtlsIdentity,
    trust: Arc<Trust>,
    seed: [u8; 32],
    outputs: VecDeque<EndpointOutput>,
    counters: EndpointCounters,
}

impl Endpoint {
    /// An endpoint without sockets: tell it the addresses of [`SocketId::OVERLAY`] first.
    #[must_use]
    pub fn new(
        settings: EndpointSettings,
        identity: DtlsIdentity,
        trust: Arc<Trust>,
        seed: [u8; 32],
    ) -> Self {
        let (outputs, counters) = (VecDeque::new(), EndpointCounters::default());
        Self { settings, identity, trust, seed, outputs, counters }
    }

    /// What certificates are checked against from now on, after a new configuration.
    pub fn set_trust(&mut self, trust: Arc<Trust>) {
        self.trust = trust;
    }

    /// Lives by the `max-message-size` of a new configuration (section 11.1).
    pub fn set_max_message_size(&mut self, size: u32) {
        self.settings.link.max_message_size = size;
    }

    /// Lives by the `no-ice` of a new configuration (section 6.5.1.5).
    pub fn set_no_ice(&mut self, no_ice: bool) {
        self.settings.no_ice = no_ice;
    }

    /// The STUN servers of the configuration; those learnt from peers come on top (section 6.5.1.4).
    pub fn set_stun_servers(&mut self, servers: Vec<SocketAddr>) {
        self.settings.stun_servers = servers;
    }

    /// The TURN servers for links gathered from now on.
    pub fn set_turn_servers(&mut self, _now: Now, servers: Vec<TurnLogin>) {
        self.settings.turn_servers = servers;
    }

    /// The addresses, with the port, at which a socket is reached on this host; those of
    /// [`SocketId::OVERLAY`] are told again whenever they change.
    pub fn set_addresses(&mut self, now: Now, socket: SocketId, addresses: Vec<SocketAddr>) {
        let _ = (now, socket, addresses);
    }

    /// The socket could not be opened, or broke.
    pub fn handle_socket_failed(&mut self, now: Now, socket: SocketId, reason: &str) {
        let _ = (now, socket, reason);
    }

    /// Finds out where others reach this node; answered by [`reload_node::LinkEvent::Candidates`],
    /// empty if there is no way.
    pub fn gather(&mut self, now: Now, link: LinkId, gathering: Gathering) {
        let _ = (now, link, gathering);
    }

    /// Forms the link; answered by [`reload_node::LinkEvent::Up`] or [`reload_node::LinkEvent::Down`].
    /// Addresses to dial that are not of type DTLS-UDP-SR-NO-ICE are the driver's.
    pub fn connect(&mut self, now: Now, link: LinkId, plan: Plan) {
        let _ = (now, link, plan);
    }

    /// Sends a message on an overlay link, or a datagram on an application link.
    ///
    /// # Errors
    /// [`SendError`]; nothing was queued.
    pub fn send(&mut self, now: Now, link: LinkId, message: Bytes) -> Result<(), SendError> {
        let _ = (now, link, message);
        Err(SendError::NotUp)
    }

    /// Closes a link, or gives up forming it, without an event.
    pub fn close(&mut self, now: Now, link: LinkId) {
        let _ = (now, link);
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
        let _ = (now, socket, local, remote, datagram);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// What the driver has to do next.
    pub fn poll_output(&mut self) -> EndpointOutput {
        self.outputs.pop_front().unwrap_or(EndpointOutput::Idle(None))
    }

    /// All links, by name.
    #[must_use]
    pub fn links(&self, now: Now) -> Vec<DatagramLinkStatus> {
        let _ = now;
        Vec::new()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> EndpointCounters {
        self.counters
    }
}
