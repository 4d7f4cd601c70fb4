//! Changes of the Kinds of an overlay by text: adds one, changes its limits, removes it (section 11.1,
//! `required-kinds`). Model and policy of a registered Kind stay those of the registry.

use reload_wire::{DataModel, KindId};

use crate::change::{byte, number, refuse};
use crate::domain::{DomainPattern, DomainRestriction};
use crate::error::{ConfigError, Problem, shorten};
use crate::iana::{iana_kind, iana_kind_by_id};
use crate::kind::{AccessControl, KindBlock, KindDefinition, is_private_kind};

/// The policies a private Kind can have.
const POLICIES: [&str; 4] = ["USER-MATCH", "NODE-MATCH", "USER-NODE-MATCH", "NODE-MULTIPLE"];

/// The fields of a Kind as they are given.
#[derive(Default)]
struct Fields {
    model: Option<DataModel>,
    policy: Option<String>,
    multiple: Option<u8>,
    max_count: Option<u32>,
    max_size: Option<u32>,
    domains: Option<Domains>,
}

/// Whose AORs the Kind takes.
enum Domains {
    Any,
    Restricted(DomainRestriction),
}

/// `values` is the Kind, then `none` or its fields.
pub(crate) fn change(kinds: &mut Vec<KindBlock>, values: &[&str]) -> Result<(), ConfigError> {
    let Some((kind, fields)) = values.split_first() else { return Err(bad("")) };
    let id = identify(kind)?;
    let place = kinds.iter().position(|block| block.definition.id == id);
    match (fields, place) {
        ([], _) => Err(bad("")),
        (["none"], Some(place)) => {
            kinds.remove(place);
            Ok(())
        }
        (["none"], None) => Err(refuse("kind", Problem::NoSuchKind(id))),
        (fields, Some(place)) => {
            let changed = Fields::read(fields)?.change(kinds[place].definition.clone())?;
            kinds[place] = KindBlock::new(changed);
            Ok(())
        }
        (fields, None) => {
            kinds.push(KindBlock::new(Fields::read(fields)?.make(id)?));
            Ok(())
        }
    }
}

