//! gRPC calls as their clients see them.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderName;
use http_body::Body as _;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::far::{Far, Gone};
use super::*;
use crate::between::IsRefusal;
use crate::grpc::sample::{GET_ITEM, MESSAGE, UPDATE_ITEM, assert_ok, failed, ok, seen};
use crate::identity::header;
use crate::limit::Dialect;

type Grpc = tonic::body::Body;

/// A call by this address.
pub(super) fn call(addr: &str, path: &str) -> Request<Grpc> {
    let addr: IpAddr = addr.parse().unwrap();
    let mut request = crate::grpc::sample::call(path, &[]);
    let found = Found(Some(ClientIp::from(addr)));
    request.extensions_mut().insert(found);
    request
}

impl World {
    /// Calls of any method are answered with a message, and those of `/x.Y/C` with the code `C` alone.
    async fn ask(
        &self,
        layer: &RateLimitLayer,
        request: Request<Grpc>,
    ) -> Response<RateLimitBody<Grpc>> {
        let runs = self.runs.clone();
        let handler = tower::service_fn(move |request: Request<Grpc>| {
            runs.fetch_add(1, Ordering::SeqCst);
            let code = request
                .uri()
                .path()
                .strip_prefix("/x.Y/")
                .map(str::to_owned);
            let answer = match code {
                Some(code) => failed(Box::leak(code.into_boxed_str())),
                None => ok(),
            };
            std::future::ready(Ok::<_, Infallible>(answer))
        });
        let service = tower_layer::Layer::layer(layer, handler);
        service.oneshot(request).await.unwrap()
    }

    /// The code that a call gets with its head, and what it is told to wait.
    async fn code(&self, layer: &RateLimitLayer, request: Request<Grpc>) -> Option<(Code, String)> {
        let answer = self.ask(layer, request).await;
        let pushback = answer.headers().get("grpc-retry-pushback-ms");
        let pushback = pushback.map_or(String::new(), |it| it.to_str().unwrap().to_owned());
        let status = Status::from_header_map(answer.headers())?;
        Some((status.code(), pushback))
    }
}

/// A body that must not be touched.
struct Untouchable;

impl http_body::Body for Untouchable {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        panic!("the message of a refused call was read")
    }
}

#[tokio::test]
async fn a_refused_call_ends_with_its_first_block_before_it_is_read() {
    let world = World::new();
    let layer = world
        .layer("search")
        .quota("2/m", client_ip())
        .build()
        .unwrap();
    for _ in 0..2 {
        let answer = world.ask(&layer, call(ALICE, GET_ITEM)).await;
        assert!(answer.headers().get("ratelimit").is_none());
        assert_ok(answer).await;
    }
    let upload = call(ALICE, GET_ITEM).map(|_| Grpc::new(Untouchable));
    let refused = world.ask(&layer, upload).await;
    assert_eq!(world.runs(), 2);
    assert_eq!(refused.status(), StatusCode::OK);
    assert!(refused.body().is_end_stream());
    // No length that a server would write into the head.
    assert_eq!(refused.body().size_hint().exact(), None);
    assert!(refused.extensions().get::<IsRefusal>().is_some());
    let fields = refused.headers();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("grpc-status", "8"),
        ("grpc-message", "the%20quota%20is%20used%20up"),
        ("grpc-retry-pushback-ms", "30000"),
        ("ratelimit-policy", "\"search\";q=2;w=60"),
        ("ratelimit", "\"search\";r=0;t=30"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    for name in ["retry-after", "cache-control", "content-length"] {
        assert!(!fields.contains_key(name), "{name}");
    }
    let status = Status::from_header_map(fields).unwrap();
    let delay = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(delay, Some(Duration::from_secs(30)));
    let violations = status.get_details_quota_failure().unwrap().violations;
    assert_eq!(violations[0].quota_id, "search");
    let (_, data, trailers) = seen(refused).await;
    assert_eq!((data.len(), trailers), (0, None));
    // Another client has a quota of its own.
    assert_eq!(world.code(&layer, call(BOB, GET_ITEM)).await, None);
    assert_eq!(
        (world.count(Event::Admit), world.count(Event::Refuse)),
        (3, 1)
    );
}

#[tokio::test]
async fn who_waits_as_long_as_it_is_told_is_admitted_and_not_before() {
    let world = World::new();
    let layer = world
        .layer("test")
        .quota("7/m", client_ip())
        .build()
        .unwrap();
    for _ in 0..7 {
        assert_eq!(world.code(&layer, call(ALICE, GET_ITEM)).await, None);
    }
    let (code, wait) = world.code(&layer, call(ALICE, GET_ITEM)).await.unwrap();
    // A seventh of a minute, rounded up.
    assert_eq!((code, &*wait), (Code::ResourceExhausted, "8572"));
    world.advance(Duration::from_millis(8_571));
    assert!(world.code(&layer, call(ALICE, GET_ITEM)).await.is_some());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.code(&layer, call(ALICE, GET_ITEM)).await, None);
}

