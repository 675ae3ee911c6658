#![no_main]
//! See `fuzz_bodies::aggregator`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::aggregator(bytes));
