//! Which requests a limit is about.

use http::Method;

use super::*;
use crate::limit::Switch;

async fn status(app: &Router, method: &str, path: &str) -> u16 {
    send(app, by(ALICE, method, path)).await.status().as_u16()
}

#[tokio::test]
async fn only_the_methods_of_a_limit_are_counted() {
    let world = World::new();
    let these = world.app(|limit| {
        let limit = limit.quota("1/m", client_ip());
        limit.methods([Method::PUT, Method::POST])
    });
    for (method, expected) in [
        ("GET", 200),
        ("POST", 200),
        ("GET", 200),
        ("PUT", 429),
        ("HEAD", 200),
    ] {
        assert_eq!(status(&these, method, "/").await, expected, "{method}");
    }
    let world = World::new();
    let changes = world.app(|limit| limit.quota("1/m", client_ip()).unsafe_methods());
    for (method, expected) in [
        ("GET", 200),
        ("OPTIONS", 200),
        ("BREW", 200),
        ("DELETE", 429),
    ] {
        assert_eq!(status(&changes, method, "/").await, expected, "{method}");
    }
}

#[tokio::test]
async fn allowed_networks_are_not_counted_and_denied_ones_get_403() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("1/m", client_ip());
        limit
            .allow("10.0.0.0/8")
            .allow("2001:db8:aaaa::/48")
            .allow("::ffff:192.0.2.77")
            .allow("::ffff:198.51.100.0/120")
            .deny("10.6.6.6")
            .deny("203.0.113.0/24")
    });
    for addr in [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "2001:db8:aaaa::1",
        "192.0.2.77",
        "198.51.100.9",
        "10.6.6.6",
    ] {
        for _ in 0..3 {
            assert_eq!(get(&app, addr).await, 200, "{addr}");
        }
    }
    for _ in 0..2 {
        let denied = send(&app, from("203.0.113.9")).await;
        assert_eq!(denied.status(), StatusCode::FORBIDDEN);
        assert_eq!(field(&denied, "cache-control"), Some("no-store"));
        assert_eq!(field(&denied, "retry-after"), None);
    }
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 429);
    // Where nobody has found an address, there is none to allow or deny.
    let nobody = || Request::new(Body::empty());
    assert_eq!(send(&app, nobody()).await.status(), 200);
    assert_eq!(send(&app, nobody()).await.status(), 429);
}

#[tokio::test]
async fn what_is_exempt_is_neither_counted_nor_refused() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("1/m", client_ip()).deny("203.0.113.0/24");
        limit.exempt(|head| head.uri.path() == "/health")
    });
    for _ in 0..3 {
        assert_eq!(status(&app, "GET", "/health").await, 200);
    }
    let health = by("203.0.113.9", "GET", "/health");
    assert_eq!(send(&app, health).await.status(), 200);
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 429);
}

#[tokio::test]
async fn a_limit_is_switched_off_and_on_while_it_runs() {
    let world = World::new();
    let switch = Switch::default();
    let app = world.app(|limit| limit.quota("1/m", client_ip()).switch(&switch));
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 429);
    switch.off();
    assert_eq!(get(&app, ALICE).await, 200);
    switch.on();
    assert_eq!(get(&app, ALICE).await, 429);
    world.limiter.switch().off();
    assert_eq!(get(&app, ALICE).await, 200);
}

#[tokio::test]
async fn zero_blocks_all_and_no_limit_none() {
    let world = World::new();
    let app = world.app(|limit| limit.quota(Quota::deny_all(), client_ip()));
    assert_eq!(get(&app, ALICE).await, 429);
    let app = world.app(|limit| {
        let limit = limit.quota(Quota::unlimited(), client_ip());
        limit.fields(Fields::Always)
    });
    for _ in 0..100 {
        assert_eq!(get(&app, ALICE).await, 200);
    }
}
