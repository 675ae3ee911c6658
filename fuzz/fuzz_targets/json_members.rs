#![no_main]
//! See `fuzz_bodies::json_members`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::json_members(bytes));
