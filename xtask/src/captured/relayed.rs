//! What goes through a TURN relay, between a client and its server. The decoder does not look into it, so
//! it is taken out, as if the peer stood where the server stands. On the machine of a server it is left
//! out: it belongs into the captures of both ends, and which way it takes in each direction is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use super::packets::{Packet, Packets, Way};
use super::records::is_dtls;
use super::turn::Turn;

/// Ports that the decoder takes for no other protocol.
const FIRST_PORT: u16 = 62_000;

/// How many datagrams with DTLS were wrapped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Relayed {
    pub(super) unwrapped: usize,
    /// Left as they are: no request for their channel was seen.
    pub(super) unbound: usize,
    /// Left out: relayed by this machine, in either form.
    pub(super) for_others: usize,
}

/// The relays of all captures of a test: the address that a server has allocated, and that of its client
/// before all NATs.
#[derive(Default)]
pub(super) struct Allocations(BTreeMap<SocketAddrV4, SocketAddrV4>);

impl Allocations {
    pub(super) fn add(&mut self, packets: &Packets) {
        for datagram in packets.all.iter().filter_map(Packet::datagram) {
            if let Some(Turn::Allocated { relay, client }) = Turn::read(datagram) {
                self.0.insert(relay, client);
            }
        }
    }
}

/// Takes all DTLS out.
pub(super) fn unwrap(packets: &mut Packets, allocations: &Allocations) -> Relayed {
    let own = own_machine(packets);
    let mut relayed = Relayed::default();
    let mut peers = Peers { allocations, channels: BTreeMap::new(), ports: BTreeMap::new() };
    packets.all.retain_mut(|packet| {
        let Some((way, datagram)) = packet.way().zip(packet.datagram()) else { return true };
        let Some(leg) = peers.leg(way, datagram) else { return true };
        let Some(way) = leg.way else {
            relayed.unbound += 1;
            return true;
        };
        let is_own = packet.machines().map_or([false; 2], |it| it.map(|it| own == Some(it)));
        if leg.is_relay.iter().zip(is_own).any(|(is_relay, is_own)| *is_relay && is_own) {
            relayed.for_others += 1;
            return false;
        }
        let data = leg.data.map(<[u8]>::to_vec);
        if let Some(data) = data {
            packet.replace(&data);
            relayed.unwrapped += 1;
        }
        packet.redirect(way);
        true
    });
    relayed
}

/// The machine of the capture, if it had to do with more than one other.
fn own_machine(packets: &Packets) -> Option<[u8; 6]> {
    let mut machines = packets.all.iter().filter_map(Packet::machines);
    let first = BTreeSet::from(machines.next()?);
    let common = machines.fold(first, |common, it| &common & &BTreeSet::from(it));
    common.first().copied().filter(|_| common.len() == 1)
}

/// DTLS between a client and its server, or between a relay and the peer.
struct Leg<'a> {
    /// Where it goes and where it comes from: whether this is the server.
    is_relay: [bool; 2],
    /// The way between client and peer, if the peer is known.
    way: Option<Way>,
    /// What is wrapped.
    data: Option<&'a [u8]>,
}

/// Where the other sides stand, as far as it is known.
struct Peers<'a> {
    allocations: &'a Allocations,
    /// By client and server, and the number of the channel.
    channels: BTreeMap<(Way, [u8; 2]), SocketAddrV4>,
    /// Instead of the ports, which may be used without a relay as well: by relay and peer.
    ports: BTreeMap<(SocketAddrV4, SocketAddrV4), u16>,
}

impl Peers<'_> {
    fn leg<'a>(&mut self, way: Way, datagram: &'a [u8]) -> Option<Leg<'a>> {
        let (is_sent, peer, data) = match Turn::read(datagram) {
            None if is_dtls(datagram) => return self.beyond(way),
            None | Some(Turn::Allocated { .. }) => return None,
            Some(Turn::Bind { channel, peer }) => {
                self.channels.insert((way, channel), peer);
                return None;
            }
            Some(Turn::Indication { is_sent, peer, data }) => (is_sent, Some(peer), data),
            Some(Turn::Channel { channel, data }) => {
                let bound = |way| self.channels.get(&(way, channel)).copied();
                let sent = bound(way);
                (sent.is_some(), sent.or_else(|| bound(way.back())), data)
            }
        };
        let way = peer.map(|peer| match is_sent {
            true => Way { from: way.from, to: self.at(way.to, peer) },
            false => Way { from: self.at(way.from, peer), to: way.to },
        });
        is_dtls(data).then_some(Leg { is_relay: [is_sent, !is_sent], way, data: Some(data) })
    }

    /// Between a relay and the peer.
    fn beyond(&mut self, way: Way) -> Option<Leg<'static>> {
        let is_relay = [way.to, way.from].map(|end| self.allocations.0.contains_key(&end));
        let way = match is_relay {
            [_, true] => Way { from: self.at(way.from, way.from), ..way },
            [true, false] => Way { to: self.at(way.to, way.to), ..way },
            [false, false] => return None,
        };
        Some(Leg { is_relay, way: Some(way), data: None })
    }

    /// For what a relay has from a peer, or to it: the address of the peer with a port of its own.
    fn at(&mut self, relay: SocketAddrV4, peer: SocketAddrV4) -> SocketAddrV4 {
        let next = u16::try_from(self.ports.len()).ok().and_then(|it| it.checked_add(FIRST_PORT));
        let next = next.expect("a capture has few relays");
        let client = self.allocations.0.get(&peer).unwrap_or(&peer);
        SocketAddrV4::new(*client.ip(), *self.ports.entry((relay, peer)).or_insert(next))
    }
}

