//! ConfigUpdate, and living by a new configuration (sections 6.5.4 and 11.1).

use bytes::Bytes;
use reload_config::{ConfigurationBuilder, KindBlock};
use reload_node::Event;
use reload_topology::Input;
use reload_wire::{ConfigUpdateReq, ErrorCode, KindId, MessageCode};

use crate::actor::{Actor, Draft};
use crate::bench::Bench;

fn update(from: &Actor, bench: &Bench, body: &ConfigUpdateReq) -> Draft {
    let mut draft = from.request(bench.here(), MessageCode::CONFIG_UPDATE_REQUEST, body);
    draft.header.configuration_sequence = 65535;
    draft
}

/// Sends a document; returns the code of the answer.
fn send(bench: &mut Bench, document: Bytes) -> Result<(), ErrorCode> {
    let (from, link) = bench.linked(1);
    let draft = update(&from, bench, &ConfigUpdateReq::Config(document));
    bench.hear(link, &from, &draft);
    let sent = bench.take(link);
    let answers = |code| move |m: &&reload_wire::MessageParts| m.contents.code == code;
    if sent.iter().any(|m| answers(MessageCode::CONFIG_UPDATE_ANSWER)(&m)) {
        return Ok(());
    }
    let error = sent.iter().find(answers(MessageCode::ERROR)).expect("it is answered");
    let body = &error.contents.body;
    let error: reload_wire::ErrorResponse =
        reload_wire::Decode::decode_exact(&bench.dialect(), body).expect("an error");
    Err(error.code)
}

fn sequence(bench: &Bench) -> u16 {
    bench.node.configuration().sequence
}

// R6940-6.5.4.2-02, R6940-6.5.4.2-07, R6940-11.1-49
#[test]
fn a_newer_signed_document_is_applied_and_told() {
    let mut bench = Bench::new();
    let document = bench.overlay.document(|c| {
        c.sequence = 2;
        c.initial_ttl = 50;
    });
    assert_eq!(send(&mut bench, document.clone()), Ok(())); // 6.5.4.2
    assert_eq!((sequence(&bench), bench.node.configuration().initial_ttl), (2, 50));
    let told = |event: &Event| matches!(event, Event::Configured { sequence: 2, document: d } if *d == document);
    assert!(bench.events.iter().any(told));
    assert_eq!(bench.desk.told(|input| matches!(input, Input::Configure { .. })), 1);
}

#[test]
fn the_document_in_force_is_accepted_again_without_effect() {
    let mut bench = Bench::new();
    let document = bench.overlay.configuration.document.bytes().clone();
    assert_eq!(send(&mut bench, document), Ok(())); // 6.2.1: an equal answer to a repetition
    assert_eq!(bench.desk.told(|input| matches!(input, Input::Configure { .. })), 0);
}

// R6940-6.5.4.2-02, R6940-6.5.4.2-03, R6940-6.5.4.2-04
#[test]
fn a_document_is_refused_for_each_thing_that_is_wrong_with_it() {
    let newer = |c: &mut ConfigurationBuilder| c.sequence = 6;
    let older = |c: &mut ConfigurationBuilder| c.sequence = 4;
    let mut bench = Bench::configured(|c| c.sequence = 5);
    let forged = bench.overlay.forged(newer);
    let older = bench.overlay.document(older);
    let cases = [
        (older, ErrorCode::CONFIG_TOO_OLD),
        (forged, ErrorCode::FORBIDDEN),
        (Bytes::from_static(b"<overlay"), ErrorCode::INVALID_MESSAGE),
    ];
    for (document, code) in cases {
        assert_eq!(send(&mut bench, document), Err(code)); // 6.5.4.2
        assert_eq!(sequence(&bench), 5);
    }
}

// R6940-6.5.4.2-07, R6940-11.1-50
#[test]
fn a_signed_document_that_this_node_cannot_live_with_makes_it_leave() {
    let mut bench = Bench::new();
    let document = bench.overlay.document(|c| {
        c.sequence = 2;
        c.mandatory_extensions = vec!["urn:example:nobody-has-this".to_owned()];
    });
    assert_eq!(send(&mut bench, document), Ok(()));
    assert_eq!(bench.desk.told(|input| matches!(input, Input::Leave)), 1); // 11.1
    assert!(bench.events.iter().any(|event| matches!(event, Event::Unsupported { .. })));
    assert_eq!(sequence(&bench), 1);
}

