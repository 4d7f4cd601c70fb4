//! NATs, one level, of the kinds that homes have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    FullCone,
    AddressRestricted,
    PortRestricted,
    Symmetric,
}

pub(crate) struct Nat {
    kind: Kind,
    pub(crate) outside: IpAddr,
    next_port: u16,
    /// Inside address, and for a symmetric one where it sends to, by outside port.
    mappings: BTreeMap<u16, (SocketAddr, Option<SocketAddr>)>,
    /// Whom a port has sent to.
    sent: BTreeSet<(u16, SocketAddr)>,
}

impl Nat {
    pub(crate) fn new(kind: Kind, outside: IpAddr) -> Self {
        let (mappings, sent) = (BTreeMap::new(), BTreeSet::new());
        Self { kind, outside, next_port: 20_000, mappings, sent }
    }

    /// Forgets everything, as one that restarts.
    pub(crate) fn flush(&mut self) {
        self.mappings.clear();
        self.sent.clear();
    }

    /// What the source of a datagram to `to` looks like outside.
    pub(crate) fn outward(&mut self, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        let key = (from, (self.kind == Kind::Symmetric).then_some(to));
        let known = self.mappings.iter().find(|(_, mapping)| **mapping == key).map(|it| *it.0);
        let port = known.unwrap_or_else(|| {
            self.next_port += 1;
            self.mappings.insert(self.next_port, key);
            self.next_port
        });
        self.sent.insert((port, to));
        SocketAddr::new(self.outside, port)
    }

    /// Who inside gets a datagram that comes to `port`, if it may pass.
    pub(crate) fn inward(&self, from: SocketAddr, port: u16) -> Option<SocketAddr> {
        let (inside, _) = self.mappings.get(&port)?;
        let to_address = || self.sent.iter().any(|(p, to)| *p == port && to.ip() == from.ip());
        let passes = match self.kind {
            Kind::FullCone => true,
            Kind::AddressRestricted => to_address(),
            Kind::PortRestricted | Kind::Symmetric => self.sent.contains(&(port, from)),
        };
        passes.then_some(*inside)
    }
}
