//! Reads `kind-block` and `kind` elements (section 11.1).

use std::ops::Range;

use bytes::Bytes;
use reload_wire::{DataModel, KindId};

use crate::domain::DomainRestriction;
use crate::element::Element;
use crate::error::{ConfigError, Problem, shorten};
use crate::extension::Extension;
use crate::iana::{IanaKind, iana_kind, iana_kind_by_id};
use crate::kind::{AccessControl, KindBlock, KindDefinition, is_private_kind, is_reserved_kind};

/// The most that fits into `xsd:int`, the type of `max-count` and `max-size`.
pub(crate) const MAX_INT: u32 = 0x7fff_ffff;

/// `raw` gives the bytes of a range of the document. The error of a Kind that is well-formed but
/// beyond us is [`ConfigError::is_unsupported`].
pub(crate) fn read_kind_block(
    block: Element<'_>,
    raw: &dyn Fn(Range<usize>) -> Bytes,
) -> Result<KindBlock, ConfigError> {
    let (mut kind, mut signature) = (None, None);
    for child in block.children()? {
        let slot = match child.name() {
            "kind" if child.is_base() => &mut kind,
            "kind-signature" if child.is_base() => &mut signature,
            _ if block.leniency.is_lenient() => continue,
            name => {
                return Err(block.refuse(Problem::UnknownElement { name: shorten(name) }));
            }
        };
        if slot.replace(child).is_some() {
            return Err(child.refuse(Problem::Repeated));
        }
    }
    let kind = kind.ok_or_else(|| block.refuse(Problem::MissingElement { name: "kind" }))?;
    let signature = signature.map(Element::base64).transpose()?;
    Ok(KindBlock { definition: read_kind(kind)?, raw: raw(kind.node.range()), signature })
}

/// The identity of a Kind: its number, and its registration if it has one.
struct Identity {
    id: KindId,
    registered: Option<&'static IanaKind>,
}

fn read_kind(kind: Element<'_>) -> Result<KindDefinition, ConfigError> {
    kind.allow_attributes(&["id", "name"])?;
    let identity = read_identity(kind)?;
    let parameters = Parameters::read(kind, identity.id == KindId::SIP_REGISTRATION)?;
    parameters.definition(kind, &identity)
}

fn read_identity(kind: Element<'_>) -> Result<Identity, ConfigError> {
    match (kind.attribute("id"), kind.attribute("name")) {
        (Some(id), None) => read_id(kind, id),
        (None, Some(name)) => match iana_kind(name) {
            Some(found) => Ok(Identity { id: found.id, registered: Some(found) }),
            None => Err(kind.refuse(Problem::UnknownKind { name: shorten(name) })),
        },
        _ => Err(kind.refuse(Problem::KindIdentity)),
    }
}

fn read_id(kind: Element<'_>, text: &str) -> Result<Identity, ConfigError> {
    let id = KindId(kind.number_in(text, 0, u32::MAX)?);
    if is_reserved_kind(id) {
        return Err(kind.refuse(Problem::ReservedKind(id)));
    }
    if !is_private_kind(id) && !kind.leniency.is_lenient() {
        return Err(kind.refuse(Problem::NotPrivateKind(id)));
    }
    Ok(Identity { id, registered: iana_kind_by_id(id) })
}

/// The elements of a `kind`, as they stand in the document.
#[derive(Default)]
struct Parameters {
    max_count: Option<u32>,
    max_size: Option<u32>,
    max_node_multiple: Option<u8>,
    model: Option<String>,
    access: Option<String>,
    domain_restriction: Option<DomainRestriction>,
    extensions: Vec<Extension>,
}

impl Parameters {
    /// `sip`: it is the Kind that may have a restriction of domains (RFC 7904 section 3.4).
    fn read(kind: Element<'_>, sip: bool) -> Result<Self, ConfigError> {
        let mut found = Self::default();
        for child in kind.children()? {
            if child.is_base() {
                found.read_base(kind, child)?;
            } else if sip && DomainRestriction::is_element(child) {
                let restriction = DomainRestriction::read(child)?;
                if found.domain_restriction.replace(restriction).is_some() {
                    return Err(child.refuse(Problem::Repeated));
                }
            } else {
                found.extensions.push(Extension::from_node(child.node));
            }
        }
        Ok(found)
    }

    fn read_base(&mut self, kind: Element<'_>, child: Element<'_>) -> Result<(), ConfigError> {
        let repeated = match child.name() {
            "max-count" => self.max_count.replace(child.number(0, MAX_INT)?).is_some(),
            "max-size" => self.max_size.replace(child.number(0, MAX_INT)?).is_some(),
            "max-node-multiple" => self.max_node_multiple.replace(child.byte(1)?).is_some(),
            "data-model" => self.model.replace(child.text()?).is_some(),
            "access-control" => self.access.replace(child.text()?).is_some(),
            _ if kind.leniency.is_lenient() => {
                self.extensions.push(Extension::from_node(child.node));
                false
            }
            name => {
                return Err(kind.refuse(Problem::UnknownElement { name: shorten(name) }));
            }
        };
        if repeated { Err(child.refuse(Problem::Repeated)) } else { Ok(()) }
    }

    /// The registered model and policy win over those of the document (11.1).
    fn definition(
        self,
        kind: Element<'_>,
        identity: &Identity,
    ) -> Result<KindDefinition, ConfigError> {
        let missing = |name| kind.refuse(Problem::MissingElement { name });
        let optional = identity.registered.is_some() && kind.leniency.is_lenient();
        if self.model.is_none() && !optional {
            return Err(missing("data-model"));
        }
        if self.access.is_none() && !optional {
            return Err(missing("access-control"));
        }
        let max_count = self.max_count.ok_or_else(|| missing("max-count"))?;
        let max_size = self.max_size.ok_or_else(|| missing("max-size"))?;
        if let Some(registered) = identity.registered {
            let definition = KindDefinition::registered(registered, max_count, max_size);
            return Ok(KindDefinition {
                domain_restriction: self.domain_restriction,
                extensions: self.extensions,
                ..definition
            });
        }
        let access = self.access(kind)?;
        let Some(model) = self.model.as_deref().and_then(model_from_name) else {
            let model = shorten(&self.model.unwrap_or_default());
            return Err(kind.refuse(Problem::UnsupportedModel { model }));
        };
        let definition = KindDefinition::private(identity.id, model, access, max_count, max_size);
        Ok(KindDefinition { extensions: self.extensions, ..definition })
    }

    fn access(&self, kind: Element<'_>) -> Result<AccessControl, ConfigError> {
        let name = self.access.as_deref().unwrap_or_default();
        if name == "NODE-MULTIPLE" && self.max_node_multiple.is_none() {
            return Err(kind.refuse(Problem::MissingNodeMultiple));
        }
        if name.is_empty() {
            return Err(kind.refuse(Problem::MissingElement { name: "access-control" }));
        }
        Ok(AccessControl::from_name(name, self.max_node_multiple.unwrap_or(1)))
    }
}

fn model_from_name(name: &str) -> Option<DataModel> {
    match name {
        "SINGLE" => Some(DataModel::Single),
        "ARRAY" => Some(DataModel::Array),
        "DICTIONARY" => Some(DataModel::Dictionary),
        _ => None,
    }
}
