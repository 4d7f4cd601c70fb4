//! NATs in memory, by how they map and what they let in (RFC 4787 sections 4.1 and 5).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NatKind {
    /// No NAT at all.
    Open,
    /// One mapping for all, lets in everybody.
    FullCone,
    /// One mapping for all, lets in addresses that were written to.
    AddressRestricted,
    /// One mapping for all, lets in addresses with port that were written to.
    PortRestricted,
    /// A mapping for each destination, lets in that destination only.
    Symmetric,
}

/// One NAT with one address outside.
#[derive(Debug)]
pub(crate) struct Nat {
    pub(crate) kind: NatKind,
    pub(crate) outside: IpAddr,
    next_port: u16,
    mappings: BTreeMap<(SocketAddr, Option<SocketAddr>), u16>,
    written: BTreeMap<u16, BTreeSet<SocketAddr>>,
}

impl Nat {
    pub(crate) fn new(kind: NatKind, outside: IpAddr) -> Self {
        let (mappings, written) = (BTreeMap::new(), BTreeMap::new());
        Self { kind, outside, next_port: 20_000, mappings, written }
    }

    /// The source that the world sees.
    pub(crate) fn outbound(&mut self, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        let key = (from, (self.kind == NatKind::Symmetric).then_some(to));
        let port = *self.mappings.entry(key).or_insert_with(|| {
            self.next_port += 7;
            self.next_port
        });
        self.written.entry(port).or_default().insert(to);
        SocketAddr::new(self.outside, port)
    }

    /// Who inside gets it, if it is let in.
    pub(crate) fn inbound(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let inside = self.mappings.iter().find(|(_, port)| **port == to.port())?.0.0;
        let written = self.written.get(&to.port())?;
        let open = match self.kind {
            NatKind::Open | NatKind::FullCone => true,
            NatKind::AddressRestricted => written.iter().any(|it| it.ip() == from.ip()),
            NatKind::PortRestricted | NatKind::Symmetric => written.contains(&from),
        };
        open.then_some(inside)
    }

    /// Forgets everything: what comes later gets new mappings.
    pub(crate) fn flush(&mut self) {
        self.mappings.clear();
        self.written.clear();
    }
}
