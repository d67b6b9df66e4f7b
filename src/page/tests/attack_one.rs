//! Faults that a hostile reading has found in validation, parts, POST, HEAD and refreshing: each fails until it is mended.

use tokio::time::Instant;

use super::stores::{Call, Trouble, Troubled};
use super::*;
use crate::background::Background;
use crate::{hours, seconds};

on_every_store! {
    a_stored_part_of_one_tenant_is_not_kept_by_a_layer_outside_that_does_not_know_tenants
    a_purged_tag_frees_the_copy_that_a_layer_outside_made_of_a_stored_part
    a_head_does_not_freshen_the_page_with_what_its_key_leaves_out
    a_post_does_not_store_for_gets_what_their_key_leaves_out
    a_304_to_the_clients_own_condition_freshens_nothing_that_was_not_asked_about
    concurrent_ranges_of_a_handler_that_knows_none_run_it_once
    concurrent_ranges_after_a_purge_run_the_handler_once_more
    a_304_that_changes_the_selection_makes_no_stampede
    stale_equivalents_start_one_refresh
    what_was_served_stale_two_layers_further_in_is_not_stored
    a_refresh_with_proxy_credentials_is_not_stored_for_sharing
    a_page_that_is_confirmed_but_must_be_validated_is_not_shared
}

fn tenant(layer: CacheLayer) -> CacheLayer {
    layer.vary_on("tenant", |head| {
        Some(head.headers.get("x-tenant")?.as_bytes().to_vec())
    })
}

/// Two layers, one in the other.
fn nested<F>(world: &World, outer: CacheLayer, inner: CacheLayer, answer: F) -> Site
where
    F: Fn(&Request<Body>) -> Response<Body> + Clone + Send + Sync + 'static,
{
    let runs = Runs::default();
    let handler = runs.handler(move |request| {
        let response = answer(&request);
        async move { response }
    });
    Site::of(
        world.clone(),
        runs.clone(),
        outer.layer(inner.layer(handler)),
    )
}

const PART: Fields = &[
    ("content-range", "bytes 0-3/10"),
    ("cache-control", "max-age=600"),
    ("etag", "\"a\""),
];

/// P1: what only the key of a layer within tells apart is not stored outside it (`Inherited::separated`); a plain hit of a part says so too.
async fn a_stored_part_of_one_tenant_is_not_kept_by_a_layer_outside_that_does_not_know_tenants(
    world: World,
) {
    let outer = world.page().store_parts(true);
    let inner = tenant(world.page().store_parts(true));
    let site = nested(&world, outer, inner, |request| {
        let tenant = request.headers()["x-tenant"].to_str().unwrap();
        with_status(206, PART, tenant.to_owned())
    });
    let ask = async |tenant| {
        let fields = [("range", "bytes=0-3"), ("x-tenant", tenant)];
        site.ask(get_with("/p", &fields)).await.body
    };
    for _ in 0..3 {
        assert_eq!(ask("anna").await, "anna");
    }
    assert_eq!(ask("bert").await, "bert");
}

/// P2: the marks of a part go to the layers outside with every answer made of it.
async fn a_purged_tag_frees_the_copy_that_a_layer_outside_made_of_a_stored_part(world: World) {
    // The layer outside comes to know the page only once the layer within has it.
    let outer = world.page().store_parts(true);
    let inner = world.page().store_parts(true).tag("menu");
    let runs = Runs::default();
    let count = runs.clone();
    let handler = runs.handler(move |_| {
        let run = count.count();
        async move { with_status(206, PART, format!("v{run:03}")) }
    });
    let within = inner.layer(handler);
    let asked = || get_with("/p", &[("range", "bytes=0-3")]);
    let inside = Site::of(world.clone(), runs.clone(), outer.clone().layer(within));
    assert!(inside.ask(asked()).await.is(206, "v001"));
    // The copy outside is gone (here: by its key), the part within stands.
    world.purge_page_outside(&outer, "/p").await;
    assert!(inside.ask(asked()).await.is(206, "v001"));
    assert!(inside.ask(asked()).await.is(206, "v001"));
    world.purge_tag("menu").await;
    let after = inside.ask(asked()).await;
    assert!(after.is(206, "v002"), "{after:?}");
}

