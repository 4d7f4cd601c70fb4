//! To whom the service relays (RFC 8656 sections 5 and 21.1.5): not to addresses that belong to its own
//! host or network, unless it was told so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::TurnQuotas;

/// Whether an address may be a peer.
pub(crate) fn may_relay(ip: IpAddr, quotas: &TurnQuotas) -> bool {
    if ip.is_loopback() {
        return quotas.allow_loopback;
    }
    match ip {
        IpAddr::V4(ip) if is_private_v4(ip) => quotas.allow_private,
        IpAddr::V6(ip) if ip.is_unique_local() => quotas.allow_private,
        IpAddr::V4(ip) => !is_special_v4(ip),
        IpAddr::V6(ip) => !is_special_v6(ip),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_private() || (a == 100 && b & 0xc0 == 64) // RFC 6598
}

fn is_special_v4(ip: Ipv4Addr) -> bool {
    let first = ip.octets()[0];
    first == 0 || ip.is_link_local() || ip.is_multicast() || first >= 240 // reserved and broadcast
}

fn is_special_v6(ip: Ipv6Addr) -> bool {
    let groups = ip.segments();
    let tunnel = groups[0] == 0x2002 || groups[..2] == [0x2001, 0]; // RFC 6156 section 9.1
    let embeds_v4 = groups[..5] == [0; 5] || groups[..2] == [0x64, 0xff9b]; // mapped, compatible, NAT64
    ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() || tunnel || embeds_v4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(ip: &str, quotas: &TurnQuotas) -> bool {
        may_relay(ip.parse().unwrap(), quotas)
    }

    #[test]
    fn own_hosts_networks_and_special_addresses_are_denied() {
        let quotas = TurnQuotas::default();
        for ip in ["198.51.100.1", "8.8.8.8", "2001:db8::1", "100.128.0.1", "172.32.0.1"] {
            assert!(ask(ip, &quotas), "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001:0:1::1",
        ] {
            assert!(!ask(ip, &quotas), "{ip}");
        }
    }

    #[test]
    fn private_and_loopback_addresses_can_be_allowed_each_alone() {
        let private = TurnQuotas { allow_private: true, ..TurnQuotas::default() };
        assert!(ask("10.0.0.1", &private) && ask("fd00::1", &private));
        assert!(!ask("127.0.0.1", &private) && !ask("169.254.1.1", &private));
        let loopback = TurnQuotas { allow_loopback: true, ..TurnQuotas::default() };
        assert!(ask("127.0.0.1", &loopback) && ask("::1", &loopback));
        assert!(!ask("10.0.0.1", &loopback) && !ask("0.0.0.0", &loopback));
    }
}
