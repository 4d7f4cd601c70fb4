//! Candidates, ours and theirs: foundations (RFC 8445 section 5.1.1.3), related addresses, and the way
//! from and to the wire (RFC 6940 section 6.5.1.1). Priorities come from the ICE agent.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use reload_wire::{CandType, IceCandidate, IpAddressPort, OverlayLinkType};

use crate::binding::plain;
use crate::scope::{reachable, usable};

/// A candidate of ours.
#[derive(Clone, Debug)]
pub(crate) struct LocalCandidate {
    pub(crate) address: SocketAddr,
    /// Where its datagrams leave: the address itself, but for reflexive ones.
    pub(crate) base: SocketAddr,
    pub(crate) kind: CandType,
    /// The related address, which the agent's crate does not keep.
    pub(crate) related: Option<SocketAddr>,
    pub(crate) foundation: String,
    pub(crate) priority: u32,
}

impl LocalCandidate {
    pub(crate) fn to_wire(&self, overlay_link: OverlayLinkType) -> IceCandidate {
        IceCandidate {
            addr_port: IpAddressPort::from(self.address),
            overlay_link,
            foundation: Bytes::copy_from_slice(self.foundation.as_bytes()),
            priority: self.priority,
            kind: self.kind,
            related: self.related.map(IpAddressPort::from),
            extensions: Vec::new(),
        }
    }
}

/// Candidates of one type, from one base address and one server address, share a foundation.
#[derive(Debug, Default)]
pub(crate) struct Foundations(Vec<(CandType, IpAddr, Option<IpAddr>)>);

impl Foundations {
    pub(crate) fn of(
        &mut self,
        kind: CandType,
        base: SocketAddr,
        server: Option<IpAddr>,
    ) -> String {
        let key = (kind, base.ip(), server);
        let known = self.0.iter().position(|it| *it == key);
        let at = known.unwrap_or_else(|| {
            self.0.push(key);
            self.0.len() - 1
        });
        (at + 1).to_string()
    }
}

/// A candidate of the other side.
#[derive(Clone, Debug)]
pub(crate) struct RemoteCandidate {
    pub(crate) address: SocketAddr,
    pub(crate) kind: CandType,
    pub(crate) foundation: String,
    pub(crate) priority: u32,
}

/// The candidates that can be paired, best first. Left out are those of another link type (E53), those of
/// the reserved type (E54), and addresses that none of our hosts can reach; all above a bound too.
pub(crate) fn usable_remotes(
    candidates: &[IceCandidate],
    overlay_link: OverlayLinkType,
    hosts: &[SocketAddr],
) -> Vec<RemoteCandidate> {
    let mut found: BTreeMap<SocketAddr, RemoteCandidate> = BTreeMap::new();
    for it in candidates {
        let Some(remote) = usable_remote(it, overlay_link, hosts) else { continue };
        let known = found.get(&remote.address);
        if known.is_none_or(|known| known.priority < remote.priority) {
            found.insert(remote.address, remote);
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|it| std::cmp::Reverse(it.priority));
    found.truncate(MOST_REMOTE);
    found
}

fn usable_remote(
    it: &IceCandidate,
    overlay_link: OverlayLinkType,
    hosts: &[SocketAddr],
) -> Option<RemoteCandidate> {
    let address = plain(it.addr_port.socket_addr()?);
    let paired = usable(address) && hosts.iter().any(|host| reachable(*host, address));
    if it.overlay_link != overlay_link || it.kind == CandType::Prflx || !paired {
        return None;
    }
    Some(RemoteCandidate {
        address,
        kind: it.kind,
        foundation: String::from_utf8_lossy(&it.foundation).into_owned(),
        priority: it.priority.clamp(1, HIGHEST_PRIORITY),
    })
}

/// The most candidates of the other side; of an honest one more are of no use.
pub(crate) const MOST_REMOTE: usize = 20;
const HIGHEST_PRIORITY: u32 = (1 << 31) - 1; // RFC 8445 section 5.1.2

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(address: &str, priority: u32) -> IceCandidate {
        IceCandidate {
            addr_port: address.parse::<SocketAddr>().unwrap().into(),
            overlay_link: OverlayLinkType::DTLS_UDP_SR,
            foundation: Bytes::from_static(b"1"),
            priority,
            kind: CandType::Host,
            related: None,
            extensions: Vec::new(),
        }
    }

    fn usable_of(candidates: &[IceCandidate], hosts: &[&str]) -> Vec<String> {
        let hosts: Vec<_> = hosts.iter().map(|it| it.parse().unwrap()).collect();
        let found = usable_remotes(candidates, OverlayLinkType::DTLS_UDP_SR, &hosts);
        found.iter().map(|it| it.address.to_string()).collect()
    }

    // R6940-6.5.1.1-01
    #[test]
    fn candidates_of_other_link_types_are_ignored() {
        for other in [0, 2, 3, 4, 5, 255] {
            let mut it = remote("192.0.2.1:1", 1);
            it.overlay_link = OverlayLinkType(other);
            assert_eq!(usable_of(&[it], &["192.0.2.2:1"]), [""; 0], "{other}");
        }
    }

    // R6940-6.5.1.1-02
    #[test]
    fn the_reserved_type_is_skipped_and_the_others_stay() {
        let mut reserved = remote("192.0.2.1:1", 1);
        reserved.kind = CandType::Prflx;
        let all = [reserved, remote("192.0.2.3:1", 1)];
        assert_eq!(usable_of(&all, &["192.0.2.2:1"]), ["192.0.2.3:1"]);
    }

    #[test]
    fn addresses_without_a_counterpart_are_left_out() {
        let all: Vec<_> = ["127.0.0.1:1", "224.0.0.1:1", "[2001:db8::1]:1", "192.0.2.1:1"]
            .iter()
            .map(|it| remote(it, 1))
            .collect();
        assert_eq!(usable_of(&all, &["192.0.2.2:1"]), ["192.0.2.1:1"]);
        assert_eq!(usable_of(&all, &["127.0.0.1:2"]), ["127.0.0.1:1"]);
        assert_eq!(usable_of(&all, &["[2001:db8::2]:1"]), ["[2001:db8::1]:1"]);
    }

    #[test]
    fn the_best_twenty_stay_once_each() {
        let mut all: Vec<_> = (1..=60).map(|n| remote(&format!("192.0.2.{n}:1"), n)).collect();
        all.push(remote("192.0.2.60:1", 7));
        all.push(remote("192.0.2.1:1", u32::MAX));
        let found = usable_of(&all, &["192.0.2.200:1"]);
        assert_eq!(found.len(), MOST_REMOTE);
        assert_eq!(found[..3], ["192.0.2.1:1", "192.0.2.60:1", "192.0.2.59:1"]);
    }

    #[test]
    fn foundations_differ_by_type_base_and_server_address() {
        let mut foundations = Foundations::default();
        let (one, other) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.1:2".parse().unwrap());
        let server = "192.0.2.9".parse().ok();
        let first = foundations.of(CandType::Host, one, None);
        assert_eq!(foundations.of(CandType::Host, other, None), first, "ports do not count");
        assert_ne!(foundations.of(CandType::Srflx, one, server), first);
        assert_ne!(
            foundations.of(CandType::Srflx, one, server),
            foundations.of(CandType::Srflx, one, "192.0.2.8".parse().ok())
        );
    }
}
