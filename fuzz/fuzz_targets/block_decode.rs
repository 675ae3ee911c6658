#![no_main]
//! See `runtime_store::block::fuzz_decode`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::block_decode(bytes));
