//! The vectors of `testvectors/`, messages of other stacks, and properties of every structure.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod fields;
mod foreign;
mod messages;
mod property;
mod refusals;
mod registries;
mod structure;
mod vectors;
