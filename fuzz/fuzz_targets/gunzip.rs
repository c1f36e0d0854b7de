//! The ramdisk as a gzip stream.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revector_fuzz::gunzip::run(data));
