//! Tests of the configuration document from outside: samples, refusals, writing, properties.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod domains;
mod grammar;
mod properties;
mod refusals;
mod registries;
mod samples;
mod signed_bytes;
mod usable;
mod writing;

use std::path::PathBuf;

/// A file of `testvectors/config`.
fn sample_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testvectors/config").join(name)
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(sample_path(name)).expect("the sample is in the repository")
}

/// A document whose one configuration has this content.
fn document(content: &str) -> String {
    format!(
        "<overlay xmlns='urn:ietf:params:xml:ns:p2p:config-base' \
         xmlns:chord='urn:ietf:params:xml:ns:p2p:config-chord' xmlns:ext='urn:example:ext'>\
         <configuration instance-name='a.example'>{content}</configuration></overlay>"
    )
}
