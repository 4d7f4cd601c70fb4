//! DTLS associations that move to another pair of addresses, from a relay or with an address of an end.
//! The decoder opens only what follows a handshake between the same addresses, so what comes later is
//! brought back to them. Which association goes on somewhere is told by the numbers of its records.

use std::collections::{BTreeMap, BTreeSet};

use super::packets::{Packets, Way};

/// Records that are lost or overtaken while an association moves.
const GAP: i64 = 64;

const HANDSHAKE: u8 = 22;
const CHANGE_CIPHER_SPEC: u8 = 20;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// What became of the paths of a capture.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Paths {
    /// With a handshake of their own.
    pub(super) own: usize,
    /// Brought back to the addresses of their handshake.
    pub(super) moved: usize,
    /// Of no association that is known: these cannot be opened.
    pub(super) lost: BTreeSet<Way>,
    /// Datagrams with DTLS on those.
    pub(super) lost_datagrams: usize,
    /// And on all paths.
    pub(super) datagrams: usize,
}

/// A record, as far as it can be read without keys.
#[derive(Clone, Copy)]
struct Record {
    kind: u8,
    epoch: u16,
    number: i64,
    /// Of a handshake in the clear.
    message: u8,
}

impl Record {
    /// All of a datagram of DTLS.
    fn all(mut datagram: &[u8]) -> Vec<Self> {
        let mut records = Vec::new();
        while let Some((record, rest)) = Self::read(datagram) {
            records.push(record);
            datagram = rest;
        }
        records
    }

    /// The first one, and what is behind it.
    fn read(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = datagram.split_first_chunk::<13>()?;
        let [kind @ 20..=25, 254, 253 | 255, e0, e1, number @ .., l0, l1] = header else {
            return None;
        };
        let (body, rest) = rest.split_at_checked(u16::from_be_bytes([*l0, *l1]).into())?;
        let epoch = u16::from_be_bytes([*e0, *e1]);
        let number = number.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
        Some((Self { kind: *kind, epoch, number, message: *body.first()? }, rest))
    }

    fn is_sealed(self) -> bool {
        self.epoch > 0
    }
}

/// One association: where its handshake was, and the newest number of each direction there.
struct Association {
    home: Way,
    /// Where it is known to have been, each with the way at home that is meant.
    paths: BTreeMap<Way, Way>,
    newest: BTreeMap<Way, i64>,
}

impl Association {
    fn at(home: Way) -> Self {
        let paths = [home, home.back()].map(|way| (way, way)).into();
        Self { home, paths, newest: BTreeMap::new() }
    }

    /// What a way with one end in common would be at home.
    fn at_home(&self, way: Way) -> Option<Way> {
        let known = |(known, home): (&Way, &Way)| {
            (known.from == way.from || known.to == way.to).then_some(*home)
        };
        self.paths.iter().find_map(known)
    }

    /// How far the number is from the one that comes next on this way; none if it cannot be.
    fn gap(&self, way: Way, number: i64) -> Option<i64> {
        let newest = self.newest.get(&self.at_home(way)?)?;
        Some((number - newest - 1).abs()).filter(|gap| *gap <= GAP)
    }

    fn hear(&mut self, way: Way, number: i64) {
        let newest = self.newest.entry(way).or_insert(number);
        *newest = number.max(*newest);
    }
}

/// Brings all that has moved back to the addresses of its handshake.
pub(super) fn bring_back(packets: &mut Packets) -> Paths {
    let own = with_handshake(packets);
    let mut paths = Paths { own: own.len(), ..Paths::default() };
    let mut associations: Vec<Association> = Vec::new();
    let mut moved = BTreeSet::new();
    for packet in &mut packets.all {
        let records = packet.datagram().map(Record::all).unwrap_or_default();
        // The newest one stands last.
        let (Some(way), Some(record)) = (packet.way(), records.last()) else { continue };
        paths.datagrams += 1;
        let pair = way.pair();
        if own.contains(&pair) {
            let known = associations.iter_mut().position(|it| it.home == pair);
            let known = known.unwrap_or_else(|| {
                associations.push(Association::at(pair));
                associations.len() - 1
            });
            if record.is_sealed() {
                associations[known].hear(way, record.number);
            } else if record.message == CLIENT_HELLO {
                // Another association begins there.
                associations[known].newest.clear();
            }
            continue;
        }
        let gaps = associations.iter_mut().filter_map(|it| Some((it.gap(way, record.number)?, it)));
        let best = gaps.min_by_key(|(gap, _)| *gap).filter(|_| record.is_sealed());
        let Some((_, association)) = best else {
            paths.lost.insert(pair);
            paths.lost_datagrams += 1;
            continue;
        };
        let Some(home) = association.at_home(way) else { continue };
        association.hear(home, record.number);
        association.paths.extend([(way, home), (way.back(), home.back())]);
        moved.insert(pair);
        packet.redirect(home);
    }
    paths.moved = moved.len();
    paths
}

/// Hellos of both sides, and the step to ciphers: an association may also move in between.
fn with_handshake(packets: &Packets) -> BTreeSet<Way> {
    let mut seen: BTreeMap<Way, BTreeSet<(u8, u8)>> = BTreeMap::new();
    for packet in &packets.all {
        let records = packet.datagram().map(Record::all).unwrap_or_default();
        let clear = records.iter().filter(|it| !it.is_sealed()).map(|it| (it.kind, it.message));
        if let Some(way) = packet.way() {
            seen.entry(way.pair()).or_default().extend(clear);
        }
    }
    let hellos = [(HANDSHAKE, CLIENT_HELLO), (HANDSHAKE, SERVER_HELLO)];
    let is_whole = |seen: &BTreeSet<(u8, u8)>| {
        hellos.iter().all(|hello| seen.contains(hello))
            && seen.iter().any(|(kind, _)| *kind == CHANGE_CIPHER_SPEC)
    };
    seen.into_iter().filter(|(_, seen)| is_whole(seen)).map(|(pair, _)| pair).collect()
}
