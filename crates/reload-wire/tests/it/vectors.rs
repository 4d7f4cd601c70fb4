//! The vectors made by hand from the RFC.

use reload_vectors::structures;
use reload_wire::{DataModel, Dialect, NodeIdLength};

use crate::structure::{self, NAMES};

fn dialect(node_id_length: u8) -> Dialect {
    Dialect::new(NodeIdLength::new(node_id_length).unwrap())
}

fn model(name: Option<&String>) -> Option<DataModel> {
    name.map(|name| DataModel::from_name(name).unwrap_or_else(|| panic!("no model {name}")))
}

#[test]
fn every_structure_has_vectors() {
    let covered: Vec<String> = structures().unwrap().into_iter().map(|it| it.name).collect();
    for name in NAMES.iter().chain(&["StoredDataValue", "MetaDataValue", "ModelSpecifier"]) {
        assert!(covered.iter().any(|it| it == name), "{name} has no vectors");
    }
}

#[test]
fn valid_vectors_decode_to_their_fields_and_encode_to_their_bytes() {
    for structure in structures().unwrap() {
        for vector in &structure.valid {
            let label = format!("{}: {}", structure.name, vector.name);
            let dialect = dialect(vector.node_id_length);
            let bytes = &vector.hex.0;
            let read =
                structure::decode(&structure.name, model(vector.model.as_ref()), &dialect, bytes)
                    .unwrap_or_else(|error| panic!("{label}: {error}"));
            let found = match read.fields {
                toml::Value::Table(table) => table,
                single => toml::Table::from_iter([("value".to_owned(), single)]),
            };
            assert_eq!(found, vector.fields, "{label}");
            if vector.not_canonical {
                assert_ne!(read.written.ok().as_deref(), Some(&bytes[..]), "{label}");
            } else {
                assert_eq!(read.written.unwrap(), bytes, "{label}");
            }
        }
    }
}

#[test]
fn broken_vectors_are_refused_with_their_error_field_and_byte() {
    for structure in structures().unwrap() {
        for vector in &structure.invalid {
            let label = format!("{}: {}", structure.name, vector.name);
            let dialect = dialect(vector.node_id_length);
            let model = model(vector.model.as_ref());
            match structure::decode(&structure.name, model, &dialect, &vector.hex.0) {
                Ok(_) => panic!("{label}: decoded"),
                Err(error) => {
                    let found = (error.fault().name(), error.field(), error.offset());
                    let expected = (vector.error.as_str(), vector.field.clone(), vector.at);
                    assert_eq!(found, expected, "{label}");
                }
            }
        }
    }
}

#[test]
fn every_strict_prefix_of_a_valid_vector_is_refused() {
    for structure in structures().unwrap() {
        for vector in &structure.valid {
            let dialect = dialect(vector.node_id_length);
            let model = model(vector.model.as_ref());
            for end in 0..vector.hex.0.len() {
                let part = &vector.hex.0[..end];
                let read = structure::decode(&structure.name, model, &dialect, part);
                assert!(read.is_err(), "{}: {} cut at {end}", structure.name, vector.name);
            }
        }
    }
}
