//! Which STUN servers a gathering uses (section 6.5.1.4): those of the configuration, and one peer of each
//! group of connected peers that see us at the same address. Every peer answers plain Binding requests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reload_ice::{IceTransmit, StunClient};
use reload_node::LinkId;

/// Peers that are asked; there are not more ways out of a host than this.
const ASKED: usize = 32;
/// Peers that serve beside the configured servers: each costs every gathering two datagrams.
const SERVING: usize = 4;
/// Configured servers before the peers: a session asks the first few only.
const CONFIGURED_FIRST: usize = 2;
/// Between two questions to one peer: its group may change, but seldom does.
const INTERVAL: Duration = Duration::from_secs(60);

/// A connected peer.
#[derive(Debug)]
struct Peer {
    /// Not behind a NAT itself: it answers whatever socket of ours asks.
    host: bool,
    client: StunClient,
}

#[derive(Debug)]
pub(crate) struct StunServers {
    configured: Vec<SocketAddr>,
    peers: BTreeMap<LinkId, Peer>,
}

impl StunServers {
    pub(crate) fn new(configured: Vec<SocketAddr>) -> Self {
        Self { configured, peers: BTreeMap::new() }
    }

    pub(crate) fn set_configured(&mut self, servers: Vec<SocketAddr>) {
        self.configured = servers;
    }

    /// A direct link to a peer is up: asks the peer how it sees us.
    pub(crate) fn on_connected(
        &mut self,
        now: Instant,
        link: LinkId,
        host: bool,
        (local, remote): (SocketAddr, SocketAddr),
        seed: [u8; 32],
    ) {
        if self.peers.len() < ASKED || self.peers.contains_key(&link) {
            let client = StunClient::new(now, local, remote, INTERVAL, seed);
            self.peers.insert(link, Peer { host, client });
        }
    }

    /// The link is lost: its peer serves no more, another of its group does.
    pub(crate) fn on_lost(&mut self, link: LinkId) {
        self.peers.remove(&link);
    }

    /// Whom to ask when gathering: the configured ones first, then one peer of each group. Of a group
    /// the one that is no NAT's, else the one connected first.
    pub(crate) fn chosen(&self) -> Vec<SocketAddr> {
        let mut groups = BTreeSet::new();
        let mut peers: Vec<&Peer> = self.peers.values().collect();
        peers.sort_by_key(|peer| !peer.host);
        let first_of_group = |peer: &&&Peer| {
            let seen = peer.client.mapped();
            seen.is_some_and(|seen| groups.insert((seen.is_ipv4(), seen.ip())))
        };
        let peers = peers.iter().filter(first_of_group).map(|peer| peer.client.server());
        let peers: Vec<SocketAddr> = peers.take(SERVING).collect();
        let (first, rest) = self.configured.split_at(self.configured.len().min(CONFIGURED_FIRST));
        let mut chosen: Vec<SocketAddr> = Vec::new();
        for server in first.iter().chain(&peers).chain(rest) {
            if !chosen.contains(server) {
                chosen.push(*server);
            }
        }
        chosen
    }

    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let accepts = |peer: &&mut Peer| peer.client.accepts(local, remote, datagram);
        if let Some(peer) = self.peers.values_mut().find(accepts) {
            peer.client.handle_datagram(now, local, remote, datagram);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            peer.client.handle_timeout(now);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.peers.values().filter_map(|peer| peer.client.next_timeout()).min()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<IceTransmit> {
        self.peers.values_mut().find_map(|peer| {
            while peer.client.poll_event().is_some() {} // `mapped` tells the last
            peer.client.poll_transmit()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reload_ice::answer_binding;

    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Connects a peer that sees us at `seen`.
    fn connect(servers: &mut StunServers, number: u64, host: bool, remote: &str, seen: &str) {
        let (local, remote, now) = (at("10.0.0.1:7"), at(remote), start());
        servers.on_connected(now, LinkId::planned(number), host, (local, remote), [1; 32]);
        let question = servers.poll_transmit().unwrap();
        let answer = answer_binding(&question.data, at(seen)).unwrap();
        servers.handle_datagram(now, local, remote, &answer);
    }

    // R6940-6.5.1.4-01 R6940-6.5.1.4-02
    #[test]
    fn one_peer_of_each_group_serves() {
        let mut servers = StunServers::new(vec![at("192.0.2.9:3478")]);
        connect(&mut servers, 1, false, "192.0.2.1:1", "198.51.100.1:7000");
        connect(&mut servers, 2, true, "192.0.2.2:1", "198.51.100.1:7001");
        connect(&mut servers, 3, false, "10.0.0.3:1", "10.0.0.1:7");
        let chosen = servers.chosen();
        assert_eq!(chosen, [at("192.0.2.9:3478"), at("192.0.2.2:1"), at("10.0.0.3:1")]);
    }

    // R6940-6.5.1.4-03 R6940-6.5.1.4-04
    #[test]
    fn another_peer_of_the_group_takes_the_place_of_a_lost_one() {
        let mut servers = StunServers::new(Vec::new());
        connect(&mut servers, 1, true, "192.0.2.1:1", "198.51.100.1:7000");
        connect(&mut servers, 2, true, "192.0.2.2:1", "198.51.100.1:7000");
        assert_eq!(servers.chosen(), [at("192.0.2.1:1")]);
        servers.on_lost(LinkId::planned(1));
        assert_eq!(servers.chosen(), [at("192.0.2.2:1")]);
        servers.on_lost(LinkId::planned(2));
        assert!(servers.chosen().is_empty());
    }

    #[test]
    fn a_peer_that_does_not_answer_does_not_serve() {
        let mut servers = StunServers::new(Vec::new());
        let pair = (at("10.0.0.1:7"), at("192.0.2.1:1"));
        servers.on_connected(start(), LinkId::planned(1), true, pair, [1; 32]);
        assert!(servers.chosen().is_empty());
    }
}
