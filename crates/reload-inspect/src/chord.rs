//! The bodies of CHORD-RELOAD (sections 10.7 to 10.9).

use reload_wire::Fault;

use crate::walk::{Step, Walk};

/// Node-IDs behind a length of two bytes.
pub(crate) fn nodes(walk: &mut Walk<'_>, name: &'static str) -> Step {
    walk.nested(name, None, 2, |walk| walk.all(|walk| walk.node_id("node_id")))
}

pub(crate) fn chord_update(walk: &mut Walk<'_>) -> Step {
    walk.uint32("uptime")?;
    walk.mean("seconds");
    let before = walk.rest();
    let lists: &[&'static str] = match walk.uint8("type")? {
        1 => {
            walk.mean("peer_ready");
            &[]
        }
        2 => {
            walk.mean("neighbors");
            &["predecessors", "successors"]
        }
        3 => {
            walk.mean("full");
            &["predecessors", "successors", "fingers"]
        }
        _ => return walk.fail("type", Fault::NotAllowed, before),
    };
    lists.iter().try_for_each(|name| nodes(walk, name))
}

pub(crate) fn chord_route_query_ans(walk: &mut Walk<'_>) -> Step {
    walk.node_id("next_peer").map_err(|error| error.inside("next_peer"))
}

pub(crate) fn chord_leave_data(walk: &mut Walk<'_>) -> Step {
    let before = walk.rest();
    match walk.uint8("type")? {
        1 => {
            walk.mean("from_succ");
            nodes(walk, "successors")
        }
        2 => {
            walk.mean("from_pred");
            nodes(walk, "predecessors")
        }
        _ => walk.fail("type", Fault::NotAllowed, before),
    }
}
