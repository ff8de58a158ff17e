//! libFuzzer's door to the target `streams`. Read next: `../src/lib.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tripline_fuzz::run("streams", bytes));
