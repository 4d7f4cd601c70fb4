//! Which of two peers is in charge of a resource (section 10.1), and users whose resources lie with
//! the right one.

use anyhow::{Context, Result};
use reload_wire::{NodeId, ResourceId};

use crate::resource_id;

/// The most names that are tried for a user whose resource lies with the right peer.
const NAMES: u32 = 10_000_000;

/// Two peers.
#[derive(Clone, Copy)]
pub(crate) struct Ring {
    pub(crate) alice: NodeId,
    pub(crate) bob: NodeId,
}

impl Ring {
    /// Alice has what lies behind bob and not behind herself (section 10.1).
    pub(crate) fn is_alices(self, id: &ResourceId) -> bool {
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u128::from_be_bytes);
        let from = number(self.bob.as_bytes());
        let distance = |bytes: &[u8]| number(bytes).wrapping_sub(from);
        let here = distance(id.as_bytes());
        here != 0 && here <= distance(self.alice.as_bytes())
    }
}

/// A user whose resource lies where it shall.
pub(crate) fn user(
    name: &str,
    overlay: &str,
    fits: impl Fn(&ResourceId) -> bool,
) -> Result<String> {
    let names = (0..NAMES).map(|number| format!("{name}{number}@{overlay}"));
    let mut fitting = names.filter(|user| fits(&resource_id(user.as_bytes())));
    fitting.next().with_context(|| format!("no name for {name}"))
}
