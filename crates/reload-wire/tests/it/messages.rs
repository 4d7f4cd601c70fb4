//! Whole messages of every method.

use std::collections::BTreeSet;

use bytes::Bytes;
use reload_vectors::messages;
use reload_wire::{
    Dialect, Encode, Fault, ForwardingHeader, Limits, MAX_MESSAGE_SIZE, MessageCode, MessageParts,
    peek_message_code,
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

/// Checks that a message splits, decodes down to its body, and encodes to the same bytes.
pub(crate) fn check_message(label: &str, bytes: &Bytes, long_opaque_id: bool) {
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

// R6940-6.3-02, R6940-6.3.3-06
#[test]
fn messages_of_every_method_decode_and_encode_to_the_same_bytes() {
    let mut codes = BTreeSet::new();
    for message in messages().unwrap() {
        let bytes = Bytes::from(message.hex.0);
        check_message(&message.name, &bytes, false);
        let parts = MessageParts::decode(&Dialect::default(), &bytes).unwrap();
        assert_eq!(parts.to_bytes(MAX_MESSAGE_SIZE).unwrap(), bytes, "{}", message.name);
        codes.insert(parts.contents.code);
    }
    let methods = (0..=0x22).chain([0xffff]).map(MessageCode);
    for code in methods.filter(|code| !["unknown", "invalidMessageCode"].contains(&code.name())) {
        assert!(codes.contains(&code), "no message of {code}");
    }
}

// R6940-6.3-02, R6940-6.3.2-14
#[test]
fn a_message_of_another_size_than_its_header_says_is_refused() {
    for message in messages().unwrap() {
        let bytes = Bytes::from(message.hex.0);
        for end in 0..bytes.len() {
            let part = MessageParts::decode(&Dialect::default(), &bytes.slice(..end));
            assert!(part.is_err(), "{} cut at {end}", message.name);
        }
        let longer = Bytes::from([&bytes[..], &[0]].concat());
        let error = MessageParts::decode(&Dialect::default(), &longer).unwrap_err();
        assert_eq!(error.fault(), Fault::LengthMismatch, "{}", message.name);
        assert_eq!(error.to_string(), "lengths disagree at byte 16 (header.length)");
    }
}

#[test]
fn a_message_above_the_limit_of_the_overlay_is_refused() {
    let bytes = Bytes::from(messages().unwrap().swap_remove(0).hex.0);
    let size = u32::try_from(bytes.len()).unwrap();
    let dialect =
        |max_message_size| Dialect { limits: Limits { max_message_size }, ..Dialect::default() };
    assert!(ForwardingHeader::split(&dialect(size), &bytes).is_ok());
    let error = ForwardingHeader::split(&dialect(size - 1), &bytes).unwrap_err();
    assert_eq!(error.fault(), Fault::TooLarge);
}

#[test]
fn errors_count_bytes_from_the_start_of_the_message() {
    let mut bytes = messages().unwrap().swap_remove(0).hex.0;
    let last = bytes.len() - 1;
    let identity = last - 64 - 2 - 34 - 2; // a signature of 64 bytes, an identity of 34
    assert_eq!(bytes[identity], 1, "the identity type is elsewhere");
    bytes[identity] = 0;
    let error = MessageParts::decode(&Dialect::default(), &bytes.into()).unwrap_err();
    assert_eq!(error.offset(), identity);
    assert_eq!(error.field(), "message.security_block.signature.identity.identity_type");
}
