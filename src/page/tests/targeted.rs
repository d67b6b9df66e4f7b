//! Targeted fields (RFC 9213): the first that can be read decides in place of `Cache-Control` and `Expires`.

use super::*;

const CDN: &str = "cdn-cache-control";

/// What becomes of an answer with these fields: its lifetime, or `None` if it is not stored.
async fn lifetime(world: &World, layer: CacheLayer, fields: &[(&str, &str)]) -> Option<String> {
    let (origin, site) = world.origin(layer);
    let said: Vec<_> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    origin.answers(move |_| {
        let said: Vec<_> = said
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        page(&said, "page")
    });
    let first = site.get("/p").await;
    for (name, value) in fields {
        // It is passed on to caches outside.
        let lines = first.lines(name);
        let kept = lines.iter().any(|line| line.starts_with(value));
        assert!(kept, "{name}: {value} {:?}", first.headers);
    }
    let hit = site.get("/p").await;
    let ttl = hit.said().strip_prefix("hit; ttl=").map(str::to_owned);
    if ttl.is_some() {
        for (name, value) in fields {
            let lines = hit.lines(name);
            let kept = lines.iter().any(|line| line.starts_with(value));
            assert!(kept, "{name} on a hit");
        }
    }
    let _ = world.cache.clear().await.unwrap();
    ttl
}

/// What a response says, and for how long it is fresh by that.
type Case = (Vec<(&'static str, &'static str)>, Option<&'static str>);

/// A field of a list, the same in every case.
fn cases() -> Vec<Case> {
    let later = ("expires", "Thu, 01 Jan 2026 01:00:00 GMT");
    let forbidden = ("cache-control", "no-store");
    let short = ("cache-control", "max-age=5");
    vec![
        (vec![(CDN, "max-age=60"), forbidden], Some("60")),
        (
            vec![(CDN, "max-age=60"), ("cache-control", "private")],
            Some("60"),
        ),
        (vec![(CDN, "max-age=60"), short, later], Some("60")),
        (
            vec![(CDN, "no-store"), ("cache-control", "max-age=60")],
            None,
        ),
        (
            vec![(CDN, "private"), ("cache-control", "max-age=60")],
            None,
        ),
        (
            vec![(CDN, "max-age=0"), ("cache-control", "max-age=60"), later],
            None,
        ),
        // Lines are one field, and of one key the last counts.
        (vec![(CDN, "max-age=1, max-age=9"), short], Some("9")),
        (
            vec![(CDN, "max-age=1"), (CDN, "max-age=9"), short],
            Some("9"),
        ),
        (
            vec![(CDN, "max-age=60;x=1, foo=?0, bar=(1 2)"), forbidden],
            Some("60"),
        ),
        (vec![(CDN, "s-maxage=30, max-age=60"), short], Some("30")),
        // What cannot be read is as if it were not there.
        (vec![(CDN, "max-age=60,"), short], Some("5")),
        (vec![(CDN, "Max-Age=60"), short], Some("5")),
        (vec![(CDN, "max-age=60 no-store"), short], Some("5")),
        (vec![(CDN, ""), short], Some("5")),
        (vec![(CDN, " "), short], Some("5")),
        (vec![(CDN, "max-age=60,"), forbidden], None),
        // What is of another type is no lifetime.
        (
            vec![(CDN, "max-age=1.5"), ("cache-control", "max-age=60")],
            None,
        ),
        (
            vec![(CDN, "max-age=\"60\""), ("cache-control", "max-age=60")],
            None,
        ),
        (
            vec![(CDN, "max-age"), ("cache-control", "max-age=60")],
            None,
        ),
        (
            vec![(CDN, "max-age=-1"), ("cache-control", "max-age=60")],
            None,
        ),
        // Not listed, whatever it is called.
        (vec![("foo-cache-control", "max-age=60"), short], Some("5")),
        (vec![("surrogate-control", "max-age=60"), short], Some("5")),
        (vec![("foo-cache-control", "no-store"), short], Some("5")),
    ]
}

on_every_store! {
    a_gateway_is_told_by_its_own_field_first_and_by_that_of_cdns_next
    a_listed_field_decides_alone
}

async fn a_gateway_is_told_by_its_own_field_first_and_by_that_of_cdns_next(world: World) {
    for (fields, ttl) in cases() {
        let found = lifetime(&world, world.cache.gateway(), &fields).await;
        assert_eq!(found.as_deref(), ttl, "{fields:?}");
    }
    let own = "larder-cache-control";
    for (fields, ttl) in [
        ([(own, "max-age=10"), (CDN, "max-age=20")], Some("10")),
        ([(CDN, "no-store"), (own, "max-age=10")], Some("10")),
        ([(own, "no-store"), (CDN, "max-age=20")], None),
        ([(own, "oops,"), (CDN, "max-age=20")], Some("20")),
        ([(own, ""), (CDN, "max-age=20")], Some("20")),
    ] {
        let found = lifetime(&world, world.cache.gateway(), &fields).await;
        assert_eq!(found.as_deref(), ttl, "{fields:?}");
    }
}

async fn a_listed_field_decides_alone(world: World) {
    let layer = || world.page().targeted_fields([HeaderName::from_static(CDN)]);
    for (fields, ttl) in cases() {
        let found = lifetime(&world, layer(), &fields).await;
        assert_eq!(found.as_deref(), ttl, "{fields:?}");
    }
    // The gateway's own is not on this list.
    let fields = [
        ("larder-cache-control", "no-store"),
        ("cache-control", "max-age=60"),
    ];
    assert_eq!(
        lifetime(&world, layer(), &fields).await.as_deref(),
        Some("60")
    );
}

#[tokio::test(start_paused = true)]
async fn the_gateways_own_field_has_the_name_of_the_cache() {
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).name("Edge"));
    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(
        200,
        &[
            ("edge-cache-control", "max-age=60"),
            ("larder-cache-control", "no-store"),
        ],
        "page",
    );
    site.get("/p").await;
    let hit = site.get("/p").await;
    assert_eq!(hit.field("cache-status"), Some("Edge; hit; ttl=60"));
}

