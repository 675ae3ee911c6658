#![no_main]
//! See `fuzz_bodies::receivers`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::receivers(bytes));
