//! Trees of the vectors and of broken bytes.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use proptest::prelude::*;
use reload_inspect::{Context, Input, Inspection, Kind, Node};
use reload_vectors::{Message, messages, structures};
use reload_wire::{DataModel, Dialect, Encode, FramedMessage, KindId, NodeIdLength};

/// The Kinds of the messages among the vectors, and what a new overlay has.
fn context() -> Context {
    let kind = |number, model, name: Option<&str>| {
        (KindId(number), Kind { model, name: name.map(str::to_owned) })
    };
    let kinds = [
        kind(1, DataModel::Dictionary, None),
        kind(2, DataModel::Single, None),
        kind(3, DataModel::Array, None),
        kind(0x10, DataModel::Array, None),
        kind(0xf000_0001, DataModel::Single, Some("notes")),
        kind(0xf000_0002, DataModel::Array, None),
        kind(0xf000_0003, DataModel::Dictionary, None),
    ];
    Context { kinds: kinds.into(), ..Context::default() }
}

/// Every byte stands in exactly one leaf, or in the length of exactly one node.
fn check_tiles(nodes: &[Node], start: usize, end: usize) {
    let mut at = start;
    for node in nodes {
        assert_eq!(node.offset, at, "a gap or an overlap before {}", node.name);
        if node.is_leaf() {
            assert!(node.children.is_empty(), "{} is leaf and structure", node.name);
        } else {
            check_tiles(&node.children, node.offset + node.length_bytes, node.end());
        }
        at = node.end();
    }
    assert_eq!(at, end, "bytes are missing at the end");
}

fn checked(context: &Context, input: Input, bytes: &[u8]) -> Inspection {
    let inspection = context.inspect(input, bytes);
    check_tiles(&inspection.tree, 0, bytes.len());
    inspection
}

fn has_unread(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| node.name == "unread" || has_unread(&node.children))
}

#[test]
fn every_message_is_shown_with_every_byte_once() {
    for Message { name, hex } in messages().unwrap() {
        for context in [context(), Context::default()] {
            let inspection = checked(&context, Input::Messages, &hex.0);
            assert_eq!(inspection.problems, [], "{name}: {inspection}");
            assert!(!has_unread(&inspection.tree), "{name}: {inspection}");
        }
    }
}

#[test]
fn several_messages_and_frames_are_shown_one_after_the_other() {
    let all = messages().unwrap();
    let bytes: Vec<u8> = all.iter().flat_map(|message| message.hex.0.clone()).collect();
    let inspection = checked(&context(), Input::guess(&bytes), &bytes);
    assert_eq!((inspection.tree.len(), inspection.problems.len()), (all.len(), 0));
    let mut frames = Vec::new();
    for (sequence, message) in (0..).zip(&all) {
        let message = message.hex.0.clone().into();
        frames.extend(FramedMessage::Data { sequence, message }.to_bytes().unwrap());
        let ack = FramedMessage::Ack { ack_sequence: sequence, received: 1 };
        frames.extend(ack.to_bytes().unwrap());
    }
    let inspection = checked(&context(), Input::guess(&frames), &frames);
    assert_eq!((inspection.tree.len(), inspection.problems.len()), (2 * all.len(), 0));
}

#[test]
fn broken_vectors_are_shown_with_their_field_and_byte() {
    for structure in structures().unwrap() {
        for vector in &structure.invalid {
            let label = format!("{}: {}", structure.name, vector.name);
            let inspection = structure_of(
                &structure.name,
                vector.node_id_length,
                vector.model.as_deref(),
                &vector.hex.0,
            );
            check_tiles(&inspection.tree, 0, vector.hex.0.len());
            let told = inspection.problems.iter().any(|problem| {
                let found = (problem.fault, problem.field.as_str(), problem.offset);
                found == (vector.error.as_str(), vector.field.as_str(), vector.at)
            });
            assert!(told, "{label}\n{inspection}");
        }
    }
}

#[test]
fn valid_vectors_are_shown_whole() {
    for structure in structures().unwrap() {
        // its message is some bytes and no message
        for vector in structure.valid.iter().filter(|_| structure.name != "FramedMessage") {
            let label = format!("{}: {}", structure.name, vector.name);
            let inspection = structure_of(
                &structure.name,
                vector.node_id_length,
                vector.model.as_deref(),
                &vector.hex.0,
            );
            check_tiles(&inspection.tree, 0, vector.hex.0.len());
            let problems = inspection.problems.iter().filter(|problem| {
                // bytes in fields that the vector leaves to others
                !["chord_leave_data", "store_ans", "unknown_kinds"].iter().any(|inner| {
                    problem.field.starts_with(inner) && !structure_is(&structure.name, inner)
                })
            });
            assert_eq!(problems.count(), 0, "{label}\n{inspection}");
        }
    }
}

fn structure_is(name: &str, field: &str) -> bool {
    name.to_lowercase() == field.replace('_', "")
}

