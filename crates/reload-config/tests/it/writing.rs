//! What the writer makes, and what it refuses to make.

use bytes::Bytes;
use reload_config::*;
use reload_wire::{DataModel, KindId, UnixTime};

use crate::sample;

// R6940-11.1-02
#[test]
fn a_new_overlay_is_written_as_in_the_sample() {
    let mut builder = ConfigurationBuilder::new_overlay("overlay.example.org");
    builder.sequence = 1;
    builder.expiration = Some(UnixTime::from_secs(1_893_456_000));
    builder.root_certs.push(Bytes::from_static(b"\x30\x03\x02\x01\x01"));
    builder.enrollment_servers.push("https://overlay.example.org/enroll".to_owned());
    builder.bootstrap_nodes.push("192.0.2.1:6084".parse().unwrap());
    builder.sign_kinds(|raw| Ok::<_, ()>(Bytes::copy_from_slice(&raw[..5]))).unwrap();
    let written = assemble(&builder.build().unwrap(), b"signature");
    assert_eq!(
        String::from_utf8(written).unwrap(),
        String::from_utf8(sample("new-overlay.xml")).unwrap()
    );
    let document = OverlayDocument::parse(&sample("new-overlay.xml")).unwrap();
    assert_eq!(&document.find("overlay.example.org").unwrap().settings, builder.settings());
}

#[test]
fn a_new_overlay_has_the_kinds_that_scripts_rely_on() {
    let builder = ConfigurationBuilder::new_overlay("overlay.example.org");
    let found = builder.to_configuration().unwrap();
    assert_eq!(found.max_message_size, 65536);
    let kind = |id| {
        let kind = found.kind(KindId(id)).unwrap();
        (kind.model, kind.access.clone())
    };
    assert_eq!(kind(0xf000_0001), (DataModel::Single, AccessControl::UserMatch));
    assert_eq!(kind(0xf000_0002), (DataModel::Array, AccessControl::UserMatch));
    assert_eq!(kind(0xf000_0003), (DataModel::Dictionary, AccessControl::UserMatch));
    assert_eq!(kind(0xf000_0004), (DataModel::Single, AccessControl::NodeMultiple { max: 255 }));
    for name in ["CERTIFICATE_BY_NODE", "CERTIFICATE_BY_USER", "TURN-SERVICE", "SIP-REGISTRATION"] {
        assert!(found.kind(iana_kind(name).unwrap().id).is_some(), "{name}");
    }
    assert_eq!(found.kinds.len(), 8);
}

#[test]
fn a_configuration_made_from_another_keeps_everything() {
    for name in ["full.xml", "new-overlay.xml", "minimal.xml"] {
        let document = OverlayDocument::parse(&sample(name)).unwrap();
        let old = &document.configurations()[0];
        let mut builder = ConfigurationBuilder::from_configuration(old).unwrap();
        builder.sequence = 7;
        let new = builder.to_configuration().unwrap();
        let mut expected = old.settings.clone();
        expected.sequence = 7;
        for (kind, old) in expected.kinds.iter_mut().zip(&new.kinds) {
            assert_eq!(kind.definition.id, old.definition.id);
        }
        assert_eq!(new.extensions, expected.extensions);
        expected.kinds.clone_from(&new.kinds);
        assert_eq!(new.settings, expected, "{name}");
    }
}

#[test]
fn kinds_keep_their_signatures_where_their_bytes_can_stay() {
    let full = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let builder = ConfigurationBuilder::from_configuration(&full.configurations()[0]).unwrap();
    let kept: Vec<bool> = builder.kinds.iter().map(|block| block.signature.is_some()).collect();
    assert_eq!(kept, [true, false], "the second uses a prefix of the document around it");
    assert_eq!(builder.kinds[1].definition.extensions.len(), 1);
    let prefixed = OverlayDocument::parse(&sample("prefixed.xml")).unwrap();
    let old = &prefixed.configurations()[0];
    let builder = ConfigurationBuilder::from_configuration(old).unwrap();
    let new = builder.to_configuration().unwrap();
    assert_eq!(new.kinds[0].definition, old.kinds[0].definition);
    assert_eq!(new.kinds[0].signature, None);
}

#[test]
fn an_extension_without_a_default_namespace_keeps_its_meaning() {
    let prefixed = OverlayDocument::parse(&sample("prefixed.xml")).unwrap();
    let extension = &prefixed.configurations()[0].extensions[0];
    assert_eq!(
        extension.xml,
        "<ext:first xmlns=\"\" xmlns:ext=\"urn:example:ext\"><plain/></ext:first>"
    );
}

