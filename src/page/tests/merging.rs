//! What a 304 changes of what is stored (RFC 9111 §3.2, §4.3.4).

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{hours, seconds};

on_every_store! {
    each_field_of_a_304_replaces_all_lines_of_its_name_and_the_others_stay
    a_304_does_not_change_the_length_or_the_coding_of_the_stored_body
    fields_of_one_answer_or_connection_are_not_merged
    language_type_and_policy_are_updated
    a_304_of_length_zero_is_silent_about_the_length
    after_a_304_of_another_length_the_page_is_fetched_whole
    a_304_that_adds_vary_files_the_page_anew
    the_age_counts_from_the_304
    the_lifetime_of_a_304_counts
    what_a_304_forbids_is_gone
    trailers_outlive_a_304
    a_purge_by_a_tag_of_before_or_after_strikes_a_confirmed_page
    a_cookie_in_a_304_is_not_stored
    followers_get_no_cookie_of_a_304
    followers_get_nothing_of_a_304_that_may_not_be_stored
    followers_of_a_304_that_adds_vary_get_their_own
    what_a_304_to_credentials_says_is_not_stored
    what_a_304_to_credentials_says_reaches_no_followers
}

/// A page that lives a minute and stays an hour, stored and stale.
async fn stale(world: &World, fields: Fields) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(world.cache.page(minutes(1)).keep(hours(1)).unwrap());
    origin.answers(move |_| page(&[fields, &[("etag", "\"a\"")]].concat(), "soup"));
    site.get("/p").await;
    world.advance(minutes(1));
    (origin, site)
}

async fn each_field_of_a_304_replaces_all_lines_of_its_name_and_the_others_stay(world: World) {
    let fields: Fields = &[("x-a", "1"), ("x-a", "2"), ("x-b", "1"), ("x-b", "2")];
    let (origin, site) = stale(&world, fields).await;
    origin.confirms(&[("etag", "\"a\""), ("x-a", "3"), ("x-c", "4"), ("x-c", "5")]);
    for answer in [site.get("/p").await, site.get("/p").await] {
        assert!(answer.is(200, "soup"));
        assert_eq!(answer.lines("x-a"), ["3"]);
        assert_eq!(answer.lines("x-b"), ["1", "2"]);
        assert_eq!(answer.lines("x-c"), ["4", "5"]);
    }
    assert_eq!(site.runs(), 2);
}

async fn a_304_does_not_change_the_length_or_the_coding_of_the_stored_body(world: World) {
    let (origin, site) = stale(&world, &[("content-encoding", "x-soup")]).await;
    origin.confirms(&[
        ("etag", "\"a\""),
        ("content-length", "0"),
        ("content-range", "bytes 0-1/9"),
        ("content-encoding", "br"),
    ]);
    for answer in [site.get("/p").await, site.get("/p").await] {
        assert!(answer.is(200, "soup"));
        assert_eq!(answer.field("content-length"), Some("4"));
        assert_eq!(answer.field("content-range"), None);
        assert_eq!(answer.field("content-encoding"), Some("x-soup"));
    }
}

async fn fields_of_one_answer_or_connection_are_not_merged(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    origin.confirms(&[
        ("etag", "\"a\""),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("ratelimit", "\"a\";r=1"),
        ("server-timing", "db;dur=5"),
        ("x-kept", "1"),
    ]);
    site.get("/p").await;
    let hit = site.get("/p").await;
    assert!(hit.is_hit());
    for name in ["connection", "x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(hit.field(name), None);
    }
    for name in ["ratelimit", "server-timing"] {
        assert_eq!(hit.field(name), None);
    }
    assert_eq!(hit.field("x-kept"), Some("1"));
}

async fn language_type_and_policy_are_updated(world: World) {
    let before: Fields = &[
        ("content-language", "en"),
        ("content-type", "text/plain"),
        ("content-security-policy", "default-src 'none'"),
    ];
    let after: Fields = &[
        ("etag", "\"a\""),
        ("content-language", "de"),
        ("content-type", "text/html"),
        ("content-security-policy", "default-src 'self'"),
    ];
    let (origin, site) = stale(&world, before).await;
    origin.confirms(after);
    site.get("/p").await;
    let hit = site.get("/p").await;
    assert!(hit.is_hit());
    for (name, value) in after {
        assert_eq!(hit.field(name), Some(*value));
    }
}

async fn a_304_of_length_zero_is_silent_about_the_length(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    origin.confirms(&[("etag", "\"a\""), ("content-length", "0")]);
    let confirmed = site.get("/p").await;
    assert!(confirmed.is(200, "soup"), "{confirmed:?}");
    let hit = site.get("/p").await;
    assert!(hit.is_hit());
    assert_eq!(hit.field("content-length"), Some("4"));
}

