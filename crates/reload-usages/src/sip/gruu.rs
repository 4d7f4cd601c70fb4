//! GRUUs (RFC 7904 section 6): an AOR with the destination list of one device in its `gr` parameter.
//! They need no stored record.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reload_wire::{Decode, Destination, Dialect, Encode, NodeId, Writer, read};

use super::aor::{Aor, AorError};
use super::uri::{Scheme, SipUri};

/// Destinations in one list.
const MAX_DESTINATIONS: usize = 16;

/// The address of one device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gruu {
    aor: Aor,
    destinations: Vec<Destination>,
    /// The value of `gr`.
    encoded: String,
}

/// Why something is no GRUU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GruuError {
    /// There is no `gr` parameter.
    #[error("the URI has no gr parameter")]
    None,
    /// The AOR is none.
    #[error(transparent)]
    Aor(#[from] AorError),
    /// The value of `gr` is not base64 with `~` in place of `=`.
    #[error("the gr parameter is not base64 with ~ in place of =")]
    Base64,
    /// What it holds is no destination list, or too long a one.
    #[error("the gr parameter holds no destination list")]
    Destinations,
    /// An anonymous GRUU would tell who the node is.
    #[error("the destination list reveals the Node-ID of its node")]
    Reveals,
}

impl Gruu {
    /// The GRUU of a device of this user.
    ///
    /// # Errors
    /// [`GruuError::Destinations`] if the list is empty, too long or cannot be written.
    pub fn new(aor: Aor, destinations: Vec<Destination>) -> Result<Self, GruuError> {
        let encoded = encode(&destinations).ok_or(GruuError::Destinations)?;
        Ok(Self { aor, destinations, encoded })
    }

    /// A GRUU that does not tell whose it is (RFC 7904 section 6): none of the Node-IDs that are known
    /// to be the user's may stand in the list. It ends in a Node-ID that was enrolled for it alone, or
    /// in an opaque id of a peer that compresses the route.
    ///
    /// # Errors
    /// [`GruuError`].
    pub fn anonymous(
        domain: &str,
        destinations: Vec<Destination>,
        known: &[NodeId],
    ) -> Result<Self, GruuError> {
        if destinations.iter().filter_map(Destination::node).any(|node| known.contains(&node)) {
            return Err(GruuError::Reveals);
        }
        Self::new(Aor::of_user_name(&format!("anonymous@{domain}"))?, destinations)
    }

    /// Reads a GRUU.
    ///
    /// # Errors
    /// [`GruuError::None`] if the URI has no `gr`, and otherwise what is wrong with it.
    pub fn of_uri(uri: &SipUri, dialect: &Dialect) -> Result<Self, GruuError> {
        let encoded = uri.parameter("gr").ok_or(GruuError::None)?.to_owned();
        let bytes = from_base64(&encoded).ok_or(GruuError::Base64)?;
        let destinations = decode(&bytes, dialect).ok_or(GruuError::Destinations)?;
        Ok(Self { aor: Aor::of_uri(uri)?, destinations, encoded })
    }

    /// The user.
    #[must_use]
    pub const fn aor(&self) -> &Aor {
        &self.aor
    }

    /// The way to the device; never empty.
    #[must_use]
    pub fn destinations(&self) -> &[Destination] {
        &self.destinations
    }

    /// The URI.
    #[must_use]
    pub fn to_uri(&self, scheme: Scheme) -> String {
        format!("{};gr={}", self.aor.to_uri(scheme), self.encoded)
    }
}

/// Without a scheme, as the RFC writes them.
impl fmt::Display for Gruu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{};gr={}", self.aor.escaped_user(), self.aor.domain(), self.encoded)
    }
}

fn encode(destinations: &[Destination]) -> Option<String> {
    if !(1..=MAX_DESTINATIONS).contains(&destinations.len()) {
        return None;
    }
    let mut out = Writer::new();
    destinations.iter().try_for_each(|destination| destination.encode(&mut out)).ok()?;
    Some(STANDARD.encode(out.finish()).replace('=', "~"))
}

/// base64 of RFC 4648 table 1 with `~` for `=`.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    if text.contains('=') {
        return None;
    }
    STANDARD.decode(text.replace('~', "=")).ok()
}

/// Destinations one after the other; exactly the bytes of a Node-ID are taken as one too, as the
/// example of the RFC has it.
fn decode(bytes: &[u8], dialect: &Dialect) -> Option<Vec<Destination>> {
    let list =
        read::exactly(bytes, |all| read::list(all, |rest| Destination::decode(dialect, rest)));
    match list {
        Ok(list) if (1..=MAX_DESTINATIONS).contains(&list.len()) => Some(list),
        Err(_) if bytes.len() == dialect.node_id_length.get() => {
            NodeId::decode_exact(dialect, bytes).ok().map(|node| vec![Destination::Node(node)])
        }
        _ => None,
    }
}
