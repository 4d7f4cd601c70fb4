//! The rules of certificates and signatures, seen from outside of the crate.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod chain;
mod configuration;
mod details;
mod fixture;
mod issue;
mod message;
mod openssl;
mod properties;
mod self_signed;
#[cfg(feature = "simulation")]
mod simulation;
mod values;
mod vectors;
