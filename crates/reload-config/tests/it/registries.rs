//! Names and numbers of the registries of section 14 as documents have them.

use reload_config::{AccessControl, ConfigError, Configuration, OverlayDocument, iana_kind};
use reload_wire::DataModel;

use crate::document;

const ROOT: &str = "<root-cert>MAMCAQE=</root-cert>";

fn read(content: &str) -> Configuration {
    let text = document(&format!("{ROOT}{content}"));
    OverlayDocument::parse(text.as_bytes()).unwrap().configurations()[0].clone()
}

fn problem(content: &str) -> Option<String> {
    read(content).problems().first().map(ConfigError::to_string)
}

fn kind(model: &str, policy: &str) -> String {
    format!(
        "<required-kinds><kind-block><kind id='4026531841'><data-model>{model}</data-model>\
         <access-control>{policy}</access-control><max-count>1</max-count><max-size>1</max-size>\
         <max-node-multiple>7</max-node-multiple></kind></kind-block></required-kinds>"
    )
}

// R6940-11.1-19, R6940-14.2-01
#[test]
fn bootstrap_nodes_without_a_port_have_port_6084() {
    let nodes = "<bootstrap-node address='192.0.2.1'/><bootstrap-node address='2001:db8::1'/>\
                 <bootstrap-node address='192.0.2.1' port='7'/>";
    let found = read(nodes).bootstrap_nodes.clone();
    let expected = ["192.0.2.1:6084", "[2001:db8::1]:6084", "192.0.2.1:7"];
    assert_eq!(found, expected.map(|address| address.parse().unwrap()));
}

// R6940-14.4-01
#[test]
fn access_policies_are_those_of_the_registry() {
    let expected = [
        ("USER-MATCH", AccessControl::UserMatch),
        ("NODE-MATCH", AccessControl::NodeMatch),
        ("NODE-MULTIPLE", AccessControl::NodeMultiple { max: 7 }),
        ("EXP-MATCH", AccessControl::Unknown("EXP-MATCH".to_owned())),
    ];
    for (name, access) in expected {
        let found = read(&kind("SINGLE", name));
        assert_eq!(found.kinds[0].definition.access, access);
        assert_eq!(access.name(), name);
    }
    let found = read(&kind("DICTIONARY", "USER-NODE-MATCH"));
    assert_eq!(found.kinds[0].definition.access, AccessControl::UserNodeMatch);
}

// R6940-14.7-01
#[test]
fn data_models_are_those_of_the_registry() {
    for (name, model) in [
        ("SINGLE", DataModel::Single),
        ("ARRAY", DataModel::Array),
        ("DICTIONARY", DataModel::Dictionary),
    ] {
        assert_eq!(read(&kind(name, "USER-MATCH")).kinds[0].definition.model, model);
    }
    for name in ["INVALID", "EXP-DATA", "RESERVED"] {
        let problem = problem(&kind(name, "USER-MATCH")).unwrap();
        assert!(problem.ends_with(&format!("the data model \"{name}\" is not supported")));
    }
}

// R6940-11.1-30, R6940-14.11-01
#[test]
fn an_unknown_link_protocol_beside_tls_is_no_problem() {
    let protocol = |name: &str| format!("<overlay-link-protocol>{name}</overlay-link-protocol>");
    assert_eq!(read("").overlay_link_protocols, ["TLS"]);
    assert_eq!(problem(&(protocol("HIP") + &protocol("TLS"))), None);
    for other in ["HIP", "EXP-PROTOCOL"] {
        assert_eq!(read(&protocol(other)).overlay_link_protocols, [other]);
        assert!(problem(&protocol(other)).is_some(), "{other}");
    }
}

// R6940-14.17.2-01
#[test]
fn chord_elements_of_another_namespace_are_foreign() {
    let content = "<chord:chord-update-interval>7</chord:chord-update-interval>";
    assert_eq!(read(content).chord.update_interval, 7);
    for other in ["urn:ietf:params:xml:ns:p2p:config-chord:", "URN:ietf:params:xml:ns:p2p:chord"] {
        let text = document(content).replace("urn:ietf:params:xml:ns:p2p:config-chord", other);
        let found = OverlayDocument::parse(text.as_bytes()).unwrap();
        let found = &found.configurations()[0];
        assert_eq!((found.chord.update_interval, found.extensions.len()), (600, 1), "{other}");
    }
    let text = document("").replace("p2p:config-base", "p2p:config-base2");
    assert!(OverlayDocument::parse(text.as_bytes()).is_err());
}

