#![no_main]
//! See `fuzz_bodies::request_for_entries`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::request_for_entries(bytes));
