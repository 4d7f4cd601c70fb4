//! What makes a well-formed configuration unusable for a node (sections 11.1 and 14).

use reload_config::{OverlayDocument, ReadOptions, Settings, is_private_kind};
use reload_wire::{DataModel, KindId};

use crate::{document, sample};

const ROOT: &str = "<root-cert>MAMCAQE=</root-cert>";

fn problem(content: &str) -> String {
    let text = document(&format!("{ROOT}{content}"));
    let read = OverlayDocument::parse(text.as_bytes()).unwrap();
    read.find("a.example").expect_err(content).to_string()
}

fn kind(attribute: &str, model: &str) -> String {
    format!(
        "<required-kinds><kind-block><kind {attribute}><data-model>{model}</data-model>\
         <access-control>USER-MATCH</access-control><max-count>1</max-count>\
         <max-size>1</max-size></kind></kind-block></required-kinds>"
    )
}

// R6940-11.1-33
#[test]
fn a_mandatory_extension_that_is_not_supported_is_named() {
    let document = OverlayDocument::parse(&sample("mandatory-extension.xml")).unwrap();
    assert_eq!(
        document.find("overlay.example.org").unwrap_err().to_string(),
        "configuration (line 2): the overlay requires the extension \"urn:example:not-known\", \
         which is not supported"
    );
    assert_eq!(document.configurations()[0].mandatory_extensions, ["urn:example:not-known"]);
}

// R6940-11.1-33
#[test]
fn a_mandatory_extension_that_is_supported_is_no_problem() {
    let mut options = ReadOptions::default();
    options.extensions.push("urn:example:not-known".to_owned());
    let bytes = sample("mandatory-extension.xml");
    let document = OverlayDocument::parse_with(&bytes, &options).unwrap();
    assert!(document.find("overlay.example.org").is_ok());
    options.extensions.pop();
    options.extensions.push("URN:example:not-known".to_owned());
    let document = OverlayDocument::parse_with(&bytes, &options).unwrap();
    assert!(document.find("overlay.example.org").is_err(), "namespaces are case-sensitive");
}

#[test]
fn the_lenient_switch_does_not_lift_a_mandatory_extension() {
    let bytes = sample("rfc6940-sample.xml");
    let document = OverlayDocument::parse_with(&bytes, &ReadOptions::lenient()).unwrap();
    let error = document.find("overlay.example.org").unwrap_err();
    assert!(error.to_string().contains("urn:ietf:params:xml:ns:p2p:config-ext1"), "{error}");
    assert!(error.is_unsupported());
}

// R6940-4.5-01, R6940-11.1-34, R6940-14.3-01, R6940-14.11-01
#[test]
fn what_a_node_lacks_is_named() {
    assert!(
        problem(&kind("name='NEW-KIND'", "SINGLE"))
            .ends_with("no Kind is registered with the name \"NEW-KIND\"")
    );
    assert!(
        problem(&kind("id='4026531841'", "EXP-DATA"))
            .ends_with("the data model \"EXP-DATA\" is not supported")
    );
    assert!(
        problem("<topology-plugin>EXP-OVERLAY</topology-plugin>")
            .ends_with("the topology plug-in \"EXP-OVERLAY\" is not supported")
    );
    assert!(
        problem("<overlay-link-protocol>HIP</overlay-link-protocol>")
            .ends_with("none of the overlay link protocols \"HIP\" is supported")
    );
}

// R6940-14.16-03
#[test]
fn an_overlay_that_admits_by_a_shared_secret_is_refused() {
    let error = problem("<shared-secret>pass word</shared-secret>");
    assert!(error.contains("admission by a shared secret is not supported"), "{error}");
    assert!(!error.contains("pass word"), "{error}");
}

// R6940-11.1-16
#[test]
fn without_a_trust_anchor_nobody_can_join() {
    let read = OverlayDocument::parse(document("").as_bytes()).unwrap();
    let error = read.find("a.example").unwrap_err().to_string();
    assert!(error.contains("neither a root-cert nor self-signed-permitted"), "{error}");
    let permitted = document("<self-signed-permitted digest='sha1'>1</self-signed-permitted>");
    assert!(OverlayDocument::parse(permitted.as_bytes()).unwrap().find("a.example").is_ok());
    let denied = document("<self-signed-permitted digest='sha1'>0</self-signed-permitted>");
    assert!(OverlayDocument::parse(denied.as_bytes()).unwrap().find("a.example").is_err());
}

