//! Each refusal is one line that names the element and what is wrong.

use reload_config::{KindBlock, OverlayDocument, ReadOptions};

use crate::{document, sample};

fn refusal(text: &str) -> String {
    OverlayDocument::parse(text.as_bytes()).expect_err(text).to_string()
}

/// The refusal of a configuration with this content.
fn of(content: &str) -> String {
    let line = refusal(&document(content));
    assert!(!line.contains('\n'), "{line}");
    line
}

/// The refusal of a `kind` element with these attributes and this content.
fn of_kind(attributes: &str, content: &str) -> String {
    of(&format!(
        "<required-kinds><kind-block><kind {attributes}>{content}</kind></kind-block></required-kinds>"
    ))
}

const KIND: &str = "<data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>\
                    <max-count>1</max-count><max-size>1</max-size>";

// R6940-11.1-05, R6940-11.1-14, R6940-11.1-18, R6940-11.1-29, R6940-11.1-31, R6940-11.1.1-01
#[test]
fn values_of_a_wrong_type_are_refused() {
    let cases = [
        ("<no-ice>TRUE</no-ice>", "no-ice (line 1): \"TRUE\" is not true, false, 1 or 0"),
        ("<no-ice/>", "no-ice (line 1): \"\" is not true, false, 1 or 0"),
        (
            "<turn-density>256</turn-density>",
            "turn-density (line 1): \"256\" is not a number from 0 to 255",
        ),
        (
            "<initial-ttl>0</initial-ttl>",
            "initial-ttl (line 1): \"0\" is not a number from 1 to 255",
        ),
        (
            "<initial-ttl>1 2</initial-ttl>",
            "initial-ttl (line 1): \"1 2\" is not a number from 1 to 255",
        ),
        (
            "<max-message-size>-1</max-message-size>",
            "max-message-size (line 1): \"-1\" is not a number from 38 to 4294967295",
        ),
        (
            "<overlay-reliability-timer>199</overlay-reliability-timer>",
            "overlay-reliability-timer (line 1): \"199\" is not a number from 200 to 2147483647",
        ),
        (
            "<node-id-length>21</node-id-length>",
            "node-id-length (line 1): \"21\" is not a number from 16 to 20",
        ),
        (
            "<chord:chord-ping-interval>0</chord:chord-ping-interval>",
            "chord-ping-interval (line 1): \"0\" is not a number from 1 to 2147483647",
        ),
        (
            "<chord:chord-reactive>yes</chord:chord-reactive>",
            "chord-reactive (line 1): \"yes\" is not true, false, 1 or 0",
        ),
        ("<root-cert>???</root-cert>", "root-cert (line 1): the content is not base64"),
        (
            "<root-cert>YmFkIGNlcnQK</root-cert>",
            "root-cert (line 1): the content is not a DER certificate",
        ),
        (
            "<bad-node>00</bad-node>",
            "bad-node (line 1): \"00\" is not a Node-ID of 16 bytes in hexadecimal",
        ),
        (
            "<kind-signer>ffffffffffffffffffffffffffffffff</kind-signer>",
            "kind-signer (line 1): \"ffffffffffffffffffffffffffffffff\" is not a Node-ID of 16 bytes in hexadecimal",
        ),
        (
            "<enrollment-server>http://a.example</enrollment-server>",
            "enrollment-server (line 1): \"http://a.example\" is not an https: URL",
        ),
        (
            "<enrollment-server>https:///a</enrollment-server>",
            "enrollment-server (line 1): \"https:///a\" is not an https: URL",
        ),
        (
            "<bootstrap-node address='peer.example'/>",
            "bootstrap-node (line 1): \"peer.example\" is not an IP address",
        ),
        (
            "<bootstrap-node address='192.0.2.1' port='0'/>",
            "bootstrap-node (line 1): \"0\" is not a number from 1 to 65535",
        ),
        ("<bootstrap-node/>", "bootstrap-node (line 1): the attribute address is missing"),
        (
            "<self-signed-permitted>true</self-signed-permitted>",
            "self-signed-permitted (line 1): the attribute digest is missing",
        ),
        (
            "<self-signed-permitted digest='md5'>true</self-signed-permitted>",
            "self-signed-permitted (line 1): unknown digest \"md5\", only sha1 and sha256 are known",
        ),
        ("<shared-secret> </shared-secret>", "shared-secret (line 1): the value is empty"),
    ];
    for (content, expected) in cases {
        assert_eq!(of(content), format!("configuration/{expected}"), "{content}");
    }
}

