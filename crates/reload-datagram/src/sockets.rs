//! The UDP sockets of a node: that of all overlay links, and those that one link has for itself.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use reload_node::LinkId;

use crate::SocketId;

/// A socket, as far as it is known.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The link it was opened for; none for the socket of all.
    pub(crate) owner: Option<LinkId>,
    /// Where it is reached on this host.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Sockets {
    map: BTreeMap<SocketId, Socket>,
    next: u32,
}

impl Sockets {
    /// The socket of the overlay links, without addresses yet.
    pub(crate) fn new() -> Self {
        let overlay = Socket { owner: None, addresses: Vec::new() };
        Self { map: BTreeMap::from([(SocketId::OVERLAY, overlay)]), next: 1 }
    }

    /// Names a new one for a link.
    pub(crate) fn open(&mut self, owner: LinkId) -> SocketId {
        let id = SocketId(self.next);
        self.next = self.next.wrapping_add(1).max(1);
        self.map.insert(id, Socket { owner: Some(owner), addresses: Vec::new() });
        id
    }

    pub(crate) fn close(&mut self, socket: SocketId) {
        if socket != SocketId::OVERLAY {
            self.map.remove(&socket);
        }
    }

    pub(crate) fn get(&self, socket: SocketId) -> Option<&Socket> {
        self.map.get(&socket)
    }

    /// Takes new addresses; says whether there is such a socket.
    pub(crate) fn set_addresses(&mut self, id: SocketId, new: Vec<SocketAddr>) -> bool {
        let Some(socket) = self.map.get_mut(&id) else { return false };
        socket.addresses = new;
        true
    }

    pub(crate) fn addresses(&self, socket: SocketId) -> &[SocketAddr] {
        self.map.get(&socket).map_or(&[], |socket| &socket.addresses)
    }
}

/// The address that leaves the choice to the system.
pub(crate) fn unspecified(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_socket_has_a_name_of_its_own() {
        let mut sockets = Sockets::new();
        let (first, second) = (sockets.open(LinkId::planned(1)), sockets.open(LinkId::planned(2)));
        assert_ne!(first, second);
        sockets.close(first);
        assert!(!sockets.set_addresses(first, Vec::new()));
        assert!(sockets.set_addresses(second, Vec::new()));
        sockets.close(SocketId::OVERLAY);
        assert!(sockets.get(SocketId::OVERLAY).is_some(), "it stays");
    }
}