impl World {
    /// Takes away what stands in the store under a layer's own key, without any purge: as an eviction does.
    async fn purge_page_outside(&self, layer: &CacheLayer, target: &str) {
        let asked = get(target);
        let key = layer.key(&RequestHead::of(&asked)).unwrap();
        let mut key = key.as_bytes().to_vec();
        key.push(u8::MAX - 1);
        let shared = &self.cache.shared;
        let removal = crate::store::Op::Remove(crate::store::If::Any);
        let now = crate::clock::Clock::now(&self.clock);
        let _ = shared
            .apply(crate::store::Key::new(&key), removal, now)
            .await
            .unwrap();
    }
}

/// P1: what the key leaves out the handler must not see, or the answer is not stored: a HEAD freshens what is stored for everyone.
async fn a_head_does_not_freshen_the_page_with_what_its_key_leaves_out(world: World) {
    let layer = world.cache.page(minutes(1)).keep(hours(1)).unwrap();
    let layer = layer.query(crate::QueryRule::except(["utm_*"]));
    let (origin, site) = world.origin(layer);
    origin.answers(|request| {
        let link = format!("<{}>; rel=canonical", request.uri());
        page(&[("etag", "\"a\""), ("link", &link)], "soup")
    });
    site.get("/p").await;
    world.advance(seconds(61));
    site.ask(request(Method::HEAD, "/p?utm_source=evil", &[]))
        .await;
    let next = site.get("/p").await;
    assert_eq!(next.field("link"), Some("</p>; rel=canonical"), "{next:?}");
}

/// P1, the same for the answer to a POST that serves GETs.
async fn a_post_does_not_store_for_gets_what_their_key_leaves_out(world: World) {
    let layer = world.page().store_posts(true);
    let layer = layer.query(crate::QueryRule::except(["utm_*"]));
    let (origin, site) = world.origin(layer);
    origin.answers(|request| {
        let target = request.uri().to_string();
        let fields = [
            ("content-location", &*target),
            ("cache-control", "max-age=60"),
        ];
        page(&fields, target.clone())
    });
    site.ask(request(Method::POST, "/p?utm_source=evil", &[]))
        .await;
    let next = site.get("/p").await;
    assert!(next.is(200, "/p"), "{next:?}");
}

/// RFC 9111 §4.3.4 is about a 304 to what the cache has asked. A request that kept its client's condition, for want of any validator that is
/// stored, asked about the client's copy.
async fn a_304_to_the_clients_own_condition_freshens_nothing_that_was_not_asked_about(
    world: World,
) {
    let layer = world.cache.page(minutes(1)).keep(hours(1)).unwrap();
    let (origin, site) = world.origin(layer);
    origin.says(200, &[], "old");
    site.get("/p").await;
    world.advance(seconds(61));
    origin.answers(|request| match request.headers().get("if-none-match") {
        Some(_) => with_status(304, &[("cache-control", "public, max-age=60")], ""),
        None => page(&[], "new"),
    });
    let fields = [("cookie", "a=b"), ("if-none-match", "\"mine\"")];
    let own = site.ask(get_with("/p", &fields)).await;
    let next = site.get("/p").await;
    assert_eq!((own.code(), &*next.body), (304, "new"), "{own:?}\n{next:?}");
}

fn ranged(site: &Site, count: usize) -> Vec<JoinHandle<Answer>> {
    (0..count)
        .map(|_| site.start(get_with("/p", &[("range", "bytes=0-1")])))
        .collect()
}

/// P3: most handlers ignore `Range`; their 200 is stored, and those who wait for it are answered from it.
async fn concurrent_ranges_of_a_handler_that_knows_none_run_it_once(world: World) {
    let (origin, site) = world.origin(world.page().store_parts(true));
    origin.says(200, &[], "0123456789");
    let gate = origin.hold();
    let crowd = ranged(&site, 20);
    settle().await;
    gate.open();
    for answer in crowd {
        let answer = answer.await.unwrap();
        assert!(matches!(answer.code(), 200 | 206), "{answer:?}");
    }
    world.assert_at_rest().await;
    assert_eq!(site.runs(), 1);
}