/// A registered name, a number, or a number in hex.
fn identify(text: &str) -> Result<KindId, ConfigError> {
    if let Some(kind) = iana_kind(text) {
        return Ok(kind.id);
    }
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hex {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let id = number
        .map(KindId)
        .ok_or_else(|| refuse("kind", Problem::UnknownKind { name: shorten(text) }))?;
    if iana_kind_by_id(id).is_none() && !is_private_kind(id) {
        return Err(refuse("kind", Problem::NotPrivateKind(id)));
    }
    Ok(id)
}

impl Fields {
    fn read(texts: &[&str]) -> Result<Self, ConfigError> {
        let mut fields = Self::default();
        for text in texts {
            let (name, value) = text.split_once('=').ok_or_else(|| bad(text))?;
            match name {
                "model" | "data-model" => fields.model = Some(model(value)?),
                "access" | "access-control" => {
                    let known =
                        POLICIES.into_iter().find(|known| known.eq_ignore_ascii_case(value));
                    fields.policy = Some(known.ok_or_else(|| bad(text))?.to_owned());
                }
                "max-node-multiple" => fields.multiple = Some(byte("max-node-multiple", value, 1)?),
                "max-count" => fields.max_count = Some(number("max-count", value, 1, u32::MAX)?),
                "domains" => fields.domains = Some(domains(value).ok_or_else(|| bad(text))?),
                "domain-pattern" => fields.add_pattern(value)?,
                "max-size" => fields.max_size = Some(number("max-size", value, 1, u32::MAX)?),
                _ => return Err(bad(text)),
            }
        }
        Ok(fields)
    }

    /// One more pattern of those that are allowed.
    fn add_pattern(&mut self, text: &str) -> Result<(), ConfigError> {
        let pattern = DomainPattern::new(text).map_err(|problem| refuse("kind", problem))?;
        match &mut self.domains {
            Some(Domains::Restricted(restriction)) if restriction.enable => {
                restriction.patterns.push(pattern);
            }
            _ => {
                let restriction = DomainRestriction { enable: true, patterns: vec![pattern] };
                self.domains = Some(Domains::Restricted(restriction));
            }
        }
        Ok(())
    }

    fn change(self, mut definition: KindDefinition) -> Result<KindDefinition, ConfigError> {
        let of_registry = self.model.is_some() || self.policy.is_some() || self.multiple.is_some();
        if definition.name.is_some() && of_registry {
            return Err(refuse("kind", Problem::Registered(definition.id)));
        }
        definition.model = self.model.unwrap_or(definition.model);
        definition.max_count = self.max_count.unwrap_or(definition.max_count);
        definition.max_size = self.max_size.unwrap_or(definition.max_size);
        match self.domains {
            Some(_) if definition.id != KindId::SIP_REGISTRATION => {
                return Err(refuse("kind", Problem::NoDomains(definition.id)));
            }
            Some(Domains::Any) => definition.domain_restriction = None,
            Some(Domains::Restricted(restriction)) => {
                definition.domain_restriction = Some(restriction);
            }
            None => {}
        }
        let multiple = match definition.access {
            AccessControl::NodeMultiple { max } => self.multiple.or(Some(max)),
            _ => self.multiple,
        };
        let policy = self.policy.unwrap_or_else(|| definition.access.name().to_owned());
        definition.access = access(&policy, multiple)?;
        Ok(definition)
    }

    fn make(self, id: KindId) -> Result<KindDefinition, ConfigError> {
        let missing = |name| refuse("kind", Problem::MissingElement { name });
        let max_count = self.max_count.ok_or_else(|| missing("max-count"))?;
        let max_size = self.max_size.ok_or_else(|| missing("max-size"))?;
        if let Some(registered) = iana_kind_by_id(id) {
            let definition = KindDefinition::registered(registered, max_count, max_size);
            return Self { max_count: None, max_size: None, ..self }.change(definition);
        }
        let model = self.model.ok_or_else(|| missing("model"))?;
        let policy = self.policy.ok_or_else(|| missing("access"))?;
        if self.domains.is_some() {
            return Err(refuse("kind", Problem::NoDomains(id)));
        }
        let access = access(&policy, self.multiple)?;
        Ok(KindDefinition::private(id, model, access, max_count, max_size))
    }
}

fn access(policy: &str, multiple: Option<u8>) -> Result<AccessControl, ConfigError> {
    match (policy, multiple) {
        ("NODE-MULTIPLE", None) => Err(refuse("kind", Problem::MissingNodeMultiple)),
        (policy, multiple) => Ok(AccessControl::from_name(policy, multiple.unwrap_or(1))),
    }
}

fn domains(text: &str) -> Option<Domains> {
    match text {
        "any" => Some(Domains::Any),
        "own" => Some(Domains::Restricted(DomainRestriction::own_domain())),
        _ => None,
    }
}

fn model(text: &str) -> Result<DataModel, ConfigError> {
    match text.to_ascii_uppercase().as_str() {
        "SINGLE" => Ok(DataModel::Single),
        "ARRAY" => Ok(DataModel::Array),
        "DICTIONARY" => Ok(DataModel::Dictionary),
        _ => Err(refuse("kind", Problem::UnsupportedModel { model: shorten(text) })),
    }
}

fn bad(text: &str) -> ConfigError {
    refuse("kind", Problem::NotKindField { text: shorten(text) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigurationBuilder;

    const NEW: [&str; 5] =
        ["0xF0000009", "model=array", "access=node-multiple", "max-count=3", "max-size=99"];

    fn with(values: &[&str]) -> Result<ConfigurationBuilder, String> {
        let mut builder = ConfigurationBuilder::new_overlay("o.example");
        let changed = builder.change("kind", values).map_err(|error| error.to_string());
        changed.map(|()| builder)
    }

    #[test]
    fn a_new_kind_needs_all_its_fields() {
        let all = [&NEW[..], &["max-node-multiple=4"]].concat();
        let built = with(&all).unwrap().to_configuration().unwrap();
        let kind = built.kind(KindId(0xf000_0009)).unwrap();
        assert_eq!((kind.model, kind.max_count, kind.max_size), (DataModel::Array, 3, 99));
        assert_eq!(kind.access, AccessControl::NodeMultiple { max: 4 });
        for left_out in 1..all.len() {
            let mut some = all.clone();
            some.remove(left_out);
            let error = with(&some).unwrap_err();
            assert!(error.contains("missing"), "{error}");
        }
    }

    #[test]
    fn the_limits_of_a_kind_change_and_the_rest_stays() {
        let built = with(&["0xf0000004", "max-size=5"]).unwrap().to_configuration().unwrap();
        let kind = built.kind(KindId(0xf000_0004)).unwrap();
        assert_eq!((kind.max_size, kind.max_count), (5, 1));
        assert_eq!(kind.access, AccessControl::NodeMultiple { max: 255 });
        let built = with(&["4026531841", "max-count=2"]).unwrap();
        assert_eq!(built.kinds.len(), 8);
    }

    #[test]
    fn a_kind_is_removed_once() {
        let mut builder = with(&["TURN-SERVICE", "none"]).unwrap();
        assert_eq!(builder.kinds.len(), 7);
        let error = builder.change("kind", &["TURN-SERVICE", "none"]).unwrap_err().to_string();
        assert!(error.starts_with("kind: the configuration has no Kind"), "{error}");
    }

    #[test]
    fn the_registry_rules_over_registered_kinds() {
        for field in ["model=single", "access=USER-MATCH", "max-node-multiple=3"] {
            let error = with(&["TURN-SERVICE", field]).unwrap_err();
            assert!(error.contains("the registry"), "{error}");
        }
    }

    // R7904-3.4-01, R7904-3.4-03
    #[test]
    fn the_domains_of_sip_are_any_its_own_or_those_of_patterns() {
        let restriction = |fields: &[&str]| {
            let built = with(&[&["SIP-REGISTRATION"], fields].concat()).unwrap();
            let built = built.to_configuration().unwrap();
            built.kind(KindId::SIP_REGISTRATION).unwrap().domain_restriction.clone()
        };
        assert_eq!(restriction(&["max-count=9"]), None);
        assert_eq!(restriction(&["domains=own"]), Some(DomainRestriction::own_domain()));
        assert_eq!(restriction(&["domains=own", "domains=any"]), None);
        let two = ["domain-pattern=dht\\.example", "domain-pattern=.*\\.my\\.example"];
        let both = restriction(&two).unwrap();
        assert!(both.enable && both.permits("o.example", "a.my.example"));
        assert!(
            both.permits("o.example", "dht.example") && !both.permits("o.example", "x.example")
        );
    }

    #[test]
    fn domains_are_for_sip_only_and_patterns_must_be_expressions() {
        let error = |values: &[&str]| with(values).unwrap_err();
        assert!(error(&["SIP-REGISTRATION", "domain-pattern=("]).contains("regular expression"));
        assert!(error(&["SIP-REGISTRATION", "domains=all"]).contains("domains=any|own"));
        let elsewhere = error(&["TURN-SERVICE", "domains=own"]);
        assert!(elsewhere.contains("a matter of SIP-REGISTRATION"), "{elsewhere}");
        let new = [&NEW[..], &["max-node-multiple=4", "domain-pattern=x"]].concat();
        assert!(error(&new).contains("a matter of SIP-REGISTRATION"));
    }

    #[test]
    fn what_is_no_kind_or_no_field_is_refused() {
        let refused = |values: &[&str], words: &str| {
            let error = with(values).unwrap_err();
            assert!(error.contains(words), "{values:?}: {error}");
        };
        refused(&[], "a Kind and its fields are needed");
        refused(&["SIP-REGISTRATION"], "a Kind and its fields are needed");
        refused(&["FOO", "none"], "no Kind is registered with the name \"FOO\"");
        refused(&["2000", "none"], "not in the private range");
        refused(&["0xfffffffe", "none"], "not in the private range");
        refused(&["0xF0000001", "size=3"], "\"size=3\"");
        refused(&["0xF0000001", "access=ALL"], "\"access=ALL\"");
        refused(&["0xF0000001", "model=tree"], "the data model \"tree\" is not supported");
        refused(&["0xF0000001", "max-size=0"], "max-size: \"0\" is not a number from 1");
    }
}
