//! The driver's side of the datagram links: UDP sockets and an [`Endpoint`], which knows what a
//! datagram means.
//!
//! A round hands over a bounded number of datagrams. What the system does not take for sending is
//! lost; a socket that breaks is opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_datagram::{Endpoint, EndpointOutput, EndpointSettings, LinkPath, SendError, SocketId};
use reload_identity::VerifiedCertificate;
use reload_node::{Gathering, LinkEvent, LinkId, LinkPurpose, Plan};
use reload_wire::{CandType, Now};

use super::snapshot::DatagramLinkSnapshot;
use crate::clock;
use crate::udp::{Arrival, Socket, Sockets};

/// How often the addresses of this machine are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The UDP side of a driver.
pub(super) struct Datagrams {
    pub(super) endpoint: Endpoint,
    pub(super) sockets: Sockets,
    /// What the sockets of the overlay links are bound to.
    bound: Vec<SocketAddr>,
    /// The addresses that the endpoint was told.
    told: BTreeMap<SocketId, Vec<SocketAddr>>,
    next_look: Instant,
    /// When the endpoint wants to be called.
    deadline: Option<Instant>,
    /// Application-IDs of the links that carry no messages of RELOAD, from their gathering on.
    applications: BTreeMap<LinkId, u16>,
    /// Links that have a socket of their own.
    own_sockets: BTreeSet<LinkId>,
    /// The addresses at which STUN servers saw the socket of the overlay links, last time.
    reflexive: Vec<SocketAddr>,
    /// Links that are up.
    up: BTreeMap<LinkId, UpLink>,
}

/// What is known of a link that is up.
#[derive(Clone, Debug)]
pub(super) struct UpLink {
    pub(super) certificate: Arc<VerifiedCertificate>,
    pub(super) mtu: usize,
}

/// What the rest of the driver has to do for the endpoint.
#[derive(Debug)]
pub(super) enum Told {
    /// An event of a link, for the node or for the owner of a pipe.
    Link(LinkId, LinkEvent),
    /// A datagram of an application.
    Application(LinkId, Bytes),
    /// A link of an application goes another way.
    Moved(LinkId, LinkPath),
}

impl Datagrams {
    /// Takes over the bound sockets of the overlay links.
    pub(super) fn new(endpoint: Endpoint, sockets: Vec<Socket>) -> Self {
        let bound = sockets.iter().map(Socket::bound).collect();
        let mut all = Sockets::default();
        all.add(SocketId::OVERLAY, sockets);
        let mut datagrams = Self {
            endpoint,
            sockets: all,
            bound,
            told: BTreeMap::new(),
            next_look: Instant::now(),
            deadline: None,
            applications: BTreeMap::new(),
            own_sockets: BTreeSet::new(),
            reflexive: Vec::new(),
            up: BTreeMap::new(),
        };
        datagrams.look(clock::now());
        datagrams
    }

    /// The addresses of the overlay socket.
    pub(super) fn hosts(&self) -> &[SocketAddr] {
        self.told.get(&SocketId::OVERLAY).map_or(&[], Vec::as_slice)
    }

    /// Where others see the socket of the overlay links, if not at an address of this machine.
    pub(super) fn reflexive(&self) -> Vec<SocketAddr> {
        self.reflexive.clone()
    }

    pub(super) fn gather(&mut self, now: Now, link: LinkId, gathering: Gathering) {
        if let LinkPurpose::Application(application) = gathering.purpose {
            self.applications.insert(link, application);
        }
        if gathering.own_socket {
            self.own_sockets.insert(link);
        }
        self.endpoint.gather(now, link, gathering);
    }

    pub(super) fn connect(&mut self, now: Now, link: LinkId, plan: Plan) {
        self.endpoint.connect(now, link, plan);
    }

    pub(super) fn send(&mut self, now: Now, link: LinkId, data: Bytes) -> Result<(), SendError> {
        self.endpoint.send(now, link, data)
    }

    pub(super) fn close(&mut self, now: Now, link: LinkId) {
        self.endpoint.close(now, link);
        self.forget(link);
    }

    fn forget(&mut self, link: LinkId) {
        self.applications.remove(&link);
        self.own_sockets.remove(&link);
        self.up.remove(&link);
    }

    /// The Application-ID of a link; none of an overlay link.
    pub(super) fn application(&self, link: LinkId) -> Option<u16> {
        self.applications.get(&link).copied()
    }

    pub(super) fn up(&self, link: LinkId) -> Option<&UpLink> {
        self.up.get(&link)
    }