// R6940-11.1-41
#[test]
fn a_signed_configuration_needs_a_signature_for_each_kind_but_in_lenient_mode() {
    let signed = document(&format!("{ROOT}{}", kind("name='REDIR'", "SINGLE")))
        .replace("</overlay>", "<signature>c2ln</signature></overlay>");
    let read = OverlayDocument::parse(signed.as_bytes()).unwrap();
    let error = read.find("a.example").unwrap_err().to_string();
    assert_eq!(error, "kind-block: the Kind has no kind-signature");
    let read = OverlayDocument::parse_with(signed.as_bytes(), &ReadOptions::lenient()).unwrap();
    assert!(read.find("a.example").is_ok());
}

// R6940-11.1-06
#[test]
fn a_problem_of_another_overlay_is_not_ours() {
    let text = document("").replace(
        "</overlay>",
        &format!("<configuration instance-name='b.example'>{ROOT}</configuration></overlay>"),
    );
    let read = OverlayDocument::parse(text.as_bytes()).unwrap();
    assert!(read.find("a.example").is_err());
    assert!(read.find("B.Example").is_ok());
    assert_eq!(
        read.find("c.example").unwrap_err().to_string(),
        "the document has no configuration of the overlay c.example, only of a.example, b.example"
    );
}

#[test]
fn lenient_mode_takes_the_model_of_a_registered_kind_without_the_element() {
    let text = document(
        "<required-kinds><kind-block><kind name='TURN-SERVICE'><max-count>1</max-count>\
         <max-size>20</max-size></kind></kind-block></required-kinds>",
    );
    let read = OverlayDocument::parse_with(text.as_bytes(), &ReadOptions::lenient()).unwrap();
    let turn = read.configurations()[0].kind(KindId::TURN_SERVICE).unwrap().clone();
    assert_eq!(turn.model, DataModel::Single);
}

#[test]
fn both_places_of_the_enrollment_url_are_read() {
    let text =
        document("<enrollment-server>\n<url> https://e.example/ </url>\n</enrollment-server>");
    let read = OverlayDocument::parse(text.as_bytes()).unwrap();
    assert_eq!(read.configurations()[0].enrollment_servers, ["https://e.example/"]);
}

#[test]
fn both_spellings_of_the_topology_plugin_are_read() {
    let text = document("<topology-plug-in> EXP-OVERLAY </topology-plug-in>");
    let read = OverlayDocument::parse(text.as_bytes()).unwrap();
    assert_eq!(read.configurations()[0].topology_plugin, "EXP-OVERLAY");
}

#[test]
fn the_overlay_hash_keeps_the_case_of_the_name() {
    let lower = OverlayDocument::parse(document("").as_bytes()).unwrap();
    let upper = document("").replace("a.example", " A.example ");
    let upper = OverlayDocument::parse(upper.as_bytes()).unwrap();
    let [lower, upper] = [lower, upper].map(|read| read.configurations()[0].overlay_hash());
    assert_ne!(lower, upper);
}

// R6940-14.6-01
#[test]
fn the_private_range_ends_before_the_reserved_number() {
    let ends =
        [0xf000_0000, 0xf000_0001, 0xffff_fffd, 0xffff_fffe].map(KindId).map(is_private_kind);
    assert_eq!(ends, [false, true, true, false]);
}

#[test]
fn times_in_another_zone_are_converted_in_lenient_mode() {
    let text = document("")
        .replace("instance-name", "expiration='2030-01-01T01:00:00+01:00' instance-name");
    let read = OverlayDocument::parse_with(text.as_bytes(), &ReadOptions::lenient()).unwrap();
    let Settings { expiration, .. } = read.configurations()[0].settings.clone();
    assert_eq!(expiration, Some(reload_wire::UnixTime::from_secs(1_893_456_000)));
}
