//! What is stale is confirmed by its handler rather than made anew (RFC 9111 §4.3).

use super::*;
use crate::{hours, seconds};

on_every_store! {
    a_stale_page_with_a_tag_is_confirmed_and_answers_from_the_store
    validators_are_sent_byte_for_byte_as_they_were_stored
    a_page_without_a_validator_is_fetched_anew_without_conditions
    the_tags_of_the_client_are_sent_beside_the_stored_one
    a_client_of_another_version_gets_the_whole_page_that_was_confirmed
    a_client_that_has_what_was_confirmed_gets_304
    a_304_about_what_the_client_has_is_the_clients_and_leaves_the_stored_page
    a_whole_answer_to_a_validation_replaces_the_page
    a_client_that_has_the_new_version_gets_304_and_the_page_is_stored
    an_error_on_validation_is_passed_on_and_the_page_stays
    no_error_on_validation_replaces_a_page_even_if_it_names_a_lifetime
    a_304_about_another_tag_updates_nothing_and_reaches_no_client_without_conditions
    after_a_304_about_nothing_stored_the_next_request_asks_in_full
    a_304_with_a_strong_tag_updates_all_that_have_it
    a_304_with_a_weak_tag_updates_the_newest_alone
    a_304_without_a_validator_updates_no_page_that_has_one
    a_304_without_a_validator_updates_a_page_that_has_none
    only_the_variant_that_the_client_may_have_is_validated
    a_304_for_one_variant_updates_no_other_though_their_tags_are_the_same
    a_stale_page_is_validated_whole_whatever_part_was_asked_for
}

/// A page that lives a minute and stays an hour.
fn layer(world: &World) -> CacheLayer {
    world.cache.page(minutes(1))
}

/// With what a page says, stored and stale.
async fn stale(world: &World, fields: Fields) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(layer(world).keep(hours(1)).unwrap());
    origin.says(200, fields, "soup");
    site.get("/p").await;
    world.advance(minutes(1));
    (origin, site)
}

async fn a_stale_page_with_a_tag_is_confirmed_and_answers_from_the_store(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    origin.confirms(&[("etag", "\"a\"")]);
    let confirmed = site.get("/p").await;
    assert!(confirmed.is(200, "soup"), "{confirmed:?}");
    assert_eq!(
        confirmed.said(),
        "fwd=stale; fwd-status=304; ttl=60; stored"
    );
    assert_eq!(confirmed.field("content-length"), Some("4"));
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
    assert_eq!(site.get("/p").await.said(), "hit; ttl=60");
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn validators_are_sent_byte_for_byte_as_they_were_stored(world: World) {
    const OLD_DATE: &str = "Sunday, 06-Nov-94 08:49:37 GMT";
    let fields: Fields = &[("etag", "W/\"a,b\""), ("last-modified", OLD_DATE)];
    let (origin, site) = stale(&world, fields).await;
    origin.confirms(&[("etag", "W/\"a,b\"")]);
    assert!(site.get("/p").await.is(200, "soup"));
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("W/\"a,b\""));
    assert_eq!(origin.asked("if-modified-since").as_deref(), Some(OLD_DATE));
    assert!(site.get("/p").await.is_hit());
}

async fn a_page_without_a_validator_is_fetched_anew_without_conditions(world: World) {
    let (origin, site) = stale(&world, &[]).await;
    let answer = site.get("/p").await;
    assert_eq!(answer.said(), "fwd=stale; stored");
    assert_eq!(origin.asked("if-none-match"), None);
    assert_eq!(origin.asked("if-modified-since"), None);
}

async fn the_tags_of_the_client_are_sent_beside_the_stored_one(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    origin.confirms(&[("etag", "\"a\"")]);
    let fields = [("if-none-match", "\"c\", W/\"d\"")];
    site.ask(get_with("/p", &fields)).await;
    let asked = origin.asked("if-none-match").unwrap();
    for tag in ["\"a\"", "\"c\"", "W/\"d\""] {
        assert!(asked.contains(tag), "{tag} in {asked}");
    }
}

