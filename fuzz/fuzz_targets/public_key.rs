#![no_main]
//! See `fuzz_bodies::public_key`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::public_key(bytes));
