//! The vectors of `testvectors/`, messages of other stacks, and properties of every structure.

mod fields;
mod foreign;
mod property;
mod structure;
mod vectors;
