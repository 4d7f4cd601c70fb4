//! What the SIP usage stores (RFC 7904 section 3.2).

use reload_wire::Fault;

use crate::header::destination;
use crate::walk::{Step, Walk};

/// A registration.
pub(crate) fn sip_registration(walk: &mut Walk<'_>) -> Step {
    match walk.uint8("type")? {
        1 => {
            walk.mean("sip_registration_uri");
            walk.nested("length", None, 2, |walk| walk.text("uri", 2))
        }
        2 => {
            walk.mean("sip_registration_route");
            walk.nested("length", None, 2, route)
        }
        _ => walk.opaque("length", 2).map(drop),
    }
}

fn route(walk: &mut Walk<'_>) -> Step {
    walk.text("contact_prefs", 2)?;
    let before = walk.rest();
    if let [0, 0..=2, there @ ..] = before
        && there.len() >= usize::from(before[1])
    {
        return walk.fail("destination_list", Fault::NotAllowed, before);
    }
    walk.nested("destination_list", None, 2, |walk| walk.all(destination))
}