async fn after_a_304_of_another_length_the_page_is_fetched_whole(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    origin.answers(|request| match request.headers().get("if-none-match") {
        Some(_) => with_status(304, &[("etag", "\"a\""), ("content-length", "9")], ""),
        None => page(&[("etag", "\"a\"")], "new bread"),
    });
    assert_ne!(site.get("/p").await.code(), 304);
    let next = site.get("/p").await;
    assert!(next.is(200, "new bread"), "{next:?}");
    assert_eq!(origin.asked("if-none-match"), None);
}

async fn a_304_that_adds_vary_files_the_page_anew(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    origin.confirms(&[("etag", "\"a\""), ("vary", "x-l")]);
    let ask = async |language| site.ask(get_with("/p", &[("x-l", language)])).await;
    assert!(ask("de").await.is(200, "soup"));
    let hit = ask("de").await;
    assert!(hit.is(200, "soup") && hit.is_hit(), "{hit:?}");
    assert_eq!(hit.field("vary"), Some("x-l"));
    origin.says(200, &[("vary", "x-l")], "soup in English");
    assert!(ask("en").await.is(200, "soup in English"));
    assert!(ask("de").await.is(200, "soup"));
    assert!(!site.get("/p").await.is_hit());
}

async fn the_age_counts_from_the_304(world: World) {
    const SAYS: Fields = &[("cache-control", "max-age=600"), ("age", "500")];
    let (origin, site) = stale(&world, SAYS).await;
    assert_eq!(site.get("/p").await.field("age"), Some("560"));
    world.advance(seconds(40));
    origin.confirms(&[("etag", "\"a\"")]);
    let confirmed = site.get("/p").await;
    assert!(matches!(confirmed.field("age"), None | Some("0")));
    world.advance(seconds(1));
    let hit = site.get("/p").await;
    assert_eq!((hit.said(), hit.field("age")), ("hit; ttl=599", Some("1")));
    world.advance(seconds(599));
    origin.confirms(&[("etag", "\"a\""), ("age", "30")]);
    site.get("/p").await;
    let hit = site.get("/p").await;
    assert_eq!((hit.said(), hit.field("age")), ("hit; ttl=570", Some("30")));
    // Nor does an old date make it old.
    assert_eq!(hit.field("date"), Some("Thu, 01 Jan 2026 00:11:40 GMT"));
}

async fn the_lifetime_of_a_304_counts(world: World) {
    let (origin, site) = stale(&world, &[("cache-control", "max-age=60")]).await;
    origin.confirms(&[("etag", "\"a\""), ("cache-control", "max-age=10")]);
    site.get("/p").await;
    assert_eq!(site.get("/p").await.said(), "hit; ttl=10");
    world.advance(seconds(10));
    assert!(!site.get("/p").await.is_hit());
}

async fn what_a_304_forbids_is_gone(world: World) {
    for says in FORBIDDING {
        let (origin, site) = stale(&world, &[]).await;
        origin
            .answers(move |_| with_status(304, &[("etag", "\"a\""), ("cache-control", says)], ""));
        assert!(site.get("/p").await.is(200, "soup"), "{says}");
        origin.says(200, &[("cache-control", "no-store")], "own");
        let next = site.get("/p").await;
        assert!(next.is(200, "own"), "{says}: {next:?}");
        assert_eq!(origin.asked("if-none-match"), None, "{says}");
        world.purge_page("/p").await;
    }
}

const FORBIDDING: [&str; 3] = ["no-store", "private", "private, max-age=60"];

async fn trailers_outlive_a_304(world: World) {
    let (origin, site) = world.origin(world.cache.page(minutes(1)));
    origin.answers(|_| {
        page(
            &[("etag", "\"a\"")],
            trailing(&["so", "up"], &[("x-t", "1")]),
        )
    });
    site.get("/p").await;
    world.advance(minutes(1));
    origin.confirms(&[("etag", "\"a\"")]);
    for answer in [site.get("/p").await, site.get("/p").await] {
        assert!(answer.is(200, "soup"));
        assert_eq!(answer.trailers.unwrap()["x-t"], "1");
    }
    assert_eq!(site.runs(), 2);
}

