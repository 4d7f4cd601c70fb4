//! The cache of connected peers (section 11.4): one `ADDRESS:PORT NODE-ID` a line.

use std::net::SocketAddr;

use reload_wire::NodeId;

/// As many peers are kept for the next start; a handful suffices, and they age.
pub(crate) const MAX_CACHED_PEERS: usize = 10;

/// The addresses in a cache; lines that are no address are passed over.
#[must_use]
pub(crate) fn parse_peers(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    addresses.take(MAX_CACHED_PEERS).collect()
}

/// The text of a cache: the connected peers, then those of the text before.
#[must_use]
pub(crate) fn render_peers(peers: &[(NodeId, SocketAddr)], before: &str) -> String {
    let is_new = |line: &&str| {
        let address =
            line.split_whitespace().next().and_then(|word| word.parse::<SocketAddr>().ok());
        address.is_some_and(|address| peers.iter().all(|(_, connected)| *connected != address))
    };
    let connected = peers.iter().map(|(node, address)| format!("{address} {node}\n"));
    let before = before.lines().filter(is_new).map(|line| format!("{line}\n"));
    connected.chain(before).take(MAX_CACHED_PEERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-11.4-05
    #[test]
    fn keeps_ten_peers_and_skips_damage() {
        let node = NodeId::new(&[7; 16]).unwrap();
        let peers: Vec<_> =
            (1..20).map(|port| (node, SocketAddr::from(([127, 0, 0, 1], port)))).collect();
        let text = format!("not an address\n\n{}", render_peers(&peers, ""));
        let read = parse_peers(&text);
        assert_eq!(read.len(), MAX_CACHED_PEERS);
        assert_eq!(read.first(), Some(&peers[0].1));
    }

    // R6940-11.4-06
    #[test]
    fn connected_peers_come_before_those_that_were() {
        let node = NodeId::new(&[7; 16]).unwrap();
        let at = |port| (node, SocketAddr::from(([127, 0, 0, 1], port)));
        let before = render_peers(&[at(1), at(2)], "damage\n");
        let text = render_peers(&[at(3), at(2)], &before);
        let ports: Vec<_> = parse_peers(&text).iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [3, 2, 1]);
    }
}
