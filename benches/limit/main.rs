//! What one check of a limit costs, beside what it cannot cost less than and what others take for it, in one process and one run.
//!
//! `cargo bench --all-features --bench limit`, and behind `--` any of `memory`, `layer`, `redis` and `leased` for those alone. Rounds of all
//! variants take turns and the median of each counts, so that a busy machine disturbs the ratios little. `redis-server` must be installed.
//!
//! The targets: a check of 1, 10 thousand and 1 million keys in 0.8, 0.8 and 0.32 of the time of `governor` at most; 150 ns for the layer on a
//! route, 250 with fields; checks in Redis at 0.8 of the rate of a bare `EVALSHA` at least, leased ones at 20 times that.

mod layer;
mod memory;
mod redis;

fn main() {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_chosen = |part: &str| chosen.is_empty() || chosen.iter().any(|name| name == part);
    if is_chosen("memory") {
        memory::measure();
    }
    if is_chosen("layer") {
        layer::measure();
    }
    if is_chosen("redis") || is_chosen("leased") {
        redis::measure(is_chosen("redis"), is_chosen("leased"));
    }
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
