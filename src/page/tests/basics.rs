//! Miss, hit, stale; what a stored answer looks like.

use http::Method;

use super::*;
use crate::{PageControl, Ttl, days, seconds};

on_every_store! {
    a_miss_is_stored_and_the_next_request_is_a_hit
    a_stale_page_is_fetched_again
    head_is_answered_from_get_with_the_same_fields_and_no_body
    a_head_miss_stores_nothing_and_does_not_poison_get
    a_request_that_says_no_store_is_answered_from_the_store_and_fills_nothing
}

async fn a_miss_is_stored_and_the_next_request_is_a_hit(world: World) {
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    let first = site.get("/menu").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.said(), "fwd=uri-miss; stored");
    assert_eq!(first.field("age"), None);
    assert_eq!(first.field("date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
    assert_eq!(first.field("cache-control"), Some("no-cache"));

    world.advance(seconds(7));
    let second = site.get("/menu").await;
    assert_eq!(second.status, 200);
    assert_eq!(second.said(), "hit; ttl=1793");
    assert_eq!(second.field("age"), Some("7"));
    assert_eq!(second.field("date"), first.field("date"));
    assert_eq!(second.field("content-length"), Some("4"));
    assert_eq!(second.field("cache-control"), Some("no-cache"));
    assert_eq!((first.body, second.body), ("soup".into(), "soup".into()));
    assert_eq!(site.runs(), 1);
    world.assert_at_rest().await;
}

async fn a_stale_page_is_fetched_again(world: World) {
    let layer = world.cache.page(minutes(1)).keep(minutes(5)).unwrap();
    let site = world.site(layer, async |_| page(&[], "soup"));
    site.get("/menu").await;
    world.advance(Duration::from_millis(59_999));
    assert_eq!(site.get("/menu").await.said(), "hit; ttl=1");
    // A lifetime equal to the age is over.
    world.advance(Duration::from_millis(1));
    assert_eq!(site.get("/menu").await.said(), "fwd=stale; stored");
    assert_eq!(site.get("/menu").await.said(), "hit; ttl=60");
    assert_eq!(site.runs(), 2);
}

async fn head_is_answered_from_get_with_the_same_fields_and_no_body(world: World) {
    let site = world.site(world.page(), async |_| {
        page(&[("content-type", "text/plain"), ("etag", "\"a\"")], "soup")
    });
    site.get("/menu").await;
    let head = site.ask(request(Method::HEAD, "/menu", &[])).await;
    let get = site.get("/menu").await;
    assert_eq!(head.headers, get.headers);
    assert_eq!(head.field("content-length"), Some("4"));
    assert_eq!(head.body, "");
    assert!(head.is_hit());
    assert_eq!(site.runs(), 1);
}

async fn a_head_miss_stores_nothing_and_does_not_poison_get(world: World) {
    let site = world.site(world.page(), async |request| {
        page(
            &[],
            if request.method() == Method::HEAD {
                ""
            } else {
                "soup"
            },
        )
    });
    for _ in 0..2 {
        let head = site.ask(request(Method::HEAD, "/menu", &[])).await;
        assert_eq!(head.said(), "fwd=uri-miss");
    }
    let get = site.get("/menu").await;
    assert_eq!((get.said(), &*get.body), ("fwd=uri-miss; stored", "soup"));
    assert_eq!(site.runs(), 3);
}

async fn a_request_that_says_no_store_is_answered_from_the_store_and_fills_nothing(world: World) {
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    let no_store = || get_with("/menu", &[("cache-control", "no-store")]);
    assert_eq!(site.ask(no_store()).await.said(), "fwd=bypass");
    assert_eq!(site.get("/menu").await.said(), "fwd=uri-miss; stored");
    assert!(site.ask(no_store()).await.is_hit());
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_204_is_stored_without_a_length() {
    let world = World::new();
    let site = world.site(world.page(), async |_| with_status(204, &[], Body::empty()));
    site.get("/ping").await;
    let hit = site.get("/ping").await;
    assert_eq!(
        (hit.status.as_u16(), hit.field("content-length")),
        (204, None)
    );
    assert_eq!((hit.said(), site.runs()), ("hit; ttl=1800", 1));
}

#[tokio::test(start_paused = true)]
async fn the_default_is_the_caches_and_forever_does_not_end() {
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).default_ttl(seconds(90)));
    let site = |ttl| {
        world.site(world.cache.page(ttl).named("p"), async |_| {
            page(&[], "soup")
        })
    };
    let default = site(Ttl::Default);
    default.get("/default").await;
    assert_eq!(default.get("/default").await.said(), "hit; ttl=90");
    let forever = site(Ttl::Forever);
    forever.get("/forever").await;
    world.advance(days(60 * 365));
    assert!(forever.get("/forever").await.is_hit());
    assert!(!default.get("/default").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_zero_stores_nothing() {
    let world = World::new();
    let site = world.site(world.cache.page(Duration::ZERO), async |_| {
        page(&[], "soup")
    });
    for _ in 0..2 {
        assert_eq!(site.get("/menu").await.said(), "fwd=uri-miss");
    }
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn clients_keep_a_page_as_long_after_each_answer() {
    let world = World::new();
    let site = world.site(world.page().client_ttl(seconds(10)), async |_| {
        page(&[("cache-control", "public")], "soup")
    });
    let first = site.get("/menu").await;
    assert_eq!(first.field("cache-control"), Some("public, max-age=10"));
    world.advance(seconds(7));
    // `max-age` counts from when the page was made (RFC 9111 §4.2): less `Age`, ten seconds are left.
    let hit = site.get("/menu").await;
    assert_eq!(hit.field("cache-control"), Some("public, max-age=17"));
    assert_eq!(hit.field("age"), Some("7"));
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_no_cache_only_where_the_response_says_nothing() {
    let table: [(Fields, &[&str]); 6] = [
        (&[], &["no-cache"]),
        (&[("cache-control", "public")], &["public, no-cache"]),
        (&[("cache-control", "max-age=60")], &["max-age=60"]),
        (&[("cache-control", "s-maxage=60")], &["s-maxage=60"]),
        (
            &[("cache-control", "foo=1, max-age=60")],
            &["foo=1, max-age=60"],
        ),
        (&[("expires", "Thu, 01 Jan 2026 01:00:00 GMT")], &[]),
    ];
    let world = World::new();
    for (n, (fields, told)) in table.into_iter().enumerate() {
        let site = world.site(world.page(), async move |_| page(fields, "soup"));
        let target = format!("/{n}");
        assert_eq!(
            site.get(&target).await.lines("cache-control"),
            told,
            "{fields:?}"
        );
        let hit = site.get(&target).await;
        assert!(hit.is_hit());
        assert_eq!(hit.lines("cache-control"), told, "{fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn x_cache_says_miss_hit_expired_and_bypass() {
    let world = World::new();
    let layer = world
        .cache
        .page(minutes(1))
        .keep(minutes(5))
        .unwrap()
        .x_cache();
    let site = world.site(layer, async |_| page(&[], "soup"));
    let said = async |request| site.ask(request).await.field("x-cache").unwrap().to_owned();
    assert_eq!(said(get("/menu")).await, "MISS");
    assert_eq!(said(get("/menu")).await, "HIT");
    assert_eq!(
        said(get_with("/menu", &[("if-match", "*")])).await,
        "BYPASS"
    );
    world.advance(minutes(1));
    assert_eq!(said(get("/menu")).await, "EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn cache_status_can_be_off() {
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).without_cache_status());
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    for request in [get("/a"), get("/a"), request(Method::POST, "/a", &[])] {
        assert_eq!(site.ask(request).await.field("cache-status"), None);
    }
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn cache_status_can_be_for_some_and_tells_them_why() {
    let world = World::built(
        Cache::builder(MemoryStore::new(MIB))
            .cache_status_if(|request| request.headers.contains_key("x-debug")),
    );
    let site = world.site(world.page(), async |request| {
        let private = request.uri().path() == "/private";
        page(
            if private {
                &[("cache-control", "private")]
            } else {
                &[]
            },
            "soup",
        )
    });
    let debug = |target| get_with(target, &[("x-debug", "1")]);
    assert_eq!(site.get("/a").await.field("cache-status"), None);
    assert_eq!(site.get("/a").await.field("cache-status"), None);
    assert_eq!(
        site.ask(debug("/a")).await.said(),
        r#"hit; ttl=1800; key="shop.example/a""#
    );
    let refused = site.ask(debug("/private")).await;
    assert_eq!(
        refused.said(),
        r#"fwd=uri-miss; key="shop.example/private"; detail=private"#
    );
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_cache_further_in_is_kept_first() {
    let world = World::new();
    let site = world.site(world.page(), async |_| {
        page(
            &[("cache-status", "A; hit"), ("cache-status", "B;fwd=miss")],
            "soup",
        )
    });
    let ours = |answer: &Answer| {
        answer
            .lines("cache-status")
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let miss = site.get("/menu").await;
    assert_eq!(
        ours(&miss),
        ["A; hit", "B;fwd=miss", "larder; fwd=uri-miss; stored"]
    );
    let hit = site.get("/menu").await;
    assert_eq!(
        ours(&hit),
        ["A; hit", "B;fwd=miss", "larder; hit; ttl=1800"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_one_connection_or_one_answer_is_not_kept() {
    const DROPPED: [(&str, &str); 13] = [
        ("connection", "keep-alive, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("te", "trailers"),
        ("ratelimit", "\"a\";r=1"),
        ("ratelimit-policy", "\"a\";q=9"),
        ("x-ratelimit-remaining", "1"),
        ("server-timing", "db;dur=5"),
        ("x-response-time", "0.123s"),
        ("x-cache-hits", "3"),
    ];
    let world = World::new();
    let site = world.site(world.page(), async |_| {
        let kept = [
            ("x-foo", "b"),
            ("x-foo", "a"),
            ("link", "</1>"),
            ("via", "1.1 a"),
            ("link", "</2>"),
            ("pragma", "no-cache"),
            ("retry-after", "5"),
        ];
        page(&[&kept[..3], &DROPPED, &kept[3..]].concat(), "soup")
    });
    site.get("/menu").await;
    let hit = site.get("/menu").await;
    assert!(hit.is_hit());
    for (name, _) in DROPPED {
        assert_eq!(hit.field(name), None);
    }
    assert_eq!(hit.lines("x-foo"), ["b", "a"]);
    assert_eq!(hit.lines("link"), ["</1>", "</2>"]);
    assert_eq!(
        (hit.field("via"), hit.field("pragma")),
        (Some("1.1 a"), Some("no-cache"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_is_as_old_as_its_handler_was_slow() {
    let world = World::new();
    let clock = world.clock.clone();
    let site = world.site(world.page(), move |_| {
        clock.advance(seconds(3));
        async { page(&[("age", "10")], "soup") }
    });
    site.get("/menu").await;
    let hit = site.get("/menu").await;
    assert_eq!(
        (hit.field("age"), hit.said()),
        (Some("13"), "hit; ttl=1787")
    );
}

#[tokio::test(start_paused = true)]
async fn the_extensions_of_a_response_are_not_replayed() {
    #[derive(Clone)]
    struct Secret;
    let world = World::new();
    let site = world.site(world.page(), async |_| {
        let mut response = page(&[], "soup");
        response.extensions_mut().insert(Secret);
        response
    });
    let first = site.open(get("/menu")).await;
    assert!(
        first.extensions().get::<Secret>().is_some(),
        "a layer outside may need it"
    );
    read(first).await;
    let hit = site.open(get("/menu")).await;
    assert!(hit.extensions().get::<Secret>().is_none());
    assert_eq!(site.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_shortens_its_page_or_keeps_it_from_being_stored() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        let mut response = page(&[], "soup");
        let control = match request.uri().path() {
            "/short" => PageControl::new().ttl(seconds(10)),
            _ => PageControl::new().do_not_store(),
        };
        control.add_to(response.extensions_mut());
        response
    });
    site.get("/short").await;
    assert_eq!(site.get("/short").await.said(), "hit; ttl=10");
    site.get("/draft").await;
    assert_eq!(site.get("/draft").await.said(), "fwd=uri-miss");
}
