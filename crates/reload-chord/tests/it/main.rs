//! Rings of `Chord` instances in a toy network, compared with the sorted list of their Node-IDs.

mod admitting;
mod client_alone;
mod clients;
mod copying;
mod duties;
mod failing;
mod joining;
mod joining_alone;
mod keeping;
mod leaving;
mod network;
mod requests;
mod routing;
mod soak;
mod telling;
