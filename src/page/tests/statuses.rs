//! Which statuses are stored, for how long, and which options make no sense.

use super::*;
use crate::{PolicyError, days, seconds};

/// How long an answer with this status and these fields lives, in seconds; `None` if it is not stored.
async fn lives(layer: CacheLayer, world: &World, status: u16, fields: Fields) -> Option<u64> {
    let (origin, site) = world.origin(layer);
    origin.says(status, fields, "");
    assert_eq!(site.get("/p").await.code(), status);
    let next = site.get("/p").await;
    let _ = world.cache.clear().await.unwrap();
    // A refusal is remembered for a while, and a flight is not at stake here.
    next.said().strip_prefix("hit; ttl=")?.parse().ok()
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

const FRESH: Fields = &[("cache-control", "max-age=600")];

on_every_store! {
    a_lifetime_for_a_status_counts_where_the_answer_names_none
    any_final_status_that_names_a_lifetime_is_stored_by_a_gateway
    a_guess_is_made_for_what_may_be_guessed_and_names_nothing
    a_page_without_a_tag_gets_one_of_its_bytes
}

async fn a_lifetime_for_a_status_counts_where_the_answer_names_none(world: World) {
    for status in [
        301, 302, 303, 307, 308, 400, 404, 405, 410, 418, 451, 500, 501, 503,
    ] {
        let layer = || world.page().ttl_for(code(status), minutes(7)).unwrap();
        let page = matches!(status, 301 | 308);
        let own = if page { 1_800 } else { 420 };
        assert_eq!(
            lives(layer(), &world, status, &[]).await,
            Some(own),
            "{status}"
        );
        assert_eq!(
            lives(layer(), &world, status, FRESH).await,
            Some(600),
            "{status}"
        );
        for refused in ["no-store", "private", "max-age=0", "no-cache"] {
            let (origin, site) = world.origin(layer());
            origin.answers(move |_| with_status(status, &[("cache-control", refused)], ""));
            site.get("/p").await;
            assert!(!site.get("/p").await.is_hit(), "{status} {refused}");
        }
        // Another status is another matter.
        let other = if status == 410 { 404 } else { 410 };
        assert_eq!(lives(layer(), &world, other, &[]).await, None, "{status}");
    }
    // The last that is said of a status counts.
    let twice = world.page().ttl_for(code(404), seconds(1)).unwrap();
    let twice = twice.ttl_for(code(404), seconds(9)).unwrap();
    assert_eq!(lives(twice, &world, 404, &[]).await, Some(9));
    // By default an error is stored for a minute at most, and only if it says so.
    assert_eq!(lives(world.page(), &world, 404, &[]).await, None);
    assert_eq!(lives(world.page(), &world, 404, FRESH).await, Some(60));
}

async fn any_final_status_that_names_a_lifetime_is_stored_by_a_gateway(world: World) {
    let never = [206, 304, 412, 416, 417, 428, 429, 431, 511];
    for status in (200..=599).filter(|status| !never.contains(status) && *status != 204) {
        let stored = lives(world.cache.gateway(), &world, status, FRESH).await;
        assert_eq!(stored, Some(600), "{status}");
    }
    for status in [412, 416, 417, 428, 429, 431, 511] {
        assert_eq!(
            lives(world.cache.gateway(), &world, status, FRESH).await,
            None,
            "{status}"
        );
    }
    let off = world.cache.gateway().any_status(false);
    assert_eq!(lives(off, &world, 418, FRESH).await, None);
    let on = || world.page().any_status(true);
    assert_eq!(lives(on(), &world, 418, FRESH).await, Some(600));
    assert_eq!(lives(on(), &world, 418, &[]).await, None);
    assert_eq!(lives(world.page(), &world, 418, FRESH).await, None);
    // What it cannot understand it must not store (RFC 9111 §5.2.2.3).
    let must: Fields = &[("cache-control", "max-age=600, must-understand")];
    assert_eq!(lives(world.cache.gateway(), &world, 299, must).await, None);
    assert_eq!(
        lives(world.cache.gateway(), &world, 404, must).await,
        Some(600)
    );
}

async fn a_guess_is_made_for_what_may_be_guessed_and_names_nothing(world: World) {
    // A hundred seconds ago, and long ago.
    const LATELY: (&str, &str) = ("last-modified", "Wed, 31 Dec 2025 23:58:20 GMT");
    const LONG_AGO: (&str, &str) = ("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT");
    let guess = async |status, fields| lives(world.cache.gateway(), &world, status, fields).await;
    for status in [200, 203, 300, 301, 308, 404, 405, 410, 414, 451, 501] {
        assert_eq!(guess(status, &[LATELY]).await, Some(10), "{status}");
        assert_eq!(guess(status, &[LONG_AGO]).await, Some(86_400), "{status}");
    }
    for status in [201, 302, 303, 307, 400, 403, 500, 503] {
        assert_eq!(guess(status, &[LATELY]).await, None, "{status}");
        let public: Fields = &[LATELY, ("cache-control", "public")];
        assert_eq!(guess(status, public).await, Some(10), "{status}");
    }
    // An expiry that is there counts, also one that cannot be read.
    for expiry in [
        ("expires", "0"),
        ("expires", "Wed, 31 Dec 2025 00:00:00 GMT"),
        ("cache-control", "max-age=0"),
        ("cache-control", "max-age=x"),
        ("cache-control", "s-maxage=0"),
        ("cache-control", "no-cache"),
    ] {
        let (origin, site) = world.origin(world.cache.gateway());
        origin.answers(move |_| page(&[LONG_AGO, expiry], ""));
        site.get("/p").await;
        assert!(!site.get("/p").await.is_hit(), "{expiry:?}");
        let _ = world.cache.clear().await.unwrap();
    }
    let future: Fields = &[("last-modified", "Fri, 02 Jan 2026 00:00:00 GMT")];
    assert_eq!(guess(200, future).await, None);
    assert_eq!(guess(200, &[("last-modified", "yesterday")]).await, None);
    // Its own `Date` is what the time since is counted to.
    let dated: Fields = &[LATELY, ("date", "Wed, 31 Dec 2025 23:59:10 GMT")];
    assert_eq!(guess(200, dated).await, None, "5 s, and 50 s old");
    let less = world.cache.gateway().heuristic(5, seconds(4)).unwrap();
    assert_eq!(lives(less, &world, 200, &[LATELY]).await, Some(4));
    assert_eq!(
        lives(
            world.page().heuristic(10, days(1)).unwrap(),
            &world,
            200,
            &[LATELY]
        )
        .await,
        Some(1_800)
    );
}

async fn a_page_without_a_tag_gets_one_of_its_bytes(world: World) {
    let (origin, site) = world.origin(world.page().etag());
    origin.says(200, &[], "page");
    assert_eq!(site.get("/p").await.field("etag"), None);
    let hit = site.get("/p").await;
    let tag = hit.field("etag").expect("a tag").to_owned();
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10,
        "{tag}"
    );
    let held = site.ask(get_with("/p", &[("if-none-match", &tag)])).await;
    assert!(held.is(304, "") && held.field("etag") == Some(&*tag));
    let part = [("range", "bytes=1-2"), ("if-range", &*tag)];
    assert!(site.ask(get_with("/p", &part)).await.is(206, "ag"));
    // The same bytes have the same tag, and others have another.
    world.purge_page("/p").await;
    site.get("/p").await;
    assert_eq!(site.get("/p").await.field("etag"), Some(&*tag));
    origin.says(200, &[], "Page");
    site.get("/q").await;
    let other = site.get("/q").await;
    assert_ne!(other.field("etag").expect("a tag"), tag);
    // A handler that has its own, and a page that is none, are left alone.
    origin.says(200, &[("etag", "W/\"own\"")], "page");
    site.get("/own").await;
    assert_eq!(site.get("/own").await.field("etag"), Some("W/\"own\""));
    origin.says(301, &[], "moved");
    site.get("/moved").await;
    let moved = site.get("/moved").await;
    assert!(moved.is_hit());
    assert_eq!(moved.field("etag"), None);
}

