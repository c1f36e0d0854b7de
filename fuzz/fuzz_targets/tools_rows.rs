//! What the toolstack and the guest print.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::tools_rows::run(data));
