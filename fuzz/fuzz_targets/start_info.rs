//! A domain as a builder made it, with lies in it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::start_info::run(data));