fn structure_of(name: &str, node_id_length: u8, model: Option<&str>, bytes: &[u8]) -> Inspection {
    let dialect = Dialect::new(NodeIdLength::new(node_id_length).unwrap());
    let model = model.map(|name| DataModel::from_name(name).unwrap());
    let inspection =
        Context { dialect, ..Context::default() }.inspect_structure(name, model, bytes);
    inspection.unwrap_or_else(|| panic!("no structure {name}"))
}

#[test]
fn a_message_that_is_cut_is_shown_up_to_the_cut() {
    for Message { name, hex } in messages().unwrap() {
        for end in 1..hex.0.len() {
            let inspection = checked(&context(), Input::Messages, &hex.0[..end]);
            assert!(!inspection.problems.is_empty(), "{name} cut at {end}");
        }
        let inspection = context().inspect(Input::Messages, &hex.0[..hex.0.len() - 1]);
        let text = inspection.to_string();
        assert!(text.contains("identity_type") && text.contains("message_code"), "{name}\n{text}");
        let last = inspection.problems.last().unwrap();
        assert_eq!(last.field, "message.security_block.signature.signature_value", "{name}");
    }
}

#[test]
fn a_fault_in_a_body_does_not_hide_what_is_behind_it() {
    let ping = messages().unwrap().into_iter().find(|message| message.name.starts_with("Ping"));
    let mut bytes = ping.unwrap().hex.0;
    let tree = context().inspect(Input::Messages, &bytes).tree;
    let body = found(&tree, "message_body").unwrap();
    bytes[body.offset + body.length_bytes + 1] ^= 0xff; // the length of the padding
    let inspection = checked(&context(), Input::Messages, &bytes);
    let [problem] = inspection.problems.as_slice() else { panic!("{inspection}") };
    assert_eq!((problem.fault, problem.field.as_str()), ("truncated", "ping_req.padding"));
    assert!(inspection.to_string().contains("signature_value"), "{inspection}");
}

#[test]
fn a_fragment_is_shown_as_one_and_its_length_is_checked() {
    let mut bytes = messages().unwrap()[0].hex.0.clone();
    bytes[12..16].copy_from_slice(&[0x80, 0, 1, 0]);
    let inspection = checked(&context(), Input::Messages, &bytes);
    let text = inspection.to_string();
    assert_eq!(inspection.problems, []);
    assert!(text.contains("(a part, from byte 256)") && text.contains("fragment_data"), "{text}");
    bytes[16..20].fill(0);
    let inspection = checked(&context(), Input::Messages, &bytes);
    let [problem] = inspection.problems.as_slice() else { panic!("{inspection}") };
    assert_eq!((problem.fault, problem.field.as_str()), ("length-mismatch", "header.length"));
}

/// The first node of this name.
fn found<'a>(nodes: &'a [Node], name: &str) -> Option<&'a Node> {
    nodes.iter().find_map(
        |node| {
            if node.name == name { Some(node) } else { found(&node.children, name) }
        },
    )
}

#[test]
fn json_has_offsets_values_and_transaction_ids_of_16_digits() {
    let message = &messages().unwrap()[0];
    let inspection = context().inspect(Input::Messages, &message.hex.0);
    let json: serde_json::Value =
        serde_json::from_str(&serde_json::to_string(&inspection).unwrap()).unwrap();
    let header = &json["tree"][0]["children"][0];
    assert_eq!((&header["name"], &header["section"]), (&"header".into(), &"6.3.2".into()));
    let id = &header["children"][7];
    assert_eq!((&id["name"], &id["offset"]), (&"transaction_id".into(), &20.into()));
    assert_eq!(id["value"], hex::encode(&message.hex.0[20..28]));
    assert_eq!(json["problems"], serde_json::json!([]));
}

#[test]
fn text_names_code_points_kinds_and_sections() {
    let text = |name: &str| {
        let message = messages().unwrap().into_iter().find(|message| message.name == name);
        context().inspect(Input::Messages, &message.unwrap().hex.0).to_string()
    };
    let probe = text("Probe for all three");
    assert!(probe.contains("message_code: 1 (probe_req)"), "{probe}");
    assert!(probe.contains("type: 3 (uptime)"), "{probe}");
    let store = text("Store of a single value");
    assert!(
        store.contains("stored_data (7)") && store.contains("(TURN-SERVICE, SINGLE)"),
        "{store}"
    );
    assert!(store.contains("addr: c0000201 (192.0.2.1)"), "{store}");
}

proptest! {
    #[test]
    fn any_bytes_are_shown_once(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        checked(&context(), Input::Frames, &bytes);
        checked(&context(), Input::Messages, &bytes);
    }

    #[test]
    fn a_message_with_changed_bytes_is_shown_once(
        number in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = number.get(&messages().unwrap()).hex.0.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        checked(&context(), Input::Messages, &bytes);
    }
}