#[test]
fn a_kind_that_would_be_lost_stops_the_copy() {
    let text = crate::document(
        "<required-kinds><kind-block><kind name='NEW'><data-model>SINGLE</data-model>\
         <access-control>USER-MATCH</access-control><max-count>1</max-count>\
         <max-size>1</max-size></kind></kind-block></required-kinds>",
    );
    let document = OverlayDocument::parse(text.as_bytes()).unwrap();
    assert!(ConfigurationBuilder::from_configuration(&document.configurations()[0]).is_err());
}

#[test]
fn names_that_dns_does_not_allow_and_upper_case_are_not_written() {
    let refusal = |name| ConfigurationBuilder::new(name).build().unwrap_err().to_string();
    assert_eq!(refusal("a_b"), "instance-name: \"a_b\" is not a name that DNS allows");
    assert_eq!(
        refusal("Example.org"),
        "instance-name: \"Example.org\" has upper-case letters; new overlay names are lower-case"
    );
}

#[test]
fn settings_that_a_reader_would_refuse_are_not_written() {
    type Change = fn(&mut ConfigurationBuilder);
    let changes: [(Change, &str); 13] = [
        (|b| b.sequence = 65535, "sequence: "),
        (|b| b.expiration = Some(UnixTime(u64::MAX)), "expiration: "),
        (|b| b.topology_plugin.clear(), "topology-plugin: "),
        (|b| b.mandatory_extensions.push(" a".to_owned()), "mandatory-extension: "),
        (|b| b.shared_secret = Some(SharedSecret::new("a\n")), "shared-secret: "),
        (|b| b.shared_secret = Some(SharedSecret::new("a\0b")), "not well-formed XML: "),
        (|b| b.enrollment_servers.push("http://a".to_owned()), "enrollment-server: "),
        (|b| b.root_certs.push(Bytes::from_static(b"x")), "root-cert: "),
        (|b| b.initial_ttl = 0, "configuration/initial-ttl "),
        (|b| b.overlay_reliability_timer = std::time::Duration::ZERO, "configuration/overlay-rel"),
        (|b| b.kinds.extend_from_within(0..1), "configuration/required-kinds/kind-block "),
        (|b| b.kinds[4].definition.max_size = 1, "configuration: a reader would not get the same"),
        (|b| b.overlay_link_protocols.clear(), "configuration: a reader would not get the same"),
    ];
    for (change, expected) in changes {
        let mut builder = ConfigurationBuilder::new_overlay("a.example");
        change(&mut builder);
        let line = builder.build().unwrap_err().to_string();
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn an_extension_cannot_smuggle_in_base_elements() {
    let mut builder = ConfigurationBuilder::new("a.example");
    builder.extensions.push(Extension {
        namespace: "urn:x".to_owned(),
        name: "a".to_owned(),
        xml: "<a xmlns=\"urn:x\"/><no-ice>1</no-ice>".to_owned(),
    });
    assert!(builder.build().is_err());
}

#[test]
fn several_configurations_make_one_document() {
    let [first, second] = ["a.example", "b.example"]
        .map(|name| ConfigurationBuilder::new_overlay(name).build().unwrap());
    let bytes = DocumentBuilder::new()
        .configuration(&first, None)
        .configuration(&second, Some(b"second"))
        .to_bytes();
    let document = OverlayDocument::parse(&bytes).unwrap();
    let [a, b] = document.configurations() else { panic!("there are two") };
    assert_eq!((&a.raw, a.signature.as_deref()), (&first, None));
    assert_eq!((&b.raw, b.signature.as_deref()), (&second, Some(&b"second"[..])));
}

#[test]
fn a_document_that_no_config_update_can_carry_is_refused() {
    let mut builder = ConfigurationBuilder::new_overlay("a.example");
    let fits = |builder: &ConfigurationBuilder| {
        let bytes = assemble_unsigned(&builder.build().unwrap());
        OverlayDocument::parse(&bytes).unwrap().check_config_update_fits()
    };
    assert_eq!(fits(&builder), Ok(()));
    builder.max_message_size = 5000;
    assert!(matches!(fits(&builder), Err(ConfigError::DoesNotFit { limit: 5000, .. })));
}

// R6940-14.16-03
#[test]
fn the_secret_is_not_in_debug_output() {
    let mut builder = ConfigurationBuilder::new("a.example");
    builder.shared_secret = Some(SharedSecret::new("hunter2"));
    assert!(!format!("{builder:?}").contains("hunter2"));
}