    /// When something is due.
    pub(super) fn next_deadline(&self) -> Instant {
        self.deadline.map_or(self.next_look, |deadline| deadline.min(self.next_look))
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Now) {
        if self.deadline.is_some_and(|deadline| deadline <= now.mono) {
            // Told anew when the endpoint is idle again.
            self.deadline = None;
            self.endpoint.handle_timeout(now);
        }
        if self.next_look <= now.mono {
            self.look(now);
        }
    }

    pub(super) fn on_arrival(&mut self, now: Now, arrival: Arrival) {
        match arrival {
            Arrival::Datagrams(socket, datagrams) => {
                for datagram in datagrams {
                    let (local, remote) = (datagram.local, datagram.remote);
                    self.endpoint.handle_datagram(now, socket, local, remote, &datagram.data);
                }
            }
            Arrival::Failed(socket, error) => {
                tracing::warn!(socket = socket.0, %error, "a UDP socket broke");
                self.sockets.close(socket);
                self.told.remove(&socket);
                self.endpoint.handle_socket_failed(now, socket, &error.to_string());
            }
        }
    }

    /// Tells the endpoint what addresses there are now, if that is news; and opens the socket of the
    /// overlay links again if it broke.
    fn look(&mut self, now: Now) {
        self.next_look = now.mono + LOOK;
        if self.sockets.bound(SocketId::OVERLAY).is_empty()
            && let Err(error) = self.sockets.open(SocketId::OVERLAY, &self.bound)
        {
            tracing::debug!(%error, "the UDP socket can't be opened again");
        }
        for (socket, hosts) in self.sockets.hosts() {
            self.tell(now, socket, hosts);
        }
    }

    fn tell(&mut self, now: Now, socket: SocketId, hosts: Vec<SocketAddr>) {
        if self.told.get(&socket) != Some(&hosts) {
            tracing::debug!(socket = socket.0, ?hosts, "addresses");
            self.told.insert(socket, hosts.clone());
            self.endpoint.set_addresses(now, socket, hosts);
        }
    }

    /// The next thing of the endpoint that concerns others; none when it is idle.
    pub(super) fn poll(&mut self) -> Option<Told> {
        loop {
            match self.endpoint.poll_output() {
                EndpointOutput::Transmit { socket, local, remote, data } => {
                    self.sockets.send(socket, local, remote, &data);
                }
                EndpointOutput::OpenSocket(socket) => self.open(socket),
                EndpointOutput::CloseSocket(socket) => {
                    self.sockets.close(socket);
                    self.told.remove(&socket);
                }
                EndpointOutput::Accepted(link, event) | EndpointOutput::Link(link, event) => {
                    self.note(link, &event);
                    return Some(Told::Link(link, event));
                }
                EndpointOutput::Application(link, datagram) => {
                    return Some(Told::Application(link, datagram));
                }
                EndpointOutput::Moved(link, path) => return Some(Told::Moved(link, path)),
                EndpointOutput::Idle(deadline) => {
                    self.deadline = deadline;
                    return None;
                }
            }
        }
    }

    /// A socket of its own for a link, on the addresses of the others and any free port.
    fn open(&mut self, socket: SocketId) {
        let now = clock::now();
        let any_port = |bound: &SocketAddr| SocketAddr::new(bound.ip(), 0);
        let addresses: Vec<_> = self.bound.iter().map(any_port).collect();
        match self.sockets.open(socket, &addresses) {
            Ok(()) => {
                let hosts = self.sockets.hosts().into_iter().find(|(other, _)| *other == socket);
                self.tell(now, socket, hosts.map(|(_, hosts)| hosts).unwrap_or_default());
            }
            Err(error) => {
                tracing::warn!(socket = socket.0, %error, "no further UDP socket");
                self.endpoint.handle_socket_failed(now, socket, &error.to_string());
            }
        }
    }

    fn note(&mut self, link: LinkId, event: &LinkEvent) {
        match event {
            LinkEvent::Candidates(candidates) if !self.own_sockets.contains(&link) => {
                let seen = candidates.iter().filter(|one| one.kind == CandType::Srflx);
                self.reflexive = seen.filter_map(|one| one.addr_port.socket_addr()).collect();
            }
            LinkEvent::Up { certificate, mtu, .. } => {
                let (certificate, mtu) = (Arc::clone(certificate), mtu.unwrap_or(0));
                self.up.insert(link, UpLink { certificate, mtu });
            }
            LinkEvent::Mtu(mtu) => {
                if let Some(up) = self.up.get_mut(&link) {
                    up.mtu = *mtu;
                }
            }
            _ => {}
        }
    }

    /// All links, for people.
    pub(super) fn snapshot(&self, now: Now) -> Vec<DatagramLinkSnapshot> {
        let links = self.endpoint.links(now).into_iter().map(|status| {
            let certificate = self.up.get(&status.link).map(|up| &up.certificate);
            let node_ids = certificate.map(|one| one.node_ids().to_vec()).unwrap_or_default();
            let user = certificate.and_then(|one| one.user()).map(str::to_owned);
            DatagramLinkSnapshot { status, node_ids, user }
        });
        links.collect()
    }

