#![no_main]
//! See `fuzz_bodies::imports`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::imports::archived(bytes));
