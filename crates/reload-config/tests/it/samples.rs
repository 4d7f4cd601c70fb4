//! The sample documents, value by value.

use std::time::Duration;

use reload_config::*;
use reload_wire::{DataModel, KindId, UnixTime};

use crate::sample;

fn node_id(hex: &str) -> reload_wire::NodeId {
    reload_wire::NodeId::from_hex(hex).unwrap()
}

// R6940-4.5-01, R6940-11.1-11, R6940-14.3-01
#[test]
fn the_minimal_document_has_the_defaults_of_section_11_1() {
    let document = OverlayDocument::parse(&sample("minimal.xml")).unwrap();
    let found = document.find("overlay.example.org").unwrap();
    let mut expected = Settings::new("overlay.example.org");
    expected.root_certs.push(vec![0x30, 3, 2, 1, 1].into());
    assert_eq!(found.settings, expected);
    assert_eq!(expected.topology_plugin, "CHORD-RELOAD");
    assert_eq!((expected.max_message_size, expected.initial_ttl), (5000, 100));
    assert_eq!(expected.overlay_reliability_timer, Duration::from_secs(3));
    assert_eq!(
        (expected.turn_density, expected.clients_permitted, expected.no_ice),
        (1, true, false)
    );
    assert_eq!(expected.overlay_link_protocols, ["TLS"]);
    assert_eq!((expected.chord.update_interval, expected.chord.ping_interval), (600, 3600));
    assert!(expected.chord.reactive);
    assert_eq!(found.signature, None);
    assert_eq!((found.sequence, found.expiration), (0, None));
}

// R6940-11.1-04, R6940-11.1-13, R6940-11.1-15, R6940-11.1-31
#[test]
fn the_full_document_gives_every_value() {
    let document = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let found = &document.configurations()[0];
    assert_eq!(found.instance_name, "overlay.example.org");
    assert_eq!(found.sequence, 65534);
    assert_eq!(found.expiration, Some(UnixTime(1_893_553_445_678)));
    assert_eq!(found.root_certs, [&b"\x30\x03\x02\x01\x01"[..], b"\x30\x03\x02\x01\x02"]);
    assert_eq!(
        found.enrollment_servers,
        ["https://enroll.example.org/reload", "https://enroll.example.net:8443/"]
    );
    assert_eq!(found.self_signed, Some(SelfSignedDigest::Sha256));
    assert_eq!(
        found.bootstrap_nodes,
        ["192.0.2.1:6084".parse().unwrap(), "[2001:db8::1]:7084".parse().unwrap()]
    );
    assert_eq!((found.turn_density, found.clients_permitted, found.no_ice), (20, false, true));
    let chord = ChordSettings { update_interval: 400, ping_interval: 30, reactive: false };
    assert_eq!(found.chord, chord);
    assert_eq!(found.shared_secret.as_ref().unwrap().expose(), "pass & word");
    assert_eq!((found.max_message_size, found.initial_ttl), (65536, 30));
    assert_eq!(found.overlay_reliability_timer, Duration::from_millis(200));
    assert_eq!(found.overlay_link_protocols, ["HIP", "TLS"]);
    assert_eq!(found.configuration_signers, [node_id("47112162e84c69ba47112162e84c69ba")]);
    assert_eq!(found.kind_signers.len(), 2);
    assert!(found.is_bad_node(&node_id("6ebc45d31a900c066ebc45d31a900c06")));
    assert_eq!(found.mandatory_extensions, [NS_CHORD]);
}

// R6940-11.1-38, R6940-11.1-39, R6940-11.1-40
#[test]
fn the_registered_model_and_policy_win_over_the_document() {
    let document = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let kind = document.configurations()[0].kind(KindId::SIP_REGISTRATION).unwrap();
    assert_eq!(kind.name.as_deref(), Some("SIP-REGISTRATION"));
    assert_eq!(kind.model, DataModel::Dictionary);
    assert_eq!(kind.access, AccessControl::UserNodeMatch);
    assert_eq!((kind.max_count, kind.max_size), (1, 100));
}

// R6940-7.4.5-01, R6940-11.1-40
#[test]
fn a_private_kind_has_the_values_of_the_document() {
    let document = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let kind = document.configurations()[0].kind(KindId(0xf000_0001)).unwrap();
    assert_eq!((kind.name.as_deref(), kind.model), (None, DataModel::Array));
    assert_eq!(kind.access, AccessControl::NodeMultiple { max: 3 });
    assert_eq!((kind.max_count, kind.max_size), (22, 4));
    assert_eq!(kind.extensions[0].name, "of-kind");
}

// R6940-11.1.1-02
#[test]
fn extensions_are_kept_with_their_namespaces() {
    let document = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let found = &document.configurations()[0];
    assert_eq!(found.attributes[0].value, "a < b");
    assert_eq!(found.extensions.len(), 1);
    assert_eq!(found.extensions[0].namespace, "urn:example:ext");
    assert_eq!(
        found.extensions[0].xml,
        "<ext:first xmlns:ext=\"urn:example:ext\" deep=\"yes\"><ext:inner>1</ext:inner></ext:first>"
    );
}

#[test]
fn other_prefixes_mean_the_same() {
    let document = OverlayDocument::parse(&sample("prefixed.xml")).unwrap();
    let found = document.find("overlay.example.org").unwrap();
    assert_eq!(found.chord.ping_interval, 60);
    assert_eq!(found.signature.as_deref(), Some(&b"first"[..]));
    let turn = found.kind(KindId::TURN_SERVICE).unwrap();
    assert_eq!(turn.access, AccessControl::NodeMultiple { max: 20 });
}

#[test]
fn the_sample_of_the_rfc_is_read_only_in_lenient_mode() {
    let bytes = sample("rfc6940-sample.xml");
    let error = OverlayDocument::parse(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configuration/root-cert (line 29): the content is not a DER certificate"
    );
    let document = OverlayDocument::parse_with(&bytes, &ReadOptions::lenient()).unwrap();
    let found = &document.configurations()[0];
    assert_eq!((found.sequence, found.root_certs.len()), (22, 1));
    assert_eq!(found.bootstrap_nodes.len(), 3);
    assert!(found.configuration_signers.is_empty());
    assert_eq!(found.kind(KindId(2000)).unwrap().model, DataModel::Array);
    assert_eq!(found.signature.as_deref(), Some(&b"This is not right!\n"[..]));
    assert!(found.check_expiration(UnixTime::from_secs(1_034_233_199)).is_ok());
    assert!(found.check_expiration(UnixTime::from_secs(1_034_233_200)).is_err());
    assert_eq!(document.configurations()[1].instance_name, "other.example.net");
}
