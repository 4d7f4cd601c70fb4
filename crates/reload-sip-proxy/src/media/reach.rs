//! Whether the phones of two nodes reach each other, judged from the addresses alone: those that a phone says,
//! and those that the SIP messages go between. In doubt they do not, since a relay works anyway.

use std::net::{IpAddr, Ipv4Addr};

use super::sdp::{Connection, MediaAddress};
use crate::Path;

/// Whether media sent to these addresses comes here from the node at the other end of the path.
pub(super) fn is_reached(media: &[MediaAddress], path: Option<&Path>) -> bool {
    media.iter().filter(|media| media.carried).all(|media| match media.connection {
        Connection::At(at) => is_address_reached(at, path),
        Connection::Held => true,
        Connection::Multicast | Connection::Name => false,
    })
}

/// Whether an address on this side is one that the node at the other end reaches.
pub(super) fn is_address_reached(at: IpAddr, path: Option<&Path>) -> bool {
    let Some(path) = path.filter(|path| path.is_direct) else { return false };
    let (at, local) = (at.to_canonical(), path.local.ip().to_canonical());
    if local.is_loopback() {
        // Both nodes are on one machine: what one of them reaches the other does too.
        return true;
    }
    at == local || (at.is_ipv4() == local.is_ipv4() && realm(at) == realm(local))
}

/// Whether one of two phones on one machine says an address that only this machine knows, and the other is
/// elsewhere.
pub(super) fn is_split(offered: &[MediaAddress], phone: IpAddr) -> bool {
    let phone = phone.to_canonical();
    offered.iter().filter(|media| media.carried).any(|media| match media.connection {
        Connection::At(at) => at.to_canonical().is_loopback() != phone.is_loopback(),
        _ => false,
    })
}

/// Addresses that mean the same hosts wherever they are used in one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Realm {
    Loopback,
    LinkLocal,
    /// RFC 1918: the three blocks are seldom one network.
    Private(u8),
    /// RFC 6598: behind the NAT of a provider.
    Shared,
    /// RFC 4193.
    UniqueLocal,
    Global,
}

fn realm(at: IpAddr) -> Realm {
    match at {
        _ if at.is_loopback() => Realm::Loopback,
        IpAddr::V4(at) if at.is_link_local() => Realm::LinkLocal,
        IpAddr::V4(at) if at.is_private() => Realm::Private(at.octets()[0]),
        IpAddr::V4(at) if is_shared(at) => Realm::Shared,
        IpAddr::V6(at) if at.is_unicast_link_local() => Realm::LinkLocal,
        IpAddr::V6(at) if at.is_unique_local() => Realm::UniqueLocal,
        _ => Realm::Global,
    }
}

/// 100.64.0.0/10 (RFC 6598 section 7).
fn is_shared(at: Ipv4Addr) -> bool {
    let [first, second, ..] = at.octets();
    first == 100 && second & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(local: &str, remote: &str, is_direct: bool) -> Path {
        Path {
            local: format!("{local}:6084").parse().unwrap(),
            remote: format!("{remote}:6084").parse().unwrap(),
            is_direct,
        }
    }

    fn reached(at: &str, path: Path) -> bool {
        is_address_reached(at.parse().unwrap(), Some(&path))
    }

    #[test]
    fn a_loopback_address_is_reached_on_this_machine_only() {
        assert!(reached("127.0.0.1", path("127.0.0.1", "127.0.0.1", true)));
        assert!(!reached("127.0.0.1", path("192.168.1.5", "192.168.1.6", true)));
        assert!(!reached("127.0.0.1", path("203.0.113.5", "198.51.100.6", true)));
    }

    #[test]
    fn a_private_address_is_not_reached_through_a_nat() {
        assert!(!reached("192.168.1.5", path("192.168.1.5", "198.51.100.6", false)));
        assert!(!reached("100.64.0.5", path("100.64.0.5", "198.51.100.6", false)));
        assert!(!reached("203.0.113.5", path("203.0.113.5", "198.51.100.6", false)));
    }

    #[test]
    fn a_phone_in_the_network_of_the_path_is_reached() {
        assert!(reached("192.168.1.7", path("192.168.1.5", "192.168.1.6", true)));
        assert!(reached("192.168.1.5", path("192.168.1.5", "10.0.0.6", true)));
        assert!(reached("203.0.113.9", path("203.0.113.5", "198.51.100.6", true)));
    }

    #[test]
    fn a_phone_in_another_network_than_the_path_is_not_reached() {
        assert!(!reached("192.168.1.7", path("203.0.113.5", "198.51.100.6", true)));
        assert!(!reached("10.0.0.7", path("192.168.1.5", "192.168.1.6", true)));
        assert!(!reached("172.16.0.7", path("10.0.0.5", "10.0.0.6", true)));
        assert!(!reached("100.64.0.7", path("203.0.113.5", "198.51.100.6", true)));
        assert!(!reached("169.254.0.7", path("192.168.1.5", "192.168.1.6", true)));
        assert!(!reached("fd00::7", {
            let (local, remote) = ("[2001:db8::5]:1".parse(), "[2001:db8::6]:1".parse());
            Path { local: local.unwrap(), remote: remote.unwrap(), is_direct: true }
        }));
    }

    #[test]
    fn the_shared_addresses_of_providers_are_told_from_their_neighbours() {
        let realm = |at: &str| realm(at.parse().unwrap());
        assert_eq!(realm("100.63.255.255"), Realm::Global);
        assert_eq!(realm("100.64.0.0"), Realm::Shared);
        assert_eq!(realm("100.127.255.255"), Realm::Shared);
        assert_eq!(realm("100.128.0.0"), Realm::Global);
        assert_eq!(realm("100.192.0.0"), Realm::Global);
        assert_eq!(realm("fe80::1"), Realm::LinkLocal);
    }

    #[test]
    fn an_unknown_path_reaches_nothing() {
        assert!(!is_address_reached("203.0.113.5".parse().unwrap(), None));
    }
}