/// The same bytes under two codings are two representations (RFC 9110 §8.8.1).
#[tokio::test(start_paused = true)]
async fn made_tags_tell_codings_of_the_same_bytes_apart() {
    let world = World::new();
    let (origin, site) = world.origin(world.page().etag());
    let mut tags = Vec::new();
    for (target, coding) in [("/plain", ""), ("/gzip", "gzip"), ("/br", "br")] {
        origin.answers(move |_| match coding {
            "" => page(&[], "bytes"),
            _ => page(&[("content-encoding", coding)], "bytes"),
        });
        let ask = || get_with(target, &[("accept-encoding", "gzip, br")]);
        site.ask(ask()).await;
        tags.push(site.ask(ask()).await.field("etag").map(str::to_owned));
    }
    // One target never has two of them with one tag, whose parts would be joined.
    assert!(tags.iter().all(Option::is_some), "{tags:?}");
}

#[test]
fn options_that_make_no_sense_are_refused_and_say_which() {
    let world = World::new();
    let page = || world.page();
    let soft = || page().soft_timeout(seconds(5)).unwrap();
    let hard = || page().hard_timeout(seconds(5)).unwrap();
    let zero = Duration::ZERO;
    let table = [
        (
            page().heuristic(0, days(1)),
            PolicyError::Heuristic(0),
            ".heuristic(",
        ),
        (
            page().heuristic(11, days(1)),
            PolicyError::Heuristic(11),
            ".heuristic(",
        ),
        (
            page().soft_timeout(zero),
            PolicyError::ZeroTimeout,
            ".soft_timeout(",
        ),
        (
            page().hard_timeout(zero),
            PolicyError::ZeroTimeout,
            ".hard_timeout(",
        ),
        (
            hard().soft_timeout(seconds(5)),
            PolicyError::SoftAboveHard {
                soft: seconds(5),
                hard: seconds(5),
            },
            ".soft_timeout(",
        ),
        (
            soft().hard_timeout(seconds(4)),
            PolicyError::SoftAboveHard {
                soft: seconds(5),
                hard: seconds(4),
            },
            ".soft_timeout(",
        ),
        (
            page().query_method(0, Body::new),
            PolicyError::QueryContent(0),
            ".query_method(",
        ),
        (
            page().query_method(16_385, Body::new),
            PolicyError::QueryContent(16_385),
            ".query_method(",
        ),
    ];
    for (built, error, option) in table {
        let refused = built.map(drop).unwrap_err();
        assert_eq!(refused, error);
        assert!(refused.to_string().contains(option), "{refused}");
    }
    for status in [100, 103, 199, 206, 304, 412, 416, 417, 428, 429, 431, 511] {
        let refused = page()
            .ttl_for(code(status), minutes(1))
            .map(drop)
            .unwrap_err();
        assert_eq!(refused, PolicyError::Status(code(status)));
        assert!(refused.to_string().contains(".ttl_for("), "{refused}");
    }
    assert!(page().heuristic(1, days(1)).is_ok() && page().heuristic(10, days(1)).is_ok());
    assert!(soft().hard_timeout(seconds(6)).is_ok() && hard().soft_timeout(seconds(4)).is_ok());
    assert!(page().query_method(1, Body::new).is_ok());
    assert!(page().query_method(16_384, Body::new).is_ok());
}

/// Who reads the error must know which option to change.
#[test]
fn a_lifetime_of_zero_for_a_status_names_its_option() {
    let refused = World::new().page().ttl_for(code(404), Duration::ZERO);
    let refused = refused.map(drop).unwrap_err().to_string();
    assert!(refused.contains(".ttl_for("), "{refused}");
}
