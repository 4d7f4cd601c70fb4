//! The body of each method: a byte too few, a byte too many, nothing at all. Error_Invalid_Message is
//! for what fits no other code (section 6.3.3.1).

use bytes::Bytes;
use reload_blackbox::Expect::{AnyError, Error};
use reload_blackbox::{Draft, Row, World};
use reload_wire::{
    AppAttachReqAns, ChordUpdate, ChordUpdateKind, ConfigUpdateReq, Destination, ErrorCode,
    FindReq, JoinReq, LeaveReq, MessageCode, PingReq, ProbeInformationType, ProbeReq,
    RouteQueryReq,
};

const INVALID: reload_blackbox::Expect = Error(ErrorCode::INVALID_MESSAGE);

/// Three ways to damage the body of a good request.
macro_rules! damaged {
    ($name:literal, $good:expr) => {
        [
            Row::new(concat!($name, ", one byte short"), INVALID, |w| {
                $good(w).body(|body| body.truncate(body.len() - 1))
            }),
            Row::new(concat!($name, ", one byte over"), INVALID, |w| {
                $good(w).body(|body| body.push(0))
            }),
            Row::new(concat!($name, ", no body"), INVALID, |w| $good(w).body(Vec::clear)),
        ]
    };
}

fn ping(world: &World) -> Draft {
    world.request(MessageCode::PING_REQUEST, &PingReq { padding: Bytes::from_static(b"abc") })
}

fn probe(world: &World) -> Draft {
    let requested_info = vec![ProbeInformationType::UPTIME];
    world.request(MessageCode::PROBE_REQUEST, &ProbeReq { requested_info })
}

fn app_attach(world: &World) -> Draft {
    let request = AppAttachReqAns {
        ufrag: Bytes::new(),
        password: Bytes::new(),
        application: 9999,
        role: Bytes::from_static(b"passive"),
        candidates: crate::attach::candidates(world.address),
    };
    world.request(MessageCode::APP_ATTACH_REQUEST, &request)
}

fn join(world: &World) -> Draft {
    let overlay_specific_data = Bytes::new();
    let request = JoinReq { joining_peer_id: world.carol.node_id(), overlay_specific_data };
    world.request(MessageCode::JOIN_REQUEST, &request)
}

fn leave(world: &World) -> Draft {
    let overlay_specific_data = Bytes::new();
    let request = LeaveReq { leaving_peer_id: world.carol.node_id(), overlay_specific_data };
    world.request(MessageCode::LEAVE_REQUEST, &request)
}

fn update(world: &World) -> Draft {
    let update = ChordUpdate { uptime: 1, kind: ChordUpdateKind::PeerReady };
    world.request(MessageCode::UPDATE_REQUEST, &update)
}

fn route_query(world: &World) -> Draft {
    let request = RouteQueryReq {
        send_update: false,
        destination: world.bob.into(),
        overlay_specific_data: Bytes::new(),
    };
    world.request(MessageCode::ROUTE_QUERY_REQUEST, &request)
}

fn find(world: &World) -> Draft {
    let request =
        FindReq { resource: world.resource_of(&world.carol), kinds: vec![crate::store::SINGLE] };
    world.request(MessageCode::FIND_REQUEST, &request)
}

fn config_update(world: &World) -> Draft {
    let request = ConfigUpdateReq::Config(world.document.clone());
    world.request(MessageCode::CONFIG_UPDATE_REQUEST, &request)
}

// R6940-6.3.3-06, R6940-6.3.3.1-03
pub(crate) const ROWS: &[[Row; 3]] = &[
    damaged!("Ping", ping),
    damaged!("Probe", probe),
    damaged!("Attach", crate::attach::good),
    damaged!("AppAttach", app_attach),
    damaged!("Join", join),
    damaged!("Leave", leave),
    damaged!("Update", update),
    damaged!("RouteQuery", route_query),
    damaged!("Store", crate::store::good),
    damaged!("Fetch", crate::fetch::fetch),
    damaged!("Stat", crate::fetch::stat),
    damaged!("Find", find),
    damaged!("ConfigUpdate", config_update),
];

#[rustfmt::skip]
pub(crate) const MORE: &[Row] = &[
    // R6940-6.4.2.4.1-02
    Row::new("RouteQuery with send_update 2", INVALID, |w| route_query(w).body(|body| body[0] = 2)),
    Row::new("RouteQuery with a cut destination", INVALID, |w| route_query(w).body(|body| body[2] = 3)),
    Row::new("RouteQuery for an unknown type of destination", AnyError, |w| {
        let request = RouteQueryReq {
            send_update: false,
            destination: Destination::Unknown { kind: 9, data: Bytes::new() },
            overlay_specific_data: Bytes::new(),
        };
        w.request(MessageCode::ROUTE_QUERY_REQUEST, &request)
    }),
    Row::new("Update of type 0", INVALID, |w| update(w).body(|body| body[4] = 0)),
    // R6940-6.5.2.2-03
    Row::new("AppAttach to an unknown application", Error(ErrorCode::NOT_FOUND), app_attach),
    Row::new("AppAttach with a candidate of type 9", INVALID, |w| {
        app_attach(w).body(|body| {
            let kind = body.len() - 3;
            body[kind] = 9;
        })
    }),
];
