//! Attach and `AppAttach` (sections 6.5.1 and 6.5.2): candidates and addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use reload_wire::{Fault, OverlayLinkType};

use crate::walk::{Step, Walk};

pub(crate) fn attach(walk: &mut Walk<'_>) -> Step {
    walk.text("ufrag", 1)?;
    walk.text("password", 1)?;
    walk.text("role", 1)?;
    walk.nested("candidates", None, 2, |walk| walk.all(candidate))?;
    walk.boolean("send_update").map(drop)
}

pub(crate) fn app_attach(walk: &mut Walk<'_>) -> Step {
    walk.text("ufrag", 1)?;
    walk.text("password", 1)?;
    match walk.uint16("application")? {
        5060 => walk.mean("SIP"),
        5061 => walk.mean("SIPS"),
        _ => {}
    }
    walk.text("role", 1)?;
    walk.nested("candidates", None, 2, |walk| walk.all(candidate))
}

fn candidate(walk: &mut Walk<'_>) -> Step {
    walk.element("ice_candidate", Some("6.5.1.1"), candidate_fields)
}

/// An ICE candidate (section 6.5.1.1).
pub(crate) fn candidate_fields(walk: &mut Walk<'_>) -> Step {
    walk.field("addr_port", Some("6.3.1.1"), address)?;
    let link = OverlayLinkType(walk.uint8("overlay_link")?);
    walk.mean(link);
    walk.text("foundation", 1)?;
    walk.uint32("priority")?;
    let before = walk.rest();
    let kind = walk.uint8("type")?;
    match kind {
        1 => walk.mean("host"),
        2 => walk.mean("srflx"),
        3 => walk.mean("prflx"),
        4 => walk.mean("relay"),
        _ => return walk.fail("type", Fault::NotAllowed, before),
    }
    if kind != 1 {
        walk.field("rel_addr_port", Some("6.3.1.1"), address)?;
    }
    walk.nested("extensions", None, 2, |walk| walk.all(extension))
}

fn extension(walk: &mut Walk<'_>) -> Step {
    walk.element("ice_extension", Some("6.5.1.1"), |walk| {
        walk.text("name", 2)?;
        walk.text("value", 2)
    })
}

/// An address and a port (section 6.3.1.1).
pub(crate) fn address(walk: &mut Walk<'_>) -> Step {
    let before = walk.rest();
    match walk.uint8("type")? {
        0 => walk.fail("type", Fault::NotAllowed, before),
        1 => {
            walk.mean("ipv4");
            walk.nested("v4addr_port", None, 1, |walk| {
                let octets = walk.fixed("addr", 4)?;
                if let Ok(octets) = <[u8; 4]>::try_from(octets) {
                    walk.mean(Ipv4Addr::from(octets));
                }
                walk.uint16("port").map(drop)
            })
        }
        2 => {
            walk.mean("ipv6");
            walk.nested("v6addr_port", None, 1, |walk| {
                let octets = walk.fixed("addr", 16)?;
                if let Ok(octets) = <[u8; 16]>::try_from(octets) {
                    walk.mean(Ipv6Addr::from(octets));
                }
                walk.uint16("port").map(drop)
            })
        }
        _ => walk.opaque("address", 1).map(drop),
    }
}
