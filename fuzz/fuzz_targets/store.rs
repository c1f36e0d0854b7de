//! What a xenstored sends.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::store::run(data));
