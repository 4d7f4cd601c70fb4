//! Values that must not be written, numbers that tell apart, and how values look to people.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_wire::*;

fn refused<T: Encode>(value: &T) -> Option<&'static str> {
    match value.to_bytes() {
        Err(EncodeError::NotAllowed { field }) => Some(field),
        _ => None,
    }
}

#[test]
fn a_number_that_has_a_form_of_its_own_is_not_written_as_an_unknown_one() {
    let data = Bytes::from_static(b"x");
    for kind in 0..=4 {
        let value = Destination::Unknown { kind, data: data.clone() };
        assert_eq!(refused(&value), (kind < 4).then_some("destination.type"), "{kind}");
        let value = SignerIdentity::Unknown { kind, data: data.clone() };
        assert_eq!(refused(&value), (kind < 4).then_some("identity_type"), "{kind}");
        let value = IpAddressPort::Unknown { kind, data: data.clone() };
        assert_eq!(refused(&value), (kind < 3).then_some("ip_address_port.type"), "{kind}");
        let value = ConfigUpdateReq::Unknown { kind, data: data.clone() };
        assert_eq!(refused(&value), (kind < 3).then_some("config_update_req.type"), "{kind}");
    }
    for kind in [127, 128, 255] {
        let value = Destination::Unknown { kind, data: data.clone() };
        assert_eq!(refused(&value), (kind > 127).then_some("destination.type"), "{kind}");
    }
}

// R6940-7.4.2.1-05
#[test]
fn a_range_of_one_index_is_one_and_a_turned_range_is_none() {
    let range = |first, last| ArrayRange { first, last };
    assert!(range(7, 7).to_bytes().is_ok());
    assert_eq!(refused(&range(8, 7)), Some("array_range.last"));
    let turned = [[0, 0, 0, 8], [0, 0, 0, 7]].concat();
    assert!(ArrayRange::decode_exact(&Dialect::default(), &turned).is_err());
}

#[test]
fn everything_of_a_kind_is_asked_for_in_the_form_of_its_model() {
    let written = DataModel::ALL.map(|model| ModelSpecifier::everything(model).to_bytes().unwrap());
    assert_eq!(written[0], [0_u8; 0][..]);
    assert_eq!(written[1], [0, 8, 0, 0, 0, 0, 255, 255, 255, 255][..]);
    assert_eq!(written[2], [0, 0][..]);
}

#[test]
fn an_offset_has_24_bits() {
    let header = |offset| ForwardingHeader {
        overlay: 1,
        configuration_sequence: 0,
        ttl: 1,
        fragment: Fragment { last: true, offset },
        length: 0,
        transaction_id: TransactionId(1),
        max_response_length: 0,
        via_list: Vec::new(),
        destination_list: Vec::new(),
        options: Vec::new(),
    };
    assert!(header(0x00ff_ffff).to_bytes().is_ok());
    assert_eq!(refused(&header(0x0100_0000)), Some("fragment"));
}

#[test]
fn a_candidate_has_a_related_address_unless_it_is_a_host() {
    let address = IpAddressPort::from("192.0.2.1:6084".parse::<std::net::SocketAddr>().unwrap());
    let candidate = |kind, related: Option<IpAddressPort>| IceCandidate {
        addr_port: address.clone(),
        overlay_link: OverlayLinkType::DTLS_UDP_SR,
        foundation: Bytes::from_static(b"1"),
        priority: 1,
        kind,
        related,
        extensions: Vec::new(),
    };
    assert!(candidate(CandType::Host, None).to_bytes().is_ok());
    assert!(candidate(CandType::Relay, Some(address.clone())).to_bytes().is_ok());
    let wrong = [
        candidate(CandType::Host, Some(address.clone())),
        candidate(CandType::Srflx, None),
        candidate(CandType::Relay, None),
        candidate(CandType::Prflx, Some(address.clone())),
    ];
    let fields: Vec<_> = wrong.iter().map(refused).collect();
    let related = Some("rel_addr_port");
    assert_eq!(fields, [related, related, related, Some("ice_candidate.type")]);
}

#[test]
fn a_part_longer_than_its_length_field_says_how_long_it_may_be() {
    let length = |max: usize| vec![7; max + 1];
    let too_long = |value: Result<Bytes, EncodeError>| match value {
        Err(EncodeError::TooLong { length, max, .. }) => (length, max),
        other => panic!("{other:?}"),
    };
    let ufrag = Bytes::from(length(255));
    let empty = Bytes::new();
    let attach = AttachReqAns {
        ufrag,
        password: empty.clone(),
        role: empty.clone(),
        candidates: Vec::new(),
        send_update: false,
    };
    assert_eq!(too_long(attach.to_bytes()), (256, 255));
    let ping = PingReq { padding: length(65_535).into() };
    assert_eq!(too_long(ping.to_bytes()), (65_536, 65_535));
    assert!(PingReq { padding: vec![7; 65_535].into() }.to_bytes().is_ok());
}

#[test]
fn a_writer_takes_what_fits_and_nothing_above_its_limit() {
    let mut out = Writer::with_limit(3);
    assert_eq!(out.bytes(&[1, 2]), Ok(()));
    assert_eq!(out.bytes(&[3, 4]), Err(EncodeError::Limit { limit: 3 }));
    assert_eq!(out.bytes(&[3]), Ok(()));
    assert_eq!(out.finish(), [1, 2, 3][..]);
}

// R6940-6.3.3-06
#[test]
fn requests_are_odd_and_their_answers_follow_them() {
    for (code, request, response) in [
        (0, false, false),
        (1, true, false),
        (2, false, true),
        (0x17, true, false),
        (0x18, false, true),
        (0x7fff, true, false),
        (0x8000, false, true),
        (0x8001, false, false),
        (0x8002, false, false),
        (0xffff, false, true),
    ] {
        let code = MessageCode(code);
        assert_eq!((code.is_request(), code.is_response()), (request, response), "{code}");
        let answer = if request { MessageCode(code.0 + 1) } else { code };
        assert_eq!(code.answer(), answer, "{code}");
    }
}

