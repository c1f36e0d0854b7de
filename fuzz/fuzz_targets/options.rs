//! The command line.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::options::run(data));
