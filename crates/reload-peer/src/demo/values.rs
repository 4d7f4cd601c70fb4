//! The hundred values of the demo: who stores what where.

use crate::control::{FetchReply, Place, Value, Which};
use crate::operations::StoreOrder;

/// The kinds that a new overlay has for its users.
const SINGLE: &str = "0xF0000001";
const ARRAY: &str = "0xF0000002";
const DICTIONARY: &str = "0xF0000003";
const NODE_MULTIPLE: &str = "0xF0000004";

/// Longer than the demo.
const LIFETIME: u32 = 3600;

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The number of the peer that stores it.
    pub(super) writer: usize,
    /// The resource name.
    pub(super) name: String,
    /// The kind.
    pub(super) kind: &'static str,
    /// Where within the kind.
    pub(super) place: Place,
    /// The value.
    pub(super) text: String,
}

/// Who writes: its user name and its Node-ID.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) user: String,
    pub(super) node_id: String,
}

/// `count` values by these writers in turn. A user may write under its name only (USER-MATCH), so
/// NODE-MULTIPLE, with 255 names for each node, is what spreads them over the ring.
pub(super) fn plan(writers: &[Writer], count: usize) -> Vec<Item> {
    let item = |number: usize| {
        let (writer, round) = (number % writers.len(), number / writers.len());
        let position = round + writer % 4;
        make(writer, &writers[writer], number, position)
    };
    (0..count).map(item).collect()
}

fn make(writer: usize, who: &Writer, number: usize, position: usize) -> Item {
    let user = || who.user.clone();
    let index = u32::try_from(position / 4).unwrap_or(u32::MAX);
    let (name, kind, place) = match position {
        0 => (user(), SINGLE, Place::Unsaid),
        _ => match position % 4 {
            2 => (user(), ARRAY, Place::Index(index)),
            3 => (user(), DICTIONARY, Place::Key(Value(format!("key {index}").into_bytes()))),
            _ => (format!("node:{}/{}", who.node_id, position), NODE_MULTIPLE, Place::Unsaid),
        },
    };
    Item { writer, name, kind, place, text: format!("value {number} of {}", who.user) }
}

impl Item {
    /// What to ask of the writer.
    pub(super) fn order(&self) -> StoreOrder {
        StoreOrder {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            place: self.place.clone(),
            value: Value(self.text.clone().into_bytes()),
            lifetime: LIFETIME,
            generation: 0,
        }
    }

    /// Which value to fetch.
    pub(super) fn which(&self) -> Which {
        match &self.place {
            Place::Index(index) => Which::Indices(vec![(*index, *index)]),
            Place::Key(key) => Which::Keys(vec![key.clone()]),
            Place::Unsaid | Place::Append => Which::All,
        }
    }

    /// Whether the answer is this value.
    pub(super) fn is_in(&self, reply: &FetchReply) -> bool {
        reply.values.iter().any(|entry| entry.value.0 == self.text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_hundred_values_of_all_kinds_each_in_its_own_place() {
        for peers in [4, 8, 13, 64] {
            let writer =
                |number| Writer { user: format!("u{number}@a.org"), node_id: "ab".repeat(16) };
            let writers: Vec<_> = (0..peers).map(writer).collect();
            let items = plan(&writers, 100);
            let kinds: BTreeSet<_> = items.iter().map(|item| item.kind).collect();
            assert_eq!(kinds.len(), 4, "{peers} peers");
            let places: BTreeSet<_> = items
                .iter()
                .map(|item| format!("{} {} {} {:?}", item.writer, item.name, item.kind, item.place))
                .collect();
            assert_eq!(places.len(), 100, "{peers} peers");
        }
    }
}
