#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| reload_fuzz::inspect(data));
