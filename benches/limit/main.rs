//! What one check of a limit costs, beside what it cannot cost less than and what others take for it, in one process and one run.
//!
//! `cargo bench --bench limit` prints nanoseconds for each check. Rounds of all variants take turns and the median of each counts, so that a
//! busy machine disturbs the ratios little.

mod memory;

fn main() {
    memory::measure();
}
