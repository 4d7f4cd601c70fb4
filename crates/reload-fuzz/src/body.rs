//! The bodies of the methods: the first byte chooses the length of Node-IDs, the second the request
//! or the answer, the rest is the body.

use reload_wire::{
    AppAttachReqAns, AttachReqAns, ChordLeaveData, ChordRouteQueryAns, ChordUpdate,
    ConfigUpdateAns, ConfigUpdateReq, Decode, Dialect, ErrorResponse, FetchAns, FetchReq, FindAns,
    FindReq, JoinAns, JoinReq, LeaveAns, LeaveReq, PingAns, PingReq, ProbeAns, ProbeReq,
    RouteQueryReq, StatAns, StatReq, StoreAns, StoreReq, UnknownKinds, UpdateAns,
};

use crate::round::{dialect_and_rest, round_trip};
use crate::stored::{open_all, open_metadata, open_specifier};

/// Splits off the choice of dialect and direction.
fn parts(data: &[u8]) -> Option<(Dialect, bool, &[u8])> {
    let (dialect, rest) = dialect_and_rest(data)?;
    let (direction, body) = rest.split_first()?;
    Some((dialect, direction % 2 == 1, body))
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident: $request:ident, $answer:ident;)*) => { $(
        $(#[$doc])*
        pub fn $name(data: &[u8]) {
            let Some((dialect, is_answer, body)) = parts(data) else { return };
            if is_answer {
                round_trip::<$answer>(&dialect, body);
            } else {
                round_trip::<$request>(&dialect, body);
            }
        }
    )* };
}

methods! {
    /// Probe (section 6.4.2.5).
    probe: ProbeReq, ProbeAns;
    /// Attach (section 6.5.1): one structure both ways.
    attach: AttachReqAns, AttachReqAns;
    /// `AppAttach` (section 6.5.2): one structure both ways.
    app_attach: AppAttachReqAns, AppAttachReqAns;
    /// Join (section 6.4.2.1).
    join: JoinReq, JoinAns;
    /// Update of CHORD-RELOAD (section 10.6).
    update: ChordUpdate, UpdateAns;
    /// `RouteQuery` (section 6.4.2.4), the answer that of CHORD-RELOAD.
    route_query: RouteQueryReq, ChordRouteQueryAns;
    /// Ping (section 6.5.3).
    ping: PingReq, PingAns;
    /// Find (section 7.4.4).
    find: FindReq, FindAns;
    /// `ConfigUpdate` (section 6.5.4).
    config_update: ConfigUpdateReq, ConfigUpdateAns;
}

/// Leave (section 6.4.2.2), with the data of CHORD-RELOAD in it.
pub fn leave(data: &[u8]) {
    let Some((dialect, is_answer, body)) = parts(data) else { return };
    if is_answer {
        round_trip::<LeaveAns>(&dialect, body);
    } else if let Some(leave) = round_trip::<LeaveReq>(&dialect, body) {
        round_trip::<ChordLeaveData>(&dialect, &leave.overlay_specific_data);
    }
}

/// Store (section 7.4.1), with its values in every data model.
pub fn store(data: &[u8]) {
    let Some((dialect, is_answer, body)) = parts(data) else { return };
    if is_answer {
        round_trip::<StoreAns>(&dialect, body);
    } else if let Some(store) = round_trip::<StoreReq>(&dialect, body) {
        let values = store.kind_data.iter().flat_map(|kind| &kind.values);
        values.for_each(|value| open_all(&dialect, value));
    }
}

/// Fetch (section 7.4.2), with its values and specifiers in every data model.
pub fn fetch(data: &[u8]) {
    let Some((dialect, is_answer, body)) = parts(data) else { return };
    if is_answer {
        if let Some(fetched) = round_trip::<FetchAns>(&dialect, body) {
            let values = fetched.kind_responses.iter().flat_map(|kind| &kind.values);
            values.for_each(|value| open_all(&dialect, value));
        }
    } else if let Some(fetch) = round_trip::<FetchReq>(&dialect, body) {
        let specifiers = fetch.specifiers.iter();
        specifiers.for_each(|it| open_specifier(&dialect, &it.model_specifier));
    }
}

/// Stat (section 7.4.3), with its metadata and specifiers in every data model.
pub fn stat(data: &[u8]) {
    let Some((dialect, is_answer, body)) = parts(data) else { return };
    if is_answer {
        if let Some(stat) = round_trip::<StatAns>(&dialect, body) {
            let values = stat.kind_responses.iter().flat_map(|kind| &kind.values);
            values.for_each(|value| open_metadata(&dialect, &value.metadata));
        }
    } else if let Some(stat) = round_trip::<StatReq>(&dialect, body) {
        let specifiers = stat.specifiers.iter();
        specifiers.for_each(|it| open_specifier(&dialect, &it.model_specifier));
    }
}

/// The error response (section 6.3.3.1), with both structures its info can hold.
pub fn error_response(data: &[u8]) {
    let Some((dialect, _, body)) = parts(data) else { return };
    if let Some(error) = round_trip::<ErrorResponse>(&dialect, body) {
        let _ = error.text();
        round_trip::<UnknownKinds>(&dialect, &error.info);
        let _ = StoreAns::decode_exact(&dialect, &error.info);
    }
}
