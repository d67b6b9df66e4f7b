//! What one check of a limit costs, beside what it cannot cost less than and what others take for it, in one process and one run.
//!
//! `cargo bench --bench limit` measures checks in memory and the layer; with `--all-features` also those in Redis, on a `redis-server` that it
//! starts. `-- memory`, `-- layer` and `-- redis` measure one of them. Rounds of all variants take turns and the median or the best of each
//! counts, so that a busy machine disturbs the ratios little.

mod layer;
mod memory;
#[cfg(feature = "redis")]
mod redis;

fn main() {
    // Cargo adds flags of its own.
    let asked = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let asked: Vec<String> = asked.collect();
    let wants = |what: &str| asked.is_empty() || asked.iter().any(|asked| asked == what);
    if wants("memory") {
        memory::measure();
    }
    if wants("layer") {
        layer::run();
    }
    #[cfg(feature = "redis")]
    if wants("redis") {
        redis::measure();
    }
}
