#![no_main]
//! See `fuzz_bodies::device_table`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::device_table(bytes));
