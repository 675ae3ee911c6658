#![no_main]
//! See `fuzz_bodies::pages_and_rows`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::pages_and_rows(bytes));