#[tokio::test]
async fn what_is_no_call_is_refused_as_http_says() {
    let world = World::new();
    let layer = world
        .layer("test")
        .quota(Quota::deny_all(), client_ip())
        .build()
        .unwrap();
    for content in ["text/plain", "application/grpc-web", "application/json"] {
        let mut request = call(ALICE, GET_ITEM);
        let value = content.parse().unwrap();
        request.headers_mut().insert("content-type", value);
        let answer = world.ask(&layer, request).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{content}");
        assert!(!answer.headers().contains_key("grpc-status"));
    }
    let refused = world.ask(&layer, call(ALICE, GET_ITEM)).await;
    assert_eq!(
        (refused.status(), &refused.headers()["grpc-status"]),
        (StatusCode::OK, &"8".parse().unwrap())
    );
}

#[tokio::test]
async fn admitted_calls_have_the_fields_of_quotas_as_initial_metadata() {
    let world = World::new();
    for (dialect, name, value) in [
        (Dialect::Draft11, "ratelimit", "\"test\";r=4;t=12"),
        (
            Dialect::Draft7,
            "ratelimit",
            "limit=5, remaining=4, reset=12",
        ),
        (
            Dialect::XRateLimit(crate::limit::Reset::Seconds),
            "x-ratelimit-remaining",
            "4",
        ),
    ] {
        for path in [GET_ITEM, "/x.Y/5"] {
            let world = World::new();
            let layer = world.layer("test").quota("5/m", client_ip());
            let layer = layer
                .fields(Fields::Always)
                .dialect(dialect)
                .build()
                .unwrap();
            let (head, data, trailers) = seen(world.ask(&layer, call(ALICE, path)).await).await;
            assert_eq!(head[name], value, "{dialect:?}");
            match path {
                GET_ITEM => {
                    assert_eq!(data, MESSAGE);
                    let trailers = trailers.unwrap();
                    assert_eq!(
                        (trailers.len(), &trailers["grpc-status"]),
                        (1, &"0".parse().unwrap())
                    );
                }
                _ => assert_eq!(
                    (&head["grpc-status"], trailers),
                    (&"5".parse().unwrap(), None)
                ),
            }
        }
    }
    let never = world.layer("test").quota(Quota::deny_all(), client_ip());
    let never = never.fields(Fields::Never).build().unwrap();
    let refused = world.ask(&never, call(ALICE, GET_ITEM)).await;
    assert!(!refused.headers().contains_key("ratelimit"));
    assert_eq!(refused.headers()["grpc-retry-pushback-ms"], "-1");
}

#[tokio::test]
async fn each_refusal_has_the_code_that_says_why() {
    let world = World::new();
    let new = || world.layer("test");
    let everyone = new()
        .quota(Quota::deny_all().name("all"), everyone())
        .build()
        .unwrap();
    let rate = new()
        .quota("1/h", super::super::everyone())
        .build()
        .unwrap();
    assert_eq!(world.code(&rate, call(BOB, GET_ITEM)).await, None);
    let costly = new().quota("5/m", client_ip()).cost(|_| 6).build().unwrap();
    let denied = new().quota("5/m", client_ip()).deny(ALICE).build().unwrap();
    let missing = new().quota("5/m", header(HeaderName::from_static("x-api-key")));
    let missing = missing.missing(Missing::Refuse).build().unwrap();
    let closed = "5/m"
        .parse::<Quota>()
        .unwrap()
        .outage(crate::limit::Outage::Closed);
    let away = RateLimiter::new(Gone)
        .layer("test")
        .quota(closed, client_ip())
        .build()
        .unwrap();
    for (layer, code, pushback) in [
        (everyone, Code::ResourceExhausted, "-1"),
        (rate, Code::ResourceExhausted, "3600000"),
        (costly, Code::ResourceExhausted, "-1"),
        (denied, Code::PermissionDenied, "-1"),
        (missing, Code::Unauthenticated, "-1"),
        (away, Code::Unavailable, "1000"),
    ] {
        let told = world.code(&layer, call(ALICE, GET_ITEM)).await;
        assert_eq!(told, Some((code, pushback.to_owned())), "{layer:?}");
    }
}

