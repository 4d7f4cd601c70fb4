//! Ordinary SIP phones: first alone, so that a failure behind the overlay is not one of theirs, then with
//! an overlay in place of a server. All but the first are run by `cargo xtask e2e sip`.

mod busy;
mod calls;
mod devices;
mod failures;
mod homes;
mod load;
mod names;
mod phones;
mod village;
mod world;
