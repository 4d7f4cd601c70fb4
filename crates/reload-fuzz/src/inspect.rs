//! The tree of a message: every byte once, and the faults that the decoders find.

use bytes::Bytes;
use reload_inspect::{Context, Input, Inspection, Kind, Node};
use reload_wire::{DataModel, DecodeError, Dialect, KindId, MessageParts};

/// One message, or what shall be one.
pub fn inspect(data: &[u8]) {
    let kinds = [(2, DataModel::Single), (3, DataModel::Array), (1, DataModel::Dictionary)];
    let kinds = kinds.map(|(id, model)| (KindId(id), Kind { model, name: None }));
    let known = Context { kinds: kinds.into(), ..Context::default() };
    for context in [Context::default(), known] {
        let frames = context.inspect(Input::Frames, data);
        tiles(&frames.tree, 0, data.len());
        let messages = context.inspect(Input::Messages, data);
        tiles(&messages.tree, 0, data.len());
        assert!(!messages.to_string().is_empty() || data.is_empty());
        // a message that says less than there is makes the rest another one
        if messages.tree.len() == 1 {
            compare(data, &messages);
        }
    }
}

/// What the decoder of messages says is said here too.
fn compare(data: &[u8], inspection: &Inspection) {
    let decoded = MessageParts::decode(&Dialect::default(), &Bytes::copy_from_slice(data));
    let roots = ["header.", "message."];
    let mut told = inspection.problems.iter();
    match decoded {
        Ok(_) => {
            let wrong = told.find(|it| roots.iter().any(|root| it.field.starts_with(root)));
            assert_eq!(wrong, None, "{inspection}");
        }
        // a fragment is shown as one, and is no fault here
        Err(error) if error.field() == "message.fragment" => {}
        Err(error) => assert!(told.any(|it| same(it, &error)), "{error}\n{inspection}"),
    }
}

fn same(problem: &reload_inspect::Problem, error: &DecodeError) -> bool {
    let found = (problem.offset, problem.field.as_str(), problem.fault);
    found == (error.offset(), error.field().as_str(), error.fault().name())
}

/// Every byte stands in exactly one leaf, or in the length of exactly one node.
fn tiles(nodes: &[Node], start: usize, end: usize) {
    let mut at = start;
    for node in nodes {
        assert_eq!(node.offset, at, "a gap or an overlap before {}", node.name);
        if !node.is_leaf() {
            tiles(&node.children, node.offset + node.length_bytes, node.end());
        }
        at = node.end();
    }
    assert_eq!(at, end, "bytes are missing at the end");
}
