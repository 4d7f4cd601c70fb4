//! Where a call goes in the end (RFC 7904 sections 4.2 and 5.1): a destination list, the scheme that the
//! callee wants, and who has to be at its end.

use reload_wire::{Destination, NodeId};

use super::aor::Aor;
use super::contact_prefs::ContactPrefs;
use super::gruu::Gruu;
use super::uri::Scheme;

/// A device to be called, by AppAttach along its destination list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipTarget {
    /// Whose registration it is; that of the GRUU if it is one.
    pub aor: Aor,
    /// The node that has registered it; none for a GRUU.
    pub registrant: Option<NodeId>,
    /// The destination list for AppAttach, as it was registered; never empty.
    pub destinations: Vec<Destination>,
    /// What the callee prefers; nothing if it is not to be understood.
    pub prefs: ContactPrefs,
    /// Seconds that the registration still lives; none for a GRUU.
    pub lifetime: Option<u32>,
}

impl SipTarget {
    /// The device that a GRUU names.
    #[must_use]
    pub fn of_gruu(gruu: &Gruu) -> Self {
        Self {
            aor: gruu.aor().clone(),
            registrant: None,
            destinations: gruu.destinations().to_vec(),
            prefs: ContactPrefs::none(),
            lifetime: None,
        }
    }

    /// The Node-ID at the end of the destination list; none if it is hidden in an opaque id.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.destinations.last().and_then(Destination::node)
    }

    /// Whether a connection that ends at this node, by its certificate, may be used; otherwise it is to
    /// be closed (RFC 7904 section 5.1). An opaque id at the end hides who that has to be.
    #[must_use]
    pub fn may_be(&self, node: NodeId) -> bool {
        match self.destinations.last() {
            Some(Destination::Node(expected)) => *expected == node,
            Some(Destination::Opaque(_)) => true,
            Some(Destination::Resource(_) | Destination::Unknown { .. }) | None => false,
        }
    }

    /// The scheme for a call to a `sip:` or `sips:` URI: the preference of the callee, but a call that
    /// asks for SIPS never goes without. None if both do not go together.
    #[must_use]
    pub fn scheme(&self, asked: Scheme) -> Option<Scheme> {
        match asked {
            Scheme::Sips => self.prefs.takes(Scheme::Sips).then_some(Scheme::Sips),
            Scheme::Sip => Some(self.prefs.scheme().unwrap_or(Scheme::Sip)),
        }
    }
}
