//! What handlers learn of their limits, and change.

use axum::routing::get as route;

use super::*;
use crate::extract::RateLimited;
use crate::{Cache, MIB, MemoryStore, minutes};

async fn body(app: &Router, path: &str) -> String {
    let answer = send(app, by(ALICE, "GET", path)).await;
    format!("{} {}", answer.status().as_u16(), text(answer).await)
}

#[tokio::test]
async fn a_handler_learns_what_remains_and_charges_more() {
    let world = World::new();
    let layer = world.layer("test");
    let layer = layer.quota("10/m", client_ip()).quota("100/h", client_ip());
    let app = Router::new()
        .route(
            "/",
            route(async |limited: RateLimited| format!("{:?}", limited.policies())),
        )
        .route(
            "/charge",
            route(async |limited: RateLimited| {
                limited.charge(4).await;
                format!("{:?}", limited.remaining())
            }),
        )
        .route(
            "/settle",
            route(async |limited: RateLimited| {
                limited.settle(3).await;
                format!("{:?}", limited.remaining())
            }),
        )
        .route(
            "/back",
            route(async |limited: RateLimited| {
                limited.give_back().await;
                limited.give_back().await;
                format!("{:?}", limited.remaining())
            }),
        )
        .layer(layer.build().unwrap());
    assert_eq!(
        body(&app, "/").await,
        "200 [(\"test-1m\", 9), (\"test-1h\", 99)]"
    );
    assert_eq!(body(&app, "/charge").await, "200 Some(4)");
    assert_eq!(body(&app, "/back").await, "200 Some(4)");
    assert_eq!(body(&app, "/settle").await, "200 Some(1)");
}

#[tokio::test]
async fn without_the_layer_the_answer_is_a_500_that_names_it() {
    let app = Router::new()
        .route(
            "/",
            route(async |limited: RateLimited| limited.limit().to_owned()),
        )
        .route(
            "/option",
            route(async |limited: Option<RateLimited>| limited.is_none().to_string()),
        );
    let missing = body(&app, "/").await;
    assert!(
        missing.starts_with("500") && missing.contains("rate limit layer"),
        "{missing}"
    );
    assert_eq!(body(&app, "/option").await, "200 true");
}

#[tokio::test]
async fn a_limit_that_is_not_about_the_request_does_nothing() {
    let world = World::new();
    let layer = world
        .layer("test")
        .quota("1/m", client_ip())
        .exempt(|_| true);
    let app = Router::new()
        .route(
            "/",
            route(async |limited: RateLimited| {
                limited.charge(100).await;
                format!("{} {:?}", limited.limit(), limited.remaining())
            }),
        )
        .layer(layer.build().unwrap());
    assert_eq!(body(&app, "/").await, "200 test None");
    assert_eq!(body(&app, "/").await, "200 test None");
}

#[tokio::test]
async fn each_of_several_limits_is_found_by_its_name() {
    let world = World::new();
    let layer = |name: &str, quota: &str| {
        let layer = world.layer(name).quota(quota, client_ip());
        layer.build().unwrap()
    };
    let app = Router::new()
        .route(
            "/",
            route(async |limited: RateLimited| {
                let outer = limited.of("outer").and_then(|outer| outer.remaining());
                let none = limited.of("none").is_none();
                format!(
                    "{} {:?} {outer:?} {none}",
                    limited.limit(),
                    limited.remaining()
                )
            }),
        )
        .layer(layer("inner", "5/m"))
        .layer(layer("outer", "9/m"));
    assert_eq!(body(&app, "/").await, "200 inner Some(4) Some(8) true");
}

#[tokio::test]
async fn a_dry_run_tells_the_handler_what_it_would_have_refused() {
    let world = World::new();
    let layer = world.layer("outer").quota("1/m", client_ip()).dry_run();
    let inner = world.layer("inner").quota("9/m", client_ip());
    let app = Router::new()
        .route(
            "/",
            route(async |limited: RateLimited| limited.is_over().to_string()),
        )
        .layer(inner.build().unwrap())
        .layer(layer.build().unwrap());
    assert_eq!(body(&app, "/").await, "200 false");
    assert_eq!(body(&app, "/").await, "200 true");
}

#[tokio::test]
async fn a_place_is_held_for_as_long_as_the_handler_keeps_it() {
    let world = World::new();
    let quota = Quota::in_flight(std::num::NonZeroU32::MIN);
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = {
        let kept = kept.clone();
        async move |limited: RateLimited| *kept.lock().unwrap() = Some(limited)
    };
    let layer = world
        .layer("test")
        .quota(quota, client_ip())
        .build()
        .unwrap();
    let app = Router::new()
        .route("/", route(async || ()))
        .route("/keep", route(keep))
        .layer(layer);
    assert_eq!(body(&app, "/keep").await, "200 ");
    assert_eq!(get(&app, ALICE).await, 429);
    kept.lock().unwrap().take();
    assert_eq!(get(&app, ALICE).await, 200);
}

#[tokio::test]
async fn a_page_with_what_remains_for_one_is_not_stored_for_others() {
    let world = World::new();
    let cache = Cache::builder(MemoryStore::new(MIB)).clock(world.clock.clone());
    let cache = cache.build().unwrap();
    let layer = world
        .layer("test")
        .quota("9/m", client_ip())
        .build()
        .unwrap();
    let app = Router::new()
        .route(
            "/told",
            route(async |limited: RateLimited| format!("{:?}", limited.remaining())),
        )
        .route("/plain", route(async |_: RateLimited| "soup"))
        .layer(cache.page(minutes(1)))
        .layer(layer);
    let said = async |path: &str| {
        let mut request = by(ALICE, "GET", path);
        request
            .headers_mut()
            .insert("host", "shop.example".parse().unwrap());
        let answer = send(&app, request).await;
        let said = field(&answer, "cache-status").unwrap().to_owned();
        // What is not read to its end is not stored yet.
        drop(text(answer).await);
        said
    };
    for _ in 0..2 {
        let told = said("/told").await;
        assert!(!told.contains("hit") && !told.contains("stored"), "{told}");
    }
    // The limit alone makes no page personal.
    assert!(said("/plain").await.contains("stored"));
    assert!(said("/plain").await.contains("hit"));
}
