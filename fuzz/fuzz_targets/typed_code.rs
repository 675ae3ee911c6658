#![no_main]
//! See `fuzz_bodies::typed_code`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::typed_code(bytes));
