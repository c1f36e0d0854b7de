//! Kernels that the host command reads.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::check::run(data));