#[test]
fn a_node_that_became_bad_loses_its_link() {
    let mut bench = Bench::new();
    let (bad, link) = bench.linked(2);
    let document = bench.overlay.document(|c| {
        c.sequence = 2;
        c.bad_nodes = vec![bad.id];
    });
    assert_eq!(send(&mut bench, document), Ok(()));
    assert_eq!(bench.closed, [link]); // 11.1
    let again = bench.accept(&bad);
    assert_eq!(bench.closed, [link, again]);
}

// R6940-11.1-50
#[test]
fn a_node_that_became_bad_itself_leaves() {
    let mut bench = Bench::new();
    let own = bench.id();
    let document = bench.overlay.document(|c| {
        c.sequence = 2;
        c.bad_nodes = vec![own];
    });
    assert_eq!(send(&mut bench, document), Ok(()));
    assert_eq!(bench.desk.told(|input| matches!(input, Input::Leave)), 1);
}

#[test]
fn messages_of_a_bad_node_are_dropped_even_when_others_pass_them_on() {
    let mut bench = Bench::new();
    let bad = bench.actor(2);
    let document = bench.overlay.document(|c| {
        c.sequence = 2;
        c.bad_nodes = vec![bad.id];
    });
    assert_eq!(send(&mut bench, document), Ok(()));
    let (_, link) = bench.linked(3);
    let mut draft = bad.ping(bench.here());
    draft.header.configuration_sequence = 2;
    bench.hear(link, &bad, &draft);
    assert!(bench.take(link).is_empty());
}

// R6940-11.1-49
#[test]
fn a_further_root_certificate_costs_no_link() {
    let mut bench = Bench::new();
    let (node, link) = bench.linked(2);
    let root = bench.overlay.other_root();
    let document = bench.overlay.document(|c| {
        c.sequence = 2;
        c.root_certs.push(root);
    });
    assert_eq!(send(&mut bench, document), Ok(()));
    assert!(bench.closed.is_empty()); // 11.1: their certificates still hold
    bench.sent.clear();
    let mut draft = node.ping(bench.here());
    draft.header.configuration_sequence = 2;
    bench.hear(link, &node, &draft);
    assert_eq!(bench.only(link).contents.code, MessageCode::PING_ANSWER);
}

// R6940-11.1-49
#[test]
fn the_linked_nodes_are_shown_the_new_sequence() {
    let mut bench = Bench::new();
    let (_, link) = bench.linked(2);
    let document = bench.overlay.document(|c| c.sequence = 2);
    assert_eq!(send(&mut bench, document), Ok(()));
    let ping = bench.only(link); // 6.3.2.1: who has an older one will say so
    assert_eq!(ping.header.configuration_sequence, 2);
}

/// A private kind as a signed `kind-block`.
fn kind_block(bench: &Bench, max_size: u32) -> Bytes {
    let mut definition = bench.node.configuration().kinds[0].definition.clone();
    definition.id = KindId(0xf000_0077);
    definition.name = None;
    definition.max_size = max_size;
    let mut block = KindBlock::new(definition);
    block.signature = Some(bench.overlay.sign_kind(&block.raw));
    block.to_xml().into()
}

fn send_kind(bench: &mut Bench, block: Bytes) -> bool {
    let (from, link) = bench.linked(1);
    let draft = update(&from, bench, &ConfigUpdateReq::Kinds(vec![block]));
    bench.hear(link, &from, &draft);
    bench.take(link).iter().any(|m| m.contents.code == MessageCode::CONFIG_UPDATE_ANSWER)
}

// R6940-6.5.4.2-06
#[test]
fn a_signed_kind_is_added_and_a_conflicting_one_refused() {
    let mut bench = Bench::new();
    let (first, other) = (kind_block(&bench, 100), kind_block(&bench, 200));
    assert!(send_kind(&mut bench, first.clone()));
    assert!(bench.node.configuration().kind(KindId(0xf000_0077)).is_some());
    assert!(send_kind(&mut bench, first), "again without effect");
    assert!(!send_kind(&mut bench, other)); // 6.5.4.2
}

// R6940-6.5.4.2-05
#[test]
fn a_kind_without_a_good_signature_is_refused() {
    let mut bench = Bench::new();
    let good = kind_block(&bench, 100);
    let damaged = String::from_utf8_lossy(&good).replace("100", "101");
    assert!(!send_kind(&mut bench, damaged.into_bytes().into())); // 6.5.4.2
    assert!(bench.node.configuration().kind(KindId(0xf000_0077)).is_none());
}
