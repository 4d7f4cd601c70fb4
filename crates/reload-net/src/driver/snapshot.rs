//! A picture of a running node for people and programs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reload_link::LinkStats;
use reload_node::{LinkId, Status};
use reload_wire::NodeId;

use crate::link::Link;

/// The node at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the node itself knows.
    pub status: Status,
    /// Its links as the driver sees them.
    pub links: Vec<LinkSnapshot>,
    /// The addresses listened on.
    pub listening: Vec<SocketAddr>,
    /// Connections refused because of a limit.
    pub connections_refused: u64,
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
