//! Two homes reach each other, whatever stands between them: `cargo xtask e2e nat`.

mod changes;
mod everybody;
mod pairs;
mod sessions;
pub(crate) mod town;
