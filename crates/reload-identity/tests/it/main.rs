//! The rules of certificates and signatures, seen from outside of the crate.

mod chain;
mod configuration;
mod fixture;
mod issue;
mod message;
mod openssl;
mod self_signed;
#[cfg(feature = "simulation")]
mod simulation;
mod values;
mod vectors;
