#![no_main]
//! See `fuzz_bodies::put_and_take_in`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::put_and_take_in(bytes));
