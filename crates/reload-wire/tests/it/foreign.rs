//! Messages as the encoders of other stacks wrote them.

use bytes::Bytes;
use reload_vectors::foreign;
use reload_wire::{
    Decode, Dialect, Encode, FRAME_ACK, FRAME_DATA, Fault, ForwardingHeader, FramedMessage,
    MAX_MESSAGE_SIZE, MessageParts, VERSION, peek_message_code,
};

use crate::structure;

/// The structure in the body of a message with this name.
fn body(code: &str) -> Option<&'static str> {
    Some(match code {
        "probe_req" => "ProbeReq",
        "probe_ans" => "ProbeAns",
        "attach_req" | "attach_ans" => "AttachReqAns",
        "store_req" => "StoreReq",
        "store_ans" => "StoreAns",
        "fetch_req" => "FetchReq",
        "fetch_ans" => "FetchAns",
        "find_req" => "FindReq",
        "find_ans" => "FindAns",
        "join_req" => "JoinReq",
        "join_ans" => "JoinAns",
        "leave_req" => "LeaveReq",
        "leave_ans" => "LeaveAns",
        "update_req" => "ChordUpdate",
        "update_ans" => "UpdateAns",
        "route_query_req" => "RouteQueryReq",
        "route_query_ans" => "ChordRouteQueryAns",
        "ping_req" => "PingReq",
        "ping_ans" => "PingAns",
        "stat_req" => "StatReq",
        "stat_ans" => "StatAns",
        "app_attach_req" | "app_attach_ans" => "AppAttachReqAns",
        "config_update_req" => "ConfigUpdateReq",
        "config_update_ans" => "ConfigUpdateAns",
        "error" => "ErrorResponse",
        _ => return None,
    })
}

#[test]
fn messages_of_other_stacks_decode_and_encode_to_the_same_bytes() {
    let messages = foreign().unwrap();
    assert!(!messages.is_empty());
    for foreign in messages {
        let label = format!("{}: {}", foreign.stack, foreign.name);
        let mut bytes = foreign.hex.0.clone();
        if foreign.draft_version {
            let error = MessageParts::decode(&Dialect::default(), &bytes.clone().into());
            assert_eq!(error.unwrap_err().fault(), Fault::Version, "{label}");
            bytes[10] = VERSION;
        }
        let bytes = Bytes::from(bytes);
        match bytes[0] {
            FRAME_DATA | FRAME_ACK => check_frame(&label, &bytes),
            _ => check_message(&label, &bytes, foreign.long_opaque_id),
        }
    }
}

fn check_frame(label: &str, bytes: &[u8]) {
    let frame = FramedMessage::decode_exact(&Dialect::default(), bytes)
        .unwrap_or_else(|error| panic!("{label}: {error}"));
    assert_eq!(frame.to_bytes().unwrap(), bytes, "{label}");
}

fn check_message(label: &str, bytes: &Bytes, long_opaque_id: bool) {
    let dialect = Dialect::default();
    let (header, rest) =
        ForwardingHeader::split(&dialect, bytes).unwrap_or_else(|error| panic!("{label}: {error}"));
    let written = header.join(&rest, MAX_MESSAGE_SIZE).unwrap();
    if long_opaque_id {
        let (again, _) = ForwardingHeader::split(&dialect, &written).unwrap();
        assert_eq!(again.destination_list, header.destination_list, "{label}");
        assert_eq!(written.len(), bytes.len() - 3, "{label}");
    } else {
        assert_eq!(written, bytes, "{label}");
    }
    if header.fragment.is_whole() {
        let parts = MessageParts::from_split(&dialect, header, &rest)
            .unwrap_or_else(|error| panic!("{label}: {error}"));
        check_parts(label, &parts, &rest);
    }
}

fn check_parts(label: &str, parts: &MessageParts, rest: &Bytes) {
    let contents = parts.contents.to_bytes().unwrap();
    let security = parts.security.to_bytes().unwrap();
    assert_eq!(contents, parts.contents_raw, "{label}");
    assert_eq!(&[contents, security].concat()[..], &rest[..], "{label}");
    assert_eq!(peek_message_code(rest), Some(parts.contents.code), "{label}");
    let name = body(parts.contents.code.name()).unwrap_or_else(|| panic!("{label}: no body"));
    let read = structure::decode(name, None, &Dialect::default(), &parts.contents.body)
        .unwrap_or_else(|error| panic!("{label}: {error}"));
    assert_eq!(read.written.unwrap(), parts.contents.body, "{label}");
}
