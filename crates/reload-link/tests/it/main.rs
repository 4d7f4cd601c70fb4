//! Links as their caller sees them: bytes cut anywhere, noise, and a pair in virtual time.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod dtls;
mod dtls_loss;
mod dtls_noise;
#[cfg(feature = "openssl")]
mod dtls_oracle;
mod dtls_programs;
mod dtls_rig;
mod lossy;
mod noise;
mod pair;
mod path;
mod reliable;
mod stream;
