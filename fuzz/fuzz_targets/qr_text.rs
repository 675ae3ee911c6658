#![no_main]
//! See `fuzz_bodies::qr_text`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::qr_text(bytes));
