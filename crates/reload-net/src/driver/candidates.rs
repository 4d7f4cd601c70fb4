//! Our own candidates without ICE (sections 6.5.1.1 and 6.6.5): addresses at which others can dial this
//! node by TLS or DTLS. Nothing is gathered by STUN: these link types have no ICE.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use reload_wire::{CandType, IceCandidate, IpAddressPort, OverlayLinkType};

/// The addresses others can dial: `advertise` if there are any, else the addresses listened on, with
/// `link_address` (ours on the bootstrap link) in place of "any address".
pub(crate) fn addresses(
    advertise: &[SocketAddr],
    listening: &[SocketAddr],
    link_address: Option<IpAddr>,
) -> Vec<SocketAddr> {
    if !advertise.is_empty() {
        return advertise.to_vec();
    }
    let real = |address: &SocketAddr| {
        if !address.ip().is_unspecified() {
            return Some(*address);
        }
        link_address.map(|ip| SocketAddr::new(ip.to_canonical(), address.port()))
    };
    let mut found: Vec<_> = listening.iter().filter_map(real).collect();
    found.dedup();
    found
}

/// Host candidates without ICE, best first: those for TLS, then those for DTLS.
pub(crate) fn candidates(tls: &[SocketAddr], dtls: &[SocketAddr]) -> Vec<IceCandidate> {
    let tls = tls.iter().map(|address| (address, OverlayLinkType::TLS_TCP_FH_NO_ICE));
    let dtls = dtls.iter().map(|address| (address, OverlayLinkType::DTLS_UDP_SR_NO_ICE));
    let candidate = |(place, (address, link)): (u32, (&SocketAddr, _))| IceCandidate {
        addr_port: IpAddressPort::from(*address),
        overlay_link: link,
        foundation: Bytes::from((place + 1).to_string()),
        priority: priority(place),
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    };
    (0..).zip(tls.chain(dtls)).map(candidate).collect()
}

/// The priority of the `place`-th host candidate, component 1 (RFC 8445 5.1.2.1).
fn priority(place: u32) -> u32 {
    const HOST: u32 = 126;
    (HOST << 24) + ((0xffff_u32.saturating_sub(place)) << 8) + (256 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn advertise_wins_over_the_listen_address() {
        let listening = [at("127.0.0.1:6084")];
        assert_eq!(addresses(&[at("192.0.2.1:7")], &listening, None), [at("192.0.2.1:7")]);
        assert_eq!(addresses(&[], &listening, None), listening);
    }

    #[test]
    fn any_address_becomes_ours_on_the_bootstrap_link_or_none() {
        let listening = [at("0.0.0.0:6084")];
        let link = Some(at("10.1.2.3:49152").ip());
        assert_eq!(addresses(&[], &listening, link), [at("10.1.2.3:6084")]);
        assert!(addresses(&[], &listening, None).is_empty());
    }

    #[test]
    fn nobody_can_dial_a_node_that_does_not_listen() {
        assert!(addresses(&[], &[], Some(at("10.1.2.3:1").ip())).is_empty());
    }

    #[test]
    fn dtls_is_offered_after_tls_on_the_same_port() {
        let here = [at("192.0.2.1:6084")];
        let both = candidates(&here, &here);
        let links: Vec<_> = both.iter().map(|candidate| candidate.overlay_link).collect();
        let (tls, dtls) = (OverlayLinkType::TLS_TCP_FH_NO_ICE, OverlayLinkType::DTLS_UDP_SR_NO_ICE);
        assert_eq!(links, [tls, dtls]);
        assert!(both[0].priority > both[1].priority);
    }

    // R6940-11.1-23
    #[test]
    fn the_first_candidate_has_the_highest_priority() {
        assert_eq!(priority(0), 2_130_706_431, "126, 65535, component 1");
        assert!(priority(0) > priority(1));
    }
}