async fn a_client_of_another_version_gets_the_whole_page_that_was_confirmed(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    origin.confirms(&[("etag", "\"a\"")]);
    let fields = [("if-none-match", "\"c\"")];
    let answer = site.ask(get_with("/p", &fields)).await;
    assert!(answer.is(200, "soup"), "{answer:?}");
    assert_eq!(answer.field("etag"), Some("\"a\""));
}

async fn a_client_that_has_what_was_confirmed_gets_304(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    origin.confirms(&[("etag", "\"a\""), ("content-length", "0")]);
    let fields = [("if-none-match", "\"c\", \"a\"")];
    let answer = site.ask(get_with("/p", &fields)).await;
    assert!(answer.is(304, ""), "{answer:?}");
    assert_ne!(answer.field("content-length"), Some("0"));
    // Both answers are 304: there is nothing to tell apart.
    assert!(site.get("/p").await.is_hit());
}

async fn a_304_about_what_the_client_has_is_the_clients_and_leaves_the_stored_page(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\""), ("x-of", "a")]).await;
    origin.confirms(&[("etag", "\"c\""), ("x-of", "c")]);
    let fields = [("if-none-match", "\"c\"")];
    let answer = site.ask(get_with("/p", &fields)).await;
    assert!(answer.is(304, ""), "{answer:?}");
    assert_eq!(answer.field("etag"), Some("\"c\""));
    origin.holds("\"c\"", &[], "bread");
    let next = site.get("/p").await;
    assert!(next.is(200, "bread"), "{next:?}");
    assert_eq!(site.runs(), 3);
}

async fn a_whole_answer_to_a_validation_replaces_the_page(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\""), ("x-old", "1")]).await;
    origin.says(200, &[("etag", "\"b\"")], "bread");
    let answer = site.get("/p").await;
    assert!(answer.is(200, "bread"), "{answer:?}");
    assert_eq!(answer.said(), "fwd=stale; stored");
    let hit = site.get("/p").await;
    assert!(hit.is(200, "bread") && hit.is_hit());
    assert_eq!(
        (hit.field("etag"), hit.field("x-old")),
        (Some("\"b\""), None)
    );
}

async fn a_client_that_has_the_new_version_gets_304_and_the_page_is_stored(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    origin.says(200, &[("etag", "\"b\"")], "bread");
    let fields = [("if-none-match", "\"b\"")];
    assert!(site.ask(get_with("/p", &fields)).await.is(304, ""));
    let hit = site.get("/p").await;
    assert!(hit.is(200, "bread") && hit.is_hit(), "{hit:?}");
}

async fn an_error_on_validation_is_passed_on_and_the_page_stays(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    for status in [500, 502, 503, 504] {
        origin.says(status, &[], "sorry");
        let answer = site.get("/p").await;
        assert!(answer.is(status, "sorry"), "{answer:?}");
        assert_eq!(answer.said(), "fwd=stale");
    }
    origin.confirms(&[("etag", "\"a\"")]);
    assert!(site.get("/p").await.is(200, "soup"));
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
}

async fn no_error_on_validation_replaces_a_page_even_if_it_names_a_lifetime(world: World) {
    const SOUP: Fields = &[("etag", "\"a\""), ("cache-control", "max-age=60")];
    let layers = [layer(&world), world.cache.gateway()];
    let mut replaced = Vec::new();
    for (n, layer) in layers.into_iter().enumerate() {
        for status in [500, 501, 502, 503, 504, 505, 507, 599] {
            let (origin, site) = world.origin(layer.clone());
            let target = format!("/{n}/{status}");
            origin.says(200, SOUP, "soup");
            site.get(&target).await;
            world.advance(minutes(1));
            origin.says(status, &[("cache-control", "max-age=60")], "sorry");
            assert!(site.get(&target).await.is(status, "sorry"));
            world.advance(minutes(1));
            origin.confirms(SOUP);
            if !site.get(&target).await.is(200, "soup") {
                replaced.push(target);
            }
        }
    }
    assert_eq!(replaced, Vec::<String>::new());
}

