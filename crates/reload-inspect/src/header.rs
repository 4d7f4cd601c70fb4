//! The forwarding header (section 6.3.2), its destinations and options.

use reload_wire::{Fault, RELO_TOKEN, VERSION};

use crate::walk::{Name, Step, Walk};

/// All fields of the header; the length that it claims, and whether it is all of its message.
pub(crate) fn header(walk: &mut Walk<'_>) -> Step<(u32, bool)> {
    constant(walk, "relo_token", &RELO_TOKEN.to_be_bytes(), Fault::Token, "RELO")?;
    walk.uint32("overlay")?;
    walk.uint16("configuration_sequence")?;
    constant(walk, "version", &[VERSION], Fault::Version, "1.0")?;
    walk.uint8("ttl")?;
    let whole = fragment(walk)?;
    let length = walk.uint32("length")?;
    walk.uint64("transaction_id")?;
    if walk.uint32("max_response_length")? == 0 {
        walk.mean("any");
    }
    let via_list = walk.uint16("via_list_length")?;
    let destination_list = walk.uint16("destination_list_length")?;
    let options = walk.uint16("options_length")?;
    walk.sized("via_list", None, via_list.into(), |walk| walk.all(destination))?;
    walk.sized("destination_list", None, destination_list.into(), |walk| walk.all(destination))?;
    walk.sized("options", None, options.into(), |walk| walk.all(option))?;
    Ok((length, whole))
}

fn constant(
    walk: &mut Walk<'_>,
    name: &'static str,
    expected: &[u8],
    fault: Fault,
    meaning: &str,
) -> Step {
    let before = walk.rest();
    if walk.fixed(name, expected.len())? != expected {
        return walk.fail(name, fault, before);
    }
    walk.mean(meaning);
    Ok(())
}

/// Whether it is the only part of its message.
fn fragment(walk: &mut Walk<'_>) -> Step<bool> {
    let before = walk.rest();
    let bits = walk.uint32("fragment")?;
    if bits & 0x8000_0000 == 0 {
        return walk.fail("fragment", Fault::NotAllowed, before);
    }
    let (last, offset) = (bits & 0x4000_0000 != 0, bits & 0x00ff_ffff);
    let whole = last && offset == 0;
    let part = if last { "last part" } else { "a part" };
    walk.mean(if whole { "whole".to_owned() } else { format!("{part}, from byte {offset}") });
    Ok(whole)
}

/// A destination (section 6.3.2.2).
pub(crate) fn destination(walk: &mut Walk<'_>) -> Step {
    walk.element("destination", Some("6.3.2.2"), destination_fields)
}

pub(crate) fn destination_fields(walk: &mut Walk<'_>) -> Step {
    let before = walk.rest();
    if before.first().is_some_and(|first| first & 0x80 != 0) {
        walk.fixed("opaque_id", 2)?;
        walk.mean("two-byte form");
        return Ok(());
    }
    match walk.uint8("type")? {
        0 => walk.fail("type", Fault::NotAllowed, before),
        1 => {
            walk.mean("node");
            walk.nested("node_id", None, 1, |walk| walk.node_id("node_id"))
        }
        2 => {
            walk.mean("resource");
            walk.nested("resource_id", None, 1, resource_id)
        }
        3 => {
            walk.mean("opaque_id_type");
            walk.nested("opaque_id", None, 1, |walk| {
                walk.opaque(Name::unnamed("opaque_id"), 1).map(drop)
            })
        }
        _ => walk.opaque("destination_data", 1).map(drop),
    }
}

/// A Resource-ID with its length, without a name in errors.
pub(crate) fn resource_id(walk: &mut Walk<'_>) -> Step {
    walk.opaque(Name::unnamed("resource_id"), 1).map(drop)
}

/// A forwarding option (section 6.3.2.3).
fn option(walk: &mut Walk<'_>) -> Step {
    walk.element("forwarding_option", Some("6.3.2.3"), option_fields)
}

/// The fields of a forwarding option.
pub(crate) fn option_fields(walk: &mut Walk<'_>) -> Step {
    match walk.uint8("type")? {
        1 => walk.mean("exp-forward"),
        2 => walk.mean("extensive_routing_mode"),
        _ => {}
    }
    let flags = walk.uint8("flags")?;
    walk.mean(option_flags(flags));
    walk.opaque("option", 2).map(drop)
}

fn option_flags(flags: u8) -> String {
    const NAMES: [(u8, &str); 4] = [
        (0x01, "FORWARD_CRITICAL"),
        (0x02, "DESTINATION_CRITICAL"),
        (0x04, "RESPONSE_COPY"),
        (0x08, "IGNORE-STATE-KEEPING"),
    ];
    let set: Vec<_> = NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|it| it.1).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" ") }
}