// R6940-7.4.5-02, R6940-11.1-36
#[test]
fn a_kind_needs_each_of_its_elements() {
    let whole = kind("SINGLE", "USER-MATCH");
    assert!(OverlayDocument::parse(document(&whole).as_bytes()).is_ok());
    for element in [
        "<data-model>SINGLE</data-model>",
        "<access-control>USER-MATCH</access-control>",
        "<max-count>1</max-count>",
        "<max-size>1</max-size>",
    ] {
        let without = whole.replace(element, "");
        assert_ne!(without, whole);
        let error = OverlayDocument::parse(document(&without).as_bytes()).unwrap_err().to_string();
        let name = element[1..].split('>').next().unwrap();
        assert!(error.ends_with(&format!("the element {name} is missing")), "{error}");
    }
}

// R6940-11.1-05, R6940-11.1-23
#[test]
fn booleans_are_true_false_1_and_0_with_blanks_around() {
    for (text, value) in [("true", true), ("1", true), (" false\n", false), ("\t0 ", false)] {
        assert_eq!(read(&format!("<no-ice>{text}</no-ice>")).no_ice, value, "{text:?}");
    }
}

// R6940-11.1-17
#[test]
fn self_signed_certificates_are_denied_by_absence_and_by_false() {
    let element = |value: &str| {
        format!("<self-signed-permitted digest='sha1'>{value}</self-signed-permitted>")
    };
    assert_eq!(read("").self_signed, None);
    assert_eq!(read(&element("false")).self_signed, None);
    assert!(read(&element("true")).self_signed.is_some());
}

// R6940-6.3.2.1-06, R6940-11.1-10
#[test]
fn a_sequence_is_at_most_65534() {
    let with = |sequence: &str| {
        let text = document("")
            .replace("<configuration ", &format!("<configuration sequence='{sequence}' "));
        OverlayDocument::parse(text.as_bytes()).map(|read| read.configurations()[0].sequence)
    };
    assert_eq!(with("65534"), Ok(65534));
    assert_eq!(with("0"), Ok(0));
    for wrong in ["65535", "-1", "65536", "1.0", ""] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
}

// R6940-11.1-12
#[test]
fn node_id_lengths_are_16_to_20() {
    let with = |length: u8| {
        let content = format!(
            "<topology-plugin>OTHER</topology-plugin><node-id-length>{length}</node-id-length>"
        );
        OverlayDocument::parse(document(&content).as_bytes())
            .map(|read| read.configurations()[0].node_id_length.get())
    };
    assert_eq!(read("").node_id_length.get(), 16);
    assert_eq!((16..=20).map(|n| with(n).unwrap()).collect::<Vec<_>>(), [16, 17, 18, 19, 20]);
    assert!(with(15).is_err() && with(21).is_err());
}

// R6940-11.1-20, R6940-11.1-21, R6940-11.1-23, R6940-11.1-24, R6940-11.1-25, R6940-11.1-27,
// R6940-11.1-28, R6940-11.1-29
#[test]
fn timers_and_sizes_have_their_defaults_and_bounds() {
    let found = read("");
    let millis = found.overlay_reliability_timer.as_millis();
    assert_eq!((millis, found.max_message_size, found.initial_ttl), (3000, 5000, 100));
    assert_eq!((found.turn_density, found.clients_permitted, found.no_ice), (1, true, false));
    assert_eq!((found.chord.update_interval, found.chord.ping_interval), (600, 3600));
    assert!(found.chord.reactive);
    let timer = |ms: u32| {
        let element = format!("<overlay-reliability-timer>{ms}</overlay-reliability-timer>");
        OverlayDocument::parse(document(&element).as_bytes()).is_ok()
    };
    assert!(timer(200) && !timer(199));
}

// R6940-8-04, R6940-8-05
#[test]
fn certificates_are_arrays_of_their_node_or_user() {
    for (name, id, access) in [
        ("CERTIFICATE_BY_NODE", 0x3, AccessControl::NodeMatch),
        ("CERTIFICATE_BY_USER", 0x10, AccessControl::UserMatch),
    ] {
        let kind = iana_kind(name).unwrap();
        assert_eq!((kind.id.0, kind.model, kind.access()), (id, DataModel::Array, access));
    }
}
