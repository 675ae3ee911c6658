#![no_main]
//! See `fuzz_bodies::roster`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::roster(bytes));
