//! Who is over its quota, and what it gets.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Method;
use http_body::Frame;

use super::*;
use crate::limit::Dialect;

#[tokio::test]
async fn a_client_over_its_quota_gets_429_and_the_handler_is_not_asked() {
    let world = World::new();
    let app = world.app(|limit| limit.quota("2/m", client_ip()));
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 200);
    let refused = send(&app, from(ALICE)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(field(&refused, "retry-after"), Some("30"));
    assert_eq!(field(&refused, "cache-control"), Some("no-store"));
    assert_eq!(
        field(&refused, "content-type"),
        Some("application/problem+json")
    );
    assert!(
        text(refused)
            .await
            .contains("\"violated-policies\":[\"test\"]")
    );
    assert_eq!(world.runs(), 2);
    // Another client has a quota of its own.
    assert_eq!(get(&app, BOB).await, 200);
    assert_eq!(
        (world.count(Event::Admit), world.count(Event::Refuse)),
        (3, 1)
    );
}

#[tokio::test]
async fn retry_after_is_the_least_wait_that_is_enough() {
    let world = World::new();
    let app = world.app(|limit| limit.quota("1/m", client_ip()));
    assert_eq!(get(&app, ALICE).await, 200);
    world.advance(Duration::from_millis(500));
    let refused = send(&app, from(ALICE)).await;
    let wait: u64 = field(&refused, "retry-after").unwrap().parse().unwrap();
    assert_eq!(wait, 60);
    world.advance(Duration::from_secs(wait - 1));
    assert_eq!(get(&app, ALICE).await, 429);
    world.advance(Duration::from_secs(1));
    assert_eq!(get(&app, ALICE).await, 200);
}

#[tokio::test]
async fn head_gets_no_body() {
    let world = World::new();
    let app = world.app(|limit| limit.quota(Quota::deny_all(), client_ip()));
    let refused = send(&app, by(ALICE, "HEAD", "/")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(refused).await, "");
}

#[tokio::test]
async fn everything_counts_by_default_whatever_came_of_it() {
    let world = World::new();
    let app = world.app(|limit| limit.quota("2/m", client_ip()));
    for path in ["/fail", "/no"] {
        send(&app, by(ALICE, "GET", path)).await;
    }
    assert_eq!(get(&app, ALICE).await, 429);
}

/// A body that must not be touched.
struct Untouchable;

impl http_body::Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body of a refused request was read")
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(1 << 30)
    }
}

#[tokio::test]
async fn the_body_of_what_is_refused_is_never_read_and_the_inner_service_never_readied() {
    let world = World::new();
    let limit = |builder: RateLimitBuilder| {
        let builder = builder.quota(Quota::deny_all(), form_field("account"));
        tower_layer::Layer::layer(
            &builder.build().unwrap(),
            tower::service_fn(
                async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
                    panic!("the inner service was asked")
                },
            ),
        )
    };
    let form = "application/x-www-form-urlencoded";
    for kind in ["application/octet-stream", form] {
        let request = Request::post("/")
            .header("content-type", kind)
            .body(Body::new(Untouchable))
            .unwrap();
        let service = limit(world.layer("upload"));
        let refused = service.oneshot(request).await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{kind}");
    }
}

