#![no_main]
//! See `fuzz_bodies::sealed`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::sealed(bytes));
