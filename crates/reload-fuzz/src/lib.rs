//! What the fuzz targets do with their bytes, and the seeds they start from.
//!
//! A target is a function that takes any bytes and must come back. Whatever decodes must encode again
//! and decode to the same value; a link must not care where its bytes are cut; a node must come to
//! rest after every input. The targets in `fuzz/` only call these functions; the test of this crate
//! runs the seeds and every earlier finding through them, without a fuzzer.

mod body;
mod configuration;
mod datagram;
mod form;
mod inspect;
mod link;
mod node;
mod round;
mod script;
mod seeds;
mod sip;
mod stored;
mod whole;

pub use body::{
    app_attach, attach, config_update, error_response, fetch, find, join, leave, ping, probe,
    route_query, stat, store, update,
};
pub use configuration::configuration;
pub use datagram::{dtls_records, endpoint_inputs, reliable_link, stun_ice};
pub use form::enrollment_form;
pub use inspect::inspect;
pub use link::link_stream;
pub use node::node_inputs;
pub use seeds::{Seed, findings, seeds};
pub use sip::{sip_media, sip_peer, sip_phone, sip_texts};
pub use stored::stored_values;
pub use whole::{frame, message, security_block};

/// A target: its name and what it does with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name, as in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Takes any bytes; panics where a rule is broken.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// Every target, in the order in which they are run.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $name }),*
        ];
    };
}

targets! {
    frame message inspect security_block stored_values link_stream configuration enrollment_form node_inputs
    probe attach app_attach join leave update route_query ping store fetch stat find config_update
    error_response dtls_records reliable_link stun_ice endpoint_inputs sip_texts sip_media sip_phone sip_peer
}
