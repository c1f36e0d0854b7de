//! The ramdisk as an archive.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::newc::run(data));
