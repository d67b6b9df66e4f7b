//! The rules in which a gateway differs, each set alone on a page and switched off on a gateway.

use http::StatusCode;

use super::*;
use crate::{PolicyError, days, seconds};

/// How a second request for what was answered so is answered.
async fn again(world: &World, layer: CacheLayer, status: u16, fields: Fields) -> Answer {
    let (origin, site) = world.origin(layer);
    world.purge_page("/p").await;
    origin.says(status, fields, "soup");
    site.get("/p").await;
    site.get("/p").await
}

/// Whether it is stored, and for how long.
async fn lives(world: &World, layer: CacheLayer, status: u16, fields: Fields) -> Option<u64> {
    let answer = again(world, layer, status, fields).await;
    let ttl = answer.said().strip_prefix("hit; ttl=")?;
    Some(ttl.parse().unwrap())
}

const BARE: Fields = &[];
const LATELY: &str = "Wed, 31 Dec 2025 23:58:20 GMT";
const SINCE: (&str, &str) = ("last-modified", LATELY);
const MODIFIED: Fields = &[SINCE];

#[tokio::test(start_paused = true)]
async fn a_gateway_stores_for_no_lifetime_of_its_own() {
    let world = World::new();
    let gateway = || world.cache.gateway();
    assert_eq!(lives(&world, gateway(), 200, BARE).await, None);
    assert_eq!(lives(&world, gateway(), 302, BARE).await, None);
    type Row<'a> = (u16, &'a [(&'a str, &'a str)], Option<u64>);
    let table: [Row<'_>; 7] = [
        (200, &[("cache-control", "max-age=9")], Some(9)),
        (200, &[("cache-control", "s-maxage=9, max-age=5")], Some(9)),
        (
            200,
            &[("expires", "Thu, 01 Jan 2026 00:00:09 GMT")],
            Some(9),
        ),
        (302, &[("cache-control", "max-age=9")], Some(9)),
        (302, &[("cache-control", "public")], None),
        (302, &[("cache-control", "proxy-revalidate")], None),
        (200, &[("cache-control", "public")], None),
    ];
    for (status, fields, lived) in table {
        let fields: Fields = fields.to_vec().leak();
        let is = lives(&world, gateway(), status, fields).await;
        assert_eq!(is, lived, "{status}, {fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_is_guessed_where_none_is_named_and_that_is_on() {
    let world = World::new();
    let off = || {
        let bare = world.cache.page(Duration::ZERO);
        bare.store_to_validate(false)
    };
    let on = || world.cache.gateway();
    assert_eq!(lives(&world, on(), 200, MODIFIED).await, Some(10));
    assert_eq!(lives(&world, on(), 404, MODIFIED).await, Some(10));
    assert_eq!(lives(&world, off(), 200, MODIFIED).await, None);
    let half = on().heuristic(5, days(1)).unwrap();
    assert_eq!(lives(&world, half, 200, MODIFIED).await, Some(5));
    let capped = on().heuristic(10, seconds(3)).unwrap();
    assert_eq!(lives(&world, capped, 200, MODIFIED).await, Some(3));

    // Only for what may be guessed at, and never over what is said.
    assert_eq!(lives(&world, on(), 302, MODIFIED).await, None);
    let cases: [(u16, Fields, Option<u64>); 6] = [
        (302, &[("cache-control", "public"), SINCE], Some(10)),
        (200, &[("expires", "0"), SINCE], None),
        (200, &[("cache-control", "max-age=0"), SINCE], None),
        (200, &[("cache-control", "max-age=x"), SINCE], None),
        (200, &[("cache-control", "max-age=3"), SINCE], Some(3)),
        (
            200,
            &[("last-modified", "Thu, 01 Jan 2099 00:00:00 GMT")],
            None,
        ),
    ];
    for (status, fields, lived) in cases {
        let is = lives(&world, on(), status, fields).await;
        assert_eq!(is, lived, "{status}, {fields:?}");
    }
    let ancient: Fields = &[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
    assert_eq!(lives(&world, on(), 200, ancient).await, Some(86_400));
}

#[tokio::test(start_paused = true)]
async fn a_guess_alone_on_a_page_is_for_what_the_layer_gives_no_lifetime() {
    let world = World::new();
    let page = || world.cache.page(minutes(1)).heuristic(10, days(1)).unwrap();
    assert_eq!(lives(&world, page(), 200, MODIFIED).await, Some(60));
    assert_eq!(lives(&world, page(), 404, MODIFIED).await, Some(10));
    assert_eq!(
        lives(&world, world.cache.page(minutes(1)), 404, MODIFIED).await,
        None
    );
    for percent in [0, 11, 100] {
        let refused = world.page().heuristic(percent, days(1)).err();
        assert!(matches!(refused, Some(PolicyError::Heuristic(_))));
    }
}

const NAMED: Fields = &[("cache-control", "max-age=600")];

#[tokio::test(start_paused = true)]
async fn any_status_that_names_a_lifetime_is_stored_where_that_is_on() {
    let world = World::new();
    for status in [201, 299, 400, 403, 409, 500, 503, 599] {
        let (gateway, page) = (world.cache.gateway(), world.page());
        let lived = [
            lives(&world, gateway.clone(), status, NAMED).await,
            lives(&world, gateway.any_status(false), status, NAMED).await,
            lives(&world, page.clone(), status, NAMED).await,
            lives(&world, page.any_status(true), status, NAMED).await,
        ];
        assert_eq!(lived, [Some(600), None, None, Some(600)], "{status}");
    }
    // An error that is stored by default lives a minute at most; the gateway's as long as it says.
    assert_eq!(lives(&world, world.page(), 404, NAMED).await, Some(60));
    let gateway = world.cache.gateway();
    assert_eq!(lives(&world, gateway, 404, NAMED).await, Some(600));
    for status in [428, 429, 431, 511] {
        let layer = world.page().any_status(true);
        assert_eq!(lives(&world, layer, status, NAMED).await, None);
        let layer = world.cache.gateway();
        assert_eq!(lives(&world, layer, status, NAMED).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_may_be_given_a_lifetime() {
    let world = World::new();
    let layer = |status, ttl| {
        let status = StatusCode::from_u16(status).unwrap();
        world.page().ttl_for(status, ttl)
    };
    let page = || layer(404, minutes(5)).unwrap();
    assert_eq!(lives(&world, page(), 404, BARE).await, Some(300));
    assert_eq!(lives(&world, page(), 410, BARE).await, None);
    assert_eq!(lives(&world, page(), 404, NAMED).await, Some(600));
    for status in [206, 304, 428, 429, 431, 511] {
        let refused = layer(status, minutes(1)).err();
        assert!(matches!(refused, Some(PolicyError::Status(_))), "{status}");
    }
    assert!(layer(404, Duration::ZERO).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_must_be_validated_each_time_is_stored_where_that_is_on() {
    let world = World::new();
    let validates = async |layer: CacheLayer, says: &'static str| {
        let (origin, site) = world.origin(layer);
        world.purge_page("/p").await;
        origin.answers(move |_| page(&[("etag", "\"a\""), ("cache-control", says)], "soup"));
        site.get("/p").await;
        let answer = site.get("/p").await;
        assert!(!answer.is_hit(), "{says}: {answer:?}");
        origin.asked("if-none-match").is_some()
    };
    for says in ["no-cache", "max-age=0", "max-age=60, no-cache"] {
        let (gateway, page) = (world.cache.gateway(), world.page());
        assert!(validates(gateway.clone(), says).await, "{says}");
        assert!(!validates(gateway.store_to_validate(false), says).await);
        assert!(!validates(page.clone(), says).await, "{says}");
        assert!(validates(page.store_to_validate(true), says).await);
    }
    // Neither a lifetime nor a validator: there is nothing to ask with.
    let layer = world.page().store_to_validate(true);
    let (origin, site) = world.origin(layer);
    origin.says(200, &[("cache-control", "no-cache")], "soup");
    site.get("/q").await;
    assert_eq!(site.get("/q").await.said(), "fwd=uri-miss");
}

/// To the letter of RFC 9111 §3.5, which an application does not follow.
#[tokio::test(start_paused = true)]
async fn must_revalidate_lets_a_gateway_store_answers_to_authorization_and_validates_them() {
    let world = World::new();
    const SAYS: Fields = &[
        ("etag", "\"a\""),
        ("cache-control", "max-age=60, must-revalidate"),
    ];
    let asked = |more: Fields| {
        let fields = [&[("authorization", "Bearer a")], more].concat();
        get_with("/p", &fields)
    };
    let (origin, site) = world.origin(world.cache.gateway().grace(minutes(5)));
    origin.says(200, SAYS, "soup");
    site.ask(asked(&[])).await;
    assert!(site.ask(asked(&[])).await.is_hit());
    world.advance(seconds(61));
    origin.confirms(SAYS);
    let stale = site.ask(asked(&[("cache-control", "max-stale")])).await;
    assert!(stale.is(200, "soup"), "{stale:?}");
    assert_eq!(stale.said(), "fwd=stale; fwd-status=304; ttl=60; stored");
    world.advance(seconds(61));
    origin.is_unreachable();
    assert_eq!(site.ask(asked(&[])).await.code(), 504);

    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(200, SAYS, "soup");
    let cookie = [("authorization", "Bearer a"), ("cookie", "a=b")];
    let both = || get_with("/both", &cookie);
    site.ask(both()).await;
    assert!(
        !site.ask(both()).await.is_hit(),
        "§3.5 speaks of no cookies"
    );
    let layers = [
        (world.page(), false),
        (world.page().must_revalidate_shares(true), true),
        (world.cache.gateway().must_revalidate_shares(false), false),
    ];
    for (n, (layer, shares)) in layers.into_iter().enumerate() {
        let (origin, site) = world.origin(layer);
        origin.says(200, SAYS, "soup");
        let asked = || get_with(&format!("/{n}"), &[("authorization", "Bearer a")]);
        site.ask(asked()).await;
        assert_eq!(site.ask(asked()).await.is_hit(), shares, "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_passes_cache_control_on_as_it_came() {
    let world = World::new();
    for fields in [&[][..], &[("cache-control", "s-maxage=60")], NAMED] {
        let (origin, site) = world.origin(world.cache.gateway());
        world.purge_page("/p").await;
        let fields: Fields = fields.to_vec().leak();
        origin.says(200, fields, "soup");
        for answer in [site.get("/p").await, site.get("/p").await] {
            assert_eq!(
                answer.field("cache-control"),
                fields.first().map(|(_, value)| *value)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_cache_control_as_it_came_is_switched_alone() {
    let world = World::new();
    let layers = [
        (world.page(), Some("no-cache")),
        (world.page().leave_cache_control(true), None),
        (
            world.cache.gateway().leave_cache_control(false),
            Some("no-cache"),
        ),
    ];
    for (layer, told) in layers {
        let answer = again(&world, layer, 200, MODIFIED).await;
        assert!(answer.is_hit());
        assert_eq!(answer.field("cache-control"), told);
    }
}

#[tokio::test(start_paused = true)]
async fn an_age_that_cannot_be_read_is_ignored_where_that_is_on() {
    let world = World::new();
    const ODD: Fields = &[("age", "x"), ("cache-control", "max-age=60")];
    let (gateway, page) = (world.cache.gateway(), world.page());
    let lived = [
        lives(&world, gateway.clone(), 200, ODD).await,
        lives(&world, gateway.ignore_invalid_age(false), 200, ODD).await,
        lives(&world, page.clone(), 200, ODD).await,
        lives(&world, page.ignore_invalid_age(true), 200, ODD).await,
    ];
    assert_eq!(lived, [Some(60), None, None, Some(60)]);
}

#[tokio::test(start_paused = true)]
async fn no_vary_search_is_honoured_where_that_is_on() {
    let world = World::new();
    const SAYS: Fields = &[
        ("no-vary-search", "params=(\"utm\")"),
        ("cache-control", "max-age=60"),
    ];
    let layers = [
        (world.cache.gateway(), true),
        (world.cache.gateway().exact_search(), false),
        (world.page(), false),
        (world.page().no_vary_search(["token"]), true),
        (world.page().no_vary_search(["utm"]), false),
    ];
    for (n, (layer, honours)) in layers.into_iter().enumerate() {
        let (origin, site) = world.origin(layer);
        origin.says(200, SAYS, "soup");
        let path = format!("/{n}");
        site.get(&format!("{path}?a=1&utm=x")).await;
        let other = site.get(&format!("{path}?a=1&utm=y")).await;
        assert_eq!(other.is_hit(), honours, "{n}: {other:?}");
        assert!(!site.get(&format!("{path}?a=2")).await.is_hit(), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_targeted_field_decides_where_it_is_named() {
    let world = World::new();
    const SAYS: Fields = &[
        ("cache-control", "max-age=5"),
        ("cdn-cache-control", "max-age=9"),
    ];
    const OWN: Fields = &[
        ("cache-control", "max-age=5"),
        ("cdn-cache-control", "max-age=9"),
        ("larder-cache-control", "max-age=7"),
    ];
    let cdn = HeaderName::from_static("cdn-cache-control");
    let (gateway, page) = (world.cache.gateway(), world.page());
    assert_eq!(lives(&world, gateway.clone(), 200, SAYS).await, Some(9));
    assert_eq!(lives(&world, gateway.clone(), 200, OWN).await, Some(7));
    let off = gateway.targeted_fields([]);
    assert_eq!(lives(&world, off, 200, OWN).await, Some(5));
    assert_eq!(lives(&world, page.clone(), 200, OWN).await, Some(5));
    let on = page.targeted_fields([cdn]);
    assert_eq!(lives(&world, on, 200, OWN).await, Some(9));
}

#[tokio::test(start_paused = true)]
async fn parts_are_stored_where_that_is_on() {
    let world = World::new();
    const PART: Fields = &[
        ("etag", "\"a\""),
        ("content-range", "bytes 2-5/10"),
        ("cache-control", "max-age=60"),
    ];
    let layers = [
        (world.cache.gateway(), true),
        (world.cache.gateway().store_parts(false), false),
        (world.page(), false),
        (world.page().store_parts(true), true),
    ];
    for (n, (layer, stores)) in layers.into_iter().enumerate() {
        let (origin, site) = world.origin(layer);
        world.purge_page("/p").await;
        origin.says(206, PART, "2345");
        site.ask(get_with("/p", &[("range", "bytes=2-5")])).await;
        let within = site.ask(get_with("/p", &[("range", "bytes=3-4")])).await;
        assert_eq!(within.is_hit(), stores, "{n}: {within:?}");
        assert!(!stores || within.is(206, "34"), "{n}: {within:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_to_post_serve_get_where_that_is_on() {
    let world = World::new();
    const SAYS: Fields = &[("content-location", "/p"), ("cache-control", "max-age=60")];
    let layers = [
        (world.cache.gateway(), true),
        (world.cache.gateway().store_posts(false), false),
        (world.page(), false),
        (world.page().store_posts(true), true),
    ];
    for (n, (layer, stores)) in layers.into_iter().enumerate() {
        let (origin, site) = world.origin(layer);
        world.purge_page("/p").await;
        origin.says(200, SAYS, "soup");
        let post = || request(Method::POST, "/p", &[]);
        site.ask(post()).await;
        assert_eq!(site.get("/p").await.is_hit(), stores, "{n}");
        let runs = site.runs();
        site.ask(post()).await;
        assert_eq!(site.runs(), runs + 1, "each POST reaches the handler");
    }
}
