//! Links as their caller sees them: bytes cut anywhere, noise, and a pair in virtual time.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod lossy;
mod noise;
mod pair;
mod path;
mod reliable;
mod stream;
