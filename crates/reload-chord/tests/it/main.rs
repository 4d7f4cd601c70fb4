//! Rings of `Chord` instances in a toy network, compared with the sorted list of their Node-IDs.

mod clients;
mod duties;
mod failing;
mod joining;
mod keeping;
mod leaving;
mod network;
mod requests;
mod routing;
mod soak;
