#![no_main]
//! See `fuzz_bodies::package`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::package(bytes));
