//! libFuzzer's door to the target `events`. Read next: `../src/lib.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tripline_fuzz::run("events", bytes));
