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

/// The text of a cache.
#[must_use]
pub(crate) fn render_peers(peers: &[(NodeId, SocketAddr)]) -> String {
    let lines = peers.iter().take(MAX_CACHED_PEERS);
    lines.map(|(node, address)| format!("{address} {node}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_ten_peers_and_skips_damage() {
        let node = NodeId::new(&[7; 16]).unwrap();
        let peers: Vec<_> =
            (1..20).map(|port| (node, SocketAddr::from(([127, 0, 0, 1], port)))).collect();
        let text = format!("not an address\n\n{}", render_peers(&peers));
        let read = parse_peers(&text);
        assert_eq!(read.len(), MAX_CACHED_PEERS);
        assert_eq!(read.first(), Some(&peers[0].1));
    }
}
