//! Limiters that have to be waited for, and that cannot be asked.

use async_trait::async_trait;

use super::*;
use crate::limit::{Action, Ask, Decision, Limiter, LimiterError, Outage, Unit};

/// A limiter that never answers at once.
pub(super) struct Far(pub(super) MemoryLimiter);

#[async_trait]
impl Limiter for Far {
    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        tokio::task::yield_now().await;
        self.0.decide(action, asks).await
    }
}

/// A limiter that is gone.
pub(super) struct Gone;

#[async_trait]
impl Limiter for Gone {
    async fn decide(&self, _: Action, _: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        Err(LimiterError::Unavailable("it is gone".into()))
    }
}

fn on(limiter: impl FnOnce(ManualClock) -> RateLimiter) -> World {
    let world = World::new();
    World {
        limiter: limiter(world.clock.clone()),
        ..world
    }
}

fn far() -> World {
    on(|clock| RateLimiter::new(Far(MemoryLimiter::with_clock(clock))))
}

async fn status(app: &Router, path: &str) -> u16 {
    send(app, by(ALICE, "POST", path)).await.status().as_u16()
}

#[tokio::test]
async fn a_limiter_elsewhere_is_waited_for() {
    let world = far();
    let app = world.app(|limit| limit.quota("2/m", client_ip()).fields(Fields::Always));
    for expected in [200, 200, 429, 429] {
        let answer = send(&app, from(ALICE)).await;
        assert_eq!(answer.status(), expected);
        assert!(field(&answer, "ratelimit").is_some());
    }
    assert_eq!(world.runs(), 2);
}

#[tokio::test]
async fn what_does_not_count_is_given_back_before_the_answer_leaves() {
    let world = far();
    let app = world.app(|limit| {
        let limit = limit.quota("1/m", client_ip());
        limit.count_only(|answer| answer.status() == StatusCode::UNAUTHORIZED)
    });
    for _ in 0..3 {
        assert_eq!(status(&app, "/").await, 200);
    }
    assert_eq!(status(&app, "/no").await, 401);
    assert_eq!(status(&app, "/").await, 429);
}

#[tokio::test]
async fn what_ends_with_the_body_is_settled_in_the_background() {
    let world = far();
    let bytes = "5/m".parse::<Quota>().unwrap().unit(Unit::ContentBytes);
    let place = Quota::in_flight(std::num::NonZeroU32::MIN);
    let app = world.app(|limit| {
        let limit = limit.quota(bytes, client_ip()).quota(place, client_ip());
        limit.settle_bytes()
    });
    for expected in [200, 200, 429] {
        let answer = send(&app, from(ALICE)).await;
        assert_eq!(answer.status(), expected);
        if expected == 200 {
            assert_eq!(get(&app, ALICE).await, 429);
        }
        // Four bytes, twice.
        drop(text(answer).await);
        world.limiter.background().idle().await;
    }
}

#[tokio::test]
async fn a_limiter_that_is_gone_does_what_its_quotas_say() {
    let world = on(|_| RateLimiter::new(Gone));
    let app = |outage| {
        let quota: Quota = "1/m".parse().unwrap();
        world.app(move |limit| limit.quota(quota.outage(outage), client_ip()))
    };
    let open = app(Outage::Open);
    for _ in 0..3 {
        assert_eq!(get(&open, ALICE).await, 200);
    }
    let closed = send(&app(Outage::Closed), from(ALICE)).await;
    assert_eq!(closed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(field(&closed, "retry-after").is_some());
    let estimate = app(Outage::default());
    assert_eq!(get(&estimate, ALICE).await, 200);
    assert_eq!(get(&estimate, ALICE).await, 429);
    assert_eq!(get(&estimate, BOB).await, 200);
}
