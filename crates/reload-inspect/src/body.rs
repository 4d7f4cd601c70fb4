//! The bodies of the methods, and the error response.

use reload_wire::{ErrorCode, MessageCode, ProbeInformationType};

use crate::chord::{chord_leave_data, chord_route_query_ans, chord_update};
use crate::header::{destination_fields, resource_id};
use crate::link::{app_attach, attach};
use crate::storage::{
    fetch_ans, fetch_req, find_ans, find_req, stat_ans, stat_req, store_ans, store_req,
};
use crate::walk::{Name, Step, Walk};

/// Reads the fields of a structure.
pub(crate) type Reader = fn(&mut Walk<'_>) -> Step;

/// All of the part as the body of a message with this code; faults are noted.
pub(crate) fn body(walk: &mut Walk<'_>, code: MessageCode) {
    match structure(code) {
        Some((root, section, reader)) if !walk.rest().is_empty() || !is_empty_body(code) => {
            walk.whole(root, |walk| walk.element(root, Some(section), reader));
        }
        _ => walk.remaining("body"),
    }
}

/// Bodies without a field: nothing is shown of them.
fn is_empty_body(code: MessageCode) -> bool {
    matches!(
        code,
        MessageCode::LEAVE_ANSWER | MessageCode::UPDATE_ANSWER | MessageCode::CONFIG_UPDATE_ANSWER
    )
}

/// The name of the structure in errors, its section and its reader.
pub(crate) fn structure(code: MessageCode) -> Option<(&'static str, &'static str, Reader)> {
    Some(match code {
        MessageCode::PROBE_REQUEST => ("probe_req", "6.4.2.5.1", probe_req),
        MessageCode::PROBE_ANSWER => ("probe_ans", "6.4.2.5.2", probe_ans),
        MessageCode::ATTACH_REQUEST | MessageCode::ATTACH_ANSWER => {
            ("attach_req_ans", "6.5.1.1", attach)
        }
        MessageCode::STORE_REQUEST => ("store_req", "7.4.1.1", store_req),
        MessageCode::STORE_ANSWER => ("store_ans", "7.4.1.2", store_ans),
        MessageCode::FETCH_REQUEST => ("fetch_req", "7.4.2.1", fetch_req),
        MessageCode::FETCH_ANSWER => ("fetch_ans", "7.4.2.2", fetch_ans),
        MessageCode::FIND_REQUEST => ("find_req", "7.4.4.1", find_req),
        MessageCode::FIND_ANSWER => ("find_ans", "7.4.4.2", find_ans),
        MessageCode::JOIN_REQUEST => ("join_req", "6.4.2.1", join_req),
        MessageCode::JOIN_ANSWER => ("join_ans", "6.4.2.1", overlay_specific),
        MessageCode::LEAVE_REQUEST => ("leave_req", "6.4.2.2", leave_req),
        MessageCode::LEAVE_ANSWER => ("leave_ans", "6.4.2.2", nothing),
        MessageCode::UPDATE_REQUEST => ("chord_update", "10.7", chord_update),
        MessageCode::UPDATE_ANSWER => ("update_ans", "6.4.2.3", nothing),
        MessageCode::ROUTE_QUERY_REQUEST => ("route_query_req", "6.4.2.4.1", route_query_req),
        MessageCode::ROUTE_QUERY_ANSWER => ("chord_route_query_ans", "10.8", chord_route_query_ans),
        MessageCode::PING_REQUEST => ("ping_req", "6.5.3.1", ping_req),
        MessageCode::PING_ANSWER => ("ping_ans", "6.5.3.2", ping_ans),
        MessageCode::STAT_REQUEST => ("stat_req", "7.4.3.1", stat_req),
        MessageCode::STAT_ANSWER => ("stat_ans", "7.4.3.2", stat_ans),
        MessageCode::APP_ATTACH_REQUEST | MessageCode::APP_ATTACH_ANSWER => {
            ("app_attach_req_ans", "6.5.2.1", app_attach)
        }
        MessageCode::CONFIG_UPDATE_REQUEST => ("config_update_req", "6.5.4.1", config_update),
        MessageCode::CONFIG_UPDATE_ANSWER => ("config_update_ans", "6.5.4.2", nothing),
        MessageCode::ERROR => ("error_response", "6.3.3.1", error_response),
        _ => return None,
    })
}

fn nothing(_: &mut Walk<'_>) -> Step {
    Ok(())
}

fn overlay_specific(walk: &mut Walk<'_>) -> Step {
    walk.opaque("overlay_specific_data", 2).map(drop)
}

fn join_req(walk: &mut Walk<'_>) -> Step {
    walk.node_id("joining_peer_id").map_err(|error| error.inside("joining_peer_id"))?;
    overlay_specific(walk)
}

fn leave_req(walk: &mut Walk<'_>) -> Step {
    walk.node_id("leaving_peer_id").map_err(|error| error.inside("leaving_peer_id"))?;
    walk.nested("overlay_specific_data", None, 2, |walk| {
        if !walk.rest().is_empty() {
            let data = |walk: &mut Walk<'_>| {
                walk.element("chord_leave_data", Some("10.9"), chord_leave_data)
            };
            walk.whole("chord_leave_data", data);
        }
        Ok(())
    })
}

