//! Attacks: more fields than a map has room for, lengths that lie, handlers that hang.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::SizeHint;

use super::*;
use crate::{hours, seconds};

on_every_store! {
    a_304_with_many_lines_of_one_name_fails_no_request
    a_304_with_as_many_names_as_a_map_takes_fails_no_request
    an_answer_with_as_many_names_as_a_map_takes_fails_no_request
    a_request_with_as_many_names_as_a_map_takes_is_validated_or_forwarded
    a_head_with_many_lines_fails_no_request
    a_range_on_a_handler_that_hangs_is_answered_in_time
    numbers_at_their_limits_fail_no_request
    what_a_post_says_of_a_dropped_parameter_is_on_no_page
    what_a_head_says_of_a_dropped_parameter_is_on_no_page
    a_part_is_made_of_the_request_that_selects_it
    a_page_stored_for_all_is_made_of_the_request_that_selects_it
    a_range_within_a_stored_part_is_answered_if_only_what_is_stored_is_wanted
    a_post_to_a_shared_route_keeps_its_credentials
    tags_of_odd_bytes_are_compared_byte_by_byte
}

/// A page that lives a minute and stays an hour, stored and stale.
async fn stale(world: &World) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(world.cache.page(minutes(1)).keep(hours(1)).unwrap());
    origin.answers(move |_| page(&[("etag", "\"a\"")], "soup"));
    site.get("/p").await;
    world.advance(minutes(1));
    (origin, site)
}

/// As many lines of one name as nobody needs: a map takes them, but not a request for so much room at once.
fn lines(headers: &mut HeaderMap) {
    for _ in 0..30_000 {
        headers.append("x-a", HeaderValue::from_static("1"));
    }
}

/// Names until the map takes no more.
fn names(headers: &mut HeaderMap) {
    for number in 0.. {
        let name = HeaderName::try_from(format!("x-{number}")).unwrap();
        if headers
            .try_append(name, HeaderValue::from_static("1"))
            .is_err()
        {
            return;
        }
    }
}

/// `HeaderMap::with_capacity` panics where `append` does not.
async fn a_304_with_many_lines_of_one_name_fails_no_request(world: World) {
    let (origin, site) = stale(&world).await;
    origin.answers(|_| {
        let mut response = with_status(304, &[("etag", "\"a\"")], "");
        lines(response.headers_mut());
        response
    });
    assert!(site.get("/p").await.is(200, "soup"));
}

/// `HeaderMap::insert` panics where the map is full.
async fn a_304_with_as_many_names_as_a_map_takes_fails_no_request(world: World) {
    let (origin, site) = stale(&world).await;
    origin.answers(|_| {
        let mut response = with_status(304, &[("etag", "\"a\"")], "");
        names(response.headers_mut());
        response
    });
    assert!(site.get("/p").await.is(200, "soup"));
}

async fn a_head_with_many_lines_fails_no_request(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|_| {
        page(
            &[("etag", "\"a\""), ("cache-control", "max-age=60")],
            "soup",
        )
    });
    site.get("/p").await;
    world.advance(minutes(1));
    origin.answers(|_| {
        let mut response = page(&[("etag", "\"a\"")], "");
        lines(response.headers_mut());
        response
    });
    assert_eq!(site.ask(request(Method::HEAD, "/p", &[])).await.code(), 200);
}

async fn an_answer_with_as_many_names_as_a_map_takes_fails_no_request(world: World) {
    for layer in [
        world
            .page()
            .vary_on_header(HeaderName::from_static("x-key")),
        world.cache.gateway(),
    ] {
        let (origin, site) = world.origin(layer);
        origin.answers(|_| {
            let mut response = page(&[], "soup");
            names(response.headers_mut());
            response
        });
        assert!(site.get("/p").await.is(200, "soup"));
    }
}

