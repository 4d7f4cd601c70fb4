//! The overlay of the node under test and the peers around it, made once a process.

use std::sync::{Arc, OnceLock};

use reload_identity::Credentials;
use reload_sim::Overlay;
use reload_wire::{KindId, NodeId};

/// Peers around the node.
pub(super) const PEERS: usize = 3;

/// Kinds that are stored: every data model and access control, and one that nobody knows.
pub(super) const KINDS: [KindId; 8] = [
    KindId(0xf000_0001),
    KindId(0xf000_0002),
    KindId(0xf000_0003),
    KindId(0xf000_0004),
    KindId::CERTIFICATE_BY_NODE,
    KindId::CERTIFICATE_BY_USER,
    KindId::SIP_REGISTRATION,
    KindId(0xf000_0099),
];

/// Who is there.
pub(super) struct Peers {
    pub(super) overlay: Overlay,
    pub(super) own: Arc<Credentials>,
    pub(super) others: [Arc<Credentials>; PEERS],
}

/// The same for every script: one overlay without ICE, and one with it.
pub(super) fn peers(ice: bool) -> &'static Peers {
    static WITHOUT: OnceLock<Peers> = OnceLock::new();
    static WITH: OnceLock<Peers> = OnceLock::new();
    let all = if ice { &WITH } else { &WITHOUT };
    all.get_or_init(|| {
        let overlay = if ice { Overlay::with_ice() } else { Overlay::new() };
        let node = |top: u128, user| overlay.credentials(NodeId::from_u128(top << 124), user);
        Peers {
            own: node(0x8, "own@overlay.example"),
            others: [
                node(0x3, "alice@overlay.example"),
                node(0x9, "bob@overlay.example"),
                node(0xe, "carol@overlay.example"),
            ],
            overlay,
        }
    })
}
