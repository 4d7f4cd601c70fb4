//! The Kinds registered with IANA (section 14.6 and RFC 7374, 7650, 7904, 8076). Their registered
//! data model and access policy win over what a document says (section 11.1).

use reload_wire::{DataModel, KindId};

use crate::kind::AccessControl;

/// A registered Kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IanaKind {
    /// The registered number.
    pub id: KindId,
    /// The registered name.
    pub name: &'static str,
    /// The registered data model.
    pub model: DataModel,
    policy: &'static str,
    node_multiple: u8,
}

impl IanaKind {
    /// The registered access policy.
    #[must_use]
    pub fn access(&self) -> AccessControl {
        AccessControl::from_name(self.policy, self.node_multiple)
    }
}

const fn kind(id: u32, name: &'static str, model: DataModel, policy: &'static str) -> IanaKind {
    IanaKind { id: KindId(id), name, model, policy, node_multiple: 20 }
}

/// Sorted by number. `node_multiple` is 20, the limit of TURN-SERVICE (section 9).
const REGISTERED: [IanaKind; 8] = [
    kind(0x1, "SIP-REGISTRATION", DataModel::Dictionary, "USER-NODE-MATCH"),
    kind(0x2, "TURN-SERVICE", DataModel::Single, "NODE-MULTIPLE"),
    kind(0x3, "CERTIFICATE_BY_NODE", DataModel::Array, "NODE-MATCH"),
    kind(0x4, "ACCESS-CONTROL-LIST", DataModel::Array, "USER-CHAIN-ACL"),
    kind(0x10, "CERTIFICATE_BY_USER", DataModel::Array, "USER-MATCH"),
    kind(0x104, "REDIR", DataModel::Dictionary, "NODE-ID-MATCH"),
    kind(0x105, "CoAP-REGISTRATION", DataModel::Dictionary, "URI-NODE-MATCH"),
    kind(0x106, "CoAP-CACHING", DataModel::Single, "URI-MATCH"),
];

/// The Kind registered with this name; case matters.
#[must_use]
pub fn iana_kind(name: &str) -> Option<&'static IanaKind> {
    REGISTERED.iter().find(|kind| kind.name == name)
}

/// The Kind registered with this number.
#[must_use]
pub fn iana_kind_by_id(id: KindId) -> Option<&'static IanaKind> {
    REGISTERED.iter().find(|kind| kind.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-9-06
    #[test]
    fn the_registered_number_model_and_policy_are_known() {
        let turn = iana_kind("TURN-SERVICE").expect("registered");
        assert_eq!(turn.id, KindId(2));
        assert_eq!(turn.model, DataModel::Single);
        assert_eq!(turn.access(), AccessControl::NodeMultiple { max: 20 });
        assert_eq!(
            iana_kind("REDIR").map(IanaKind::access),
            Some(AccessControl::Unknown("NODE-ID-MATCH".to_owned()))
        );
        assert_eq!(iana_kind("turn-service"), None);
        assert_eq!(
            iana_kind_by_id(KindId(0x10)).map(|kind| kind.name),
            Some("CERTIFICATE_BY_USER")
        );
    }
}