#[tokio::test(start_paused = true)]
async fn a_page_cache_ignores_targeted_fields_and_passes_them_on() {
    let world = World::new();
    let fields = [(CDN, "max-age=600"), ("cache-control", "no-store")];
    assert_eq!(lifetime(&world, world.page(), &fields).await, None);
    let fields = [(CDN, "no-store"), ("cache-control", "max-age=60")];
    assert_eq!(
        lifetime(&world, world.page(), &fields).await.as_deref(),
        Some("60")
    );
    // A gateway can be told so too.
    let layer = world.cache.gateway().targeted_fields([]);
    assert_eq!(
        lifetime(&world, layer, &fields).await.as_deref(),
        Some("60")
    );
}

#[tokio::test(start_paused = true)]
async fn directives_of_a_targeted_field_mean_what_they_mean_in_cache_control() {
    let world = World::new();
    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(
        200,
        &[
            (CDN, "max-age=60, must-revalidate"),
            ("etag", "\"a\""),
            ("cache-control", "max-age=600, stale-if-error=600"),
        ],
        "page",
    );
    site.get("/revalidated").await;
    world.advance(Duration::from_secs(61));
    origin.says(503, &[], "down");
    assert_eq!(site.get("/revalidated").await.code(), 503);
    origin.says(
        200,
        &[
            (CDN, "max-age=60, stale-if-error=600"),
            ("cache-control", "max-age=600, must-revalidate"),
        ],
        "page",
    );
    site.get("/stale").await;
    world.advance(Duration::from_secs(61));
    origin.says(503, &[], "down");
    assert!(site.get("/stale").await.is(200, "page"));
    // `no-cache` is stored, and asked about each time.
    origin.holds(
        "\"b\"",
        &[(CDN, "no-cache"), ("cache-control", "max-age=600")],
        "page",
    );
    site.get("/asked").await;
    let runs = site.runs();
    assert!(site.get("/asked").await.is(200, "page"));
    assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"b\""));
    assert_eq!(site.runs(), runs + 1);
}

/// `none` is valid, not empty, and sets nothing: what `Cache-Control` says does not count (RFC 9213 §2.2).
#[tokio::test(start_paused = true)]
async fn a_field_that_sets_nothing_still_decides() {
    let world = World::new();
    let layer = world.page().targeted_fields([HeaderName::from_static(CDN)]);
    let fields = [(CDN, "none"), ("cache-control", "no-store")];
    assert_eq!(
        lifetime(&world, layer, &fields).await.as_deref(),
        Some("1800")
    );
}

#[tokio::test(start_paused = true)]
async fn a_304_changes_the_lifetime_by_its_targeted_field() {
    let world = World::new();
    let (origin, site) = world.origin(world.cache.gateway());
    origin.says(200, &[(CDN, "max-age=60"), ("etag", "\"a\"")], "page");
    site.get("/p").await;
    world.advance(Duration::from_secs(61));
    origin.confirms(&[
        (CDN, "max-age=7"),
        ("etag", "\"a\""),
        ("cache-control", "no-store"),
    ]);
    assert!(site.get("/p").await.is(200, "page"));
    assert_eq!(site.get("/p").await.said(), "hit; ttl=7");
}
