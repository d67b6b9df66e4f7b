use super::*;
use crate::clock::ManualClock;
use crate::limit::conformance;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limiter_keeps_its_contract() {
    let clock = ManualClock::new();
    let make = || async { MemoryLimiter::with_clock(clock.clone()) };
    conformance::run(make, &clock).await;
}
