//! Logs of a guest's birth.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::report::run(data));
