//! Conditional requests, answered from the store (RFC 9110 §13, §15.4.5, RFC 9111 §4.3.2).

use axum::Router;
use axum::routing::get as route;

use super::*;
use crate::seconds;

on_every_store! {
    a_client_that_has_the_page_gets_304_from_the_store
    tags_are_compared_weakly_and_a_star_is_any
    a_list_that_cannot_be_read_matches_nothing
    a_date_counts_only_where_there_is_no_tag_and_it_is_one_valid_date
    a_page_without_a_date_of_its_own_counts_from_when_it_came
    conditions_for_the_origin_are_never_judged_here
    conditions_are_ignored_where_the_answer_is_no_success
    a_304_carries_what_a_200_would_to_be_kept_and_nothing_of_its_form
    a_304_has_no_body_no_trailers_and_no_wrong_length
    a_miss_with_conditions_fills_the_page_for_all
    head_with_conditions_is_judged_alike
    tags_made_here_are_strong_and_of_the_bytes
}

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

async fn stored(world: &World, fields: Fields) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(world.page());
    world.purge_page("/p").await;
    origin.says(200, fields, "soup");
    site.get("/p").await;
    (origin, site)
}

/// The status of the answer to a GET with these fields, which must be a hit.
async fn code(site: &Site, fields: &[(&str, &str)]) -> u16 {
    let answer = site.ask(get_with("/p", fields)).await;
    assert!(answer.is_hit(), "{fields:?}: {answer:?}");
    answer.code()
}

async fn a_client_that_has_the_page_gets_304_from_the_store(world: World) {
    let (_, site) = stored(&world, &[("etag", "\"a\"")]).await;
    world.advance(seconds(7));
    let answer = site
        .ask(get_with("/p", &[("if-none-match", "\"a\"")]))
        .await;
    assert!(answer.is(304, ""), "{answer:?}");
    assert_eq!(answer.said(), "hit; ttl=1793");
    assert_eq!(answer.field("age"), Some("7"));
    assert_eq!(site.runs(), 1);
}

async fn tags_are_compared_weakly_and_a_star_is_any(world: World) {
    let table = [
        ("\"a\"", "\"a\"", 304),
        ("\"a\"", "W/\"a\"", 304),
        ("W/\"a\"", "\"a\"", 304),
        ("W/\"a\"", "W/\"a\"", 304),
        ("\"a\"", "\"b\", \"a\"", 304),
        ("\"a\"", "*", 304),
        ("\"a\"", "\"b\"", 200),
        ("\"a\"", "\"A\"", 200),
    ];
    for (tag, asked, status) in table {
        let (origin, site) = world.origin(world.page());
        world.purge_page("/p").await;
        origin.answers(move |_| page(&[("etag", tag)], "soup"));
        site.get("/p").await;
        assert_eq!(
            code(&site, &[("if-none-match", asked)]).await,
            status,
            "{tag}, {asked}"
        );
    }
    let (_, site) = stored(&world, &[]).await;
    assert_eq!(code(&site, &[("if-none-match", "*")]).await, 304);
    let lines = [("if-none-match", "\"x\""), ("if-none-match", "\"a\"")];
    let (_, site) = stored(&world, &[("etag", "\"a\"")]).await;
    assert_eq!(code(&site, &lines).await, 304);
}

async fn a_list_that_cannot_be_read_matches_nothing(world: World) {
    let (_, site) = stored(&world, &[("etag", "\"a\"")]).await;
    for asked in ["*, \"a\"", "\"a\", *", "a", "\"a", "w/\"a\"", "\"a\" \"b\""] {
        assert_eq!(
            code(&site, &[("if-none-match", asked)]).await,
            200,
            "{asked}"
        );
    }
}

async fn a_date_counts_only_where_there_is_no_tag_and_it_is_one_valid_date(world: World) {
    let fields: Fields = &[("etag", "\"a\""), ("last-modified", MODIFIED)];
    let (_, site) = stored(&world, fields).await;
    let since = |date| [("if-modified-since", date)];
    assert_eq!(code(&site, &since(MODIFIED)).await, 304);
    assert_eq!(code(&site, &since(LATER)).await, 304);
    assert_eq!(code(&site, &since(EARLIER)).await, 200);
    assert_eq!(code(&site, &since("yesterday")).await, 200);
    assert_eq!(code(&site, &since("Sun, 06 Nov 1994 08:49:37")).await, 200);
    let twice = [since(MODIFIED)[0], since(MODIFIED)[0]];
    assert_eq!(code(&site, &twice).await, 200);
    let other_tag = [("if-none-match", "\"b\""), since(LATER)[0]];
    assert_eq!(code(&site, &other_tag).await, 200, "the tag decides");
    let same_tag = [("if-none-match", "\"a\""), since(EARLIER)[0]];
    assert_eq!(code(&site, &same_tag).await, 304, "the tag decides");
    let unreadable = [("if-none-match", "a"), since(LATER)[0]];
    assert_eq!(code(&site, &unreadable).await, 200, "also if it is none");
}