// R6940-14.17.1-01
#[test]
fn unknown_and_repeated_elements_are_refused() {
    let cases = [
        ("<no-icy>1</no-icy>", "configuration (line 1): unknown element no-icy"),
        ("<chord:x/>", "configuration (line 1): unknown element x"),
        ("<x xmlns=''/>", "configuration (line 1): unknown element x"),
        ("text", "configuration (line 1): text \"text\" where only elements may stand"),
        (
            "<no-ice>1<b/></no-ice>",
            "configuration/no-ice (line 1): an element b where only text may stand",
        ),
        ("<no-ice a='1'>1</no-ice>", "configuration/no-ice (line 1): unknown attribute a"),
        (
            "<no-ice>1</no-ice>\n<no-ice>1</no-ice>",
            "configuration/no-ice (line 2): given more than once",
        ),
        (
            "<topology-plugin>A</topology-plugin><topology-plug-in>A</topology-plug-in>",
            "configuration/topology-plug-in (line 1): given more than once",
        ),
        (
            "<required-kinds><kind/></required-kinds>",
            "configuration/required-kinds (line 1): unknown element kind",
        ),
        (
            "<required-kinds><kind-block/></required-kinds>",
            "configuration/required-kinds/kind-block (line 1): the element kind is missing",
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(of(content), expected, "{content}");
    }
}

#[test]
fn chord_runs_only_with_node_ids_of_16_bytes() {
    let content = "<node-id-length>20</node-id-length>";
    assert_eq!(
        of(content),
        "configuration (line 1): CHORD-RELOAD runs only with a node-id-length of 16, not 20"
    );
    let other = format!("{content}<topology-plugin>EXP-OVERLAY</topology-plugin>");
    let read = OverlayDocument::parse(document(&other).as_bytes()).unwrap();
    assert_eq!(read.configurations()[0].dialect().node_id_length.get(), 20);
}

// R6940-7.3-01, R6940-7.3.4-02, R6940-11.1-35, R6940-11.1-37, R6940-14.6-01
#[test]
fn broken_kinds_are_refused() {
    let path = "configuration/required-kinds/kind-block/kind";
    let id = "id='4026531841'";
    let cases = [
        ("", KIND, "the Kind needs either an id or a name attribute, not both"),
        (
            "id='4026531841' name='REDIR'",
            KIND,
            "the Kind needs either an id or a name attribute, not both",
        ),
        ("id='0'", KIND, "is reserved"),
        ("id='2147483647'", KIND, "is reserved"),
        ("id='4294967294'", KIND, "is reserved"),
        ("id='4294967295'", KIND, "is reserved"),
        ("id='2000'", KIND, "is not in the private range 0xf0000001 to 0xfffffffd"),
        ("id='4294967296'", KIND, "\"4294967296\" is not a number from 0 to 4294967295"),
        (id, "", "the element data-model is missing"),
        (id, "<data-model>SINGLE</data-model>", "the element access-control is missing"),
        (
            id,
            "<data-model>SINGLE</data-model><access-control>X</access-control>",
            "the element max-count is missing",
        ),
        (
            "name='TURN-SERVICE'",
            "<max-count>1</max-count><max-size>1</max-size>",
            "the element data-model is missing",
        ),
        (
            id,
            "<data-model>SINGLE</data-model><access-control>NODE-MULTIPLE</access-control><max-count>1</max-count><max-size>1</max-size>",
            "the element max-node-multiple is missing, NODE-MULTIPLE needs it",
        ),
        (id, "<no/>", "unknown element no"),
    ];
    for (attributes, content, expected) in cases {
        let line = of_kind(attributes, content);
        assert!(line.starts_with(path) && line.ends_with(expected), "{line}");
    }
    for value in ["0", "256"] {
        let line = of_kind(id, &format!("<max-node-multiple>{value}</max-node-multiple>"));
        assert!(line.ends_with("is not a number from 1 to 255"), "{line}");
    }
    let block = format!("<kind-block><kind {id}>{KIND}</kind></kind-block>");
    let twice = of(&format!("<required-kinds>{block}{block}</required-kinds>"));
    assert!(twice.ends_with("is given more than once"), "{twice}");
}

#[test]
fn lenient_mode_still_refuses_reserved_kinds_and_wrong_numbers() {
    for content in [
        format!(
            "<required-kinds><kind-block><kind id='4294967294'>{KIND}</kind></kind-block></required-kinds>"
        ),
        "<initial-ttl>300</initial-ttl>".to_owned(),
        "<node-id-length>20</node-id-length>".to_owned(),
    ] {
        let text = document(&content);
        assert!(OverlayDocument::parse_with(text.as_bytes(), &ReadOptions::lenient()).is_err());
    }
}

// R6940-11.1-09
#[test]
fn attributes_of_the_configuration_are_checked() {
    let of = |attributes: &str| {
        refusal(&format!(
            "<overlay xmlns='urn:ietf:params:xml:ns:p2p:config-base'>\n<configuration {attributes}/></overlay>"
        ))
    };
    let name = "instance-name='a.example'";
    let cases = [
        (String::new(), "the attribute instance-name is missing"),
        ("instance-name='a b'".to_owned(), "\"a b\" is not a name that DNS allows"),
        (format!("{name} sequence='65535'"), "\"65535\" is not a number from 0 to 65534"),
        (format!("{name} sequence='-1'"), "\"-1\" is not a number from 0 to 65534"),
        (
            format!("{name} expiration='tomorrow'"),
            "\"tomorrow\" is not a time in the form 2030-01-01T00:00:00Z",
        ),
        (
            format!("{name} expiration='2030-01-01T00:00:00'"),
            "\"2030-01-01T00:00:00\" is not a time in the form 2030-01-01T00:00:00Z",
        ),
        (
            format!("{name} expiration='2030-01-01T00:00:00+01:00'"),
            "the time \"2030-01-01T00:00:00+01:00\" is not in UTC",
        ),
        (format!("{name} expire='x'"), "unknown attribute expire"),
    ];
    for (attributes, expected) in cases {
        assert_eq!(of(&attributes), format!("configuration (line 2): {expected}"));
    }
}

// R6940-11.1-01, R6940-14.17.1-01
#[test]
fn whole_documents_that_are_none_are_refused() {
    let base = "xmlns='urn:ietf:params:xml:ns:p2p:config-base'";
    assert_eq!(
        refusal("<overlay/>"),
        "the root element is overlay, not overlay of the namespace urn:ietf:params:xml:ns:p2p:config-base"
    );
    assert_eq!(
        refusal(&format!("<overlay {base}/>")),
        "overlay: there is no configuration element in it"
    );
    assert_eq!(
        refusal(&format!("<overlay {base}><signature/></overlay>")),
        "signature (line 1): it belongs to no configuration element before it"
    );
    assert_eq!(
        refusal("<overlay>"),
        "not well-formed XML: the root node was opened but never closed"
    );
    assert!(refusal("").starts_with("not well-formed XML"));
    assert!(refusal("<a>&name;</a>").starts_with("not well-formed XML"));
    let twin = "<configuration instance-name='A.example'/>";
    assert_eq!(
        refusal(&document("").replace("</overlay>", &format!("\n{twin}</overlay>"))),
        "configuration (line 2): another configuration of the overlay A.example stands before it"
    );
}

#[test]
fn a_document_type_declaration_is_refused() {
    let error = OverlayDocument::parse(&sample("dtd.xml")).unwrap_err();
    let line = "a document type declaration (DTD) is not allowed (byte 39)";
    assert_eq!(error.to_string(), line);
    assert!(OverlayDocument::parse_with(&sample("dtd.xml"), &ReadOptions::lenient()).is_err());
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let line = of(&format!("<no-ice>{}\n\n</no-ice>", "x\u{1b3}".repeat(500)));
    assert!(line.len() < 250, "{line}");
}

#[test]
fn deep_nesting_is_read_without_recursion() {
    let deep = "<ext:a>".repeat(100_000) + &"</ext:a>".repeat(100_000);
    let read = OverlayDocument::parse(document(&deep).as_bytes());
    assert_eq!(read.unwrap().configurations()[0].extensions.len(), 1);
    let deeper = "<ext:a>".repeat(600_000) + &"</ext:a>".repeat(600_000);
    assert_eq!(refusal(&document(&deeper)), "not well-formed XML: nodes limit reached");
}

// R6940-6.5.4.1-02
#[test]
fn a_kind_block_stands_alone_only_as_one_element() {
    let options = ReadOptions::default();
    let block = format!("<kind-block><kind id='4026531841'>{KIND}</kind></kind-block>");
    assert!(KindBlock::parse(block.as_bytes(), &options).is_ok());
    for text in [
        String::new(),
        format!("{block}{block}"),
        format!("{block}</overlay><overlay>"),
        "<kind/>".to_owned(),
        format!("<!DOCTYPE a>{block}"),
        format!("<?xml version='1.0' encoding='latin1'?>{block}"),
    ] {
        assert!(KindBlock::parse(text.as_bytes(), &options).is_err(), "{text}");
    }
}

/// Documents with as many faults, elements, attributes and namespaces as fit. Work that grows with
/// the square of the size would need minutes here.
#[test]
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn large_documents_take_time_in_proportion_to_their_size() {
    let fill = |part: &str| part.repeat(1_500_000 / part.len());
    let attributes: String = (0..60).map(|n| format!(" a{n}=''")).collect();
    let namespaces: String = (0..200).map(|n| format!("<ext:a xmlns:p{n}='u{n}'>")).collect();
    let configurations: String =
        (0..30_000).map(|n| format!("<configuration instance-name='a{n}'/>")).collect();
    let contents = [
        fill("<mandatory-extension>urn:x</mandatory-extension>\n"),
        fill("<bad-node>00</bad-node>\n"),
        fill("<ext:a/>"),
        format!("<ext:a>{}</ext:a>", fill("<![CDATA[a]]>&amp;")),
        format!("<ext:a>{}</ext:a>", fill(&format!("<b{attributes}/>"))),
        format!("{namespaces}{}{}", fill("<p1:a p2:a=''/>"), "</ext:a>".repeat(200)),
        format!("</configuration>{configurations}<configuration instance-name='x'>"),
    ];
    let start = std::time::Instant::now();
    for content in &contents {
        let read =
            OverlayDocument::parse_with(document(content).as_bytes(), &ReadOptions::lenient());
        assert!(read.is_ok());
    }
    assert!(start.elapsed().as_secs() < 60);
}
