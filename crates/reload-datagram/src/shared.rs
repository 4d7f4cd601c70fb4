//! What all links of an endpoint use: settings, sockets, routes, timers, and the one queue of outputs.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_ice::Relays;
use reload_identity::Trust;
use reload_link::DtlsIdentity;
use reload_node::{LinkEvent, LinkId, LinkPurpose};
use reload_wire::NodeId;

use crate::association::Beginning;
use crate::output::{EndpointOutput, SocketId};
use crate::routes::{Pair, Routes};
use crate::settings::EndpointSettings;
use crate::sockets::Sockets;
use crate::status::EndpointCounters;
use crate::stun_servers::StunServers;
use crate::timer::Timers;

pub(crate) struct Shared {
    pub(crate) settings: EndpointSettings,
    pub(crate) identity: DtlsIdentity,
    pub(crate) trust: Arc<Trust>,
    pub(crate) sockets: Sockets,
    pub(crate) routes: Routes,
    pub(crate) timers: Timers,
    pub(crate) stun_servers: StunServers,
    /// The allocations of the overlay socket; made with the first gathering that knows a TURN server.
    pub(crate) relays: Option<Relays>,
    /// When a link last had use for them.
    pub(crate) relays_wanted: Option<Instant>,
    pub(crate) counters: EndpointCounters,
    /// Links that came up over a pair: older associations of the pair have to go (RFC 6347 4.2.8).
    pub(crate) claims: Vec<(Pair, LinkId)>,
    /// Links that have left.
    pub(crate) gone: Vec<LinkId>,
    random: StdRng,
    outputs: VecDeque<EndpointOutput>,
}

impl Shared {
    pub(crate) fn new(
        settings: EndpointSettings,
        identity: DtlsIdentity,
        trust: Arc<Trust>,
        seed: [u8; 32],
    ) -> Self {
        Self {
            stun_servers: StunServers::new(settings.stun_servers.clone()),
            settings,
            identity,
            trust,
            sockets: Sockets::new(),
            routes: Routes::default(),
            timers: Timers::default(),
            relays: None,
            relays_wanted: None,
            counters: EndpointCounters::default(),
            claims: Vec::new(),
            gone: Vec::new(),
            random: StdRng::from_seed(seed),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn output(&mut self, output: EndpointOutput) {
        self.outputs.push_back(output);
    }

    pub(crate) fn tell(&mut self, link: LinkId, event: LinkEvent) {
        self.output(EndpointOutput::Link(link, event));
    }

    pub(crate) fn transmit(&mut self, socket: SocketId, from: IpAddr, to: SocketAddr, data: Bytes) {
        self.output(EndpointOutput::Transmit { socket, local: from, remote: to, data });
    }

    pub(crate) fn poll_output(&mut self) -> EndpointOutput {
        let idle = EndpointOutput::Idle(self.timers.next());
        self.outputs.pop_front().unwrap_or(idle)
    }

    /// A seed for a part that needs randomness of its own.
    pub(crate) fn seed(&mut self) -> [u8; 32] {
        self.random.random()
    }

    pub(crate) fn beginning(
        &self,
        purpose: LinkPurpose,
        expected: Option<NodeId>,
        datagram: usize,
    ) -> Beginning<'_> {
        let (identity, trust, settings) = (&self.identity, &self.trust, &self.settings.link);
        Beginning { identity, trust, expected, purpose, settings, datagram, round_trip: None }
    }
}
