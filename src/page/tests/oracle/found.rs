//! Disagreements that the scripts have found, each as small as it gets.

use super::super::*;
use crate::{InvalidationLayer, Unreachable};

/// One answer of the origin after the other.
type Answers = &'static [(u16, Fields, &'static str)];

/// A gateway before an origin that gives these answers in turn, to whatever it is asked; 0 is an origin that is not reached.
fn gateway(world: &World, answers: Answers) -> Site {
    let runs = Runs::default();
    let counted = runs.clone();
    let handler = runs.handler(move |request: Request<Body>| {
        let (status, fields, body) = answers[counted.count() - 1];
        let body = match *request.method() == Method::HEAD || status == 304 {
            true => Body::empty(),
            false => Body::from(body),
        };
        let mut response = with_status(if status == 0 { 503 } else { status }, fields, body);
        if status == 0 {
            response.extensions_mut().insert(Unreachable);
        }
        async move { response }
    });
    let layered = InvalidationLayer::new(&world.cache).layer(world.cache.gateway().layer(handler));
    Site::of(world.clone(), runs, layered)
}

/// The same behind a page layer.
fn pages(world: &World, answers: Answers) -> Site {
    let runs = Runs::default();
    let counted = runs.clone();
    let handler = runs.handler(move |_: Request<Body>| {
        let (status, fields, body) = answers[counted.count() - 1];
        async move { with_status(status, fields, body) }
    });
    Site::of(world.clone(), runs, world.page().layer(handler))
}

fn head_with(target: &str, fields: &[(&str, &str)]) -> Request<Body> {
    request(Method::HEAD, target, fields)
}

/// RFC 9111 §4: what is reused without validation carries `Age`, also where that is zero, and where it covers an error.
#[tokio::test(start_paused = true)]
async fn what_covers_an_error_carries_an_age_of_zero_too() {
    let world = World::new();
    let site = gateway(&world, &[(200, &[("etag", "\"a\"")], "page"), (0, &[], "")]);
    site.get("/p").await;
    let answer = site.get("/p").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "page"));
    assert_eq!(answer.field("age"), Some("0"), "{:?}", answer.headers);
}

/// RFC 9211 §2.2: `stale` is for what was stale. A fresh response that the request would not take as it was is `request`.
#[tokio::test(start_paused = true)]
async fn a_fresh_response_that_covers_an_error_is_not_said_to_be_stale() {
    let world = World::new();
    let site = gateway(
        &world,
        &[
            (200, &[("cache-control", "max-age=5")], "page"),
            (0, &[], ""),
        ],
    );
    site.get("/p").await;
    world.advance(Duration::from_secs(3));
    let asked = get_with("/p", &[("cache-control", "max-age=0")]);
    let answer = site.ask(asked).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "page"));
    assert!(
        answer.said().starts_with("fwd=request"),
        "{}",
        answer.said()
    );
}

/// RFC 9111 §5.2.1.5: nothing of the answer to a request that says `no-store` is stored, nor put into what is.
#[tokio::test(start_paused = true)]
async fn a_head_that_says_no_store_freshens_nothing() {
    let world = World::new();
    const FRESH: Fields = &[
        ("etag", "\"a\""),
        ("cache-control", "max-age=60"),
        ("x-run", "2"),
    ];
    let site = gateway(
        &world,
        &[
            (200, &[("etag", "\"a\""), ("x-run", "1")], "page"),
            (200, FRESH, ""),
            (304, &[("etag", "\"a\"")], ""),
        ],
    );
    site.get("/p").await;
    site.ask(head_with("/p", &[("cache-control", "no-store")]))
        .await;
    let answer = site.get("/p").await;
    assert_eq!(answer.field("x-run"), Some("1"), "{}", answer.said());
    assert_eq!(site.runs(), 3, "what the HEAD brought was stored");
}

/// RFC 9111 §4.3.5: an answer to HEAD updates what is stored, or makes it invalid. It does not leave it as it was because what the update
/// would make of it may not be stored.
#[tokio::test(start_paused = true)]
async fn a_head_that_takes_the_lifetime_back_does_not_leave_the_old_one() {
    let world = World::new();
    let site = gateway(
        &world,
        &[
            (200, &[("cache-control", "max-age=60")], "page"),
            (200, &[("cache-control", "no-cache")], ""),
            (200, &[("cache-control", "no-cache")], "page"),
        ],
    );
    site.get("/p").await;
    site.ask(head_with("/p", &[("cache-control", "no-cache")]))
        .await;
    let answer = site.get("/p").await;
    assert!(!answer.is_hit(), "{}", answer.said());
}

