//! The numbers of the registries of section 14, written down a second time, and how unknown ones
//! fare.

use bytes::Bytes;
use reload_wire::{
    Decode, Destination, Dialect, Encode, EncodeError, ErrorCode, Fault, FindReq, ForwardingHeader,
    ForwardingOption, JoinReq, KindId, MessageCode, MessageContents, MessageExtension, NodeId,
    NodeIdLength, OverlayLinkType, PingReq, ProbeInformationType, ResourceId,
};

fn named<T>(all: impl Iterator<Item = T>, name: impl Fn(&T) -> &'static str) -> Vec<&'static str> {
    all.map(|it| name(&it)).collect()
}

// R6940-14.8-01
#[test]
fn message_codes_are_those_of_the_registry() {
    let names = named((0..=0x26).map(MessageCode), |code| code.name());
    let expected = [
        "invalidMessageCode",
        "probe_req",
        "probe_ans",
        "attach_req",
        "attach_ans",
        "unknown",
        "unknown",
        "store_req",
        "store_ans",
        "fetch_req",
        "fetch_ans",
        "unknown",
        "unknown",
        "find_req",
        "find_ans",
        "join_req",
        "join_ans",
        "leave_req",
        "leave_ans",
        "update_req",
        "update_ans",
        "route_query_req",
        "route_query_ans",
        "ping_req",
        "ping_ans",
        "stat_req",
        "stat_ans",
        "unknown",
        "unknown",
        "app_attach_req",
        "app_attach_ans",
        "unknown",
        "unknown",
        "config_update_req",
        "config_update_ans",
        "exp_a_req",
        "exp_a_ans",
        "exp_b_req",
        "exp_b_ans",
    ];
    assert_eq!(names, expected);
    assert_eq!(MessageCode(0xffff).name(), "error");
    for number in [0x5, 0x7fff, 0x8000, 0xfffe] {
        let contents = MessageContents::new(MessageCode(number), Bytes::new());
        let bytes = contents.to_bytes().unwrap();
        assert_eq!(MessageContents::decode_exact(&Dialect::default(), &bytes), Ok(contents));
    }
}

// R6940-14.9-01
#[test]
fn error_codes_are_those_of_the_registry() {
    let names = named((0..=0x14).map(ErrorCode), |code| code.name());
    let expected = [
        "invalidErrorCode",
        "unknown",
        "Error_Forbidden",
        "Error_Not_Found",
        "Error_Request_Timeout",
        "Error_Generation_Counter_Too_Low",
        "Error_Incompatible_with_Overlay",
        "Error_Unsupported_Forwarding_Option",
        "Error_Data_Too_Large",
        "Error_Data_Too_Old",
        "Error_TTL_Exceeded",
        "Error_Message_Too_Large",
        "Error_Unknown_Kind",
        "Error_Unknown_Extension",
        "Error_Response_Too_Large",
        "Error_Config_Too_Old",
        "Error_Config_Too_New",
        "Error_In_Progress",
        "Error_Exp_A",
        "Error_Exp_B",
        "Error_Invalid_Message",
    ];
    assert_eq!(names, expected);
    assert_eq!(ErrorCode(0x8000).name(), "unknown");
}

// R6940-6.5.1.1-01, R6940-6.5.1.1-07, R6940-14.10-01
#[test]
fn overlay_link_types_are_those_of_the_registry() {
    let names = named((0..=6).map(OverlayLinkType), |link| link.name());
    let expected = [
        "INVALID-PROTOCOL",
        "DTLS-UDP-SR",
        "unknown",
        "DTLS-UDP-SR-NO-ICE",
        "TLS-TCP-FH-NO-ICE",
        "EXP-LINK",
        "unknown",
    ];
    assert_eq!(names, expected);
    let without_ice = (0..=6).map(OverlayLinkType).filter(|link| link.name().ends_with("-NO-ICE"));
    assert_eq!(
        without_ice.collect::<Vec<_>>(),
        [OverlayLinkType::DTLS_UDP_SR_NO_ICE, OverlayLinkType::TLS_TCP_FH_NO_ICE]
    );
}

// R6940-14.13-01
#[test]
fn probe_information_types_are_those_of_the_registry() {
    let names = named((0..=5).map(ProbeInformationType), |kind| kind.name());
    let expected = [
        "invalidProbeOption",
        "responsible_set",
        "num_resources",
        "uptime",
        "exp-probe",
        "unknown",
    ];
    assert_eq!(names, expected);
}

// R6940-14.6-01
#[test]
fn kinds_are_those_of_the_registry() {
    for (number, name) in
        [(0x2, "TURN-SERVICE"), (0x3, "CERTIFICATE_BY_NODE"), (0x10, "CERTIFICATE_BY_USER")]
    {
        assert_eq!(KindId(number).name(), Some(name));
        assert_eq!(KindId::from_name(name), Some(KindId(number)));
    }
    for reserved in [0, 0x7fff_ffff, 0xffff_fffe] {
        assert_eq!(KindId(reserved).name(), None);
    }
    let private =
        [0x7fff_ffff, 0x8000_0000, 0xf000_0000, 0xf000_0001, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff];
    let private = private.map(|number| KindId(number).is_private());
    assert_eq!(private, [false, false, false, true, true, false, false]);
}

// R6940-14.12-01, R6940-14.14-01
#[test]
fn options_and_extensions_of_any_type_survive() {
    let dialect = Dialect::default();
    for kind in [0, 1, 127, 128, 254, 255] {
        let option = ForwardingOption { kind, flags: 0xff, data: Bytes::from_static(b"x") };
        let bytes = option.to_bytes().unwrap();
        assert_eq!(ForwardingOption::decode_exact(&dialect, &bytes), Ok(option));
    }
    for kind in [0, 1, 0x100, 0xffff] {
        let contents = Bytes::from_static(b"x");
        let extension = MessageExtension { kind, critical: true, contents };
        let bytes = extension.to_bytes().unwrap();
        assert_eq!(bytes[..2], kind.to_be_bytes(), "16 bits");
        assert_eq!(MessageExtension::decode_exact(&dialect, &bytes), Ok(extension));
    }
}

// R6940-6.5.3.1-01, R6940-6.5.3.1-02
#[test]
fn a_ping_takes_padding_of_65535_bytes_and_no_more() {
    let ping = PingReq { padding: vec![7; 65_535].into() };
    let bytes = ping.to_bytes().unwrap();
    assert_eq!(bytes.len(), 65_537);
    assert_eq!(PingReq::decode_exact(&Dialect::default(), &bytes), Ok(ping));
    assert!(PingReq { padding: vec![7; 65_536].into() }.to_bytes().is_err());
}

// R6940-3-01
#[test]
fn no_node_id_of_all_zeros_is_read_or_written() {
    for length in 16..=20 {
        let zero = NodeId::new(&vec![0; usize::from(length)]).unwrap();
        let dialect = Dialect::new(NodeIdLength::new(length).unwrap());
        let error = NodeId::decode_exact(&dialect, zero.as_bytes()).unwrap_err();
        assert_eq!(error.fault(), Fault::NotAllowed);
        assert_eq!(zero.to_bytes(), Err(EncodeError::NotAllowed { field: "node_id" }));
        assert!(Destination::Node(zero).to_bytes().is_err());
        let wildcard = NodeId::wildcard(NodeIdLength::new(length).unwrap());
        assert!(NodeId::decode_exact(&dialect, wildcard.as_bytes()).unwrap().is_wildcard());
    }
    let join = [[0; 16].as_slice(), &[0, 0]].concat();
    let error = JoinReq::decode_exact(&Dialect::default(), &join).unwrap_err();
    assert_eq!(error.field(), "join_req.joining_peer_id");
    let mut header = vec![
        0xd2, 0x45, 0x4c, 0x4f, 0, 0, 0, 1, 0, 1, 0x0a, 100, 0xc0, 0, 0, 0, 0, 0, 0, 56, 0, 0, 0,
        0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0, 1, 16,
    ];
    header.extend([0; 16]);
    let error = ForwardingHeader::decode_exact(&Dialect::default(), &header).unwrap_err();
    assert_eq!(error.field(), "header.destination_list.node_id");
    header[40] = 1;
    assert!(ForwardingHeader::decode_exact(&Dialect::default(), &header).is_ok());
}

// R6940-7.4.4.1-02
#[test]
fn a_find_names_each_kind_once() {
    let resource = ResourceId::new(&[1; 16]).unwrap();
    let find = |kinds: &[KindId]| FindReq { resource: resource.clone(), kinds: kinds.to_vec() };
    let (one, other) = (KindId::TURN_SERVICE, KindId::CERTIFICATE_BY_NODE);
    assert!(find(&[one, other]).to_bytes().is_ok());
    let twice = find(&[one, other, one]).to_bytes();
    assert_eq!(twice, Err(EncodeError::NotAllowed { field: "find_req.kinds" }));
}