async fn a_304_about_another_tag_updates_nothing_and_reaches_no_client_without_conditions(
    world: World,
) {
    let (origin, site) = stale(&world, &[("etag", "\"a\""), ("x-of", "a")]).await;
    origin.answers(|request| match request.headers().get("if-none-match") {
        Some(_) => with_status(304, &[("etag", "\"x\""), ("x-of", "x")], ""),
        None => page(&[("etag", "\"b\"")], "bread"),
    });
    let answer = site.get("/p").await;
    assert_ne!(answer.code(), 304);
    assert_ne!(answer.field("x-of"), Some("x"));
    let next = site.get("/p").await;
    assert!(next.is(200, "bread"), "{next:?}");
}

async fn after_a_304_about_nothing_stored_the_next_request_asks_in_full(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    origin.answers(|request| match request.headers().get("if-none-match") {
        Some(_) => with_status(304, &[("etag", "\"x\"")], ""),
        None => page(&[("etag", "\"b\"")], "bread"),
    });
    // One request of a client makes one at the origin, so it is not repeated for this very client.
    let answer = site.get("/p").await;
    assert_eq!(answer.code(), 502, "{answer:?}");
    let next = site.get("/p").await;
    assert!(next.is(200, "bread"), "{next:?}");
    assert_eq!(origin.asked("if-none-match"), None);
}

/// Two pages that one request selects: one by `X-L: de`, the newer one by `X-M: 1`.
async fn two(world: &World, tags: [&'static str; 2]) -> (origin::Origin, Site) {
    let (origin, site) = world.origin(layer(world).keep(hours(1)).unwrap());
    let [older, newer] = tags;
    origin.answers(move |_| page(&[("vary", "x-l"), ("etag", older)], "soup"));
    site.ask(get_with("/p", &[("x-l", "de"), ("x-m", "1")]))
        .await;
    world.advance(seconds(1));
    origin.answers(move |_| page(&[("vary", "x-m"), ("etag", newer)], "soup"));
    site.ask(get_with("/p", &[("x-l", "en"), ("x-m", "1")]))
        .await;
    world.advance(minutes(1));
    (origin, site)
}

const OLDER_ALONE: Fields = &[("x-l", "de"), ("x-m", "2")];
const NEWER_ALONE: Fields = &[("x-l", "fr"), ("x-m", "1")];
const BOTH: Fields = &[("x-l", "de"), ("x-m", "1")];

async fn a_304_with_a_strong_tag_updates_all_that_have_it(world: World) {
    let (origin, site) = two(&world, ["\"a\"", "\"a\""]).await;
    origin.confirms(&[("etag", "\"a\"")]);
    assert!(site.ask(get_with("/p", BOTH)).await.is(200, "soup"));
    assert!(site.ask(get_with("/p", NEWER_ALONE)).await.is_hit());
    assert!(site.ask(get_with("/p", OLDER_ALONE)).await.is_hit());
    assert_eq!(site.runs(), 3);
}

async fn a_304_with_a_weak_tag_updates_the_newest_alone(world: World) {
    let (origin, site) = two(&world, ["W/\"a\"", "W/\"a\""]).await;
    origin.confirms(&[("etag", "W/\"a\"")]);
    assert!(site.ask(get_with("/p", BOTH)).await.is(200, "soup"));
    assert!(site.ask(get_with("/p", NEWER_ALONE)).await.is_hit());
    assert!(!site.ask(get_with("/p", OLDER_ALONE)).await.is_hit());
}

async fn a_304_without_a_validator_updates_no_page_that_has_one(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\""), ("x-of", "a")]).await;
    origin.confirms(&[("x-of", "x")]);
    let answer = site.get("/p").await;
    assert!(answer.is(200, "soup"), "{answer:?}");
    origin.confirms(&[("etag", "\"a\"")]);
    let again = site.get("/p").await;
    assert!(!again.is_hit(), "it is as old as before");
    assert_eq!(again.field("x-of"), Some("a"));
}

