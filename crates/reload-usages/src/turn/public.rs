//! Whether others can reach this node without help (section 9).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address of this node at which everybody reaches it; none behind a NAT or in a private network
/// (section 9). `hosts` are those of its socket, `reflexive` those that others have seen.
#[must_use]
pub fn public_address(hosts: &[SocketAddr], reflexive: &[SocketAddr]) -> Option<SocketAddr> {
    // "a reflexive address that is not the same as the peer's perceived address"
    if reflexive.iter().any(|seen| !hosts.contains(seen)) {
        return None;
    }
    let seen = reflexive.iter().find(|address| is_public(address.ip()));
    seen.or_else(|| hosts.iter().find(|address| is_public(address.ip()))).copied()
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

/// Neither RFC 1918 nor the other addresses that are not for everybody.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && second & 0xc0 == 64; // RFC 6598
    let local = address.is_private() || address.is_loopback() || address.is_link_local() || shared;
    !(local || first == 0 || address.is_multicast() || address.is_broadcast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let unique_local = first & 0xfe00 == 0xfc00; // RFC 4193
    let link_local = first & 0xffc0 == 0xfe80;
    !(unique_local
        || link_local
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn public(hosts: &[&str], reflexive: &[&str]) -> Option<SocketAddr> {
        public_address(&addresses(hosts), &addresses(reflexive))
    }

    // R6940-9-01
    #[test]
    fn a_peer_that_others_see_elsewhere_is_behind_a_nat() {
        let host = "198.51.100.7:6084";
        assert_eq!(public(&[host], &["203.0.113.1:6084"]), None);
        assert_eq!(public(&[host], &["198.51.100.7:4000"]), None, "the port as well");
        assert_eq!(public(&[host], &[host, "203.0.113.1:6084"]), None, "once is enough");
    }

    // R6940-9-02
    #[test]
    fn a_private_address_is_not_offered() {
        for host in ["10.0.0.1:1", "172.16.0.1:1", "172.31.255.255:1", "192.168.1.1:1"] {
            assert_eq!(public(&[host], &[host]), None, "{host}"); // RFC 1918
        }
        for host in [
            "127.0.0.1:1",
            "169.254.1.1:1",
            "100.64.0.1:1",
            "0.0.0.0:1",
            "224.0.0.1:1",
            "[::1]:1",
            "[::]:1",
            "[fe80::1]:1",
            "[fd00::1]:1",
            "[ff02::1]:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            assert_eq!(public(&[host], &[]), None, "{host}");
        }
    }

    // R6940-9-03
    #[test]
    fn a_public_address_that_nobody_sees_otherwise_is_offered() {
        let host = "198.51.100.7:6084".parse().ok();
        assert_eq!(public(&["198.51.100.7:6084"], &[]), host);
        assert_eq!(public(&["10.0.0.1:6084", "198.51.100.7:6084"], &["198.51.100.7:6084"]), host);
        assert_eq!(public(&["172.32.0.1:1"], &[]), "172.32.0.1:1".parse().ok());
        assert_eq!(public(&["[2001:db8::1]:1"], &[]), "[2001:db8::1]:1".parse().ok());
        assert_eq!(public(&[], &[]), None);
    }
}
