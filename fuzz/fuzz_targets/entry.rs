//! Entries of the shared store: `cargo fuzz run entry corpus/entry ../tests/golden/v1`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| larder::fuzzing::entry(bytes));
