//! Heads of pages, of indexes of variants and of rules: `cargo fuzz run head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| larder::fuzzing::head(bytes));
