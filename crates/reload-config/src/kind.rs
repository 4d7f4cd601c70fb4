//! The definition of a Kind in a configuration document (section 11.1): `kind-block` and `kind`.

use bytes::Bytes;
use reload_wire::{DataModel, KindId};

use crate::document::with_context;
use crate::domain::DomainRestriction;
use crate::error::{ConfigError, Problem};
use crate::extension::Extension;
use crate::iana::IanaKind;
use crate::options::ReadOptions;
use crate::read_kind::read_kind_block;
use crate::write;

/// The access control policy of a Kind (section 7.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessControl {
    /// USER-MATCH (7.3.1).
    UserMatch,
    /// NODE-MATCH (7.3.2).
    NodeMatch,
    /// USER-NODE-MATCH (7.3.3).
    UserNodeMatch,
    /// NODE-MULTIPLE (7.3.4).
    NodeMultiple {
        /// `max-node-multiple`, the highest value of i, from 1 to 255.
        max: u8,
    },
    /// A policy of an extension, by its name.
    Unknown(String),
}

impl AccessControl {
    pub(crate) fn from_name(name: &str, max: u8) -> Self {
        match name {
            "USER-MATCH" => Self::UserMatch,
            "NODE-MATCH" => Self::NodeMatch,
            "USER-NODE-MATCH" => Self::UserNodeMatch,
            "NODE-MULTIPLE" => Self::NodeMultiple { max },
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The name as documents have it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::UserMatch => "USER-MATCH",
            Self::NodeMatch => "NODE-MATCH",
            Self::UserNodeMatch => "USER-NODE-MATCH",
            Self::NodeMultiple { .. } => "NODE-MULTIPLE",
            Self::Unknown(name) => name,
        }
    }
}

/// What a `kind` element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindDefinition {
    /// The Kind-ID.
    pub id: KindId,
    /// The registered name, if it is a registered Kind.
    pub name: Option<String>,
    /// The data model; that of the registry for a registered Kind.
    pub model: DataModel,
    /// The access control policy; that of the registry for a registered Kind.
    pub access: AccessControl,
    /// `max-count`: the most values of this Kind at one Resource-ID.
    pub max_count: u32,
    /// `max-size`: the most bytes of a value.
    pub max_size: u32,
    /// `domain-restriction` of SIP-REGISTRATION: whose AORs are taken; none takes all.
    pub domain_restriction: Option<DomainRestriction>,
    /// Elements of other namespaces.
    pub extensions: Vec<Extension>,
}

impl KindDefinition {
    /// A Kind of the private range, with its own model and policy.
    #[must_use]
    pub fn private(
        id: KindId,
        model: DataModel,
        access: AccessControl,
        max_count: u32,
        max_size: u32,
    ) -> Self {
        Self {
            id,
            name: None,
            model,
            access,
            max_count,
            max_size,
            domain_restriction: None,
            extensions: Vec::new(),
        }
    }

    /// A registered Kind.
    #[must_use]
    pub fn registered(kind: &IanaKind, max_count: u32, max_size: u32) -> Self {
        let name = Some(kind.name.to_owned());
        Self { name, ..Self::private(kind.id, kind.model, kind.access(), max_count, max_size) }
    }

    /// Whether the overlay of that name takes this user name, the AOR of a registration, as far as
    /// its domain goes (RFC 7904 section 3.4). All names without a restriction.
    #[must_use]
    pub fn permits_user(&self, overlay: &str, user: &str) -> bool {
        let Some(restriction) = &self.domain_restriction else { return true };
        user.rsplit_once('@').is_some_and(|(_, domain)| restriction.permits(overlay, domain))
    }
}

/// A `kind-block`: a definition, the bytes that are signed, and their signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindBlock {
    /// What the `kind` element says.
    pub definition: KindDefinition,
    /// The bytes of the `kind` element, from its first `<` to its last `>`.
    pub raw: Bytes,
    /// The SecurityBlock of `kind-signature`, decoded from base64.
    pub signature: Option<Bytes>,
}

impl KindBlock {
    /// A block without a signature; `raw` is made from the definition.
    #[must_use]
    pub fn new(definition: KindDefinition) -> Self {
        let raw = Bytes::from(write::kind(&definition));
        Self { definition, raw, signature: None }
    }

    /// The block with this SecurityBlock as its signature.
    #[must_use]
    pub fn with_signature(self, signature: Bytes) -> Self {
        Self { signature: Some(signature), ..self }
    }

    /// Reads a `kind-block` that stands alone, as in a ConfigUpdate (6.5.4.1): the namespace of the
    /// base elements is assumed.
    ///
    /// # Errors
    /// As [`crate::OverlayDocument::parse`]; a Kind that is not supported is an error as well.
    pub fn parse(bytes: &[u8], options: &ReadOptions) -> Result<Self, ConfigError> {
        with_context(bytes, options.leniency, |raw, element| {
            if !element.is_base() || element.name() != "kind-block" {
                return Err(element.refuse(Problem::NotOneElement { name: "kind-block" }));
            }
            read_kind_block(element, raw)
        })
    }

    /// The `kind-block` element.
    #[must_use]
    pub fn to_xml(&self) -> Vec<u8> {
        write::kind_block(self)
    }
}

/// Whether the Kind-ID may be defined by a configuration document (14.6).
#[must_use]
pub fn is_private_kind(id: KindId) -> bool {
    (0xf000_0001..=0xffff_fffd).contains(&id.0)
}

/// Whether the Kind-ID is never a Kind (14.6).
#[must_use]
pub fn is_reserved_kind(id: KindId) -> bool {
    matches!(id.0, 0 | 0x7fff_ffff | 0xffff_fffe | 0xffff_ffff)
}
