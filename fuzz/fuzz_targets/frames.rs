//! Answers to calls, cut anyhow: `cargo fuzz run frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| larder::fuzzing::frames(bytes));
