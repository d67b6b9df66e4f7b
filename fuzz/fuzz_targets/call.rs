//! What is kept of calls: `cargo fuzz run call`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| larder::fuzzing::call(bytes));
