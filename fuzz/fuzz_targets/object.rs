//! A module as an object.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::object::run(data));