#[cfg(test)]
mod tests {
    use super::super::packets::tests::{got, packets, sent, way};
    use super::super::records::tests::sealed;
    use super::super::turn::tests::{allocated, bind, channel, indication};
    use super::*;

    const US: &str = "192.0.2.1:6084";
    const SERVER: &str = "203.0.113.3:3478";
    const PEER: &str = "198.51.100.2:6084";
    /// At the server for the client at PEER, before its NAT.
    const RELAY: &str = "203.0.113.3:7000";
    const CHANNEL: u16 = 0x4001;

    fn opened(all: Vec<Packet>) -> (Relayed, Vec<Way>) {
        let mut allocations = Allocations::default();
        allocations.add(&packets(vec![got(way(SERVER, US), &allocated(RELAY, PEER))]));
        let mut packets = packets(all);
        let relayed = unwrap(&mut packets, &allocations);
        (relayed, packets.all.iter().map(|it| it.way().unwrap()).collect())
    }

    #[test]
    fn indications_and_channels_of_a_peer_go_the_same_way() {
        let to = way(US, SERVER);
        let all = vec![
            sent(to, &indication(true, PEER, &sealed(1))),
            got(to.back(), &indication(false, PEER, &sealed(1))),
            sent(to, &bind(CHANNEL, PEER)),
            sent(to, &channel(CHANNEL, &sealed(2))),
            got(to.back(), &channel(CHANNEL, &sealed(2))),
            got(way("192.0.2.7:1", US), b"STUN"),
        ];
        let (relayed, ways) = opened(all);
        assert_eq!(relayed, Relayed { unwrapped: 4, ..Relayed::default() });
        let home = way(US, "198.51.100.2:62000");
        assert_eq!(ways[..5], [home, home.back(), to, home, home.back()]);
    }

    #[test]
    fn what_is_wrapped_stands_there_alone() {
        let mut packets = packets(vec![sent(way(US, SERVER), &indication(true, PEER, &sealed(1)))]);
        unwrap(&mut packets, &Allocations::default());
        assert_eq!(packets.all[0].datagram(), Some(&sealed(1)[..]));
    }

    #[test]
    fn the_relay_of_a_peer_is_that_peer_by_another_port_for_each_way() {
        let all = vec![
            got(way(RELAY, US), &sealed(1)),
            sent(way(US, SERVER), &indication(true, RELAY, &sealed(1))),
            sent(way(US, RELAY), &sealed(2)),
            got(way("192.0.2.7:1", US), b"STUN"),
        ];
        let (_, ways) = opened(all);
        let [one, other] = ["198.51.100.2:62000", "198.51.100.2:62001"].map(|to| way(US, to));
        assert_eq!(ways[..3], [one.back(), other, one]);
    }

    #[test]
    fn behind_one_router_nobody_relays_for_others() {
        let (relayed, ways) = opened(vec![got(way(RELAY, US), &sealed(1))]);
        assert_eq!(
            (relayed, &ways[..]),
            (Relayed::default(), &[way("198.51.100.2:62000", US)][..])
        );
    }

    #[test]
    fn a_server_leaves_out_what_it_relays() {
        let client = way(PEER, SERVER);
        let all = vec![
            got(client, &indication(true, US, &sealed(1))),
            sent(way(RELAY, US), &sealed(1)),
            got(way(US, RELAY), &sealed(1)),
            sent(client.back(), &indication(false, US, &sealed(1))),
            got(client, &bind(CHANNEL, US)),
            sent(client.back(), &channel(CHANNEL, &sealed(1))),
        ];
        let (relayed, ways) = opened(all);
        assert_eq!(relayed, Relayed { for_others: 5, ..Relayed::default() });
        assert_eq!(ways, [client]);
    }

    #[test]
    fn channels_of_unknown_peers_are_counted_and_left() {
        let all = vec![
            sent(way(US, SERVER), &channel(CHANNEL, &sealed(1))),
            got(way("192.0.2.7:1", US), b"STUN"),
        ];
        let (relayed, ways) = opened(all);
        assert_eq!(relayed, Relayed { unbound: 1, ..Relayed::default() });
        assert_eq!(ways[0], way(US, SERVER));
    }
}
