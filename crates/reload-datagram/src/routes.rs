//! Which datagrams belong to whom: DTLS by socket and sender, STUN requests by our user name fragment,
//! STUN answers by their transaction. Nothing here proves anything; those who get a datagram do.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use reload_node::LinkId;

use crate::SocketId;
use crate::stun_header::Transaction;

/// A socket of ours and the address of somebody else.
pub(crate) type Pair = (SocketId, SocketAddr);

/// Who gets the DTLS of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Link(LinkId),
    HalfOpen(u64),
}

/// Who gets a STUN answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Link(LinkId),
    StunServers,
}

/// Owners of one address: a live association, one that shall replace it, checks that pass over it.
const OWNERS: usize = 8;
/// STUN requests of ours that may be unanswered; answers to older ones are strays.
const TRANSACTIONS: usize = 8192;

#[derive(Debug, Default)]
pub(crate) struct Routes {
    pairs: BTreeMap<Pair, Vec<Owner>>,
    names: BTreeMap<Bytes, LinkId>,
    transactions: BTreeMap<Transaction, Asker>,
    order: VecDeque<Transaction>,
}

impl Routes {
    /// Who takes DTLS from there, the newest first.
    pub(crate) fn owners(&self, pair: Pair) -> Vec<Owner> {
        self.pairs
            .get(&pair)
            .map(|owners| owners.iter().rev().copied().collect())
            .unwrap_or_default()
    }

    /// Adds an owner; says whether there was room.
    pub(crate) fn add(&mut self, pair: Pair, owner: Owner) -> bool {
        let owners = self.pairs.entry(pair).or_default();
        if owners.contains(&owner) {
            return true;
        }
        if owners.len() >= OWNERS {
            return false;
        }
        owners.push(owner);
        true
    }

    pub(crate) fn remove(&mut self, pair: Pair, owner: Owner) {
        let Some(owners) = self.pairs.get_mut(&pair) else { return };
        owners.retain(|other| *other != owner);
        if owners.is_empty() {
            self.pairs.remove(&pair);
        }
    }

    pub(crate) fn name(&mut self, ufrag: Bytes, link: LinkId) {
        self.names.insert(ufrag, link);
    }

    pub(crate) fn named(&self, ufrag: &[u8]) -> Option<LinkId> {
        self.names.get(ufrag).copied()
    }

    pub(crate) fn forget_name(&mut self, ufrag: &[u8], link: LinkId) {
        if self.named(ufrag) == Some(link) {
            self.names.remove(ufrag);
        }
    }

    /// Remembers who asked; the oldest question is forgotten.
    pub(crate) fn asked(&mut self, transaction: Transaction, asker: Asker) {
        if self.transactions.insert(transaction, asker).is_none() {
            self.order.push_back(transaction);
        }
        if self.order.len() > TRANSACTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.transactions.remove(&oldest);
        }
    }

    pub(crate) fn asker(&self, transaction: &Transaction) -> Option<Asker> {
        self.transactions.get(transaction).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(port: u16) -> Pair {
        (SocketId::OVERLAY, SocketAddr::from(([192, 0, 2, 1], port)))
    }

    #[test]
    fn the_newest_owner_of_an_address_comes_first_and_there_are_not_many() {
        let mut routes = Routes::default();
        for number in 0..20 {
            routes.add(pair(1), Owner::HalfOpen(number));
        }
        let owners = routes.owners(pair(1));
        assert_eq!(owners.len(), OWNERS);
        assert_eq!(owners[0], Owner::HalfOpen(7));
        assert!(routes.owners(pair(2)).is_empty());
        for number in 0..20 {
            routes.remove(pair(1), Owner::HalfOpen(number));
        }
        assert!(routes.pairs.is_empty());
    }

    #[test]
    fn old_questions_are_forgotten() {
        let mut routes = Routes::default();
        let id = |number: usize| {
            let mut id = [0; 12];
            id[..8].copy_from_slice(&number.to_be_bytes());
            id
        };
        for number in 0..=TRANSACTIONS {
            routes.asked(id(number), Asker::StunServers);
        }
        assert_eq!(routes.asker(&id(0)), None);
        assert_eq!(routes.asker(&id(1)), Some(Asker::StunServers));
        assert_eq!(routes.transactions.len(), TRANSACTIONS);
    }
}