#[tokio::test]
async fn a_cost_above_the_burst_is_refused_without_a_time_to_come_back() {
    let world = World::new();
    let app = world.app(|limit| {
        limit.quota("10/m", client_ip()).cost(|head| {
            let rows = head
                .uri
                .query()
                .and_then(|query| query.strip_prefix("rows="));
            rows.and_then(|rows| rows.parse().ok()).unwrap_or(1)
        })
    });
    let refused = send(&app, by(ALICE, "GET", "/?rows=11")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(field(&refused, "retry-after"), None);
    // It took nothing.
    let report = send(&app, by(ALICE, "GET", "/?rows=10")).await;
    assert_eq!(report.status(), StatusCode::OK);
    assert_eq!(get(&app, ALICE).await, 429);
    // What is free always passes.
    assert_eq!(send(&app, by(ALICE, "GET", "/?rows=0")).await.status(), 200);
}

#[tokio::test]
async fn several_quotas_are_taken_together_or_not_at_all() {
    let world = World::new();
    let app = world.app(|limit| {
        limit
            .quota("3/m", client_ip())
            .quota("1/s", client_ip())
            .fields(Fields::Always)
    });
    assert_eq!(get(&app, ALICE).await, 200);
    let refused = send(&app, from(ALICE)).await;
    assert_eq!(refused.status(), 429);
    assert!(text(refused).await.contains("[\"test-1s\"]"));
    for _ in 0..2 {
        world.advance(Duration::from_secs(1));
        assert_eq!(get(&app, ALICE).await, 200);
    }
    world.advance(Duration::from_secs(1));
    assert_eq!(get(&app, ALICE).await, 429);
}

#[tokio::test]
async fn limits_of_one_name_share_their_counters_and_others_do_not() {
    let world = World::new();
    let layer = |name: &str| {
        let layer = world.layer(name).quota("2/m", client_ip());
        layer.build().unwrap()
    };
    let (one, two) = (
        world.route().layer(layer("shared")),
        world.route().layer(layer("shared")),
    );
    let other = world.route().layer(layer("other"));
    assert_eq!(get(&one, ALICE).await, 200);
    assert_eq!(get(&two, ALICE).await, 200);
    assert_eq!(get(&one, ALICE).await, 429);
    assert_eq!(get(&two, ALICE).await, 429);
    assert_eq!(get(&other, ALICE).await, 200);
}

#[tokio::test]
async fn limits_stack_and_each_counts_what_reaches_it() {
    let world = World::new();
    let layer = |name: &str, quota: &str| {
        let layer = world.layer(name).quota(quota, client_ip());
        layer.build().unwrap()
    };
    let app = world
        .route()
        .layer(layer("inner", "1/m"))
        .layer(layer("outer", "3/m"));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = send(&app, from(ALICE)).await;
        let status = answer.status().as_u16();
        statuses.push((status, text(answer).await.contains("inner")));
    }
    let expected = [(200, false), (429, true), (429, true), (429, false)];
    assert_eq!(statuses, expected);
}

#[tokio::test]
async fn quotas_can_be_made_for_each_request() {
    let world = World::new();
    let app = world.app(|limit| {
        let by_plan = |head: &crate::RequestHead<'_>| match head.uri.path() {
            "/free" => Some("1/m".parse().unwrap()),
            "/none" => Some(Quota::deny_all()),
            "/bad" => Some(Quota::in_flight(std::num::NonZeroU32::MIN).name("")),
            _ => None,
        };
        limit
            .quota_with(by_plan, client_ip())
            .fields(Fields::Always)
    });
    let mut statuses = Vec::new();
    for path in ["/free", "/free", "/none", "/gold", "/gold", "/gold"] {
        let answer = send(&app, by(ALICE, "GET", path)).await;
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 429, 429, 200, 200, 200]);
    let refused = send(&app, by(ALICE, "GET", "/free")).await;
    let policy = field(&refused, "ratelimit-policy");
    assert_eq!(policy, Some("\"test\";q=1;w=60"));
}

#[tokio::test]
async fn the_application_may_answer_by_itself() {
    let world = World::new();
    let app = world.app(|limit| {
        limit.quota("1/m", client_ip()).respond(|refused| {
            let wait = refused.retry_after().unwrap().as_secs();
            let format = refused.headers().get("accept").unwrap();
            assert_eq!(format, "text/html");
            assert!(!format!("{refused:?}").contains("text/html"));
            let policies: Vec<_> = refused.policies().collect();
            let text = format!(
                "{} {} {policies:?} {wait}",
                refused.limit(),
                refused.status()
            );
            let mut response = Response::new(text);
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        })
    });
    assert_eq!(get(&app, ALICE).await, 200);
    let mut request = from(ALICE);
    let headers = request.headers_mut();
    headers.insert("accept", "text/html".parse().unwrap());
    let refused = send(&app, request).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(field(&refused, "retry-after"), Some("60"));
    assert_eq!(field(&refused, "cache-control"), Some("no-store"));
    assert!(field(&refused, "ratelimit").is_some());
    let expected = "test 429 Too Many Requests [\"test\"] 60";
    assert_eq!(text(refused).await, expected);
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_no_answer() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("1/m", client_ip()).deny("203.0.113.0/24");
        limit.dry_run()
    });
    assert_eq!(get(&app, "203.0.113.1").await, 200);
    let first = send(&app, from(ALICE)).await;
    let over = send(&app, from(ALICE)).await;
    assert_eq!(
        (first.status(), over.status()),
        (StatusCode::OK, StatusCode::OK)
    );
    assert_eq!(field(&first, "ratelimit"), None);
    assert!(field(&over, "ratelimit").is_some());
    assert_eq!(field(&over, "retry-after"), None);
    assert_eq!(text(over).await, "soup");
    assert_eq!(world.count(Event::WouldRefuse), 2);
    assert_eq!(world.runs(), 3);
}