async fn a_purge_by_a_tag_of_before_or_after_strikes_a_confirmed_page(world: World) {
    for tag in ["before", "after"] {
        let (origin, site) = world.origin(world.cache.page(minutes(1)));
        let tagged = |status, tag: &'static str| {
            move |_: &Request<Body>| {
                let mut response = with_status(status, &[("etag", "\"a\"")], "");
                CacheTags::new([tag]).add_to(response.extensions_mut());
                response
            }
        };
        origin.answers(tagged(200, "before"));
        site.get("/p").await;
        world.advance(minutes(1));
        origin.answers(tagged(304, "after"));
        site.get("/p").await;
        assert!(site.get("/p").await.is_hit());
        world.purge_tag(tag).await;
        origin.answers(tagged(200, "new"));
        assert!(!site.get("/p").await.is_hit(), "{tag}");
        world.purge_page("/p").await;
    }
}

/// A leader and a follower of one validation.
async fn led_and_followed(
    origin: &origin::Origin,
    site: &Site,
    leader: Fields,
    follower: Fields,
) -> (Answer, Answer) {
    let runs = site.runs();
    let gate = origin.hold();
    let leader = site.start(get_with("/p", leader));
    site.runs.reach(runs + 1).await;
    let follower = site.start(get_with("/p", follower));
    settle().await;
    gate.open();
    let (leader, follower) = (leader.await.unwrap(), follower.await.unwrap());
    site.world.cache.background().idle().await;
    (leader, follower)
}

/// Answers of 304 that tell by `x-run` whose they are.
fn confirms_each(origin: &origin::Origin, field: &'static (&'static str, &'static str)) {
    let runs = AtomicUsize::new(0);
    origin.answers(move |_| {
        let run = runs.fetch_add(1, Ordering::SeqCst).to_string();
        let own = [*field, ("etag", "\"a\""), ("x-run", &*run)];
        with_status(304, &own, "")
    });
}

async fn a_cookie_in_a_304_is_not_stored(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    origin.confirms(&[("etag", "\"a\""), ("set-cookie", "session=alice")]);
    assert!(site.get("/p").await.is(200, "soup"));
    origin.confirms(&[("etag", "\"a\"")]);
    for _ in 0..2 {
        assert_eq!(site.get("/p").await.field("set-cookie"), None);
    }
}

async fn followers_get_no_cookie_of_a_304(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    confirms_each(&origin, &("set-cookie", "a=b"));
    let (leader, follower) = led_and_followed(&origin, &site, &[], &[]).await;
    assert!(leader.is(200, "soup") && follower.is(200, "soup"));
    let is_own = follower.field("x-run") != leader.field("x-run");
    assert!(is_own || follower.field("set-cookie").is_none());
}

async fn followers_get_nothing_of_a_304_that_may_not_be_stored(world: World) {
    for says in [
        &("cache-control", "no-store"),
        &("cache-control", "private"),
        &("cache-control", "private, max-age=60"),
    ] {
        let (origin, site) = stale(&world, &[]).await;
        confirms_each(&origin, says);
        let (leader, follower) = led_and_followed(&origin, &site, &[], &[]).await;
        assert!(leader.is(200, "soup"), "{leader:?}");
        let run = follower.field("x-run");
        assert_ne!(run, leader.field("x-run"), "{says:?}: {follower:?}");
        world.purge_page("/p").await;
    }
}

async fn followers_of_a_304_that_adds_vary_get_their_own(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    origin.answers(|request| match &request.headers()["x-l"] {
        language if language == "de" => with_status(304, &[("etag", "\"a\""), ("vary", "x-l")], ""),
        _ => page(&[("etag", "\"e\""), ("vary", "x-l")], "soup in English"),
    });
    let (de, en): (Fields, Fields) = (&[("x-l", "de")], &[("x-l", "en")]);
    let (leader, follower) = led_and_followed(&origin, &site, de, en).await;
    assert!(leader.is(200, "soup"), "{leader:?}");
    assert!(follower.is(200, "soup in English"), "{follower:?}");
}

fn greets(origin: &origin::Origin) {
    origin.answers(|request| match request.headers().contains_key("cookie") {
        true => with_status(304, &[("etag", "\"a\""), ("x-user", "alice")], ""),
        false => with_status(304, &[("etag", "\"a\"")], ""),
    });
}

const ALICE: Fields = &[("cookie", "alice")];

async fn what_a_304_to_credentials_says_is_not_stored(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    greets(&origin);
    assert!(site.ask(get_with("/p", ALICE)).await.is(200, "soup"));
    for _ in 0..2 {
        assert_eq!(site.get("/p").await.field("x-user"), None);
    }
}

async fn what_a_304_to_credentials_says_reaches_no_followers(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    greets(&origin);
    let (leader, follower) = led_and_followed(&origin, &site, ALICE, &[]).await;
    assert!(leader.is(200, "soup"), "{leader:?}");
    assert!(follower.is(200, "soup"), "{follower:?}");
    assert_eq!(follower.field("x-user"), None, "{follower:?}");
}
