//! Reads the language-neutral test vectors in `testvectors/`; the README there tells their form.
//!
//! Only for tests. A vector that cannot be read is a mistake in the repository, so reading fails
//! with an error that names the file.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why the vectors cannot be read.
#[derive(Debug)]
pub enum VectorError {
    /// A file cannot be read.
    File(PathBuf, std::io::Error),
    /// A file is not of the form that the README tells.
    Form(PathBuf, Box<toml::de::Error>),
}

impl std::fmt::Display for VectorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Form(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for VectorError {}

/// The vectors of one structure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Structure {
    /// The name in RFC 6940.
    pub name: String,
    /// The section that defines it.
    pub section: String,
    /// Encodings and what they mean.
    #[serde(default)]
    pub valid: Vec<Valid>,
    /// Bytes that must be refused.
    #[serde(default)]
    pub invalid: Vec<Invalid>,
}

/// An encoding and what it means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valid {
    /// What it is an example of.
    pub name: String,
    /// The bytes.
    pub hex: Hex,
    /// The values of the fields.
    #[serde(default)]
    pub fields: toml::Table,
    /// The length of Node-IDs.
    #[serde(default = "sixteen")]
    pub node_id_length: u8,
    /// The data model, where the bytes do not tell it.
    pub model: Option<String>,
    /// Another encoding of the same value, which an encoder must not produce.
    #[serde(default)]
    pub not_canonical: bool,
}

/// Bytes that must be refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invalid {
    /// What is wrong with them.
    pub name: String,
    /// The bytes.
    pub hex: Hex,
    /// The error: one of the names in the README.
    pub error: String,
    /// Where: names with dots between, from the structure to the field.
    pub field: String,
    /// The byte at which the error is noticed.
    pub at: usize,
    /// The length of Node-IDs.
    #[serde(default = "sixteen")]
    pub node_id_length: u8,
    /// The data model, where the bytes do not tell it.
    pub model: Option<String>,
}

fn sixteen() -> u8 {
    16
}

/// Bytes written as hexadecimal digits, with blanks and line ends anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hex(pub Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        hex::decode(digits).map(Self)
    }
}

/// A message as the encoder of another stack wrote it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// The stack.
    pub stack: String,
    /// What the message is.
    pub name: String,
    /// The bytes.
    pub hex: Hex,
    /// It holds an opaque id in the long form that is written in the two-byte form.
    #[serde(default)]
    pub long_opaque_id: bool,
    /// Its version is that of the drafts: it must be refused, and is right but for that.
    #[serde(default)]
    pub draft_version: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    structure: Vec<Structure>,
}

/// A whole message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What it is.
    pub name: String,
    /// The bytes.
    pub hex: Hex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFile {
    message: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignFile {
    message: Vec<Foreign>,
}

/// The folder of the vectors.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testvectors")
}

/// The structures in every file of `testvectors/wire`, in the order of the file names.
///
/// # Errors
/// A file cannot be read or has another form.
pub fn structures() -> Result<Vec<Structure>, VectorError> {
    let folder = folder().join("wire");
    let entries = fs::read_dir(&folder).map_err(|error| VectorError::File(folder, error))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        all.extend(read::<File>(path)?.structure);
    }
    Ok(all)
}

/// The messages of other stacks.
///
/// # Errors
/// The file cannot be read or has another form.
pub fn foreign() -> Result<Vec<Foreign>, VectorError> {
    Ok(read::<ForeignFile>(folder().join("foreign.toml"))?.message)
}

/// Whole messages, at least one of every method.
///
/// # Errors
/// The file cannot be read or has another form.
pub fn messages() -> Result<Vec<Message>, VectorError> {
    Ok(read::<MessageFile>(folder().join("messages.toml"))?.message)
}

fn read<T: for<'de> Deserialize<'de>>(path: PathBuf) -> Result<T, VectorError> {
    let text = fs::read_to_string(&path).map_err(|error| VectorError::File(path.clone(), error))?;
    toml::from_str(&text).map_err(|error| VectorError::Form(path, Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_hex_do_not_count() {
        assert_eq!(Hex::try_from("01 0a\n ff".to_owned()).unwrap(), Hex(vec![1, 10, 255]));
        assert!(Hex::try_from("0".to_owned()).is_err());
    }

    #[test]
    fn every_structure_has_vectors_of_both_sorts() {
        let structures = structures().unwrap();
        assert!(!structures.is_empty());
        for structure in structures {
            assert!(!structure.valid.is_empty(), "{} has no valid vector", structure.name);
            assert!(structure.invalid.len() >= 3, "{} has too few rejects", structure.name);
        }
    }
}
