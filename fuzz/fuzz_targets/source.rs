//! A whole ramdisk.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::source::run(data));
