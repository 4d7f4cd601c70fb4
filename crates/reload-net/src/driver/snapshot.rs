//! A picture of a running node for people and programs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reload_datagram::{DatagramLinkStatus, EndpointCounters};
use reload_link::LinkStats;
use reload_node::{LinkId, Status};
use reload_wire::NodeId;

use crate::link::Link;
use crate::listener::Refused;

/// The node at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the node itself knows.
    pub status: Status,
    /// Its links as the driver sees them.
    pub links: Vec<LinkSnapshot>,
    /// Its links over datagrams, those of applications and those under way included.
    pub datagram_links: Vec<DatagramLinkSnapshot>,
    /// What the datagram links have counted; none where UDP is off.
    pub datagrams: Option<EndpointCounters>,
    /// Datagrams that the system did not take.
    pub datagrams_unsent: u64,
    /// The addresses at which STUN servers have seen its UDP socket, those of this machine left out.
    pub reflexive: Vec<SocketAddr>,
    /// The addresses at TURN servers that relay to its UDP socket now.
    pub relayed: Vec<SocketAddr>,
    /// The TURN servers that have refused to relay to it, or not answered, since they were set.
    pub turn_failed: Vec<SocketAddr>,
    /// The addresses of this machine at which its UDP sockets are.
    pub hosts: Vec<SocketAddr>,
    /// The addresses listened on.
    pub listening: Vec<SocketAddr>,
    /// Connections refused because of a limit.
    pub connections_refused: Refused,
}

/// One link at one moment.
#[derive(Clone, Debug)]
pub struct LinkSnapshot {
    /// Its name, as in [`Status::links`].
    pub link: LinkId,
    /// The Node-IDs in the certificate of the other side.
    pub node_ids: Vec<NodeId>,
    /// The user name in it.
    pub user: Option<String>,
    /// The address of the other side.
    pub remote: SocketAddr,
    /// Our address on it.
    pub local: SocketAddr,
    /// Whether we dialled.
    pub dialled: bool,
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    /// Since it came up.
    pub age: Duration,
    /// Round trip, timeout, counters.
    pub stats: LinkStats,
    /// Messages dropped because the node did not keep up.
    pub dropped: u64,
}

/// One link over datagrams at one moment.
#[derive(Clone, Debug)]
pub struct DatagramLinkSnapshot {
    /// What the endpoint knows.
    pub status: DatagramLinkStatus,
    /// The Node-IDs in the certificate of the other side, once it is up.
    pub node_ids: Vec<NodeId>,
    /// The user name in it.
    pub user: Option<String>,
}

impl LinkSnapshot {
    pub(crate) fn of(id: LinkId, link: &Link, dropped: u64, now: Instant) -> Self {
        let facts = &link.facts;
        Self {
            link: id,
            node_ids: facts.certificate.node_ids().to_vec(),
            user: facts.certificate.user().map(str::to_owned),
            remote: facts.remote,
            local: facts.local,
            dialled: facts.dialled,
            protocol: facts.protocol,
            age: now.saturating_duration_since(facts.since),
            stats: link.stats(),
            dropped,
        }
    }
}
