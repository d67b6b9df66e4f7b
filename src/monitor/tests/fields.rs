//! What stands in responses, and for whom.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get as on_get};

use super::*;
use crate::minutes;

/// A route whose handler takes this long.
fn taking(world: &World, micros: u64) -> MethodRouter {
    let clock = world.clock.clone();
    on_get(async move || {
        clock.advance(Duration::from_micros(micros));
        "done"
    })
}

const ALL: [&str; 5] = [
    "x-cache-hits",
    "x-cache-misses",
    "x-cache-hit-rate",
    "x-response-time",
    "server-timing",
];

/// Which of the fields are there.
fn written(headers: &HeaderMap) -> Vec<&'static str> {
    let is_written = |name: &&str| headers.contains_key(*name);
    ALL.into_iter().filter(is_written).collect()
}

#[tokio::test]
async fn the_time_is_that_until_the_head() {
    for (micros, seconds, timing) in [
        (0, "0.000s", "total;dur=0.0"),
        (12_345, "0.012s", "total;dur=12.3"),
        (123_000, "0.123s", "total;dur=123.0"),
        (2_000_500, "2.001s", "total;dur=2000.5"),
    ] {
        let world = World::new();
        let app = Router::new()
            .route("/", taking(&world, micros))
            .layer(world.monitor());
        let headers = ask(app, get("/")).await;
        assert_eq!(headers["x-response-time"], seconds);
        assert_eq!(headers["server-timing"], timing);
    }
}

#[tokio::test]
async fn server_timing_tells_what_became_of_the_page() {
    let world = World::new();
    let page = on_get(async || "soup").layer(world.cache.page(minutes(1)));
    let app = Router::new().route("/", page).layer(world.monitor());
    for (advance, timing) in [
        (millis(0), "cache;desc=miss, total;dur=0.0"),
        (millis(0), "cache;desc=hit, total;dur=0.0"),
        (minutes(2), "cache;desc=miss, total;dur=0.0"),
    ] {
        world.clock.advance(advance);
        assert_eq!(ask(app.clone(), get("/")).await["server-timing"], timing);
    }
    let posted = Request::post("/").header("host", "shop.example");
    let headers = ask(app, posted.body(Body::empty()).unwrap()).await;
    assert_eq!(headers["server-timing"], "cache;desc=bypass, total;dur=0.0");
}

#[tokio::test]
async fn each_field_can_be_left_out() {
    let world = World::new();
    let ask_with = async |monitor: MonitorLayer| {
        let app = Router::new().route("/", taking(&world, 0)).layer(monitor);
        written(&ask(app, get("/")).await)
    };
    let monitor = || world.monitor();
    assert_eq!(ask_with(monitor()).await, ALL);
    assert_eq!(ask_with(monitor().hit_fields(false)).await, ALL[3..]);
    assert_eq!(
        ask_with(monitor().response_time(false).server_timing(false)).await,
        ALL[..3]
    );
    assert_eq!(
        ask_with(monitor().hit_fields(false).server_timing(false)).await,
        ["x-response-time"]
    );
}

#[tokio::test]
async fn a_predicate_decides_who_sees_the_fields() {
    let (world, told) = (World::new(), Told::default());
    let monitor = told.by(world.monitor()).shown_if(|head| {
        assert_ne!(head.uri.path(), "/panics", "as a predicate may");
        head.headers.contains_key("x-internal")
    });
    let app = Router::new()
        .route("/{any}", taking(&world, 0))
        .layer(monitor);
    let with = async |path, field: Option<&str>| {
        let mut request = get(path);
        if let Some(name) = field {
            let name = http::HeaderName::try_from(name).unwrap();
            request.headers_mut().insert(name, "1".parse().unwrap());
        }
        written(&ask(app.clone(), request).await)
    };
    assert_eq!(with("/menu", Some("x-internal")).await, ALL);
    assert!(with("/menu", None).await.is_empty());
    assert!(with("/panics", Some("x-internal")).await.is_empty());
    // The log is not for the public, and complete.
    assert_eq!(told.lines().len(), 3);
}

#[tokio::test]
async fn own_fields_replace_and_timings_are_added() {
    let world = World::new();
    let handler = async || {
        let fields = [
            ("x-cache-hits", "77"),
            ("x-response-time", "9s"),
            ("server-timing", "db;dur=5"),
        ];
        (fields, "from an origin with a cache of its own").into_response()
    };
    let app = Router::new()
        .route("/", on_get(handler))
        .layer(world.monitor());
    let headers = ask(app, get("/")).await;
    assert_eq!(hit_fields(&headers)[0], "0");
    assert_eq!(headers["x-response-time"], "0.000s");
    let timings: Vec<_> = headers.get_all("server-timing").iter().collect();
    assert_eq!(timings, ["db;dur=5", "total;dur=0.0"]);
}

/// A page layer round a monitored route: what is stored is asked for twice.
async fn stored_fields(switch: impl FnOnce(MonitorLayer) -> MonitorLayer) -> Vec<&'static str> {
    let world = World::new();
    let monitored: MethodRouter = taking(&world, 5_000).layer(switch(world.monitor()));
    let app = Router::new().route("/", monitored.layer(world.cache.page(minutes(30))));
    let first = ask(app.clone(), get("/")).await;
    assert!(!written(&first).is_empty());
    let second = ask(app, get("/")).await;
    assert!(second["cache-status"].to_str().unwrap().contains("; hit"));
    written(&second)
}

#[tokio::test]
async fn times_of_one_answer_are_not_stored_with_a_page() {
    assert_eq!(
        stored_fields(|monitor| monitor.hit_fields(false)).await,
        [""; 0]
    );
}

#[tokio::test]
async fn counts_of_one_answer_are_not_stored_with_a_page() {
    assert_eq!(stored_fields(|monitor| monitor).await, [""; 0]);
}