async fn a_page_without_a_date_of_its_own_counts_from_when_it_came(world: World) {
    let dates = [
        "Wed, 31 Dec 2025 23:59:57 GMT",
        "Wed, 31 Dec 2025 23:59:58 GMT",
        "Wed, 31 Dec 2025 23:59:59 GMT",
        "Thu, 01 Jan 2026 00:00:00 GMT",
    ];
    let (_, site) = stored(&world, &[("date", "Wed, 31 Dec 2025 23:59:58 GMT")]).await;
    for (date, status) in dates.into_iter().zip([200, 304, 304, 304]) {
        let asked = [("if-modified-since", date)];
        assert_eq!(code(&site, &asked).await, status, "{date}");
    }
    let (_, site) = stored(&world, &[]).await;
    for (date, status) in dates.into_iter().zip([200, 200, 200, 304]) {
        let asked = [("if-modified-since", date)];
        assert_eq!(code(&site, &asked).await, status, "{date}");
    }
}

async fn conditions_for_the_origin_are_never_judged_here(world: World) {
    let (origin, site) = stored(&world, &[("etag", "\"a\"")]).await;
    for (name, value) in [
        ("if-match", "\"z\""),
        ("if-match", "*"),
        ("if-unmodified-since", EARLIER),
    ] {
        origin.says(200, &[], "from the origin");
        let runs = site.runs();
        let answer = site.ask(get_with("/p", &[(name, value)])).await;
        assert!(answer.is(200, "from the origin"), "{answer:?}");
        assert_eq!(answer.said(), "fwd=bypass");
        assert_eq!(site.runs(), runs + 1);
        assert_eq!(origin.asked(name).as_deref(), Some(value));
    }
    assert!(site.get("/p").await.is(200, "soup"));
}

async fn conditions_are_ignored_where_the_answer_is_no_success(world: World) {
    let (origin, site) = world.origin(world.cache.gateway());
    for status in [404, 410, 301] {
        origin.answers(move |_| {
            with_status(
                status,
                &[("etag", "\"a\""), ("cache-control", "max-age=9")],
                "no",
            )
        });
        let target = format!("/{status}");
        site.get(&target).await;
        for asked in ["\"a\"", "*"] {
            let answer = site
                .ask(get_with(&target, &[("if-none-match", asked)]))
                .await;
            assert!(answer.is(status, "no") && answer.is_hit(), "{answer:?}");
        }
    }
}

