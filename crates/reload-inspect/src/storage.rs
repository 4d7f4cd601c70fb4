//! Store, Fetch, Stat and Find (section 7.4), and stored values as their data model has them.

use reload_wire::{DataModel, Decode, Fault, HashAlgorithm, KindId, StoredData};

use crate::body::resource;
use crate::chord::nodes;
use crate::link::address;
use crate::message::signature;
use crate::sip::sip_registration;
use crate::walk::{Name, Step, Walk};

pub(crate) fn store_req(walk: &mut Walk<'_>) -> Step {
    resource(walk, "resource")?;
    walk.uint8("replica_number")?;
    walk.nested("kind_data", None, 4, |walk| {
        walk.all(|walk| {
            walk.element("store_kind_data", Some("7.4.1.1"), |walk| {
                values(walk, "generation_counter", stored_data)
            })
        })
    })
}

pub(crate) fn store_ans(walk: &mut Walk<'_>) -> Step {
    walk.nested("kind_responses", None, 2, |walk| {
        walk.all(|walk| {
            walk.element("store_kind_response", Some("7.4.1.2"), |walk| {
                kind(walk)?;
                walk.uint64("generation_counter")?;
                nodes(walk, "replicas")
            })
        })
    })
}

pub(crate) fn fetch_req(walk: &mut Walk<'_>) -> Step {
    specifiers(walk)
}

pub(crate) fn fetch_ans(walk: &mut Walk<'_>) -> Step {
    walk.nested("kind_responses", None, 4, |walk| {
        walk.all(|walk| {
            walk.element("fetch_kind_response", Some("7.4.2.2"), |walk| {
                values(walk, "generation", stored_data)
            })
        })
    })
}

pub(crate) fn stat_req(walk: &mut Walk<'_>) -> Step {
    specifiers(walk)
}

pub(crate) fn stat_ans(walk: &mut Walk<'_>) -> Step {
    walk.nested("kind_responses", None, 4, |walk| {
        walk.all(|walk| {
            walk.element("stat_kind_response", Some("7.4.3.2"), |walk| {
                values(walk, "generation", stored_meta_data)
            })
        })
    })
}

pub(crate) fn find_req(walk: &mut Walk<'_>) -> Step {
    resource(walk, "resource")?;
    walk.nested("kinds", None, 1, |walk| walk.all(|walk| walk.kind("kind").map(drop)))
}

pub(crate) fn find_ans(walk: &mut Walk<'_>) -> Step {
    walk.nested("results", None, 2, |walk| {
        walk.all(|walk| {
            walk.element("find_kind_data", Some("7.4.4.2"), |walk| {
                kind(walk)?;
                resource(walk, "closest")
            })
        })
    })
}

fn kind(walk: &mut Walk<'_>) -> Step<KindId> {
    walk.kind("kind").map_err(|error| error.inside("kind"))
}

