//! Which addresses can be candidates, and which may be paired.

use std::net::{IpAddr, SocketAddr};

/// Whether it can be a candidate: a unicast address that means the same to both sides.
pub(crate) fn usable(address: SocketAddr) -> bool {
    let ip = address.ip();
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_local_link(ip)
}

/// Whether a datagram from one to the other can make sense: loopback speaks to loopback only.
pub(crate) fn reachable(from: SocketAddr, to: SocketAddr) -> bool {
    from.is_ipv4() == to.is_ipv4() && from.ip().is_loopback() == to.ip().is_loopback()
}

fn is_local_link(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        // A mapped IPv4 address is written as IPv4 (RFC 8445 section 5.1.1.1).
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_meaning_elsewhere_are_no_candidates() {
        for (address, answer) in [
            ("192.0.2.1:1", true),
            ("127.0.0.1:1", true),
            ("[2001:db8::1]:1", true),
            ("[::1]:1", true),
            ("192.0.2.1:0", false),
            ("0.0.0.0:1", false),
            ("224.0.0.1:1", false),
            ("255.255.255.255:1", false),
            ("169.254.0.1:1", false),
            ("[fe80::1]:1", false),
            ("[ff02::1]:1", false),
            ("[::]:1", false),
            ("[::ffff:192.0.2.1]:1", false),
        ] {
            assert_eq!(usable(address.parse().unwrap()), answer, "{address}");
        }
    }

    #[test]
    fn loopback_is_paired_with_loopback_only() {
        let (near, far, six) = ("127.0.0.1:1", "192.0.2.1:1", "[2001:db8::1]:1");
        let ask = |a: &str, b: &str| reachable(a.parse().unwrap(), b.parse().unwrap());
        assert!(ask(near, near) && ask(far, far) && ask(six, six));
        assert!(!ask(near, far) && !ask(far, near) && !ask(far, six));
    }
}
