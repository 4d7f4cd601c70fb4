//! Rings of `Chord` instances in a toy network, compared with the sorted list of their Node-IDs.

mod joining;
mod network;
