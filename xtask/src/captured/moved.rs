//! DTLS associations that are on several pairs of addresses: through a relay, in one direction or both,
//! with the way that was found first, or with another address of an end. The decoder opens only what
//! follows a handshake between the same addresses, so each association gets a pair of its own. Which one
//! a record belongs to is told by its addresses and its number.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use super::packets::{Packets, Way};
use super::records::{Record, Side};

/// Records that are lost or overtaken while an association moves.
const GAP: i64 = 64;

/// Ports that the decoder takes for no other protocol.
const FIRST_PORT: u16 = 61_000;

/// What became of the paths of a capture.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Paths {
    /// Handshakes.
    pub(super) associations: usize,
    /// Pairs of addresses where these were.
    pub(super) paths: usize,
    /// Those with records of no association that is known, which cannot be opened.
    pub(super) lost: BTreeSet<Way>,
    /// Datagrams with those.
    pub(super) lost_datagrams: usize,
    /// Datagrams that overtook the ChangeCipherSpec of their sender, or came before it was sent again: the
    /// decoder has no keys yet, and the receiver keeps or drops them (RFC 6347 section 4.1).
    pub(super) early: usize,
    /// All datagrams with sealed records.
    pub(super) datagrams: usize,
}

/// Brings each association together, and leaves out what belongs to none.
pub(super) fn bring_together(packets: &mut Packets) -> Paths {
    let mut associations = Associations::default();
    let mut paths = Paths::default();
    let mut found = BTreeSet::new();
    packets.all.retain_mut(|packet| {
        let Some((way, datagram)) = packet.way().zip(packet.datagram()) else { return true };
        let records = Record::all(datagram);
        // The newest one stands last.
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return true };
        paths.datagrams += usize::from(last.is_sealed());
        let changes = records.iter().any(Record::changes_ciphers);
        match associations.hear(way, first, last, changes) {
            Some(Heard { home, is_early }) => {
                found.insert(way.pair());
                packet.redirect(home);
                paths.early += usize::from(is_early);
                !is_early
            }
            None if last.is_sealed() => {
                paths.lost.insert(way.pair());
                paths.lost_datagrams += 1;
                false
            }
            None => true,
        }
    });
    Paths { associations: associations.0.len(), paths: found.len(), ..paths }
}

/// Where a datagram belongs.
struct Heard {
    home: Way,
    is_early: bool,
}

/// In the order of their handshakes.
#[derive(Default)]
struct Associations(Vec<Association>);

impl Associations {
    /// The pair of addresses of the association that a datagram belongs to, by the records that it begins
    /// and ends with; `changes` if one in it changes the ciphers.
    fn hear(
        &mut self,
        way: Way,
        first: &Record<'_>,
        last: &Record<'_>,
        changes: bool,
    ) -> Option<Heard> {
        let at = match first.client_random() {
            Some(random) => self.begun(way, random)?,
            None => self.likely(way, first.side(), last)?,
        };
        let association = &mut self.0[at];
        let side = association.known(way)?.1;
        association.paths.extend([(way, side), (way.back(), side.other())]);
        let newest = association.newest.entry((side, last.epoch)).or_insert(last.number);
        *newest = last.number.max(*newest);
        if changes {
            association.sealing.insert(side);
        }
        let is_early = last.is_sealed() && !association.sealing.contains(&side);
        Some(Heard { home: association.home(side), is_early })
    }

    /// Where the association of a ClientHello is. If it is new, it follows what was between these
    /// addresses.
    fn begun(&mut self, way: Way, random: [u8; 32]) -> Option<usize> {
        let known = self.0.iter().position(|it| it.random == random);
        if let Some(association) = known.map(|at| &mut self.0[at]) {
            association.paths.extend([(way, Side::Client), (way.back(), Side::Server)]);
            return known;
        }
        for before in &mut self.0 {
            before.paths.retain(|path, _| path.pair() != way.pair());
        }
        let port = FIRST_PORT.checked_add(self.0.len().try_into().ok()?)?;
        self.0.push(Association::new(way, random, port));
        self.0.len().checked_sub(1)
    }

    fn likely(&self, way: Way, side: Option<Side>, last: &Record<'_>) -> Option<usize> {
        let candidates = self.0.iter().enumerate().filter_map(|(at, association)| {
            let (likeness, known) = association.known(way)?;
            let gap = association.gap(known, last)?;
            // Between the same nodes the number tells more than the way, and of hellos the order.
            let same = likeness.min(SAME_END + SAME_ADDRESS);
            let sure = if last.is_sealed() { (-gap, likeness) } else { (0, 0) };
            side.is_none_or(|side| side == known).then_some((same, sure, at))
        });
        candidates.max().map(|(.., at)| at)
    }
}