/// RFC 9110 §13.1.2: a list of tags, or a star, but no mixture. What a client wrote amiss must not take its effect from the cache's own tag.
#[tokio::test(start_paused = true)]
async fn a_malformed_condition_is_not_put_beside_the_caches_own() {
    let world = World::new();
    let runs = Runs::default();
    let handler = runs.handler(async |request: Request<Body>| {
        let asked = request.headers().get("if-none-match");
        let asked = asked.map_or("", |asked| asked.to_str().unwrap());
        page(&[("etag", "\"a\""), ("x-asked", asked)], "page")
    });
    let site = Site::of(world.clone(), runs, world.cache.gateway().layer(handler));
    site.get("/p").await;
    let answer = site
        .ask(get_with("/p", &[("if-none-match", "*, \"b\"")]))
        .await;
    assert_eq!(answer.field("x-asked"), Some("\"a\""));
}

/// RFC 9111 §4.3.4 and C9111-4.3.4-04: a 304 that the client's own condition accounts for is the client's.
#[tokio::test(start_paused = true)]
async fn a_304_to_the_clients_own_condition_is_passed_on_though_something_is_stored() {
    const DATE: &str = "Wed, 31 Dec 2025 23:00:00 GMT";
    let world = World::new();
    for (name, value) in [("if-modified-since", DATE), ("if-none-match", "*")] {
        let site = gateway(
            &world,
            &[
                (
                    404,
                    &[("cache-control", "max-age=1, stale-if-error=60")],
                    "none",
                ),
                (304, &[("last-modified", DATE)], ""),
            ],
        );
        let target = format!("/{name}");
        site.get(&target).await;
        world.advance(Duration::from_secs(2));
        let answer = site.ask(get_with(&target, &[(name, value)])).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{name}");
    }
}

/// C9111-4.3.3-03: an error replaces nothing that is good, whatever the request asked for.
#[tokio::test(start_paused = true)]
async fn an_error_in_answer_to_a_range_does_not_replace_what_is_good() {
    let world = World::new();
    let site = gateway(
        &world,
        &[
            (
                200,
                &[("cache-control", "max-age=1, stale-if-error=60")],
                "page",
            ),
            (500, &[("cache-control", "max-age=8")], "error"),
            (500, &[], "error"),
        ],
    );
    site.get("/p").await;
    world.advance(Duration::from_secs(2));
    site.ask(get_with("/p", &[("range", "bytes=0-1")])).await;
    let answer = site.get("/p").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "page"));
}

/// RFC 9111 §3.2, §5.2.2.4: what a 304 says replaces what was said before. `no-cache` takes back the windows in which it was used stale.
#[tokio::test(start_paused = true)]
async fn a_304_that_says_no_cache_takes_the_old_windows_back() {
    let world = World::new();
    const FIRST: Fields = &[
        ("etag", "\"a\""),
        ("cache-control", "max-age=1, stale-if-error=60"),
    ];
    let site = pages(
        &world,
        &[
            (200, FIRST, "page"),
            (304, &[("etag", "\"a\""), ("cache-control", "no-cache")], ""),
            (500, &[], "error"),
        ],
    );
    site.get("/p").await;
    world.advance(Duration::from_secs(2));
    let confirmed = site.get("/p").await;
    assert_eq!((confirmed.status.as_u16(), &*confirmed.body), (200, "page"));
    let answer = site.get("/p").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (500, "error"));
}

/// RFC 9111 §4.2.3, §5.1: the age of what was confirmed is that of the 304, also where what comes of it may not be stored. And it is not said
/// to be stored then (RFC 9211 §2.5).
#[tokio::test(start_paused = true)]
async fn what_was_confirmed_but_may_not_be_stored_is_as_old_as_the_304() {
    let world = World::new();
    let site = gateway(
        &world,
        &[
            (200, &[("etag", "\"a\"")], "page"),
            (
                304,
                &[
                    ("etag", "\"a\""),
                    ("cache-control", "private"),
                    ("age", "8"),
                ],
                "",
            ),
        ],
    );
    site.get("/p").await;
    let answer = site.get("/p").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "page"));
    let age = answer.field("age");
    assert!(age.is_none_or(|age| age == "8"), "{age:?}");
    assert!(!answer.said().contains("stored"), "{}", answer.said());
}