    /// A link is gone by itself.
    pub(super) fn on_down(&mut self, link: LinkId) {
        self.forget(link);
    }

    /// Everything for an endpoint of a node.
    pub(super) fn settings(
        link: reload_link::LinkSettings,
        no_ice: bool,
        settings: &super::Settings,
    ) -> EndpointSettings {
        let mut endpoint = EndpointSettings::new(link);
        endpoint.no_ice = no_ice;
        endpoint.stun_servers.clone_from(&settings.stun_servers);
        endpoint.turn_servers.clone_from(&settings.turn_servers);
        // Even numbers; those of the TCP listeners are odd.
        endpoint.first_accepted = 2;
        endpoint.accepted_step = 2;
        endpoint.limits.links = settings.links;
        endpoint.limits.half_open = settings.accept.half_open;
        endpoint.limits.half_open_per_address = settings.accept.half_open_per_address;
        endpoint.limits.handshake_time = settings.accept.handshake;
        endpoint
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use reload_config::Leniency;
    use reload_identity::{
        Algorithm, Credentials, Issuer, KeyPair, Trust, TrustSettings, Validity,
    };
    use reload_link::LinkSettings;
    use reload_wire::{Dialect, NodeId, NodeIdLength, OverlayLinkType};

    use super::*;
    use crate::tls::TlsIdentity;

    /// The UDP side of a node with one socket on loopback.
    fn datagrams() -> Datagrams {
        let (overlay, id) = ("overlay.example.org", NodeId::from_u128(7));
        let validity = Validity::starting(clock::now().wall, Duration::from_secs(86_400));
        let key = || KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let (issuer, own) = (Issuer::create(key(), "test CA", validity).unwrap(), key());
        let der = issuer.node_certificate(own.spki(), overlay, &[id], None, validity).unwrap();
        let settings = TrustSettings {
            overlay,
            node_id_length: NodeIdLength::DEFAULT,
            root_certs: &[issuer.certificate_der().clone()],
            self_signed: None,
            bad_nodes: &[],
            leniency: Leniency::Strict,
        };
        let trust = Arc::new(Trust::from_settings(&settings).unwrap());
        let certificate = trust.check(&der, &[], clock::now().wall).unwrap();
        let credentials = Credentials::new(own, certificate).unwrap();
        let identity = TlsIdentity::new(&credentials, Arc::clone(&trust), None).unwrap();
        let link = LinkSettings::new(Dialect::default(), 5000);
        let settings = Datagrams::settings(link, false, &super::super::Settings::default());
        let endpoint = Endpoint::new(settings, identity.dtls().clone(), trust, [7; 32]);
        let socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Datagrams::new(endpoint, vec![socket])
    }

    fn poll_all(datagrams: &mut Datagrams) -> Vec<Told> {
        std::iter::from_fn(|| datagrams.poll()).collect()
    }

    #[tokio::test]
    async fn a_socket_that_breaks_is_opened_again_at_its_port() {
        let mut datagrams = datagrams();
        let hosts = datagrams.hosts().to_vec();
        let way = reload_node::Way::Dial(vec![reload_node::DialAddress {
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
            link: OverlayLinkType::DTLS_UDP_SR_NO_ICE,
        }]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let (link, security) = (LinkId::planned(1), reload_node::Security::Handshake(None));
        datagrams.connect(clock::now(), link, Plan { way, security, deadline });
        assert!(poll_all(&mut datagrams).is_empty());
        let broken = Arrival::Failed(SocketId::OVERLAY, io::ErrorKind::NotConnected.into());
        datagrams.on_arrival(clock::now(), broken);
        let told = poll_all(&mut datagrams);
        let is_down =
            |told: &Told| matches!(told, Told::Link(of, LinkEvent::Down { .. }) if *of == link);
        assert!(told.iter().any(is_down), "its links are down: {told:?}");
        assert!(datagrams.hosts().is_empty());
        tokio::task::yield_now().await; // its reader lets go of the port
        let later = Now { mono: clock::now().mono + LOOK, ..clock::now() };
        datagrams.handle_timeout(later);
        assert_eq!(datagrams.hosts(), hosts);
    }

    #[tokio::test]
    async fn addresses_are_looked_at_again_and_again() {
        let mut datagrams = datagrams();
        let first = datagrams.next_deadline();
        datagrams.handle_timeout(Now { mono: first, ..clock::now() });
        let _ = poll_all(&mut datagrams);
        assert!(datagrams.next_deadline() > first);
    }
}
