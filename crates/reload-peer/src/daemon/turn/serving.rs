//! Where a node serves TURN, by what was wished and by how others see it.

use std::net::SocketAddr;

use reload_net::{NetError, Snapshot, TurnServer, TurnSettings};
use reload_usages::public_address;

use super::TurnWish;

/// The port of TURN (RFC 8656 section 5), so that it can be opened in firewalls; any free one if that
/// is taken.
const PORT: u16 = 3478;

/// Where this node shall serve, the port left open; none if it shall not.
pub(super) fn place(wish: TurnWish, snapshot: &Snapshot) -> Option<SocketAddr> {
    let (hosts, public) = (&snapshot.hosts, public(snapshot));
    match wish {
        TurnWish::IfPublic => public,
        TurnWish::Anyway => public.or_else(|| hosts.first().copied()),
        TurnWish::At(address) => Some(address),
        TurnWish::Never => None,
    }
}

/// Where everybody reaches this node, if anywhere.
pub(super) fn public(snapshot: &Snapshot) -> Option<SocketAddr> {
    public_address(&snapshot.hosts, &snapshot.reflexive)
}

/// Serves at that IP address: at the port that was wished, else at that of TURN if it is free.
pub(super) fn serve(
    wish: TurnWish,
    place: SocketAddr,
    overlay: &str,
) -> Result<TurnServer, NetError> {
    if let TurnWish::At(address) = wish {
        return TurnServer::start(TurnSettings::new(address, overlay));
    }
    let at =
        |port| TurnServer::start(TurnSettings::new(SocketAddr::new(place.ip(), port), overlay));
    at(PORT).or_else(|_| at(0))
}
