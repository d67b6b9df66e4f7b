//! Requests and responses that pass the cache by.

use http::Method;

use super::*;
use crate::monitor::{Bypass, Reason};
use crate::{QueryRule, seconds};

/// A body that does not say how long it is, as one of HTTP/2 may.
fn unsized_body(parts: &'static [&'static str]) -> Body {
    Body::from_stream(stream::iter(
        parts.iter().map(|part| Ok::<_, Infallible>(*part)),
    ))
}

#[tokio::test(start_paused = true)]
async fn what_the_cache_has_no_part_in_reaches_the_handler_as_it_is_and_leaves_the_page() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        let fields = request.headers();
        let conditions = ["range", "if-match", "if-unmodified-since", "upgrade"];
        let seen = conditions
            .iter()
            .filter(|name| fields.contains_key(**name))
            .count();
        let method = request.method().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        page(
            &[],
            format!("{method} {seen} {}", String::from_utf8_lossy(&body)),
        )
    });
    let with_body = |body: Body, fields: &[(&str, &str)]| {
        let mut request = get_with("/p", fields);
        *request.body_mut() = body;
        request
    };
    let unsafe_methods = [
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "BREW", "PURGE",
    ];
    let mut asked: Vec<(Request<Body>, Bypass, String)> = unsafe_methods
        .iter()
        .map(|name| {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            (
                request(method, "/p", &[]),
                Bypass::Method,
                format!("{name} 0 "),
            )
        })
        .collect();
    let bypasses = [
        (
            get_with("/p", &[("range", "bytes=0-1")]),
            Bypass::Range,
            "GET 1 ",
        ),
        (
            get_with("/p", &[("if-match", "\"a\"")]),
            Bypass::Precondition,
            "GET 1 ",
        ),
        (
            get_with(
                "/p",
                &[("if-unmodified-since", "Thu, 01 Jan 2026 00:00:00 GMT")],
            ),
            Bypass::Precondition,
            "GET 1 ",
        ),
        (
            get_with("/p", &[("upgrade", "websocket")]),
            Bypass::Upgrade,
            "GET 1 ",
        ),
        (
            with_body("x=1".into(), &[("content-length", "3")]),
            Bypass::Content,
            "GET 0 x=1",
        ),
        (with_body("x=1".into(), &[]), Bypass::Content, "GET 0 x=1"),
        (
            with_body(unsized_body(&["x", "=2"]), &[]),
            Bypass::Content,
            "GET 0 x=2",
        ),
        (
            get_with("/p", &[("transfer-encoding", "chunked")]),
            Bypass::Content,
            "GET 0 ",
        ),
        (
            get_with("/p", &[("host", "other.example")]),
            Bypass::Authority,
            "GET 0 ",
        ),
        (
            get_with("http://other.example/p", &[]),
            Bypass::Authority,
            "GET 0 ",
        ),
        (
            get_with("http://u@shop.example/p", &[]),
            Bypass::Authority,
            "GET 0 ",
        ),
    ];
    asked.extend(bypasses.map(|(request, why, seen)| (request, why, seen.to_owned())));

    for (n, (request, why, seen)) in asked.into_iter().enumerate() {
        let said = if why == Bypass::Method {
            "fwd=method"
        } else {
            "fwd=bypass"
        };
        let told = format!("{} {:?}", request.method(), request.headers());
        assert_eq!(site.runs(), n, "{told}");
        let response = site.open(request).await;
        let reason = response.extensions().get::<Reason>().copied();
        assert_eq!(reason, Some(Reason::Bypassed(why)), "{told}");
        let answer = read(response).await;
        assert_eq!((answer.said(), &*answer.body), (said, &*seen), "{told}");
    }
    // Nothing of all that was stored, and nothing freed what is.
    let before = site.runs();
    assert_eq!(site.get("/p").await.said(), "fwd=uri-miss; stored");
    site.ask(request(Method::POST, "/p", &[])).await;
    assert_eq!(site.get("/p").await.body, "GET 0 ");
    assert_eq!(site.runs(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_host_passes_by() {
    let world = World::new();
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    for _ in 0..2 {
        let request = Request::get("/p").body(Body::empty()).unwrap();
        assert_eq!(site.ask(request).await.said(), "fwd=bypass");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_that_are_not_listed_pass_by() {
    let world = World::new();
    let layer = world.page().hosts(["shop.example"]).unwrap();
    let site = world.site(layer, async |_| page(&[], "soup"));
    site.get("/p").await;
    let without_field = |target| Request::get(target).body(Body::empty()).unwrap();
    let same = without_field("http://SHOP.example:80/p");
    assert!(site.ask(same).await.is_hit());
    let other = without_field("http://evil.example/p");
    assert_eq!(site.ask(other).await.said(), "fwd=bypass");
}

#[tokio::test(start_paused = true)]
async fn a_key_of_any_length_is_served() {
    let world = World::new();
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    for (length, said) in [(8_000, "hit; ttl=1800"), (40_000, "fwd=bypass")] {
        let target = format!("/{}", "a".repeat(length));
        site.get(&target).await;
        assert_eq!(site.get(&target).await.said(), said);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_cannot_force_work() {
    let world = World::new();
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    site.get("/p").await;
    let asked = [
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0"),
        ("cache-control", "min-fresh=99999"),
        ("pragma", "no-cache"),
    ];
    for field in asked {
        for _ in 0..100 {
            assert!(
                site.ask(get_with("/p", &[field])).await.is_hit(),
                "{field:?}"
            );
        }
    }
    // An oracle for what is stored, if it were heeded.
    let only = get_with("/other", &[("cache-control", "only-if-cached")]);
    assert_eq!(site.ask(only).await.said(), "fwd=uri-miss; stored");
    assert_eq!(site.runs(), 2);
}

/// What of 200..=599 is stored: without a word of its own, with a lifetime, and with what the layer gives.
#[tokio::test(start_paused = true)]
async fn only_what_is_permitted_is_stored() {
    let world = World::new();
    let stored = async |status, fields: Fields, layer: CacheLayer| {
        let site = world.site(layer, move |_| async move {
            with_status(status, fields, Body::empty())
        });
        let target = format!("/{status}/{}", fields.len());
        site.get(&target).await;
        site.get(&target).await.is_hit()
    };
    // A 304 is about what was asked, which was no condition here.
    for status in (200..600).filter(|status| *status != 304) {
        let by_policy = stored(
            status,
            &[],
            world.page().vary_on(KeyPart::computed("p", |_| None)),
        )
        .await;
        assert_eq!(
            by_policy,
            [200, 203, 204, 300, 301, 308].contains(&status),
            "{status}"
        );
        let own = stored(
            status,
            &[("cache-control", "public, max-age=9")],
            world.page(),
        )
        .await;
        let understood = [
            200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451, 501,
        ];
        assert_eq!(own, understood.contains(&status), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_says_no_is_not_stored_whatever_the_layer_gives() {
    let says_no = [
        "no-store",
        "private",
        "no-cache",
        "Private",
        "NO-STORE",
        "private=\"X-U\"",
        "no-cache=Set-Cookie",
        "private=\"\"",
        "no-store=1",
        "no-store, max-age=60",
        "private, max-age=60",
        "public, private, max-age=60",
        "max-age=0",
        "s-maxage=0, max-age=60",
        "max-age=abc",
        "max-age",
        "max-age=60, x=\"a",
        "max-age=60, no-cache",
    ];
    let world = World::new();
    for said in says_no {
        let site = world.site(world.page(), async move |_| {
            page(&[("cache-control", said)], "x")
        });
        for _ in 0..2 {
            assert_eq!(site.get("/p").await.said(), "fwd=uri-miss", "{said}");
        }
        assert_eq!(site.get("/p").await.field("cache-control"), Some(said));
    }
    let says_nothing = ["myprivate", "nopublic", "x=\"no-store\"", "pragma"];
    for (n, said) in says_nothing.into_iter().enumerate() {
        let site = world.site(world.page(), async move |_| {
            page(&[("cache-control", said)], "x")
        });
        let target = format!("/{n}");
        site.get(&target).await;
        assert!(site.get(&target).await.is_hit(), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_lives_a_minute_at_most_and_other_lifetimes_are_capped_too() {
    let world = World::new();
    let capped = world.page().max_ttl(seconds(900)).unwrap();
    let table = [
        (404, world.page(), "hit; ttl=60"),
        (200, capped, "hit; ttl=900"),
    ];
    for (status, layer, said) in table {
        let target = format!("/{status}");
        let site = world.site(layer, move |_| async move {
            with_status(status, &[("cache-control", "max-age=1000000000")], "x")
        });
        site.get(&target).await;
        let hit = site.get(&target).await;
        assert_eq!(hit.said(), said);
        assert_eq!(
            hit.field("cache-control"),
            Some("max-age=1000000000"),
            "as it came"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_early_or_is_longer_than_said_is_not_stored() {
    let world = World::new();
    for said in ["3", "5"] {
        let site = world.site(world.page(), async move |_| {
            page(&[("content-length", said)], unsized_body(&["so", "up"]))
        });
        for n in 1..=2 {
            assert_eq!(site.get(&format!("/{said}")).await.body, "soup");
            assert_eq!(site.runs(), n, "length {said}");
        }
    }
    // Contradicted at once.
    let site = world.site(world.page(), async |_| {
        page(&[("content-length", "5, 6")], "soup")
    });
    for _ in 0..2 {
        assert_eq!(site.get("/p").await.said(), "fwd=uri-miss");
    }
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_is_not_stored() {
    let world = World::new();
    let site = world.site(world.page(), async |_| {
        let parts = [Ok("so"), Err("the database went away")];
        page(&[], Body::from_stream(stream::iter(parts)))
    });
    for _ in 0..2 {
        let error = try_read(site.open(get("/p")).await).await.unwrap_err();
        assert!(error.to_string().contains("database"), "{error}");
    }
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_handler_sees_the_query_of_the_key() {
    let world = World::new();
    let layer = world.page().query(QueryRule::except(["utm_*"]));
    let site = world.site(layer, async |request| {
        page(&[], request.uri().query().unwrap_or("none").to_owned())
    });
    let first = site.get("/p?utm_source=x&b=2&a=1").await;
    assert_eq!(first.body, "a=1&b=2");
    assert!(site.get("/p?a=1&b=2&utm_medium=y").await.is_hit());
    assert_eq!(site.get("/p?utm_source=z").await.body, "none");
    assert_eq!(site.runs(), 2);
}