// R6940-14.6-01
#[test]
fn every_registered_kind_has_the_name_of_the_registry() {
    let names = [
        (KindId::SIP_REGISTRATION, 1, "SIP-REGISTRATION"),
        (KindId::TURN_SERVICE, 2, "TURN-SERVICE"),
        (KindId::CERTIFICATE_BY_NODE, 3, "CERTIFICATE_BY_NODE"),
        (KindId::CERTIFICATE_BY_USER, 16, "CERTIFICATE_BY_USER"),
        (KindId::REDIR, 0x104, "REDIR"),
        (KindId::ACCESS_CONTROL_LIST, 0x4, "ACCESS-CONTROL-LIST"),
    ];
    for (kind, _, name) in names {
        assert_eq!(kind.name(), Some(name));
        assert_eq!(kind.to_string(), name);
        assert_eq!(KindId::from_name(&name.to_lowercase()), Some(kind));
    }
    assert_eq!(names.map(|(kind, number, _)| kind.0 == number)[..4], [true; 4]);
    assert_eq!(KindId(0xf000_0001).to_string(), "0xf0000001");
    assert_eq!(KindId::from_name("xyzzy"), None);
}

#[test]
fn values_look_as_people_write_them() {
    let node = NodeId::from_u128(0xab);
    let hex = "000000000000000000000000000000ab";
    assert_eq!(format!("{node} {node:?}"), format!("{hex} {hex}"));
    assert_eq!(hex.parse::<NodeId>(), Ok(node));
    assert_eq!(Destination::from(node).to_string(), format!("node:{hex}"));
    assert_eq!(Destination::from(node).node(), Some(node));
    let resource = ResourceId::from(node);
    assert_eq!(Destination::from(resource.clone()).to_string(), format!("resource:{resource}"));
    assert_eq!(Destination::from(resource.clone()).node(), None);
    assert_eq!(format!("{resource:?}"), hex);
    let opaque = Destination::compact(0x1234);
    assert_eq!((opaque.to_string().as_str(), opaque.as_compact()), ("opaque:9234", Some(0x9234)));
    assert_eq!(Destination::compact(0x9234), opaque, "the top bit is set, not turned");
    let unknown = Destination::Unknown { kind: 9, data: Bytes::from_static(b"\x01") };
    assert_eq!((unknown.to_string().as_str(), unknown.as_compact()), ("9:01", None));
    let long = Destination::Opaque(Bytes::from_static(&[0x80, 1, 2]));
    assert_eq!(long.as_compact(), None);
    assert_eq!(Destination::Opaque(Bytes::from_static(&[1, 2])).as_compact(), None);
    assert_eq!(DataModel::ALL.map(|model| model.to_string()), ["SINGLE", "ARRAY", "DICTIONARY"]);
    assert_eq!(TransactionId(0xab).to_string(), "00000000000000ab");
    let address: std::net::SocketAddr = "[2001:db8::1]:6084".parse().unwrap();
    assert_eq!(IpAddressPort::from(address).to_string(), address.to_string());
    assert_eq!(IpAddressPort::from(address).socket_addr(), Some(address));
}

#[test]
fn every_fault_has_a_name_and_a_sentence() {
    let faults = [
        (Fault::Truncated, "truncated", "bytes missing"),
        (Fault::LeftOver, "left-over", "bytes left over"),
        (Fault::NotAllowed, "not-allowed", "value not allowed"),
        (Fault::Token, "token", "no RELOAD message"),
        (Fault::Version, "version", "unknown version"),
        (Fault::LengthMismatch, "length-mismatch", "lengths disagree"),
        (Fault::TooLarge, "too-large", "message too large"),
        (Fault::Fragment, "fragment", "a fragment, not a whole message"),
    ];
    for (fault, name, sentence) in faults {
        assert_eq!((fault.name(), fault.to_string().as_str()), (name, sentence));
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // a test has to start its virtual time somewhere
fn times_are_milliseconds_and_do_not_overflow() {
    let time = UnixTime::from_secs(7).saturating_add(Duration::from_millis(1999));
    assert_eq!((time.as_millis(), time.as_secs()), (8999, 8));
    assert_eq!(UnixTime(u64::MAX).saturating_add(Duration::from_secs(1)), UnixTime(u64::MAX));
    assert_eq!(UnixTime::from_secs(u64::MAX), UnixTime(u64::MAX));
    assert_eq!(time.saturating_since(UnixTime(8990)), Duration::from_millis(9));
    assert_eq!(UnixTime(1).saturating_since(time), Duration::ZERO);
    let now = Now { mono: Instant::now(), wall: time };
    let later = now.after(Duration::from_secs(2));
    assert_eq!((later.wall, later.mono - now.mono), (UnixTime(10_999), Duration::from_secs(2)));
}

// R6940-3-01
#[test]
fn zero_and_the_wildcard_are_told_from_other_node_ids() {
    let (zero, one) = (NodeId::from_u128(0), NodeId::from_u128(1));
    assert!(zero.is_zero() && !zero.is_wildcard());
    assert!(!one.is_zero() && !one.is_wildcard());
    let all = NodeId::from_u128(u128::MAX);
    assert!(all.is_wildcard() && !all.is_zero());
    assert_eq!(all, NodeId::wildcard(NodeIdLength::DEFAULT));
    assert_eq!([zero, one, all].map(|id| id.to_u128()), [Some(0), Some(1), Some(u128::MAX)]);
}
