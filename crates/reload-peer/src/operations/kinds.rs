//! Kinds by name or number, and places and specifiers by data model (section 7.2).

use bytes::Bytes;
use reload_config::{AccessControl, Configuration, KindDefinition};
use reload_wire::{ArrayRange, DataModel, KindId, ModelSpecifier};

use crate::control::{Failure, Place, Value, Which};

/// The kind of this name or number (decimal, or `0x` and hex), if the overlay has it.
///
/// # Errors
/// A line that lists the kinds there are.
pub(crate) fn find_kind<'a>(
    configuration: &'a Configuration,
    text: &str,
) -> Result<&'a KindDefinition, Failure> {
    let number = number(text);
    let mut definitions = configuration.kinds.iter().map(|block| &block.definition);
    let is_it = |kind: &KindDefinition| match (number, &kind.name) {
        (Some(number), _) => kind.id == KindId(number),
        (None, Some(name)) => name.eq_ignore_ascii_case(text),
        (None, None) => false,
    };
    definitions.find(|kind| is_it(kind)).ok_or_else(|| {
        let all: Vec<_> =
            configuration.kinds.iter().map(|block| title(&block.definition)).collect();
        Failure::new(format!("this overlay has no kind {text}; it has {}", all.join(", ")))
    })
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The name, or the number in hex.
#[must_use]
pub(crate) fn title(kind: &KindDefinition) -> String {
    kind.name.clone().unwrap_or_else(|| format!("{:#x}", kind.id.0))
}

/// The place of a value in a kind of this model.
pub(super) fn place(kind: &KindDefinition, place: Place) -> Result<reload_node::Place, Failure> {
    use reload_node::Place as Node;
    let wrong = |text: &str| Err(Failure::new(format!("kind {} {text}", title(kind))));
    match (kind.model, place) {
        (DataModel::Single, Place::Unsaid) => Ok(Node::Single),
        (DataModel::Array, Place::Index(index)) => Ok(Node::Index(index)),
        (DataModel::Array, Place::Append) => Ok(Node::Index(u32::MAX)), // section 7.2.2
        (DataModel::Dictionary, Place::Key(Value(key))) => Ok(Node::Key(Bytes::from(key))),
        (DataModel::Single, _) => wrong("is a single value: leave out --index, --append and --key"),
        (DataModel::Array, _) => wrong("is an array: give --index N, or --append to store"),
        (DataModel::Dictionary, _) => wrong("is a dictionary: give --key K"),
    }
}

/// The specifier for these values of a kind of this model.
pub(super) fn specifier(kind: &KindDefinition, which: Which) -> Result<ModelSpecifier, Failure> {
    let wrong = |text: &str| Err(Failure::new(format!("kind {} {text}", title(kind))));
    match (kind.model, which) {
        (DataModel::Single, Which::All) => Ok(ModelSpecifier::Single),
        (DataModel::Array, Which::All) => {
            Ok(ModelSpecifier::Array(vec![ArrayRange { first: 0, last: u32::MAX }]))
        }
        (DataModel::Array, Which::Indices(ranges)) => {
            let range = |(first, last)| ArrayRange { first, last };
            Ok(ModelSpecifier::Array(ranges.into_iter().map(range).collect()))
        }
        // No keys mean all (section 7.4.2.1).
        (DataModel::Dictionary, Which::All) => Ok(ModelSpecifier::Dictionary(Vec::new())),
        (DataModel::Dictionary, Which::Keys(keys)) => {
            let key = |Value(key)| Bytes::from(key);
            Ok(ModelSpecifier::Dictionary(keys.into_iter().map(key).collect()))
        }
        (DataModel::Single, _) => wrong("is a single value: leave out --index and --key"),
        (DataModel::Array, _) => wrong("is an array: it has no --key"),
        (DataModel::Dictionary, _) => wrong("is a dictionary: it has no --index"),
    }
}

/// Who may write values of this kind, for the message after a refusal.
pub(super) fn who_may_write(kind: &KindDefinition, user: Option<&str>, node: &str) -> String {
    let user = user.unwrap_or("none");
    match &kind.access {
        AccessControl::UserMatch => {
            format!("this node may write it only under its user name {user}")
        }
        AccessControl::NodeMatch => format!("this node may write it only under node:{node}"),
        AccessControl::UserNodeMatch => {
            format!("this node may write it only under its user name {user}, key 0x{node}")
        }
        AccessControl::NodeMultiple { max } => {
            format!("this node may write it only under node:{node}/1 to /{max}")
        }
        AccessControl::Unknown(name) => format!("its access policy is {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reload_config::ConfigurationBuilder;

    fn overlay() -> Configuration {
        let mut builder = ConfigurationBuilder::new_overlay("a.org");
        builder.self_signed = Some(reload_config::SelfSignedDigest::Sha256);
        builder.to_configuration().unwrap()
    }

    #[test]
    fn a_kind_has_a_name_or_a_number() {
        let overlay = overlay();
        for text in ["SIP-REGISTRATION", "sip-registration", "1", "0x1"] {
            assert_eq!(find_kind(&overlay, text).unwrap().id, KindId::SIP_REGISTRATION, "{text}");
        }
        assert_eq!(find_kind(&overlay, "4026531841").unwrap().id, KindId(0xf000_0001));
        let error = find_kind(&overlay, "SHOES").unwrap_err().to_string();
        assert!(error.contains("no kind SHOES") && error.contains("0xf0000001"), "{error}");
    }

    #[test]
    fn the_data_model_decides_what_place_is_needed() {
        let overlay = overlay();
        let kind = |text| find_kind(&overlay, text).unwrap();
        assert!(place(kind("0xF0000001"), Place::Unsaid).is_ok());
        assert!(place(kind("0xF0000001"), Place::Append).is_err());
        assert!(place(kind("0xF0000002"), Place::Unsaid).is_err());
        let end = place(kind("0xF0000002"), Place::Append).unwrap();
        assert_eq!(end, reload_node::Place::Index(u32::MAX));
        assert!(place(kind("0xF0000003"), Place::Index(0)).is_err());
    }
}
