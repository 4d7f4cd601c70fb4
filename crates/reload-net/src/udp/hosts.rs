//! The host addresses of a UDP socket (RFC 8445 section 5.1.1.1): that which it is bound to, or those
//! of the interfaces where it is bound to any. No loopback, no link-local ones behind "any".

use std::net::{IpAddr, SocketAddr};

/// Addresses of one socket; a machine with more has them for containers, not for peers.
const MOST: usize = 16;

/// The addresses of the interfaces that are up, in the order of the system.
pub(crate) fn interfaces() -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => {
            interfaces.iter().filter(|one| one.is_oper_up()).map(if_addrs::Interface::ip).collect()
        }
        Err(error) => {
            tracing::warn!("the system does not tell its addresses: {error}");
            Vec::new()
        }
    }
}

/// The addresses of a socket bound to `bound`. A socket bound to `::` has those of IPv4 too if
/// `both_families`.
pub(crate) fn hosts(
    bound: SocketAddr,
    interfaces: &[IpAddr],
    both_families: bool,
) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let fits = |ip: &&IpAddr| {
        (ip.is_ipv4() == bound.is_ipv4() || (both_families && bound.is_ipv6())) && is_useful(ip)
    };
    let mut found = Vec::new();
    for ip in interfaces.iter().filter(fits) {
        let address = SocketAddr::new(*ip, bound.port());
        if !found.contains(&address) && found.len() < MOST {
            found.push(address);
        }
    }
    found
}

/// Whether others may reach it: link-local addresses need a scope, which no candidate carries.
fn is_useful(ip: &IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn machine() -> Vec<IpAddr> {
        let all =
            ["127.0.0.1", "192.0.2.7", "169.254.3.4", "::1", "fe80::1", "2001:db8::7", "192.0.2.7"];
        all.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_socket_bound_to_an_address_has_that_one() {
        assert_eq!(hosts(at("127.0.0.1:7"), &machine(), true), [at("127.0.0.1:7")]);
    }

    #[test]
    fn a_socket_bound_to_any_has_neither_loopback_nor_link_local() {
        assert_eq!(hosts(at("0.0.0.0:7"), &machine(), false), [at("192.0.2.7:7")]);
        assert_eq!(hosts(at("[::]:7"), &machine(), false), [at("[2001:db8::7]:7")]);
        let both = [at("192.0.2.7:7"), at("[2001:db8::7]:7")];
        assert_eq!(hosts(at("[::]:7"), &machine(), true), both);
    }

    #[test]
    fn addresses_beyond_a_bound_are_left_out() {
        let many: Vec<IpAddr> = (1..=40).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        assert_eq!(hosts(at("0.0.0.0:7"), &many, false).len(), MOST);
    }
}
