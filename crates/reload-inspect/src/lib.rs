//! Messages and frames of RELOAD (RFC 6940) as a tree of fields, for people.
//!
//! Every byte of the input stands in the tree once, with its offset, the section that defines it and
//! the names of code points. Broken input is shown as far as it can be read, and what is wrong is
//! said as the decoders of `reload-wire` say it: the field and the byte. No signature is checked
//! here, and nothing is read from a file.
//!
//! ```
//! use reload_inspect::{Context, Input};
//!
//! // an ACK of a link, and a frame of a type that does not exist
//! let bytes = [0x81, 0, 0, 0, 2, 0, 0, 0, 1, 0x55];
//! let inspection = Context::default().inspect(Input::Frames, &bytes);
//! assert_eq!(inspection.tree[0].name, "framed_message");
//! let problem = &inspection.problems[0];
//! assert_eq!((problem.offset, problem.field.as_str()), (9, "framed_message.type"));
//! ```

mod body;
mod chord;
mod date;
mod frames;
mod header;
mod link;
mod message;
mod node;
mod sip;
mod storage;
mod structure;
mod text;
mod walk;

use std::collections::BTreeMap;

use reload_wire::{DataModel, Dialect, FRAME_ACK, FRAME_DATA, KindId};
use serde::Serialize;

pub use node::{Node, Problem, Value};
use walk::Walk;

/// What the bytes do not tell.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The Node-ID length of the overlay.
    pub dialect: Dialect,
    /// The Kinds of the overlay: their values are opened.
    pub kinds: BTreeMap<KindId, Kind>,
}

/// What is known of a Kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its data model.
    pub model: DataModel,
    /// Its name, if it has one.
    pub name: Option<String>,
}

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Messages, one after the other.
    Messages,
    /// Frames, one after the other, as one direction of a link carries them.
    Frames,
}

impl Input {
    /// What the first byte looks like.
    #[must_use]
    pub fn guess(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(&(FRAME_DATA | FRAME_ACK)) => Self::Frames,
            _ => Self::Messages,
        }
    }
}

/// What the bytes hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The messages or frames, without a gap.
    pub tree: Vec<Node>,
    /// What is wrong, in the order of reading.
    pub problems: Vec<Problem>,
}

impl Context {
    /// Reads bytes to their end.
    #[must_use]
    pub fn inspect(&self, input: Input, bytes: &[u8]) -> Inspection {
        let mut walk = Walk::new(self, bytes);
        while !walk.rest().is_empty() {
            match input {
                Input::Messages => one_message(&mut walk),
                Input::Frames => walk.whole_but_rest("framed_message", frames::frame),
            }
        }
        let (tree, problems) = walk.finish();
        Inspection { tree, problems }
    }

    /// Reads bytes as one structure, named as in the RFC; `model` where the layout follows from the
    /// data model. `None` if there is no such structure.
    #[must_use]
    pub fn inspect_structure(
        &self,
        name: &str,
        model: Option<DataModel>,
        bytes: &[u8],
    ) -> Option<Inspection> {
        let mut walk = Walk::new(self, bytes);
        structure::structure(&mut walk, name, model).then(|| {
            let (tree, problems) = walk.finish();
            Inspection { tree, problems }
        })
    }

    fn model(&self, kind: KindId) -> Option<DataModel> {
        self.kinds.get(&kind).map(|known| known.model)
    }

    /// The name of a Kind and its data model.
    fn kind_meaning(&self, kind: KindId) -> Option<String> {
        let known = self.kinds.get(&kind);
        let name = known.and_then(|known| known.name.as_deref()).or_else(|| kind.name());
        let model = known.map(|known| known.model.name());
        match (name, model) {
            (Some(name), Some(model)) => Some(format!("{name}, {model}")),
            (Some(text), None) | (None, Some(text)) => Some(text.to_owned()),
            (None, None) => None,
        }
    }
}

/// The next message: as many bytes as its header says, or all if it does not say or says more.
fn one_message(walk: &mut Walk<'_>) {
    let there = walk.rest().len();
    let length = message::claimed_length(walk.rest());
    let length = length.filter(|length| (reload_wire::HEADER_SIZE..=there).contains(length));
    let read = walk.sized("message", Some("6.3"), length.unwrap_or(there), |walk| {
        message::message(walk);
        Ok(())
    });
    debug_assert!(read.is_ok(), "a message notes its faults itself");
}
