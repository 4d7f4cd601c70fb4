//! What a user registers (RFC 7904 section 3.2): a node with contact preferences, or another address.

use bytes::Bytes;
use reload_wire::{Destination, NodeId, SipRegistration};

use super::aor::{Aor, AorError};
use super::contact_prefs::ContactPrefs;
use super::uri::SipUri;

/// Where calls to a user shall go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipContact(SipRegistration);

impl SipContact {
    /// To this node.
    #[must_use]
    pub fn node(prefs: &ContactPrefs, node: NodeId) -> Self {
        Self::route(prefs, vec![Destination::Node(node)])
    }

    /// Along this destination list, which may end in another node than that which registers.
    #[must_use]
    pub fn route(prefs: &ContactPrefs, destination_list: Vec<Destination>) -> Self {
        let contact_prefs = Bytes::copy_from_slice(prefs.as_str().as_bytes());
        Self(SipRegistration::Route { contact_prefs, destination_list })
    }

    /// To another address: an AOR of this overlay or of another place, or a GRUU. An AOR is stored bare,
    /// without scheme; nobody has to agree (RFC 7904 section 3.3).
    ///
    /// # Errors
    /// If it names no user.
    pub fn forward(to: &str) -> Result<Self, AorError> {
        let uri = SipUri::parse(to)?;
        let aor = Aor::of_uri(&uri)?;
        let is_plain = uri.port().is_none() && !uri.has_parameters();
        let text = if is_plain {
            format!("{}@{}", aor.escaped_user(), aor.domain())
        } else {
            uri.without_scheme().to_owned()
        };
        Ok(Self(SipRegistration::Uri(Bytes::from(text))))
    }

    /// What is stored.
    #[must_use]
    pub const fn registration(&self) -> &SipRegistration {
        &self.0
    }
}
