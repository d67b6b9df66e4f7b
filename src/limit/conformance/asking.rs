//! What checks say to a limiter, in a line each.

use std::time::Duration;

use crate::limit::{Action, Algorithm, Ask, Decision, LimitKey, Limiter, Quota, Receipt, Standing};

/// So long that nothing comes back while a check runs, and no window ends.
pub(super) const AGES: Duration = Duration::from_secs(3_000 * 86_400);

const WELL: &str = "the limiter is well, so it gives no error";

/// Each way to count, with a capacity of `amount`.
pub(super) fn each(amount: u64, window: Duration) -> Vec<(&'static str, Quota)> {
    let quota = Quota::new(amount, window).expect("amount and window make sense");
    let by = |algorithm| quota.clone().algorithm(algorithm);
    vec![
        ("token bucket", quota.clone()),
        ("strict", quota.clone().strict()),
        ("fixed window", by(Algorithm::FixedWindow)),
        ("from the first", by(Algorithm::FixedWindowFromFirst)),
        ("staggered", by(Algorithm::FixedWindowStaggered)),
        ("sliding counter", by(Algorithm::SlidingCounter)),
        ("sliding log", by(Algorithm::SlidingLog)),
    ]
}

pub(super) fn quota(amount: u64) -> Quota {
    Quota::new(amount, AGES).expect("amount and window make sense")
}

pub(super) const fn key(name: &[u8]) -> LimitKey<'_> {
    LimitKey::new("conformance", name)
}

pub(super) async fn decide(limiter: &impl Limiter, action: Action, asks: &[Ask<'_>]) -> Decision {
    let decision = limiter.decide(action, asks).await.expect(WELL);
    assert_eq!(
        decision.standings().len(),
        asks.len(),
        "there is one standing for each ask"
    );
    assert!(
        !decision.is_estimated(),
        "a limiter that is well estimates nothing"
    );
    decision
}

/// One quota's standing after `action`.
pub(super) async fn one(
    limiter: &impl Limiter,
    action: Action,
    name: &str,
    quota: &Quota,
    cost: u64,
) -> Standing {
    let ask = Ask::new(key(name.as_bytes()), quota).cost(cost);
    decide(limiter, action, &[ask]).await.standings()[0]
}

pub(super) async fn take(limiter: &impl Limiter, name: &str, quota: &Quota, cost: u64) -> Standing {
    one(limiter, Action::Acquire, name, quota, cost).await
}

/// What is left.
pub(super) async fn left(limiter: &impl Limiter, name: &str, quota: &Quota) -> u64 {
    one(limiter, Action::Peek, name, quota, 0).await.remaining
}

pub(super) async fn give_back(
    limiter: &impl Limiter,
    name: &str,
    quota: &Quota,
    cost: u64,
    receipt: Receipt,
) -> Standing {
    let ask = Ask::new(key(name.as_bytes()), quota)
        .cost(cost)
        .receipt(receipt);
    decide(limiter, Action::GiveBack, &[ask]).await.standings()[0]
}