/// One association.
struct Association {
    random: [u8; 32],
    /// Its client and its server, as if they had not been elsewhere.
    home: Way,
    /// Where it is known to have been, and who speaks there.
    paths: BTreeMap<Way, Side>,
    /// The newest number of each epoch.
    newest: BTreeMap<(Side, u16), i64>,
    /// Who has changed the ciphers.
    sealing: BTreeSet<Side>,
}

impl Association {
    fn new(way: Way, random: [u8; 32], port: u16) -> Self {
        let home = Way { from: way.from, to: SocketAddrV4::new(*way.to.ip(), port) };
        let paths = [(way, Side::Client), (way.back(), Side::Server)].into();
        Self { random, home, paths, newest: BTreeMap::new(), sealing: BTreeSet::new() }
    }

    fn home(&self, side: Side) -> Way {
        match side {
            Side::Client => self.home,
            Side::Server => self.home.back(),
        }
    }

    /// How like a way is to those where it has been, and whose it would be; none if it is too unlike.
    fn known(&self, way: Way) -> Option<(u8, Side)> {
        let likeness = |known: &Way| like(known.from, way.from) + like(known.to, way.to);
        let known = self.paths.iter().map(|(known, side)| (likeness(known), *side));
        known.max_by_key(|(likeness, _)| *likeness).filter(|(likeness, _)| *likeness >= SAME_END)
    }

    /// How far the number is from the one that comes next; none if it cannot be.
    fn gap(&self, side: Side, record: &Record<'_>) -> Option<i64> {
        let next = self.newest.get(&(side, record.epoch)).map_or(0, |newest| newest + 1);
        Some((record.number - next).abs()).filter(|gap| *gap <= GAP)
    }
}

/// The likeness of two ends: an address may have several ports behind a NAT.
fn like(one: SocketAddrV4, other: SocketAddrV4) -> u8 {
    match (one == other, one.ip() == other.ip()) {
        (true, _) => SAME_END,
        (false, true) => SAME_ADDRESS,
        (false, false) => 0,
    }
}

const SAME_END: u8 = 2;
const SAME_ADDRESS: u8 = 1;

#[cfg(test)]
mod tests {
    use super::super::packets::Packet;
    use super::super::packets::tests::{packets, sent, way};
    use super::super::records::tests::{
        change_cipher_spec, client_hello, hello_verify_request, sealed, server_hello,
    };
    use super::*;

    const US: &str = "192.0.2.1:6084";
    const PEER: &str = "198.51.100.2:6084";
    const RELAY: &str = "203.0.113.3:7000";

    /// A handshake of which all of the client goes one way, and all of the server another.
    fn handshake(name: u8, out: Way, back: Way) -> Vec<Packet> {
        vec![
            sent(out, &client_hello(0, name)),
            sent(back, &hello_verify_request(0)),
            sent(out, &client_hello(1, name)),
            sent(back, &server_hello(1)),
            sent(out, &change_cipher_spec(2)),
            sent(back, &change_cipher_spec(2)),
        ]
    }

    /// What became of it, and the pairs of addresses of each packet.
    fn brought(all: Vec<Packet>) -> (Paths, Vec<Way>) {
        let mut packets = packets(all);
        let paths = bring_together(&mut packets);
        (paths, packets.all.iter().map(|it| it.way().unwrap()).collect())
    }

    #[test]
    fn both_ends_may_move_one_after_the_other() {
        let home = way(US, PEER);
        let mut all = handshake(1, home, home.back());
        all.push(sent(way(US, "198.51.100.2:7777"), &sealed(1)));
        all.push(sent(way("198.51.100.2:7777", "192.0.2.9:6084"), &sealed(1)));
        all.push(sent(way("192.0.2.9:6084", RELAY), &sealed(2)));
        all.push(sent(way(RELAY, "192.0.2.9:6084"), &sealed(GAP)));
        let (paths, ways) = brought(all);
        let expected = way(US, "198.51.100.2:61000");
        assert_eq!(ways.iter().filter(|way| **way == expected).count(), 5);
        assert_eq!(ways.iter().filter(|way| **way == expected.back()).count(), 5);
        let expected = Paths { associations: 1, paths: 4, datagrams: 6, ..Paths::default() };
        assert_eq!(paths, expected);
    }

    #[test]
    fn each_direction_of_a_handshake_may_have_its_own_way() {
        let (_, ways) = brought(handshake(1, way(US, "198.51.100.2:1"), way(PEER, US)));
        let home = way(US, "198.51.100.2:61000");
        assert_eq!(ways, [home, home.back(), home, home.back(), home, home.back()]);
    }