async fn a_304_carries_what_a_200_would_to_be_kept_and_nothing_of_its_form(world: World) {
    const KEPT: Fields = &[
        ("cache-control", "public, max-age=60"),
        ("content-location", "/p.en"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("etag", "\"a\""),
        ("expires", "Thu, 01 Jan 2026 00:01:00 GMT"),
        ("vary", "x-l"),
        ("x-own", "1"),
    ];
    const LEFT_OUT: Fields = &[
        ("content-language", "en"),
        ("content-encoding", "identity"),
        ("content-type", "text/plain"),
        ("content-digest", "sha-256=:AAAA:"),
        ("last-modified", MODIFIED),
    ];
    let (origin, site) = world.origin(world.page());
    origin.answers(|_| page(&[KEPT, LEFT_OUT].concat(), "soup"));
    site.get("/p").await;
    let whole = site.get("/p").await;
    let answer = site
        .ask(get_with("/p", &[("if-none-match", "\"a\"")]))
        .await;
    assert_eq!(answer.code(), 304, "{answer:?}");
    for (name, value) in KEPT.iter().filter(|(name, _)| *name != "vary") {
        assert_eq!(answer.field(name), Some(*value));
    }
    assert_eq!(answer.lines("vary"), whole.lines("vary"));
    for (name, _) in LEFT_OUT {
        assert_eq!(answer.field(name), None, "{name}");
    }
    assert_eq!(answer.field("age"), Some("0"));

    let (_, site) = stored(&world, &[("last-modified", MODIFIED)]).await;
    let answer = site
        .ask(get_with("/p", &[("if-modified-since", MODIFIED)]))
        .await;
    let modified = answer.field("last-modified");
    assert_eq!((answer.code(), modified), (304, Some(MODIFIED)));
}

async fn a_304_has_no_body_no_trailers_and_no_wrong_length(world: World) {
    let (origin, site) = world.origin(world.page());
    origin.answers(|_| page(&[("etag", "\"a\"")], trailing(&["soup"], &[("x-t", "1")])));
    site.get("/p").await;
    let answer = site
        .ask(get_with("/p", &[("if-none-match", "\"a\"")]))
        .await;
    assert!(answer.is(304, ""));
    assert!(answer.trailers.is_none());
    assert!(matches!(answer.field("content-length"), None | Some("4")));
}

async fn a_miss_with_conditions_fills_the_page_for_all(world: World) {
    let (origin, site) = world.origin(world.page());
    origin.holds("\"a\"", &[], "soup");
    let conditions = [("if-none-match", "\"a\""), ("if-modified-since", LATER)];
    let answer = site.ask(get_with("/p", &conditions)).await;
    assert!(answer.is(304, ""), "{answer:?}");
    assert_eq!(origin.asked("if-none-match"), None);
    assert_eq!(origin.asked("if-modified-since"), None);
    let hit = site.get("/p").await;
    assert!(hit.is(200, "soup") && hit.is_hit(), "{hit:?}");
}

async fn head_with_conditions_is_judged_alike(world: World) {
    let (_, site) = stored(&world, &[("etag", "\"a\"")]).await;
    for (asked, status) in [("\"a\"", 304), ("\"b\"", 200)] {
        let fields = [("if-none-match", asked)];
        let answer = site.ask(request(Method::HEAD, "/p", &fields)).await;
        assert!(answer.is(status, "") && answer.is_hit(), "{answer:?}");
        assert_ne!(answer.field("content-length"), Some("0"));
    }
}

async fn tags_made_here_are_strong_and_of_the_bytes(world: World) {
    let (origin, site) = world.origin(world.page().etag());
    let mut tags = Vec::new();
    for (target, body) in [("/a", "soup"), ("/b", "soup"), ("/c", "bread")] {
        origin.says(200, &[], body);
        site.get(target).await;
        tags.push(site.get(target).await.field("etag").unwrap().to_owned());
    }
    assert!(tags[0].starts_with('"') && tags[0] == tags[1] && tags[1] != tags[2]);
    let answer = site
        .ask(get_with("/a", &[("if-none-match", &tags[0])]))
        .await;
    assert!(answer.is(304, "") && answer.is_hit());
}

/// axum writes `content-length: 0` below a body that it knows to be empty.
#[tokio::test(start_paused = true)]
async fn through_a_router_neither_304_nor_head_claims_a_length_of_zero() {
    let world = World::new();
    let handler = async || ([("etag", "\"a\"")], "soup");
    let app: Router = Router::new()
        .route("/p", route(handler).layer(world.page()))
        .route("/stale", route(handler).layer(world.cache.page(seconds(1))));
    let ask = async |request| read(app.clone().oneshot(request).await.unwrap()).await;
    let conditional = |method, target| request(method, target, &[("if-none-match", "\"a\"")]);
    let check = |answer: &Answer, status| {
        assert!(answer.is(status, ""), "{answer:?}");
        let length = answer.field("content-length");
        assert_ne!(length, Some("0"), "{answer:?}");
        assert!(status == 304 || length == Some("4"), "{answer:?}");
    };
    check(&ask(request(Method::HEAD, "/p", &[])).await, 200);
    check(&ask(conditional(Method::GET, "/p")).await, 304);
    world.cache.background().idle().await;
    check(&ask(conditional(Method::GET, "/p")).await, 304);
    check(&ask(conditional(Method::HEAD, "/p")).await, 304);
    check(&ask(request(Method::HEAD, "/p", &[])).await, 200);
    ask(get("/stale")).await;
    world.cache.background().idle().await;
    world.advance(seconds(2));
    check(&ask(conditional(Method::GET, "/stale")).await, 304);
}