fn route_query_req(walk: &mut Walk<'_>) -> Step {
    walk.boolean("send_update")?;
    walk.field("destination", Some("6.3.2.2"), destination_fields)?;
    overlay_specific(walk)
}

fn probe_req(walk: &mut Walk<'_>) -> Step {
    walk.nested("requested_info", None, 1, |walk| {
        walk.all(|walk| {
            let kind = ProbeInformationType(walk.uint8("type")?);
            walk.mean(kind);
            Ok(())
        })
    })
}

fn probe_ans(walk: &mut Walk<'_>) -> Step {
    walk.nested("probe_info", None, 2, |walk| walk.all(probe_information))
}

fn probe_information(walk: &mut Walk<'_>) -> Step {
    walk.element("probe_information", Some("6.4.2.5.2"), |walk| {
        let before = walk.rest();
        let kind = ProbeInformationType(walk.uint8("type")?);
        walk.mean(kind);
        let name = match kind {
            ProbeInformationType::INVALID => {
                return walk.fail("type", reload_wire::Fault::NotAllowed, before);
            }
            ProbeInformationType::RESPONSIBLE_SET => "responsible_ppb",
            ProbeInformationType::NUM_RESOURCES => "num_resources",
            ProbeInformationType::UPTIME => "uptime",
            _ => return walk.opaque("value", 1).map(drop),
        };
        walk.nested(name, None, 1, |walk| walk.uint32("value").map(drop))
    })
}

fn ping_req(walk: &mut Walk<'_>) -> Step {
    walk.opaque("padding", 2).map(drop)
}

fn ping_ans(walk: &mut Walk<'_>) -> Step {
    walk.uint64("response_id")?;
    walk.time("time")
}

fn config_update(walk: &mut Walk<'_>) -> Step {
    let before = walk.rest();
    let content = Name::new("length", "content");
    match walk.uint8("type")? {
        0 => walk.fail("type", reload_wire::Fault::NotAllowed, before),
        1 => {
            walk.mean("config");
            walk.nested(content, None, 4, |walk| walk.opaque("config_data", 3).map(drop))
        }
        2 => {
            walk.mean("kind");
            let kind = |walk: &mut Walk<'_>| walk.opaque("kind_description", 2).map(drop);
            walk.nested(content, None, 4, |walk| {
                walk.nested("kinds", None, 3, |walk| walk.all(kind))
            })
        }
        _ => walk.opaque(content, 4).map(drop),
    }
}

fn error_response(walk: &mut Walk<'_>) -> Step {
    let code = ErrorCode(walk.uint16("error_code")?);
    walk.mean(code.name());
    match code {
        ErrorCode::GENERATION_COUNTER_TOO_LOW => walk.nested("error_info", None, 2, |walk| {
            walk.whole("store_ans", |walk| walk.element("store_ans", Some("7.4.1.2"), store_ans));
            Ok(())
        }),
        ErrorCode::UNKNOWN_KIND => walk.nested("error_info", None, 2, |walk| {
            walk.whole("unknown_kinds", unknown_kinds);
            Ok(())
        }),
        _ => walk.text("error_info", 2),
    }
}

/// The Kinds that a peer does not know (section 7.4.1.2).
pub(crate) fn unknown_kinds(walk: &mut Walk<'_>) -> Step {
    let kinds = Name::new("kinds", "unknown_kinds");
    walk.nested(kinds, Some("7.4.1.2"), 1, |walk| walk.all(|walk| walk.kind("kind").map(drop)))
}

/// A Resource-ID as a field.
pub(crate) fn resource(walk: &mut Walk<'_>, name: &'static str) -> Step {
    resource_id(walk).map_err(|error| error.inside(name))
}