/// A Kind, its generation and its values.
fn values(
    walk: &mut Walk<'_>,
    generation: &'static str,
    element: fn(&mut Walk<'_>, Option<KindId>) -> Step,
) -> Step {
    let kind = kind(walk)?;
    walk.uint64(generation)?;
    walk.nested("values", None, 4, |walk| walk.all(|walk| element(walk, Some(kind))))
}

fn specifiers(walk: &mut Walk<'_>) -> Step {
    resource(walk, "resource")?;
    walk.nested("specifiers", None, 2, |walk| {
        walk.all(|walk| walk.element("stored_data_specifier", Some("7.4.2.1"), specifier))
    })
}

/// What of a Kind is wanted (section 7.4.2.1).
pub(crate) fn specifier(walk: &mut Walk<'_>) -> Step {
    let kind = kind(walk)?;
    walk.uint64("generation")?;
    let Some(model) = walk.context.model(kind) else {
        return walk.opaque("model_specifier", 2).map(drop);
    };
    walk.nested("model_specifier", Some("7.4.2.1"), 2, |walk| {
        walk.whole("model_specifier", |walk| model_specifier(walk, model));
        Ok(())
    })
}

/// Which values of a Kind, by its data model.
pub(crate) fn model_specifier(walk: &mut Walk<'_>, model: DataModel) -> Step {
    match model {
        DataModel::Single => Ok(()),
        DataModel::Array => walk.nested("indices", None, 2, |walk| walk.all(array_range)),
        DataModel::Dictionary => {
            walk.nested("keys", None, 2, |walk| walk.all(|walk| walk.text("dictionary_key", 2)))
        }
    }
}

fn array_range(walk: &mut Walk<'_>) -> Step {
    walk.element("array_range", Some("7.4.2.1"), array_range_fields)
}

/// The first and the last index.
pub(crate) fn array_range_fields(walk: &mut Walk<'_>) -> Step {
    let first = walk.uint32("first")?;
    let before = walk.rest();
    let last = walk.uint32("last")?;
    if first > last { walk.fail("last", Fault::NotAllowed, before) } else { Ok(()) }
}

/// A stored value (section 7).
pub(crate) fn stored_data(walk: &mut Walk<'_>, kind: Option<KindId>) -> Step {
    let dialect = walk.context.dialect;
    let whole = StoredData::decode(&dialect, walk.rest()).ok().map(|(_, data)| data);
    walk.nested(Name::new("length", "stored_data"), Some("7"), 4, |walk| {
        walk.time("storage_time")?;
        walk.uint32("lifetime")?;
        walk.mean("seconds");
        let model = kind.and_then(|kind| walk.context.model(kind));
        let Some(data) = whole else { return broken_value(walk, model) };
        let opened = model.map(|model| (model, data.open(&dialect, model)));
        let (model, length) = match opened {
            Some((model, Ok((data, _)))) => (Some(model), data.value.len()),
            Some((_, Err(error))) => {
                walk.note(0, &error);
                (None, data.value.len())
            }
            None => (None, data.value.len()),
        };
        value(walk, length, model, kind)?;
        walk.field("signature", Some("6.3.4"), signature)
    })
}

/// A value whose end was not found: as much of it as the model tells.
fn broken_value(walk: &mut Walk<'_>, model: Option<DataModel>) -> Step {
    let rest = walk.rest();
    if let Some(model) = model {
        // what is wrong with it is said below, as the decoder does
        let _ = walk.element("value", Some("7.2"), |walk| stored_data_value(walk, model, None));
    }
    walk.fail("value", Fault::NotAllowed, rest)
}

/// The value of so many bytes; opened if the model is known.
fn value(
    walk: &mut Walk<'_>,
    length: usize,
    model: Option<DataModel>,
    kind: Option<KindId>,
) -> Step {
    match model {
        None => walk.fixed("value", length).map(drop),
        Some(model) => walk.sized("value", Some("7.2"), length, |walk| {
            walk.whole("stored_data_value", |walk| stored_data_value(walk, model, kind));
            Ok(())
        }),
    }
}

/// A value with its place in the data model (section 7.2).
pub(crate) fn stored_data_value(
    walk: &mut Walk<'_>,
    model: DataModel,
    kind: Option<KindId>,
) -> Step {
    place(walk, model, |walk| data_value(walk, kind))
}

/// The place of a value, and the value with the names that errors give it.
fn place(walk: &mut Walk<'_>, model: DataModel, value: impl FnOnce(&mut Walk<'_>) -> Step) -> Step {
    match model {
        DataModel::Single => return value(walk),
        DataModel::Array => {
            if walk.uint32("index")? == u32::MAX {
                walk.mean("append, or the last");
            }
        }
        DataModel::Dictionary => walk.text("key", 2)?,
    }
    walk.field("value", Some("7.2"), value)
}

/// A value, or that there is none.
pub(crate) fn data_value(walk: &mut Walk<'_>, kind: Option<KindId>) -> Step {
    let exists = walk.boolean("exists")?;
    if kind == Some(KindId::TURN_SERVICE) && exists {
        return walk.nested("value", None, 4, |walk| {
            walk.whole("turn_server", |walk| walk.element("turn_server", Some("9"), turn_server));
            Ok(())
        });
    }
    if kind == Some(KindId::SIP_REGISTRATION) && exists {
        return walk.nested("value", None, 4, |walk| {
            walk.whole("sip_registration", |walk| {
                walk.element("sip_registration", Some("RFC 7904 3.2"), sip_registration)
            });
            Ok(())
        });
    }
    walk.text("value", 4)
}

/// A TURN server (section 9).
pub(crate) fn turn_server(walk: &mut Walk<'_>) -> Step {
    walk.uint8("iteration")?;
    walk.field("server_address", Some("6.3.1.1"), address)
}

/// What a Stat tells of a value (section 7.4.3.2).
pub(crate) fn stored_meta_data(walk: &mut Walk<'_>, kind: Option<KindId>) -> Step {
    walk.nested(Name::new("value_length", "stored_meta_data"), Some("7.4.3.2"), 4, |walk| {
        walk.time("storage_time")?;
        walk.uint32("lifetime")?;
        walk.mean("seconds");
        match kind.and_then(|kind| walk.context.model(kind)) {
            Some(model) => walk.whole("meta_data_value", |walk| meta_data_value(walk, model)),
            None => walk.remaining("metadata"),
        }
        Ok(())
    })
}

/// What is told of a value, with its place (section 7.4.3.2).
pub(crate) fn meta_data_value(walk: &mut Walk<'_>, model: DataModel) -> Step {
    place(walk, model, meta_data)
}

/// Size and hash of a value.
pub(crate) fn meta_data(walk: &mut Walk<'_>) -> Step {
    walk.boolean("exists")?;
    walk.uint32("value_length")?;
    let hash = HashAlgorithm(walk.uint8("hash_algorithm")?);
    walk.mean(hash);
    walk.opaque("hash_value", 1).map(drop)
}