async fn a_request_with_as_many_names_as_a_map_takes_is_validated_or_forwarded(world: World) {
    let (origin, site) = stale(&world).await;
    origin.says(200, &[], "bread");
    let mut asks = get("/p");
    names(asks.headers_mut());
    assert_eq!(site.ask(asks).await.code(), 200);
}

/// `hard_timeout` answers 504 if the handler takes longer, whatever was asked.
async fn a_range_on_a_handler_that_hangs_is_answered_in_time(world: World) {
    let layer = world.cache.gateway().hard_timeout(seconds(5)).unwrap();
    let mut silent = Vec::new();
    for (method, field) in [
        (Method::GET, ("x-none", "1")),
        (Method::GET, ("range", "bytes=0-1")),
        (Method::GET, ("cache-control", "no-store")),
        (Method::HEAD, ("x-none", "1")),
    ] {
        let (origin, site) = world.origin(layer.clone());
        let gate = origin.hold();
        let asks = site.open(request(method.clone(), "/p", &[field]));
        if tokio::time::timeout(seconds(60), asks).await.is_err() {
            silent.push((method, field));
        }
        gate.open();
    }
    assert!(silent.is_empty(), "{silent:?}");
}

async fn numbers_at_their_limits_fail_no_request(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    let numbers = [
        "0",
        "1",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551614",
        "18446744073709551615",
        "18446744073709551616",
        "999999999999999999999999999999",
    ];
    let dates = [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-69 08:49:37 GMT",
        "Mon, 01 Jan 0000 00:00:00 GMT",
    ];
    let mut n = 0;
    for a in numbers {
        for b in numbers {
            for d in dates {
                n += 1;
                let target = format!("/{n}");
                origin.answers(move |asked| {
                    let mut response = match asked.headers().contains_key("range") {
                        true => with_status(206, &[], "soup"),
                        false => page(&[], "soup"),
                    };
                    let h = response.headers_mut();
                    let put = |h: &mut HeaderMap, n: &'static str, v: String| {
                        h.insert(n, HeaderValue::try_from(v).unwrap());
                    };
                    put(
                        h,
                        "cache-control",
                        format!("max-age={a}, stale-while-revalidate={b}, stale-if-error={b}"),
                    );
                    put(h, "age", b.to_string());
                    put(h, "date", d.to_string());
                    put(h, "expires", d.to_string());
                    put(h, "last-modified", d.to_string());
                    put(h, "etag", "\"a\"".to_string());
                    if asked.headers().contains_key("range") {
                        put(h, "content-range", format!("bytes {a}-{b}/{b}"));
                    }
                    response
                });
                let range = format!("bytes={a}-{b}");
                site.ask(get_with(&target, &[("range", &range)])).await;
                site.get(&target).await;
                let range = format!("bytes={a}-,-{b}");
                site.ask(get_with(&target, &[("range", &range), ("if-range", d)]))
                    .await;
                let cc = format!("max-age={a}, min-fresh={b}, max-stale={a}");
                site.ask(get_with(
                    &target,
                    &[("cache-control", &cc), ("if-modified-since", d)],
                ))
                .await;
            }
            world.advance(seconds(1));
        }
    }
    world.advance(Duration::from_secs(u64::MAX / 2));
    site.get("/1").await;
}

/// A body that says of what it has left what it said at first.
struct Lying(Option<Bytes>);

impl http_body::Body for Lying {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::MAX)
    }
}

/// A length is a claim: it must not make the middleware panic.
#[tokio::test]
async fn content_that_claims_every_length_is_handed_on() {
    let read = crate::content::read(Lying(Some(Bytes::from("soup"))), 2).await;
    let hint = http_body::Body::size_hint(&read.body);
    assert!(hint.lower() >= 4);
}

/// `ttl_for` says that it refuses statuses that are never stored, 412, 416 and 417 among them.
#[test]
fn no_lifetime_is_taken_for_what_is_never_stored() {
    let world = World::new();
    for status in [206, 304, 412, 416, 417, 428] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(
            world.page().ttl_for(status, minutes(1)).is_err(),
            "{status}"
        );
    }
}

