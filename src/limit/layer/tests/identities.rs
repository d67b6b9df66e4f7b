//! Whose a request is.

use super::*;
use crate::identity::{self, Field, Identify, closure};

fn header(name: &'static str) -> Field {
    identity::header(http::HeaderName::from_static(name))
}

fn with(name: &str, value: &[u8]) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let value = http::HeaderValue::from_bytes(value).unwrap();
    let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
    request.headers_mut().append(name, value);
    request
}

async fn status(app: &Router, request: Request<Body>) -> u16 {
    send(app, request).await.status().as_u16()
}

#[tokio::test]
async fn whoever_does_not_say_who_it_is_shares_one_bucket_that_no_field_tells_of() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("2/m", header("x-api-key"));
        limit.fields(Fields::Always)
    });
    let nobody = || Request::new(Body::empty());
    let first = send(&app, nobody()).await;
    assert_eq!(first.status(), 200);
    assert_eq!(field(&first, "ratelimit"), None);
    assert_eq!(field(&first, "ratelimit-policy"), None);
    assert_eq!(status(&app, from(ALICE)).await, 200);
    let refused = send(&app, from(BOB)).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(field(&refused, "ratelimit"), None);
    assert!(field(&refused, "retry-after").is_some());
    let known = send(&app, with("x-api-key", b"k1")).await;
    assert_eq!(known.status(), 200);
    assert_eq!(field(&known, "ratelimit"), Some("\"test\";r=1;t=30"));
}

#[tokio::test]
async fn whoever_does_not_say_who_it_is_can_be_refused_or_exempt() {
    let world = World::new();
    let app =
        |missing| world.app(move |limit| limit.quota("1/m", header("x-api-key")).missing(missing));
    let refusing = app(Missing::Refuse);
    let refused = send(&refusing, Request::new(Body::empty())).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(status(&refusing, with("x-api-key", b"k1")).await, 200);
    let exempting = app(Missing::Exempt);
    for _ in 0..5 {
        assert_eq!(status(&exempting, Request::new(Body::empty())).await, 200);
    }
    // Whoever says two things, or too much, cannot get round it that way.
    let unclear = || {
        let mut request = with("x-api-key", b"k1");
        request
            .headers_mut()
            .append("x-api-key", "k2".parse().unwrap());
        request
    };
    assert_eq!(status(&exempting, unclear()).await, 200);
    assert_eq!(status(&exempting, unclear()).await, 429);
    assert_eq!(
        status(&exempting, with("x-api-key", &vec![b'x'; 1 << 20])).await,
        429
    );
    assert_eq!(status(&refusing, unclear()).await, 429);
}

#[tokio::test]
async fn what_a_client_makes_up_selects_no_fresh_bucket_where_it_is_bound_to_the_address() {
    let world = World::new();
    // A token that nobody has verified counts by address as well.
    let app = world.app(|limit| {
        let limit = limit.quota("100/m", header("authorization"));
        limit.quota("3/m", client_ip())
    });
    let mut admitted = 0;
    for token in 0..50 {
        let mut request = from(ALICE);
        let token = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", token);
        admitted += usize::from(status(&app, request).await == 200);
    }
    assert_eq!(admitted, 3);
}

#[tokio::test]
async fn no_bytes_of_a_client_make_a_limit_stumble() {
    let world = World::new();
    let app = world.app(|limit| limit.quota("1/m", header("x-api-key")));
    for value in [&b"\xff\xfe"[..], b"\x80", b"k", &[b'y'; 4_096]] {
        assert_eq!(status(&app, with("x-api-key", value)).await, 200);
        assert_eq!(status(&app, with("x-api-key", value)).await, 429);
    }
}

#[tokio::test]
async fn all_addresses_of_a_64_are_one_client() {
    let world = World::new();
    let app = world.app(|limit| limit.quota("1/m", client_ip()));
    assert_eq!(get(&app, "2001:db8:1:2::1").await, 200);
    for host in 2..100 {
        assert_eq!(get(&app, &format!("2001:db8:1:2::{host:x}")).await, 429);
    }
    assert_eq!(get(&app, "2001:db8:1:3::1").await, 200);
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, &format!("::ffff:{ALICE}")).await, 429);
}

#[tokio::test]
async fn a_narrow_and_a_wide_network_of_one_amount_are_two_quotas() {
    let world = World::new();
    let app = world.app(|limit| {
        let wide = client_ip().v6_prefix(48).unwrap();
        limit.quota("2/m", client_ip()).quota("2/m", wide)
    });
    // For an address of IPv4 both are one network, and still a request counts once in each.
    for expected in [200, 200, 429] {
        assert_eq!(get(&app, ALICE).await, expected);
    }
}

#[tokio::test]
async fn parts_of_an_identity_are_kept_apart() {
    let world = World::new();
    let by = header("x-a").and(header("x-b"));
    let app = world.app(|limit| limit.quota("1/m", by));
    let both = |a: &str, b: &str| {
        let mut request = with("x-a", a.as_bytes());
        request.headers_mut().insert("x-b", b.parse().unwrap());
        request
    };
    for (a, b) in [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")] {
        assert_eq!(status(&app, both(a, b)).await, 200, "{a} {b}");
        assert_eq!(status(&app, both(a, b)).await, 429, "{a} {b}");
    }
}

#[tokio::test]
async fn a_user_or_else_an_address() {
    let world = World::new();
    let app = world.app(|limit| limit.quota("1/m", header("x-user").or(client_ip())));
    let user = |name: &str, addr: &str| {
        let mut request = from(addr);
        request
            .headers_mut()
            .insert("x-user", name.parse().unwrap());
        request
    };
    assert_eq!(status(&app, user("u", ALICE)).await, 200);
    assert_eq!(status(&app, user("u", BOB)).await, 429);
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, ALICE).await, 429);
    // A user that is called as an address is written is not that address.
    assert_eq!(status(&app, user(BOB, BOB)).await, 200);
    assert_eq!(get(&app, BOB).await, 200);
}

#[tokio::test]
async fn what_all_use_up_together_is_a_503_that_tells_nothing() {
    let world = World::new();
    let app = world.app(|limit| {
        let limit = limit.quota("2/m", client_ip()).quota("3/m", everyone());
        limit.fields(Fields::Always)
    });
    let first = send(&app, from(ALICE)).await;
    // What is left for all is nobody's business.
    assert_eq!(
        field(&first, "ratelimit").unwrap().matches(";r=").count(),
        1
    );
    assert_eq!(get(&app, ALICE).await, 200);
    assert_eq!(get(&app, BOB).await, 200);
    let shared = send(&app, from(BOB)).await;
    assert_eq!(shared.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(field(&shared, "retry-after"), Some("20"));
    // Whoever is over a quota of its own is to blame.
    assert_eq!(get(&app, ALICE).await, 429);
}

#[tokio::test]
async fn whom_the_application_panics_about_shares_the_bucket_of_the_unclear() {
    let world = World::new();
    let by = closure("panics", |head: &crate::RequestHead<'_>| {
        assert!(head.uri.path() != "/panic", "as an application may");
        Some("u")
    });
    let app = world.app(|limit| limit.quota("1/m", by));
    assert_eq!(status(&app, by_path("/panic")).await, 200);
    assert_eq!(status(&app, by_path("/panic")).await, 429);
    assert_eq!(status(&app, by_path("/")).await, 200);
}

fn by_path(path: &str) -> Request<Body> {
    by(ALICE, "GET", path)
}
