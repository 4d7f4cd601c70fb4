//! The connection table: every link of the node, and which one carries the traffic to a node.
//!
//! Two links between the same nodes are usual (both sides dial, restarts): the newest carries the
//! traffic, the older one drains.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use reload_identity::VerifiedCertificate;
use reload_wire::NodeId;

use crate::{LinkId, LinkStatus};

/// How a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// It carries traffic.
    Up,
    /// Nothing was acknowledged for its timeout (section 6.6.5).
    Failing,
    /// A newer link to the same node took over.
    Draining,
}

impl LinkState {
    const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Failing => "failing",
            Self::Draining => "draining",
        }
    }
}

/// One link that is up, or was until a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) state: LinkState,
    /// The node at the other end. A certificate with several Node-IDs leaves it open until an
    /// Attach tells which one is meant (section 6.1.2).
    pub(crate) node: Option<NodeId>,
    pub(crate) certificate: Arc<VerifiedCertificate>,
    pub(crate) remote: SocketAddr,
    /// The bytes that one datagram carries; none on a stream.
    pub(crate) mtu: Option<usize>,
    /// Whether it was formed with ICE.
    pub(crate) ice: bool,
    /// Whether this node dialled it: its address is one to dial again.
    pub(crate) dialled: bool,
    /// When it came up.
    pub(crate) since: Instant,
    /// Whether an Attach stands behind the link, or this node dialled it.
    pub(crate) attached: bool,
    /// The last message in either direction.
    pub(crate) last_traffic: Instant,
}

impl Link {
    /// Whether the other side may send requests besides Ping and Attach: one with several Node-IDs
    /// has to Attach before (section 6.1.2).
    pub(crate) fn may_route(&self) -> bool {
        self.node.is_some() && (self.attached || self.certificate.node_ids().len() == 1)
    }

    /// The Node-ID by which the other side is put into a via list: the one it is bound to, else
    /// the first of its certificate.
    pub(crate) fn address(&self) -> NodeId {
        self.node.unwrap_or_else(|| self.certificate.node_id())
    }
}

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    up: BTreeMap<LinkId, Link>,
    /// Oldest first.
    by_node: BTreeMap<NodeId, Vec<LinkId>>,
    planned: u64,
}

impl Links {
    /// A new name for a link that is going to be planned.
    pub(crate) fn plan(&mut self) -> LinkId {
        self.planned += 1;
        LinkId::planned(self.planned)
    }

    pub(crate) fn len(&self) -> usize {
        self.up.len()
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.up.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.up.get_mut(&id)
    }

    /// Enters a link.
    pub(crate) fn insert(&mut self, id: LinkId, link: Link) {
        self.by_node.entry(link.address()).or_default().push(id);
        self.up.insert(id, link);
    }

    /// The newest link to a node that does not fail carries the traffic; returns it, and the others
    /// that do not fail: they drain (E102).
    pub(crate) fn arrange(&mut self, node: &NodeId) -> (Option<LinkId>, Vec<LinkId>) {
        let (mut carrier, mut draining) = (None, Vec::new());
        for id in self.by_node.get(node).into_iter().flatten().rev() {
            let Some(link) = self.up.get_mut(id).filter(|link| link.state != LinkState::Failing)
            else {
                continue;
            };
            if carrier.is_none() {
                link.state = LinkState::Up;
                carrier = Some(*id);
            } else {
                link.state = LinkState::Draining;
                draining.push(*id);
            }
        }
        (carrier, draining)
    }

    /// The oldest link to a node that has more than `most`.
    pub(crate) fn surplus(&self, node: &NodeId, most: usize) -> Option<LinkId> {
        self.by_node.get(node).filter(|ids| ids.len() > most)?.first().copied()
    }

    /// A link whose certificate holds this Node-ID among others, and that is bound to none yet.
    pub(crate) fn unbound(&self, node: &NodeId) -> Option<LinkId> {
        let open =
            |(_, link): &(LinkId, &Link)| link.node.is_none() && link.certificate.names(node);
        self.iter().find(open).map(|(id, _)| id)
    }

    /// Takes a link out.
    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.up.remove(&id)?;
        let address = link.address();
        if let Some(ids) = self.by_node.get_mut(&address) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_node.remove(&address);
            }
        }
        Some(link)
    }

    /// The link that carries the traffic to a node: the newest that is not failing.
    pub(crate) fn to_node(&self, node: &NodeId) -> Option<LinkId> {
        let ids = self.by_node.get(node)?;
        ids.iter().rev().find(|id| self.works(**id)).copied()
    }

    /// The newest link to a node, failing or not.
    pub(crate) fn newest(&self, node: &NodeId) -> Option<LinkId> {
        self.by_node.get(node)?.last().copied()
    }

    /// Whether a link is up and does not fail.
    pub(crate) fn works(&self, id: LinkId) -> bool {
        self.up.get(&id).is_some_and(|link| link.state != LinkState::Failing)
    }

    /// Any link that carries traffic.
    pub(crate) fn any(&self) -> Option<LinkId> {
        self.up.iter().find(|(_, link)| link.state == LinkState::Up).map(|(id, _)| *id)
    }

    /// The nodes with at least one link.
    pub(crate) fn linked(&self) -> Vec<NodeId> {
        self.by_node.keys().copied().collect()
    }

    /// The nodes with a link that was dialled, and where: an address that came in from elsewhere
    /// is not one to dial.
    pub(crate) fn dialled(&self) -> impl Iterator<Item = (NodeId, SocketAddr)> + '_ {
        self.by_node.iter().filter_map(|(node, ids)| {
            let mut links = ids.iter().rev().filter_map(|id| self.up.get(id));
            Some((*node, links.find(|link| link.dialled)?.remote))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.up.iter().map(|(id, link)| (*id, link))
    }

    pub(crate) fn status(&self, now: Instant) -> Vec<LinkStatus> {
        let row = |(id, link): (LinkId, &Link)| LinkStatus {
            link: id,
            node: link.node,
            remote: Some(link.remote),
            mtu: link.mtu,
            ice: link.ice,
            age: now.saturating_duration_since(link.since),
            state: link.state.name(),
        };
        self.iter().map(row).collect()
    }
}