/// No path loses more than one timeout to a store that hangs (P4; see `trouble`).
#[tokio::test(start_paused = true)]
async fn what_a_gateway_asks_of_a_store_that_hangs_costs_one_timeout_at_most() {
    use super::stores::{Call, Trouble, Troubled};
    let mut slow = Vec::new();
    for call in [Call::Get, Call::Apply, Call::Admits, Call::Purge] {
        for trouble in [Trouble::Fails, Trouble::Hangs] {
            for what in [
                "whole",
                "validated",
                "vary",
                "search",
                "head",
                "range",
                "rest",
                "post",
                "changed",
                "foreign",
            ] {
                let store = Troubled::new(false);
                let world = World::on(store.clone());
                let (origin, site) = world.origin(world.cache.gateway());
                let vary = match what {
                    "search" => "no-vary-search",
                    _ => "vary",
                };
                let vary_value = match what {
                    "vary" => "x-v",
                    "search" => "params",
                    _ => "host",
                };
                origin.answers(move |asked| {
                    let headers = asked.headers();
                    let fields = [
                        ("cache-control", "max-age=60"),
                        ("etag", "\"a\""),
                        (vary, vary_value),
                        ("content-location", "/p"),
                    ];
                    if *asked.method() == Method::POST {
                        return page(&fields, "post");
                    }
                    if *asked.method() == Method::HEAD {
                        return with_status(200, &fields[..3], "");
                    }
                    match headers.get("range").map(|r| r.to_str().unwrap()) {
                        Some("bytes=0-3") => with_status(
                            206,
                            &[&fields[..], &[("content-range", "bytes 0-3/10")]].concat(),
                            "0123",
                        ),
                        Some("bytes=4-") => with_status(
                            206,
                            &[&fields[..], &[("content-range", "bytes 4-9/10")]].concat(),
                            "456789",
                        ),
                        _ if headers.contains_key("if-none-match") => {
                            with_status(304, &fields[..3], "")
                        }
                        _ => page(&fields, "0123456789"),
                    }
                });
                match what {
                    "range" | "whole" => {}
                    "rest" => {
                        site.ask(get_with("/p", &[("range", "bytes=0-3")])).await;
                    }
                    _ => {
                        for v in ["1", "2", "3", "4"] {
                            site.ask(get_with("/p", &[("x-v", v)])).await;
                        }
                    }
                }
                if what != "rest" {
                    world.advance(minutes(1));
                }
                let asks = match what {
                    "range" => get_with("/p", &[("range", "bytes=0-3")]),
                    "post" => request(Method::POST, "/p", &[]),
                    "head" => request(Method::HEAD, "/p", &[("x-v", "1")]),
                    "search" => get("/p?b"),
                    "changed" => get_with("/p", &[("x-v", "9")]),
                    _ => get_with("/p", &[("x-v", "1")]),
                };
                store.has(&[(call, trouble)]);
                let since = tokio::time::Instant::now();
                let answer =
                    tokio::time::timeout(seconds(100), async { read(site.open(asks).await).await })
                        .await;
                let lost = since.elapsed();
                let answer =
                    answer.map(|a| (a.code(), a.body.clone(), a.lines("cache-status").join("/")));
                if lost > Duration::from_millis(250)
                    || answer.as_ref().is_ok_and(|a| a.0 >= 400)
                    || answer.is_err()
                {
                    slow.push(format!("{call:?} {trouble:?} {what} {lost:?} {answer:?}"));
                }
                store.has(&[]);
            }
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

/// A layer that stores no difference in `utm_x`.
fn without_utm(world: &World) -> CacheLayer {
    let layer = world.cache.gateway();
    layer.query(crate::QueryRule::except(["utm_*"]))
}

/// The forwarded request carries the query of the key (SPEC KEY-04), so that no page can depend on what its key leaves out.
async fn what_a_post_says_of_a_dropped_parameter_is_on_no_page(world: World) {
    let (origin, site) = world.origin(without_utm(&world));
    origin.answers(|asked| {
        let target = asked.uri().path_and_query().unwrap().as_str().to_owned();
        page(
            &[
                ("cache-control", "max-age=60"),
                ("content-location", &target),
            ],
            target.clone(),
        )
    });
    site.ask(request(Method::POST, "/p?utm_x=evil", &[])).await;
    let answer = site.get("/p").await;
    assert!(answer.is(200, "/p"), "{answer:?}");
}

/// The same of a HEAD, whose fields update the page (RFC 9111 §4.3.5).
async fn what_a_head_says_of_a_dropped_parameter_is_on_no_page(world: World) {
    let (origin, site) = world.origin(without_utm(&world));
    origin.answers(|asked| {
        let target = asked.uri().path_and_query().unwrap().as_str().to_owned();
        page(
            &[
                ("cache-control", "max-age=60"),
                ("etag", "\"a\""),
                ("link", &target),
            ],
            "",
        )
    });
    site.get("/p").await;
    world.advance(minutes(1));
    site.ask(request(Method::HEAD, "/p?utm_x=evil", &[])).await;
    let answer = site.get("/p").await;
    assert_eq!(answer.field("link"), Some("/p"), "{answer:?}");
}

/// The order of languages selects nothing, so no handler for everyone sees it (RFC 9110 §12.5.4; see `negotiate`).
async fn a_part_is_made_of_the_request_that_selects_it(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|asked| {
        let first = asked.headers()["accept-language"].to_str().unwrap()[..2].to_owned();
        let fields = [
            ("cache-control", "max-age=60"),
            ("vary", "accept-language"),
            ("content-range", "bytes 0-1/9"),
        ];
        with_status(206, &fields, first)
    });
    let asks = |languages| {
        get_with(
            "/p",
            &[("range", "bytes=0-1"), ("accept-language", languages)],
        )
    };
    let one = site.ask(asks("en, de")).await;
    let other = site.ask(asks("de, en")).await;
    let seen = origin.asked("accept-language").unwrap();
    assert_eq!(seen, "de, en", "{one:?} {other:?}");
}

/// What is neither GET nor HEAD passes a shared route with its credentials, as it does where no answer to POST is stored.
async fn a_post_to_a_shared_route_keeps_its_credentials(world: World) {
    for layer in [
        world.page().shared(),
        world.page().shared().store_posts(true),
    ] {
        let (origin, site) = world.origin(layer);
        site.ask(request(Method::POST, "/p", &[("cookie", "a=b")]))
            .await;
        assert_eq!(origin.asked("cookie").as_deref(), Some("a=b"));
    }
}

async fn tags_of_odd_bytes_are_compared_byte_by_byte(world: World) {
    for (number, tag) in [
        &b"\"a,b\""[..],
        b"\"\xff\xfe\"",
        b"\"\"",
        b"W/\"\"",
        b"\"a\\\"",
        b"\"W/\"",
        b"\"*\"",
    ]
    .iter()
    .enumerate()
    {
        let (origin, site) = world.origin(world.cache.gateway());
        let value = HeaderValue::from_bytes(tag).unwrap();
        let etag = value.clone();
        origin.answers(move |asked| {
            let fields = [("cache-control", "max-age=60")];
            let mut response = match asked.headers().get("if-none-match") == Some(&etag) {
                true => with_status(304, &fields, ""),
                false => page(&fields, "soup"),
            };
            response.headers_mut().insert("etag", etag.clone());
            response
        });
        let target = format!("/{number}");
        let asks = || {
            let mut asks = get(&target);
            asks.headers_mut().insert("if-none-match", value.clone());
            asks
        };
        site.get(&target).await;
        assert_eq!(site.ask(asks()).await.code(), 304, "{value:?}");
        world.advance(minutes(1));
        assert!(site.get(&target).await.is(200, "soup"), "{value:?}");
        assert_eq!(site.ask(asks()).await.code(), 304, "{value:?}");
        assert_eq!(site.runs(), 2, "{value:?}");
    }
}

/// Updating all variants that a 304 is about is one wait for the store and not one for each (P4; see `trouble`).
#[tokio::test(start_paused = true)]
async fn a_304_about_many_variants_costs_one_timeout_at_most() {
    use super::stores::{Call, Trouble, Troubled};
    let store = Troubled::new(false);
    let world = World::on(store.clone());
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|asked| {
        let fields = [
            ("cache-control", "max-age=60"),
            ("etag", "\"a\""),
            ("vary", "accept-language"),
            ("content-language", "de"),
        ];
        match asked.headers().contains_key("if-none-match") {
            true => with_status(304, &fields, ""),
            false => page(&fields, "Suppe"),
        }
    });
    let asks = |n: usize| {
        get_with(
            "/p",
            &[(
                "accept-language",
                &format!("de, x{};q=0.1", char::from(b'a' + u8::try_from(n).unwrap())),
            )],
        )
    };
    for n in 0..10 {
        site.ask(asks(n)).await;
        world.advance(minutes(1));
    }
    store.has(&[(Call::Apply, Trouble::Hangs)]);
    let since = tokio::time::Instant::now();
    let answer = read(site.open(asks(11)).await).await;
    assert!(answer.is(200, "Suppe"));
    assert!(
        since.elapsed() <= Duration::from_millis(250),
        "{:?}",
        since.elapsed()
    );
}

/// The response says so when the store has failed (README, "The store cannot hurt the site"; RFC 9211 §2.5: `stored` is what was stored).
#[tokio::test(start_paused = true)]
async fn what_was_confirmed_and_could_not_be_filed_is_not_called_stored() {
    use super::stores::{Call, Trouble, Troubled};
    use crate::store::Done;
    for trouble in [
        Trouble::Fails,
        Trouble::Hangs,
        Trouble::Says(Done::Refused),
        Trouble::Says(Done::TooLarge),
    ] {
        let store = Troubled::new(true);
        let world = World::on(store.clone());
        let (origin, site) = stale(&world).await;
        origin.confirms(&[("etag", "\"a\"")]);
        store.has(&[(Call::Apply, trouble)]);
        let answer = site.get("/p").await;
        assert!(answer.is(200, "soup"));
        let said = answer.said();
        assert!(!said.ends_with("; stored"), "{trouble:?}: {said}");
    }
}

/// The same of a page that is stored for everyone because it says `public`, though its first client sent a cookie.
async fn a_page_stored_for_all_is_made_of_the_request_that_selects_it(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    origin.answers(|asked| {
        let first = asked.headers()["accept-language"].to_str().unwrap()[..2].to_owned();
        let fields = [
            ("cache-control", "public, max-age=60"),
            ("vary", "accept-language"),
        ];
        page(&fields, first)
    });
    let asks = [("accept-language", "en, de"), ("cookie", "a=b")];
    site.ask(get_with("/p", &asks)).await;
    let answer = site
        .ask(get_with("/p", &[("accept-language", "de, en")]))
        .await;
    assert!(answer.is(200, "de"), "{answer:?}");
}

/// `only-if-cached` wants what is stored (RFC 9111 §5.2.1.7), and that is all there.
async fn a_range_within_a_stored_part_is_answered_if_only_what_is_stored_is_wanted(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    let fields: Fields = &[
        ("cache-control", "max-age=60"),
        ("etag", "\"a\""),
        ("content-range", "bytes 0-3/10"),
    ];
    origin.says(206, fields, "0123");
    let range = ("range", "bytes=0-3");
    site.ask(get_with("/p", &[range])).await;
    assert!(site.ask(get_with("/p", &[range])).await.is(206, "0123"));
    let asks = [range, ("cache-control", "only-if-cached")];
    let answer = site.ask(get_with("/p", &asks)).await;
    assert!(answer.is(206, "0123"), "{answer:?}");
}