    #[test]
    fn two_associations_from_one_port_are_told_apart_by_the_address_of_the_peer() {
        let mut all = handshake(1, way(US, "198.51.100.2:1"), way(PEER, US));
        all.extend(handshake(2, way(US, "198.51.100.4:1"), way("198.51.100.4:6084", US)));
        all.push(sent(way(US, "198.51.100.2:5"), &sealed(2)));
        all.push(sent(way(US, "198.51.100.4:5"), &sealed(2)));
        let (_, ways) = brought(all);
        let expected = [
            way("198.51.100.4:61001", US),
            way(US, "198.51.100.2:61000"),
            way(US, "198.51.100.4:61001"),
        ];
        assert_eq!(ways[11..], expected);
    }

    #[test]
    fn where_the_addresses_tell_nothing_the_numbers_do() {
        let mut all = handshake(1, way(US, PEER), way(PEER, US));
        all.extend(handshake(2, way(US, "198.51.100.4:1"), way("198.51.100.4:1", US)));
        all.push(sent(way(US, PEER), &sealed(9)));
        all.push(sent(way(US, RELAY), &sealed(10)));
        all.push(sent(way(US, "203.0.113.5:7000"), &sealed(1)));
        let (_, ways) = brought(all);
        assert_eq!(ways[13..], [way(US, "198.51.100.2:61000"), way(US, "198.51.100.4:61001")]);
    }

    #[test]
    fn another_handshake_between_the_same_addresses_is_another_association() {
        let home = way(US, PEER);
        let mut all = handshake(1, home, home.back());
        all.push(sent(home, &sealed(1)));
        all.extend(handshake(2, home, home.back()));
        // The first one would be nearer.
        all.push(sent(home, &sealed(2)));
        let (paths, ways) = brought(all);
        assert_eq!(paths.associations, 2);
        assert!(ways[..7].iter().all(|it| it.pair() == ways[0].pair()));
        assert!(ways[7..].iter().all(|it| it.pair() == ways[7].pair()));
        assert_ne!(ways[0].pair(), ways[7].pair());
    }

    #[test]
    fn where_an_association_was_the_next_one_of_the_same_nodes_may_begin_by_half() {
        let mut all = handshake(1, way(US, PEER), way(PEER, US));
        all.push(sent(way(PEER, US), &sealed(1)));
        all.push(sent(way(PEER, US), &sealed(2)));
        all.extend(handshake(2, way(US, "198.51.100.2:1"), way(PEER, US)));
        let (_, ways) = brought(all);
        let home = way(US, "198.51.100.2:61001");
        assert_eq!(ways[8..], [home, home.back(), home, home.back(), home, home.back()]);
    }

    #[test]
    fn the_side_of_a_hello_tells_associations_apart_that_begin_at_once() {
        let (one, other) = (way(US, "198.51.100.2:1"), way("198.51.100.2:2", US));
        let all = vec![
            sent(one, &client_hello(0, 1)),
            sent(other, &client_hello(0, 2)),
            sent(way(US, "198.51.100.2:3"), &server_hello(0)),
            sent(way("198.51.100.2:3", US), &server_hello(0)),
        ];
        let (_, ways) = brought(all);
        assert_eq!(ways[2], ways[1].back());
        assert_eq!(ways[3], ways[0].back());
    }

    #[test]
    fn what_overtakes_the_change_of_ciphers_of_its_sender_is_left_out_and_counted() {
        let home = way(US, PEER);
        let mut all = handshake(1, home, home.back());
        let finished = all.pop().unwrap();
        all.push(sent(home.back(), &sealed(1)));
        all.push(sent(home, &sealed(1)));
        all.push(finished);
        all.push(sent(home.back(), &sealed(2)));
        let (paths, ways) = brought(all);
        assert_eq!((paths.early, paths.lost_datagrams, paths.datagrams), (1, 0, 5));
        let home = way(US, "198.51.100.2:61000");
        assert_eq!(ways[4..], [home, home, home.back(), home.back()]);
    }

    #[test]
    fn sealed_records_without_a_handshake_are_left_out_and_counted() {
        let home = way(US, PEER);
        let mut all = handshake(1, home, home.back());
        all.push(sent(way("192.0.2.9:1", RELAY), &sealed(1)));
        all.push(sent(way(RELAY, US), &sealed(GAP + 2)));
        all.push(sent(way("192.0.2.1:9", RELAY), &sealed(1)));
        all.push(sent(way("192.0.2.9:1", RELAY), &server_hello(0)));
        all.push(sent(way("192.0.2.9:1", RELAY), b"STUN"));
        let (paths, ways) = brought(all);
        assert_eq!((paths.lost.len(), paths.lost_datagrams, paths.datagrams), (3, 3, 5));
        assert_eq!(ways[6..], [way("192.0.2.9:1", RELAY); 2]);
    }
}
