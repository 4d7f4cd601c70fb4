//! Ordinary SIP phones: first alone, so that a failure behind the overlay is not one of theirs, then with
//! an overlay in place of a server. All but the first are run by `cargo xtask e2e sip`.

mod load;
mod phones;