/// P3: a flight that a purge has outlawed makes room for one other, as it does for whole pages.
async fn concurrent_ranges_after_a_purge_run_the_handler_once_more(world: World) {
    let (origin, site) = world.origin(world.page().store_parts(true));
    origin.says(206, PART, "0123");
    let gate = origin.hold();
    let first = ranged(&site, 1);
    site.runs.reach(1).await;
    world.purge_page("/p").await;
    let crowd = ranged(&site, 20);
    settle().await;
    gate.open();
    for answer in first.into_iter().chain(crowd) {
        assert_eq!(answer.await.unwrap().code(), 206);
    }
    world.assert_at_rest().await;
    assert_eq!(site.runs(), 2);
}

/// P3: a flight that ends with "look it up" must not send the crowd to the handler because one of them looks while the others wait.
async fn a_304_that_changes_the_selection_makes_no_stampede(world: World) {
    let (origin, site) = world.origin(world.cache.page(minutes(1)));
    origin.says(200, &[("etag", "\"a\"")], "soup");
    site.get("/p").await;
    world.advance(seconds(61));
    origin.confirms(&[("etag", "\"a\""), ("vary", "x-l")]);
    let gate = origin.hold();
    let crowd: Vec<_> = (0..50).map(|_| site.start(get("/p"))).collect();
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    for answer in crowd {
        let answer = answer.await.unwrap();
        assert!(answer.is(200, "soup"), "{answer:?}");
    }
    world.assert_at_rest().await;
    assert_eq!(site.runs(), 2);
}

/// P3: one stored page is refreshed once, whatever the spelling of the targets that it answers for (`No-Vary-Search`).
async fn stale_equivalents_start_one_refresh(world: World) {
    let layer = world.cache.page(minutes(1));
    let layer = layer
        .stale_while_revalidate(minutes(10))
        .no_vary_search([] as [&str; 0]);
    let (origin, site) = world.origin(layer);
    origin.says(200, &[("no-vary-search", "params=(\"utm\")")], "soup");
    site.get("/p?utm=0").await;
    world.advance(seconds(61));
    let gate = origin.hold();
    for n in 1..=50 {
        let answer = read(site.open(get(&format!("/p?utm={n}"))).await).await;
        assert!(answer.is(200, "soup") && answer.is_hit(), "{answer:?}");
    }
    settle().await;
    gate.open();
    world.assert_at_rest().await;
    assert_eq!(site.runs(), 2);
}

/// DESIGN §5: a page that consumed something served stale is not stored, however many layers are between.
async fn what_was_served_stale_two_layers_further_in_is_not_stored(world: World) {
    let inner = world
        .cache
        .page(minutes(1))
        .stale_while_revalidate(minutes(10))
        .named("inner");
    let runs = Runs::default();
    let count = runs.clone();
    let handler = runs.handler(move |_| {
        let run = count.count();
        async move { page(&[], format!("v{run}")) }
    });
    // The two layers outside get to know the page only once it is stale within.
    let within = inner.layer(handler);
    let alone = Site::of(world.clone(), runs.clone(), within.clone());
    let _ = alone;
    let outer = world.cache.page(hours(2));
    let middle = world.cache.page(hours(2));
    let site = Site::of(
        world.clone(),
        runs.clone(),
        outer.clone().layer(middle.clone().layer(within)),
    );
    site.get("/p").await;
    // As an eviction does.
    world.evict_outer(&outer).await;
    world.advance(seconds(61));
    let stale = read(site.open(get("/p")).await).await;
    assert!(stale.is(200, "v1"), "{stale:?}");
    world.cache.background().idle().await;
    assert_eq!(site.runs(), 2, "refreshed");
    let next = site.get("/p").await;
    assert!(next.is(200, "v2"), "{next:?}");
}

impl World {
    /// Removes all that any layer but the innermost of three has stored.
    async fn evict_outer(&self, layer: &CacheLayer) {
        let _ = layer;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut scan = self.cache.store().scan(&[], 10_000);
        while let Some(Ok(found)) = scan.next().await {
            keys.push(found.key.to_vec());
        }
        keys.sort();
        // Depths differ in one flag; the innermost has the greatest.
        let now = crate::clock::Clock::now(&self.clock);
        assert_eq!(keys.len(), 3);
        for key in &keys[..2] {
            let removal = crate::store::Op::Remove(crate::store::If::Any);
            let _ = self
                .cache
                .shared
                .apply(crate::store::Key::new(key), removal, now)
                .await
                .unwrap();
        }
    }
}

