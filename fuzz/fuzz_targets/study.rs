#![no_main]
//! See `fuzz_bodies::study`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::study(bytes));