async fn a_304_without_a_validator_updates_a_page_that_has_none(world: World) {
    const SAYS: Fields = &[("cache-control", "public, max-age=60")];
    let (origin, site) = stale(&world, SAYS).await;
    origin.confirms(SAYS);
    // What is asked with credentials keeps its conditions.
    let fields = [
        ("cookie", "a=b"),
        ("if-modified-since", "Wed, 31 Dec 2025 23:00:00 GMT"),
    ];
    site.ask(get_with("/p", &fields)).await;
    let hit = site.get("/p").await;
    assert!(hit.is(200, "soup") && hit.is_hit(), "{hit:?}");
}

async fn only_the_variant_that_the_client_may_have_is_validated(world: World) {
    let by_vary = layer(&world);
    let by_key = layer(&world).vary_on_header(HeaderName::from_static("x-t"));
    for (n, layer) in [by_vary, by_key].into_iter().enumerate() {
        let (origin, site) = world.origin(layer);
        origin.answers(|request| {
            let tenant = request.headers()["x-t"].to_str().unwrap();
            page(
                &[("vary", "x-t"), ("etag", &format!("\"{tenant}\""))],
                tenant.to_owned(),
            )
        });
        let target = format!("/{n}");
        let ask = async |tenant| site.ask(get_with(&target, &[("x-t", tenant)])).await;
        ask("a").await;
        ask("b").await;
        world.advance(minutes(1));
        for (tenant, tag) in [("a", "\"a\""), ("b", "\"b\"")] {
            assert_eq!(ask(tenant).await.body, tenant);
            assert_eq!(origin.asked("if-none-match").as_deref(), Some(tag));
        }
        ask("c").await;
        assert_eq!(origin.asked("if-none-match"), None);
    }
}

async fn a_304_for_one_variant_updates_no_other_though_their_tags_are_the_same(world: World) {
    let (origin, site) = world.origin(layer(&world));
    origin.says(200, &[("vary", "x-l"), ("etag", "\"a\"")], "soup");
    let ask = async |language| site.ask(get_with("/p", &[("x-l", language)])).await;
    ask("de").await;
    ask("en").await;
    world.advance(minutes(1));
    origin.confirms(&[("etag", "\"a\""), ("vary", "x-l"), ("x-of", "de")]);
    assert!(ask("de").await.is(200, "soup"));
    assert!(ask("de").await.is_hit());
    origin.confirms(&[("etag", "\"a\""), ("vary", "x-l")]);
    let other = ask("en").await;
    assert!(!other.is_hit(), "{other:?}");
    assert_eq!(other.field("x-of"), None);
}

async fn a_stale_page_is_validated_whole_whatever_part_was_asked_for(world: World) {
    let (origin, site) = stale(&world, &[("etag", "\"a\"")]).await;
    origin.holds("\"a\"", &[], "soup");
    let fields = [("range", "bytes=1-2"), ("if-range", "\"a\"")];
    let part = site.ask(get_with("/p", &fields)).await;
    assert!(part.is(206, "ou"), "{part:?}");
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
    assert_eq!(
        (origin.asked("range"), origin.asked("if-range")),
        (None, None)
    );
    let hit = site.get("/p").await;
    assert!(hit.is(200, "soup") && hit.is_hit());
}

#[tokio::test(start_paused = true)]
async fn the_tag_of_a_stored_part_is_not_sent_for_the_whole() {
    let world = World::new();
    let (origin, site) = world.origin(world.cache.gateway());
    const PART: Fields = &[
        ("etag", "\"p\""),
        ("content-range", "bytes 4-7/8"),
        ("cache-control", "max-age=60"),
    ];
    origin.says(206, PART, "part");
    site.ask(get_with("/p", &[("range", "bytes=4-7")])).await;
    origin.says(200, &[], "the whole");
    let whole = site
        .ask(get_with("/p", &[("if-none-match", "\"c\"")]))
        .await;
    assert!(whole.is(200, "the whole"), "{whole:?}");
    let asked = origin.asked("if-none-match").unwrap_or_default();
    assert!(!asked.contains("\"p\""), "{asked}");
}