/// DESIGN §6: what is asked with credentials is stored only where the answer allows it; `Proxy-Authorization` counts as in `screen`.
async fn a_refresh_with_proxy_credentials_is_not_stored_for_sharing(world: World) {
    let layer = world
        .cache
        .page(minutes(1))
        .stale_while_revalidate(minutes(10));
    let (origin, site) = world.origin(layer);
    const ALICE: Fields = &[("proxy-authorization", "Basic alice")];
    origin.says(
        200,
        &[
            ("vary", "proxy-authorization"),
            ("cache-control", "public, max-age=60"),
        ],
        "soup",
    );
    site.ask(get_with("/p", ALICE)).await;
    world.advance(seconds(61));
    origin.says(200, &[("vary", "x-other")], "alice's own");
    site.ask(get_with("/p", ALICE)).await;
    assert_eq!(
        origin.asked("proxy-authorization").as_deref(),
        Some("Basic alice")
    );
    origin.says(200, &[], "anybody's");
    let next = site.get("/p").await;
    assert!(next.is(200, "anybody's"), "{next:?}");
}

/// What must be validated before each use is not given to others (`Fill::released`), whether it came as a 200 or as a 304.
async fn a_page_that_is_confirmed_but_must_be_validated_is_not_shared(world: World) {
    let layer = world.cache.page(minutes(1)).store_to_validate(true);
    let (origin, site) = world.origin(layer);
    origin.holds("\"a\"", &[("cache-control", "no-cache")], "soup");
    site.get("/p").await;
    let gate = origin.hold();
    let first = site.start(get("/p"));
    site.runs.reach(2).await;
    // The page changes after the handler has answered the first, and before the second asks.
    origin.says(
        200,
        &[("etag", "\"b\""), ("cache-control", "no-cache")],
        "bread",
    );
    let second = site.start(get("/p"));
    settle().await;
    gate.open();
    assert!(first.await.unwrap().is(200, "soup"));
    let second = second.await.unwrap();
    assert!(second.is(200, "bread"), "{second:?}");
}

/// P4: a store that hangs from some call on costs a request one timeout.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_while_a_request_is_under_way_costs_one_timeout() {
    for call in Call::ALL {
        let store = Troubled::new(false);
        let world = World::on(store.clone());
        let (origin, site) = world.origin(world.cache.gateway());
        origin.says(
            200,
            &[("etag", "\"a\""), ("cache-control", "max-age=60")],
            "soup",
        );
        site.get("/p").await;
        world.advance(seconds(61));
        origin.confirms(&[("etag", "\"a\"")]);
        let gate = origin.hold();
        let asked = site.start(get("/p"));
        site.runs.reach(2).await;
        store.has(&[(call, Trouble::Hangs)]);
        let since = Instant::now();
        gate.open();
        let answer = asked.await.unwrap();
        println!("{call:?}: {:?} {answer:?}", since.elapsed());
        assert!(
            since.elapsed() <= world.cache.shared.store_timeout + Duration::from_millis(5),
            "{call:?}"
        );
    }
}

/// A client that goes away before the soft timeout takes its flight to the background once, not twice: with one place there, it is kept.
#[tokio::test(start_paused = true)]
async fn a_fill_in_the_background_needs_no_second_place_after_a_timeout() {
    for hard in [false, true] {
        let builder = Cache::builder(MemoryStore::new(MIB)).background(Background::new(1));
        let world = World::built(builder);
        let layer = world.cache.page(minutes(1)).stale_if_error(minutes(5));
        let layer = match hard {
            false => layer.soft_timeout(seconds(2)).unwrap(),
            true => layer.hard_timeout(seconds(2)).unwrap(),
        };
        let (origin, site) = world.origin(layer);
        origin.says(200, &[], "soup");
        site.get("/p").await;
        world.advance(seconds(61));
        origin.says(200, &[], "bread");
        let gate = origin.hold();
        let client = site.start(get("/p"));
        site.runs.reach(2).await;
        client.abort();
        settle().await;
        tokio::time::sleep(seconds(3)).await;
        gate.open();
        world.cache.background().idle().await;
        let next = site.get("/p").await;
        assert!(next.is(200, "bread") && next.is_hit(), "{hard}: {next:?}");
        world.assert_at_rest().await;
    }
}