#[tokio::test]
async fn the_dialect_is_chosen() {
    let world = World::new();
    let x = Dialect::XRateLimit(crate::limit::Reset::Seconds);
    for (dialect, name) in [(x, "x-ratelimit-remaining"), (Dialect::Draft7, "ratelimit")] {
        let app = world.app(|limit| {
            let limit = limit.quota("5/m", client_ip()).dialect(dialect);
            limit.fields(Fields::Always).methods([Method::GET])
        });
        assert!(
            field(&send(&app, from(ALICE)).await, name).is_some(),
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_is_refused_when_it_is_built() {
    let world = World::new();
    let new = || world.layer("test");
    let ip = client_ip;
    let problem = |builder: RateLimitBuilder| builder.build().unwrap_err();
    assert_eq!(problem(new()), RateLimitError::NoQuota("test".into()));
    let zero = problem(new().quota("5/m", ip()).quota("0/m", ip()));
    assert!(
        matches!(zero, RateLimitError::Quota { place: 2, .. }),
        "{zero}"
    );
    let burst = Quota::new(1, Duration::from_secs(1)).unwrap();
    let burst = burst.burst(std::num::NonZeroU64::MAX);
    let burst = problem(new().quota(burst, ip()));
    assert!(
        matches!(burst, RateLimitError::Quota { place: 1, .. }),
        "{burst}"
    );
    for name in ["", "é", "a\nb", &"x".repeat(65)] {
        let problem = problem(world.layer(name).quota("5/m", ip()));
        assert_eq!(problem, RateLimitError::Name(name.into()));
    }
    let named = |name: &'static str| "5/m".parse::<Quota>().unwrap().name(name);
    let twice = problem(new().quota(named("a"), ip()).quota(named("a"), ip()));
    assert!(
        matches!(twice, RateLimitError::DuplicatePolicy { .. }),
        "{twice}"
    );
    for text in ["", "10.0.0.0/33", "example.com", "::1/129", "10.0.0"] {
        let problem = problem(new().quota("5/m", ip()).allow(text));
        assert_eq!(problem, RateLimitError::Network(text.into()));
    }
    let both = problem(
        new()
            .quota("5/m", ip())
            .unsafe_methods()
            .methods([Method::GET]),
    );
    assert!(matches!(both, RateLimitError::Contradiction(..)), "{both}");
    let bytes = problem(new().quota("5/m", ip()).settle_bytes());
    assert_eq!(bytes, RateLimitError::NoQuotaOfBytes("test".into()));
}

#[tokio::test(start_paused = true)]
async fn a_request_may_wait_for_its_turn_instead_of_being_refused() {
    use crate::limit::Waiting;

    // A limiter on the time that the runtime pauses.
    let limiter = RateLimiter::new(MemoryLimiter::with_clock(TokioClock(
        tokio::time::Instant::now(),
    )));
    let world = World {
        limiter,
        ..World::new()
    };
    let patient = Waiting::at_most(Duration::from_secs(2)).queue(10);
    let app = world.app(|limit| limit.quota("1/s", client_ip()).wait(patient));
    let begun = tokio::time::Instant::now();
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(begun.elapsed().as_secs(), 1);
    let crowd: Vec<_> = (0..4)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { get(&app, ALICE).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for request in crowd {
        statuses.push(request.await.unwrap());
    }
    statuses.sort_unstable();
    // Those who could not be served in time are told at once.
    assert_eq!(statuses, [200, 200, 429, 429]);
    assert_eq!(world.runs(), 4);

    // Nor does anybody wait whose client will be gone by then.
    let app = world.app(|limit| {
        let limit = limit.quota("1/s", client_ip()).wait(patient);
        limit.deadline(|head| {
            let millis = head.headers.get("x-timeout-ms")?.to_str().ok()?;
            Some(Duration::from_millis(millis.parse().ok()?))
        })
    });
    let within = |millis: &'static str| {
        let mut request = from(BOB);
        let value = http::HeaderValue::from_static(millis);
        request.headers_mut().insert("x-timeout-ms", value);
        request
    };
    let begun = tokio::time::Instant::now();
    for (millis, expected) in [("999", 200), ("999", 429), ("1000", 200)] {
        let status = send(&app, within(millis)).await.status();
        assert_eq!(status, expected, "{millis} ms");
    }
    assert_eq!(begun.elapsed().as_secs(), 1);
}

/// Time as tokio has it.
struct TokioClock(tokio::time::Instant);

impl crate::clock::Clock for TokioClock {
    fn now(&self) -> crate::clock::Now {
        crate::clock::Now::from_millis(self.micros() / 1_000)
    }

    fn micros(&self) -> u64 {
        let since = self.0.elapsed().as_micros();
        1_767_225_600_000_000 + u64::try_from(since).unwrap()
    }

    fn wall(&self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + Duration::from_micros(self.micros())
    }
}
