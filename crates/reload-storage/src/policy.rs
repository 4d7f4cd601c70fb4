//! The four access control policies (section 7.3): may this signer write this value here?

use reload_config::AccessControl;
use reload_identity::Signer;
use reload_wire::ResourceId;

use crate::place::Place;
use crate::values::ValueKey;

/// Whether `signer` may write the element `key` of a Kind with the policy `access` at `resource`.
pub(crate) fn permits(
    access: &AccessControl,
    signer: &Signer,
    resource: &ResourceId,
    key: &ValueKey,
    place: &dyn Place,
) -> bool {
    match access {
        AccessControl::UserMatch => is_user(signer, resource, place),
        AccessControl::NodeMatch => place.resource_id(signer.node_id.as_bytes()) == *resource,
        AccessControl::UserNodeMatch => is_user(signer, resource, place) && is_key_of(signer, key),
        AccessControl::NodeMultiple { max } => is_one_of(signer, *max, resource, place),
        AccessControl::Unknown(_) => false,
    }
}

/// The user name of the certificate hashes to the Resource-ID (section 7.3.1).
fn is_user(signer: &Signer, resource: &ResourceId, place: &dyn Place) -> bool {
    signer.certificate.user().is_some_and(|user| place.resource_id(user.as_bytes()) == *resource)
}

/// The dictionary key is the signing Node-ID (section 7.3.3).
fn is_key_of(signer: &Signer, key: &ValueKey) -> bool {
    matches!(key, ValueKey::Key(key) if **key == *signer.node_id.as_bytes())
}

/// H(Node-ID || i) is the Resource-ID for some i (section 7.3.4); i is one byte from 1 (E73).
fn is_one_of(signer: &Signer, max: u8, resource: &ResourceId, place: &dyn Place) -> bool {
    let mut name = signer.node_id.as_bytes().to_vec();
    name.push(0);
    (1..=max).any(|i| {
        if let Some(last) = name.last_mut() {
            *last = i;
        }
        place.resource_id(&name) == *resource
    })
}