#[tokio::test]
async fn jitter_makes_all_that_is_told_later_alike_and_never_earlier() {
    let world = World::new();
    let layer = world.layer("test").quota("1/m", client_ip());
    let layer = layer.retry_jitter(Duration::from_secs(30)).build().unwrap();
    assert_eq!(world.code(&layer, call(ALICE, GET_ITEM)).await, None);
    let mut told = Vec::new();
    for _ in 0..50 {
        let refused = world.ask(&layer, call(ALICE, GET_ITEM)).await;
        let status = Status::from_header_map(refused.headers()).unwrap();
        let delay = status
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .unwrap();
        let pushback = &refused.headers()["grpc-retry-pushback-ms"];
        assert_eq!(pushback, &delay.as_millis().to_string());
        told.push(delay.as_secs());
    }
    assert!(told.iter().all(|wait| (60..=90).contains(wait)), "{told:?}");
    assert!(told.iter().any(|wait| *wait != told[0]), "{told:?}");
}

#[tokio::test]
async fn the_application_words_refusals_of_calls_and_of_requests_apart() {
    let world = World::new();
    let layer = world.layer("test").quota("1/m", client_ip());
    let layer = layer
        .respond(|_| {
            Response::builder()
                .status(418)
                .body(axum::body::Body::empty())
                .unwrap()
        })
        .respond_to_calls(|refused| {
            let wait = refused.retry_after().unwrap();
            let policies: Vec<_> = refused.policies().collect();
            Status::resource_exhausted(format!(
                "{} {policies:?} {} {wait:?}",
                refused.limit(),
                refused.status()
            ))
        })
        .build()
        .unwrap();
    assert_eq!(world.code(&layer, call(ALICE, GET_ITEM)).await, None);
    let refused = world.ask(&layer, call(ALICE, GET_ITEM)).await;
    let status = Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(
        status.message(),
        "test [\"test\"] 429 Too Many Requests 60s"
    );
    assert_eq!(refused.headers()["grpc-retry-pushback-ms"], "60000");
    assert_eq!(refused.headers()["ratelimit"], "\"test\";r=0;t=60");
    let plain = Request::get("/").body(Grpc::empty()).unwrap();
    let mut plain = plain;
    plain
        .extensions_mut()
        .extend(call(ALICE, GET_ITEM).into_parts().0.extensions);
    assert_eq!(world.ask(&layer, plain).await.status(), 418);

    // Calls are not answered with what they could not read.
    let layer = world.layer("test").quota("1/m", client_ip());
    let layer = layer
        .respond(|_| Response::new(axum::body::Body::from("no")))
        .build()
        .unwrap();
    assert_eq!(
        world.code(&layer, call(ALICE, GET_ITEM)).await.unwrap().0,
        Code::ResourceExhausted
    );
}

#[tokio::test]
async fn a_limit_may_be_about_some_methods_alone() {
    let world = World::new();
    let layer = world
        .layer("writes")
        .quota("1/m", client_ip())
        .calls([UPDATE_ITEM]);
    let layer = layer.build().unwrap();
    for (path, refused) in [
        (UPDATE_ITEM, false),
        (GET_ITEM, false),
        (UPDATE_ITEM, true),
        (GET_ITEM, false),
    ] {
        assert_eq!(
            world.code(&layer, call(ALICE, path)).await.is_some(),
            refused,
            "{path}"
        );
    }
    // What does not look like a call might be answered as one.
    let mut plain = call(ALICE, UPDATE_ITEM);
    plain
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(world.ask(&layer, plain).await.status(), 429);
    assert_eq!(world.runs(), 3);

    for path in [
        "catalog.Catalog/GetItem",
        "/catalog.Catalog",
        "/a.B/C?d",
        "",
    ] {
        let error = world
            .layer("test")
            .quota("1/m", client_ip())
            .calls([path])
            .build()
            .unwrap_err();
        assert_eq!(error, RateLimitError::Call(path.to_owned()));
    }
    let none = world
        .layer("test")
        .quota("1/m", client_ip())
        .calls([""; 0])
        .build()
        .unwrap_err();
    assert_eq!(none, RateLimitError::NoCalls("test".to_owned()));
}

#[tokio::test]
async fn calls_and_requests_use_up_one_budget_where_limits_have_one_name() {
    let world = World::new();
    let key = || header(HeaderName::from_static("x-api-key"));
    let layer = || world.layer("customer").quota("3/m", key()).build().unwrap();
    let (pages, calls) = (world.route().layer(layer()), layer());
    let page = async |who: &str| {
        let request = Request::get("/")
            .header("x-api-key", who)
            .body(Body::empty())
            .unwrap();
        send(&pages, request).await.status().as_u16()
    };
    let code = async |who: &str| {
        let request = crate::grpc::sample::call(GET_ITEM, &[("x-api-key", who)]);
        world.code(&calls, request).await.map(|(code, _)| code)
    };
    assert_eq!(
        (
            page("alice").await,
            code("alice").await,
            page("alice").await
        ),
        (200, None, 200)
    );
    assert_eq!(
        (page("alice").await, code("alice").await),
        (429, Some(Code::ResourceExhausted))
    );
    assert_eq!((page("bob").await, code("bob").await), (200, None));
}

