//! Candidates without ICE (sections 6.5.1.1 and 6.6.6): the addresses of a socket, of type
//! DTLS-UDP-SR-NO-ICE. Those with ICE come from its session.

use std::net::SocketAddr;

use bytes::Bytes;
use reload_wire::{CandType, IceCandidate, IpAddressPort, OverlayLinkType};

/// Host candidates, best first.
pub(crate) fn no_ice_candidates(addresses: &[SocketAddr]) -> Vec<IceCandidate> {
    let candidate = |(place, address): (u32, &SocketAddr)| IceCandidate {
        addr_port: IpAddressPort::from(*address),
        overlay_link: OverlayLinkType::DTLS_UDP_SR_NO_ICE,
        foundation: Bytes::from(format!("u{}", place + 1)),
        priority: priority(place),
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    };
    (0..).zip(addresses).map(candidate).collect()
}

/// The priority of the `place`-th host candidate, component 1 (RFC 8445 5.1.2.1), below all TCP ones:
/// plain UDP comes last (section 6.5.1.6).
fn priority(place: u32) -> u32 {
    const HOST: u32 = 126;
    const BELOW_TCP: u32 = 0x7fff;
    (HOST << 24) + (BELOW_TCP.saturating_sub(place) << 8) + (256 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-6.5.1.6-01
    #[test]
    fn candidates_of_plain_udp_come_after_those_of_tcp() {
        let addresses = [([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 1).into()];
        let candidates = no_ice_candidates(&addresses);
        let first_of_tcp = (126 << 24) + (0xffff << 8) + 255 - 1000;
        assert!(candidates[0].priority < first_of_tcp);
        assert!(candidates[1].priority < candidates[0].priority);
        assert!(candidates.iter().all(|it| it.overlay_link == OverlayLinkType::DTLS_UDP_SR_NO_ICE));
    }
}
