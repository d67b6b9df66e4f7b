//! Pages that answer for more targets than their own, and what frees them.

use super::*;
use crate::InvalidationLayer;

on_every_store! {
    a_purge_of_the_query_that_is_asked_for_strikes_what_another_has_filled
    a_purge_by_the_key_that_is_asked_for_strikes_what_another_has_filled
    a_put_to_an_equivalent_frees_the_page
    the_rule_of_the_newest_page_counts
    a_stale_page_is_validated_for_its_equivalents
}

const RULE: (&str, &str) = ("no-vary-search", "params=(\"utm\")");
const FRESH: (&str, &str) = ("cache-control", "max-age=60");

fn site(world: &World) -> Site {
    world.site(world.cache.gateway(), async |request: Request<Body>| {
        page(&[RULE, FRESH], request.uri().to_string())
    })
}

async fn a_purge_of_the_query_that_is_asked_for_strikes_what_another_has_filled(world: World) {
    let site = site(&world);
    site.get("/p?utm=1&a=2").await;
    let equivalent = site.get("/p?a=2&utm=7").await;
    assert!(equivalent.is_hit() && equivalent.body == "/p?utm=1&a=2");
    world.purge_page("/p?a=2&utm=7").await;
    assert_eq!(site.get("/p?a=2&utm=7").await.body, "/p?a=2&utm=7");
    assert_eq!(site.runs(), 2);
}

async fn a_purge_by_the_key_that_is_asked_for_strikes_what_another_has_filled(world: World) {
    let site = site(&world);
    site.get("/p?utm=1").await;
    assert!(site.get("/p?utm=2").await.is_hit());
    let asked = get("/p?utm=2");
    let key = world.cache.gateway().key(&RequestHead::of(&asked)).unwrap();
    let _ = world.cache.purge_key(&key).await.unwrap();
    assert!(!site.get("/p?utm=2").await.is_hit());
}

async fn a_put_to_an_equivalent_frees_the_page(world: World) {
    let handler = async |request: Request<Body>| page(&[RULE, FRESH], request.uri().to_string());
    let runs = Runs::default();
    let layered = world.cache.gateway().layer(runs.handler(handler));
    let layered = InvalidationLayer::new(&world.cache).layer(layered);
    let site = Site::of(world.clone(), runs, layered);
    site.get("/p?utm=1").await;
    site.ask(request(Method::PUT, "/p?utm=9", &[])).await;
    assert!(!site.get("/p?utm=2").await.is_hit());
}

async fn the_rule_of_the_newest_page_counts(world: World) {
    let site = world.site(world.cache.gateway(), async |request: Request<Body>| {
        let rule = match request.uri().query() {
            Some("first") => "params=(\"a\")",
            _ => "params=(\"b\")",
        };
        page(
            &[("no-vary-search", rule), FRESH],
            request.uri().to_string(),
        )
    });
    site.get("/p?first").await;
    world.advance(Duration::from_secs(1));
    site.get("/p?second").await;
    assert!(site.get("/p?second&b=1").await.is_hit());
    assert!(!site.get("/p?second&a=1").await.is_hit());
}

async fn a_stale_page_is_validated_for_its_equivalents(world: World) {
    let site = world.site(world.cache.gateway(), async |request: Request<Body>| {
        let tag = ("etag", "\"a\"");
        match request.headers().get("if-none-match") {
            Some(_) => with_status(304, &[tag, FRESH], Body::empty()),
            None => page(&[RULE, FRESH, tag], "page"),
        }
    });
    site.get("/p?utm=1").await;
    world.advance(Duration::from_secs(61));
    let confirmed = site.get("/p?utm=2").await;
    assert_eq!((confirmed.status.as_u16(), &*confirmed.body), (200, "page"));
    assert!(confirmed.said().contains("fwd-status=304"), "{confirmed:?}");
    assert!(site.get("/p?utm=1").await.is_hit());
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn signed_requests_and_parameters_that_must_count_have_no_equivalents() {
    let world = World::new();
    let layer = world.cache.gateway().no_vary_search(["utm"]);
    let site = world.site(layer, async |request: Request<Body>| {
        page(&[RULE, FRESH], request.uri().to_string())
    });
    site.get("/p?utm=1").await;
    assert!(!site.get("/p?utm=2").await.is_hit());
    let site = world.site(world.cache.gateway(), async |request: Request<Body>| {
        page(
            &[RULE, ("cache-control", "public, max-age=60")],
            request.uri().to_string(),
        )
    });
    site.get("/q?utm=1").await;
    let signed = get_with("/q?utm=2", &[("authorization", "x")]);
    assert!(!site.ask(signed).await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_what_the_query_rule_drops() {
    use crate::QueryRule;
    let world = World::new();
    let layer = world
        .page()
        .query(QueryRule::except(["utm"]))
        .tell_query_rule();
    let site = world.site(layer, async |_| page(&[], "page"));
    for target in ["/p?a=1&utm=1", "/p?a=1&utm=2"] {
        let told = site.get(target).await;
        assert_eq!(
            told.field("no-vary-search"),
            Some("key-order, params=(\"utm\")")
        );
    }
    assert_eq!(site.runs(), 1);
    // A cache outside would read this name as another one.
    assert_eq!(site.get("/p?%75tm=1").await.field("no-vary-search"), None);
}