#[tokio::test]
async fn rules_about_statuses_see_how_a_call_has_failed() {
    for (code, status) in [
        (1, 499),
        (2, 500),
        (3, 400),
        (4, 504),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (10, 409),
        (11, 400),
        (12, 501),
        (13, 500),
        (14, 503),
        (15, 500),
        (16, 401),
        (99, 500),
    ] {
        let world = World::new();
        let layer = world
            .layer("test")
            .quota("1/m", client_ip())
            .count_only(move |answer| {
                assert_eq!(
                    answer.status().as_u16(),
                    if answer.code() == Some(Code::from_i32(code)) {
                        status
                    } else {
                        200
                    }
                );
                answer.status().as_u16() == status
            });
        let layer = layer.build().unwrap();
        // What went well costs nothing, and its code is not known yet.
        for _ in 0..3 {
            assert_ok(world.ask(&layer, call(ALICE, GET_ITEM)).await).await;
        }
        let path = format!("/x.Y/{code}");
        let failed = world.ask(&layer, call(ALICE, &path)).await;
        assert_eq!(failed.headers()["grpc-status"], code.to_string());
        let refused = world.ask(&layer, call(ALICE, &path)).await;
        assert!(
            refused.headers().contains_key("grpc-retry-pushback-ms"),
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_stream_costs_one_and_holds_its_place_until_its_trailers() {
    let world = World::new();
    let place = Quota::in_flight(NonZeroU32::MIN);
    let layer = world
        .layer("test")
        .quota(place, client_ip())
        .quota("3/m", client_ip());
    let layer = layer.build().unwrap();
    let mut answer = world.ask(&layer, call(ALICE, GET_ITEM)).await;
    let refused = world.code(&layer, call(ALICE, GET_ITEM)).await;
    assert_eq!(refused, Some((Code::ResourceExhausted, "1000".to_owned())));
    while let Some(frame) = answer.body_mut().frame().await {
        let is_last = frame.unwrap().is_trailers();
        let held = world.code(&layer, call(ALICE, GET_ITEM)).await.is_some();
        assert!(held, "{is_last}");
    }
    // What ends with its head holds nothing.
    for _ in 0..2 {
        drop(world.ask(&layer, call(ALICE, "/x.Y/5")).await);
    }
    let refused = world.code(&layer, call(ALICE, GET_ITEM)).await.unwrap();
    assert_eq!(refused.1, "20000");
}

#[tokio::test]
async fn a_dry_run_refuses_no_call() {
    let world = World::new();
    let layer = world
        .layer("test")
        .quota(Quota::deny_all(), client_ip())
        .dry_run();
    let answer = world
        .ask(&layer.build().unwrap(), call(ALICE, GET_ITEM))
        .await;
    assert_eq!(answer.headers()["ratelimit"], "\"test\";r=0;larder-dry-run");
    assert_eq!(world.count(Event::WouldRefuse), 1);
    let (_, data, trailers) = seen(answer).await;
    assert_eq!((data, trailers.is_some()), (MESSAGE, true));
}

#[tokio::test]
async fn a_limiter_elsewhere_refuses_calls_alike() {
    let clock = ManualClock::new();
    let world = World {
        limiter: RateLimiter::new(Far(MemoryLimiter::with_clock(clock.clone()))),
        clock,
        ..World::new()
    };
    let layer = world
        .layer("test")
        .quota("1/m", client_ip())
        .build()
        .unwrap();
    assert_eq!(world.code(&layer, call(ALICE, GET_ITEM)).await, None);
    let refused = world.code(&layer, call(ALICE, GET_ITEM)).await;
    assert_eq!(refused, Some((Code::ResourceExhausted, "60000".to_owned())));
}

#[test]
fn it_stands_round_tonics_services_and_servers() {
    fn is_service<S>(_: &S)
    where
        S: tower_service::Service<Request<Grpc>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send,
    {
    }
    let world = World::new();
    let layer = world
        .layer("test")
        .quota("1/m", client_ip())
        .build()
        .unwrap();
    let handler = tower::service_fn(async |_: Request<Grpc>| Ok::<_, Infallible>(ok()));
    is_service(&tower_layer::Layer::layer(&layer, handler));
}
