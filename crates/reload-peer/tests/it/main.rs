//! The real program, as a person and as a script use it.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod bad_input;
mod clients;
mod config;
mod configuration;
mod discovery;
mod enroll;
mod inspect;
mod links;
mod peers;
mod pipes;
mod sip;
mod support;
mod turn;
