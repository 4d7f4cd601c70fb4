//! What all requests share: the ways out, the dialogs, the bounds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reload_usages::sip::Scheme;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::Transport;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::random_text;
use rsipstack::transport::{SipAddr, SipConnection};

use super::acks_under_way::AcksUnderWay;
use super::dialogs::Dialogs;
use super::hop::{Hop, PhoneHop};
use super::route::Own;
use super::sent_acks::SentAcks;
use super::shares::Shares;
use super::via::Branches;
use crate::calls::Calls;
use crate::edge::{Authenticator, Binding, Registrar};
use crate::media::Media;
use crate::pipes::Pool;
use crate::trace::Trace;
use crate::{Overlay, Settings};

/// A domain that nobody has (RFC 2606): an overlay that serves it serves all.
const NOBODYS: &str = "nobody.invalid";

/// The proxy itself.
pub(crate) struct Router {
    pub(super) settings: Settings,
    pub(super) overlay: Arc<dyn Overlay>,
    pub(super) endpoint: EndpointInnerRef,
    pub(super) registrar: Arc<Registrar>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) pipes: Arc<Pool>,
    pub(super) calls: Arc<Calls>,
    pub(super) media: Media,
    pub(super) trace: Arc<Trace>,
    pub(super) branches: Branches,
    pub(super) own: Own,
    /// The name of this node in Via, where peers see it.
    pub(super) node_name: String,
    /// Our GRUU, as it stands in Contact.
    pub(super) gruu: String,
    /// The `gr` parameter of our GRUU.
    pub(super) gr: String,
    pub(super) shares: Shares,
    pub(super) acks: AcksUnderWay,
    /// Cancelled when the proxy ends.
    pub(super) end: CancellationToken,
    dialogs: Mutex<Dialogs>,
    sent_acks: Mutex<SentAcks>,
}

/// What a router works with.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) overlay: Arc<dyn Overlay>,
    pub(crate) endpoint: EndpointInnerRef,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) pipes: Arc<Pool>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) media: Media,
    pub(crate) trace: Arc<Trace>,
    pub(crate) listening: Vec<SocketAddr>,
    pub(crate) acks: AcksUnderWay,
    pub(crate) end: CancellationToken,
}

impl Router {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let gruu = parts.overlay.gruu();
        let domain = parts.overlay.aor().domain();
        Arc::new(Self {
            branches: Branches::new(),
            own: Own { token: random_text(16), gruu: gruu.to_string(), listening: parts.listening },
            node_name: format!("{}.{domain}", parts.overlay.node_id()),
            gr: gruu.to_string().rsplit_once(";gr=").map(|it| it.1.to_owned()).unwrap_or_default(),
            gruu: gruu.to_uri(Scheme::Sip),
            shares: Shares::new(parts.settings.limits.transactions),
            dialogs: Mutex::new(Dialogs::new(parts.settings.limits.dialogs)),
            sent_acks: Mutex::new(SentAcks::new(parts.settings.limits.dialogs)),
            acks: parts.acks,
            end: parts.end,
            settings: parts.settings,
            overlay: parts.overlay,
            endpoint: parts.endpoint,
            registrar: parts.registrar,
            authenticator: parts.authenticator,
            pipes: parts.pipes,
            calls: parts.calls,
            media: parts.media,
            trace: parts.trace,
        })
    }

    pub(super) fn dialogs(&self) -> MutexGuard<'_, Dialogs> {
        self.dialogs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sent_acks(&self) -> MutexGuard<'_, SentAcks> {
        self.sent_acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self) {
        self.dialogs().sweep(now());
        self.sent_acks().sweep(now());
        self.shares.sweep();
    }

    /// Dialogs that are known.
    pub(crate) fn dialogs_known(&self) -> usize {
        self.dialogs().len()
    }

    /// Whether a domain is the overlay's. One that serves all domains says nothing about any but its own.
    pub(super) fn is_of_overlay(&self, domain: &str) -> bool {
        let is_own = domain.eq_ignore_ascii_case(self.overlay.aor().domain());
        is_own || (self.overlay.serves(domain) && !self.overlay.serves(NOBODYS))
    }

    /// The neighbour at the other end of a connection.
    pub(super) fn neighbour(&self, connection: &SipConnection) -> Option<Hop> {
        if let Some(pipe) = self.pipes.of_connection(connection) {
            return Some(Hop::Peer(pipe));
        }
        let destination = connection.get_remote_addr()?.clone();
        self.phone_or_outside(connection.clone(), destination)
    }

    /// Who is no peer: a phone, or the next hop of the ordinary SIP world.
    pub(super) fn phone_or_outside(
        &self,
        connection: SipConnection,
        destination: SipAddr,
    ) -> Option<Hop> {
        let address = destination.get_socketaddr().ok()?;
        let line = self.registrar.of_source(&destination).map(|binding| binding.line);
        let hop = PhoneHop {
            line,
            contact: None,
            local: local_address(&connection, address),
            connection,
            destination,
        };
        let is_outside = self.settings.route.is_some_and(|route| route == address);
        Some(if is_outside { Hop::Outside(hop) } else { Hop::Phone(hop) })
    }

    /// The way to a phone that is registered.
    pub(super) fn phone(binding: &Binding) -> Option<PhoneHop> {
        let connection = binding.flow.connection.clone();
        let destination = binding.flow.destination.clone();
        let local = local_address(&connection, destination.get_socketaddr().ok()?);
        Some(PhoneHop {
            line: Some(binding.line.clone()),
            contact: Some(binding.contact.clone()),
            connection,
            destination,
            local,
        })
    }

    /// The way to the ordinary SIP world, if there is one.
    pub(super) async fn outside(&self) -> Option<PhoneHop> {
        let address = self.settings.route?;
        let target = SipAddr::new(Transport::Udp, address.into());
        let (connection, destination) =
            self.endpoint.transport_layer.lookup(&target, None).await.ok()?;
        let local = local_address(&connection, address);
        Some(PhoneHop { line: None, contact: None, connection, destination, local })
    }
}

/// The time, by the clock that the timers go by.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Our address as a neighbour sees it: the socket may be bound to all addresses.
fn local_address(connection: &SipConnection, to: SocketAddr) -> SocketAddr {
    let bound = connection.get_addr().get_socketaddr().unwrap_or(to);
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let any = SocketAddr::new(bound.ip(), 0);
    let facing = std::net::UdpSocket::bind(any).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    facing.map_or(bound, |facing| SocketAddr::new(facing.ip(), bound.port()))
}
