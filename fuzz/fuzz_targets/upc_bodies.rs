#![no_main]
//! See `fuzz_bodies::upc_bodies`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::upc_bodies(bytes));
