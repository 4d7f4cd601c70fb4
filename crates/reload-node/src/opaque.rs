//! List compression (sections 6.1.2, 6.1.3 and 6.3.2.2): opaque ids in place of entries of a via
//! list, made by this node and understood by it alone. What other nodes put there is theirs and is
//! carried as it is.
//!
//! No state is kept for a message: a sealed id holds the entries it stands for, a compact one names
//! a slot of the connection table. Both hold the generation of that slot, so that an id lives as
//! long as the link its request came over, and not longer.

use bytes::{BufMut, Bytes, BytesMut};
use rand::Rng;
use rand::rngs::StdRng;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{Decode, Destination, Dialect, Encode, ForwardingHeader, NodeId, Writer};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::links::Links;
use crate::slots::{Slot, Slots};
use crate::{LinkId, Node};

/// What this node puts into the via list of a request that it passes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListCompression {
    /// The Node-ID of the previous hop.
    #[default]
    Off,
    /// One encrypted and authenticated id in place of all entries: nobody can read or forge it.
    Sealed,
    /// Two bytes in place of the previous hop. They can be guessed, as a Node-ID can.
    Compact,
}

/// Bytes of an opaque id at most: its length byte counts as part of the entry (E36).
const LONGEST: usize = 254;
/// Bytes of the number that makes each nonce another.
const NUMBER: usize = 8;
/// Bytes of a slot and its generation.
const SLOT: usize = 4;

/// Makes opaque ids and reads them again.
#[derive(Debug)]
pub(crate) struct Compressor {
    mode: ListCompression,
    key: LessSafeKey,
    sealed: u64,
    slots: Slots,
}

impl Compressor {
    /// With a key of this process; `None` if lists are not compressed.
    pub(crate) fn new(mode: ListCompression, rng: &mut StdRng) -> Option<Self> {
        if mode == ListCompression::Off {
            return None;
        }
        let key: [u8; 16] = rng.random();
        let key = UnboundKey::new(&AES_128_GCM, &key).expect("an AES-128 key has 16 bytes");
        let key = LessSafeKey::new(key);
        Some(Self { mode, key, sealed: 0, slots: Slots::new(rng) })
    }

    /// The via list of a request that came over `link` with `via`; `None` if there is no room for
    /// the link.
    fn compress(
        &mut self,
        links: &Links,
        link: LinkId,
        via: &[Destination],
    ) -> Option<Vec<Destination>> {
        let slot = self.slots.of(link, |other| links.get(other).is_some())?;
        if self.mode == ListCompression::Compact {
            let mut list = via.to_vec();
            list.push(Destination::compact(slot.compact()));
            return Some(list);
        }
        if let Some(id) = self.seal(slot, via) {
            return Some(vec![id]);
        }
        // too many to fit into one entry: they stay as they are
        let mut list = via.to_vec();
        list.push(self.seal(slot, &[])?);
        Some(list)
    }

    fn seal(&mut self, slot: Slot, via: &[Destination]) -> Option<Destination> {
        let mut list = Writer::new();
        via.iter().try_for_each(|entry| entry.encode(&mut list)).ok()?;
        let list = list.finish();
        let mut sealed = BytesMut::with_capacity(SLOT + list.len());
        sealed.put_u16(slot.index);
        sealed.put_u16(slot.generation);
        sealed.put_slice(&list);
        self.sealed = self.sealed.checked_add(1)?;
        let number = self.sealed.to_be_bytes();
        self.key.seal_in_place_append_tag(nonce(number), Aad::empty(), &mut sealed).ok()?;
        let id = [&number[..], &sealed].concat();
        (id.len() <= LONGEST).then(|| Destination::Opaque(id.into()))
    }

    /// The link that the request came over, and the via list it had; `None` for what this node has
    /// not made, and for what it made for a link that is gone.
    pub(crate) fn restore(
        &self,
        dialect: &Dialect,
        entry: &Destination,
    ) -> Option<(LinkId, Vec<Destination>)> {
        match (self.mode, entry, entry.as_compact()) {
            (ListCompression::Compact, _, Some(id)) => {
                Some((self.slots.at_compact(id)?, Vec::new()))
            }
            (ListCompression::Sealed, Destination::Opaque(id), _) => self.open(dialect, id),
            _ => None,
        }
    }

    fn open(&self, dialect: &Dialect, id: &Bytes) -> Option<(LinkId, Vec<Destination>)> {
        let (number, sealed) = id.split_first_chunk::<NUMBER>()?;
        let mut sealed = sealed.to_vec();
        let open = self.key.open_in_place(nonce(*number), Aad::empty(), &mut sealed).ok()?;
        let (&[a, b, c, d], mut list) = open.split_first_chunk::<SLOT>()?;
        let slot =
            Slot { index: u16::from_be_bytes([a, b]), generation: u16::from_be_bytes([c, d]) };
        let link = self.slots.at(slot)?;
        let mut via = Vec::new();
        while !list.is_empty() {
            let (rest, entry) = Destination::decode(dialect, list).ok()?;
            via.push(entry);
            list = rest;
        }
        Some((link, via))
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Puts the previous hop into the via list of a request that goes on (section 6.1.2).
    pub(crate) fn extend_via(
        &mut self,
        link: LinkId,
        previous: NodeId,
        via: &mut Vec<Destination>,
    ) {
        let links = &self.links;
        let compressed =
            self.compressor.as_mut().and_then(|lists| lists.compress(links, link, via));
        if let Some(list) = compressed {
            self.counters.lists_compressed += 1;
            *via = list;
        } else {
            via.push(Destination::Node(previous));
        }
    }

    /// Puts back what an opaque id in front of the destination list stands for, reversed for the
    /// way back (section 6.1.3); false if it is none of ours that is good.
    pub(crate) fn restore_front(&mut self, header: &mut ForwardingHeader) -> bool {
        let restored = header.destination_list.first().and_then(|entry| self.restored(entry));
        let Some(via) = restored else {
            self.counters.lists_refused += 1;
            return false;
        };
        self.counters.lists_restored += 1;
        header.destination_list.splice(..1, via.into_iter().rev());
        true
    }

    /// Undoes [`Self::extend_via`], for a request that does not go on: gives the previous hop.
    pub(crate) fn pop_hop(&self, via: &mut Vec<Destination>) -> Option<Destination> {
        if let Some(list) = via.last().and_then(|entry| self.restored(entry)) {
            via.pop();
            via.extend(list);
        }
        via.pop()
    }

    /// The via list with its previous hop that an entry stands for.
    fn restored(&self, entry: &Destination) -> Option<Vec<Destination>> {
        let (link, mut via) = self.compressor.as_ref()?.restore(&self.dialect, entry)?;
        // 6.3.2.2: not to whoever may have taken the place of the link since
        via.push(Destination::Node(self.links.get(link)?.address()));
        Some(via)
    }
}

fn nonce(number: [u8; NUMBER]) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number);
    Nonce::assume_unique_for_key(nonce)
}
