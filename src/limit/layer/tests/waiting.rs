//! Requests that wait in line, and no longer than their clients do.

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::*;
use crate::limit::testing::TokioClock;

/// One a second, and up to a minute in line.
fn patient() -> Router {
    let limiter = RateLimiter::new(MemoryLimiter::with_clock(TokioClock::new()));
    let layer = limiter.layer("test").quota("1/s", client_ip());
    let layer = layer.wait(Duration::from_secs(60)).build().unwrap();
    Router::new().fallback(any(async || "soup")).layer(layer)
}

fn within(timeout: &str) -> Request<Body> {
    let mut request = from(ALICE);
    let timeout = timeout.parse().unwrap();
    request.headers_mut().insert("grpc-timeout", timeout);
    request
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_its_client() {
    let app = patient();
    let since = Instant::now();
    assert_eq!(send(&app, within("0n")).await.status(), 200);
    for short in ["0n", "999999u", "999m"] {
        let refused = send(&app, within(short)).await;
        assert_eq!(refused.status(), 429);
        assert_eq!(field(&refused, "retry-after"), Some("1"));
    }
    assert_eq!(since.elapsed(), Duration::ZERO);
    assert_eq!(send(&app, within("1S")).await.status(), 200);
    assert_eq!(since.elapsed(), Duration::from_secs(1));
    // What is no deadline is none.
    assert_eq!(send(&app, within("1 s")).await.status(), 200);
    assert_eq!(since.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_none_for_longer_than_the_limit_says() {
    let app = patient();
    let since = Instant::now();
    for _ in 0..61 {
        let app = app.clone();
        tokio::spawn(async move { send(&app, within("99999999H")).await });
    }
    sleep(Duration::from_millis(1)).await;
    let refused = send(&app, within("99999999H")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(since.elapsed(), Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_while_waiting_uses_nothing() {
    let app = patient();
    let since = Instant::now();
    assert_eq!(get(&app, ALICE).await, 200);
    let mut waiting = Box::pin(get(&app, ALICE));
    assert!((&mut waiting).now_or_never().is_none());
    sleep(Duration::from_millis(900)).await;
    drop(waiting);
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(since.elapsed(), Duration::from_secs(1));
}
