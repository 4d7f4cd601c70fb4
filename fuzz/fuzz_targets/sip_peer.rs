//! The target of this name of `reload-fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| reload_fuzz::sip_peer(data));
