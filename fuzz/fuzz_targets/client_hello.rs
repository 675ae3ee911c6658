#![no_main]
//! See `fuzz_bodies::client_hello`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::client_hello(bytes));
