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
    a_304_with_what_one_person_gets_is_merged_for_others_only_if_it_says_so_itself
    the_rest_of_a_part_that_one_person_got_is_shared_only_if_it_says_so_itself
    concurrent_ranges_whose_leader_panics_elect_another
    a_part_for_everyone_is_asked_for_in_the_form_that_selects_it
    a_crowd_that_comes_while_a_page_lands_runs_the_handler_once
    after_the_soft_timeout_a_handler_that_was_asked_alone_goes_on_too
}

fn tenant(layer: CacheLayer) -> CacheLayer {
    layer.vary_on(KeyPart::computed("tenant", |head| {
        Some(head.headers.get("x-tenant")?.as_bytes().to_vec())
    }))
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
        .client_ttl(hours(2));
    let runs = Runs::default();
    let count = runs.clone();
    let handler = runs.handler(move |_| {
        let run = count.count();
        async move { page(&[], format!("v{run}")) }
    });
    // The two layers outside get to know the page only once it is stale within.
    let within = inner.layer(handler);
    let outer = world.cache.page(hours(2));
    let middle = world.cache.page(hours(2));
    let site = Site::of(
        world.clone(),
        runs.clone(),
        outer.clone().layer(middle.clone().layer(within)),
    );
    site.get("/p").await;
    // As an eviction does.
    world.evict_all_but_the_innermost().await;
    world.advance(seconds(61));
    let stale = read(site.open(get("/p")).await).await;
    assert!(stale.is(200, "v1"), "{stale:?}");
    world.cache.background().idle().await;
    assert_eq!(site.runs(), 2, "refreshed");
    let next = site.get("/p").await;
    assert!(next.is(200, "v2"), "{next:?}");
}

impl World {
    /// Removes what any layer but the innermost of three has stored.
    async fn evict_all_but_the_innermost(&self) {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut scan = self.cache.store().scan(crate::store::Key::new(&[]), 10_000);
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
        assert!(answer.is(200, "soup"), "{call:?}: {answer:?}");
        assert!(
            since.elapsed() <= world.cache.shared.store_timeout + Duration::from_millis(5),
            "{call:?}"
        );
    }
}

/// A client that goes away before the soft timeout takes its flight to the background once, not twice: with a place there for it and one for its body, it is kept.
#[tokio::test(start_paused = true)]
async fn a_fill_in_the_background_needs_no_third_place_after_a_timeout() {
    for hard in [false, true] {
        let builder = Cache::builder(MemoryStore::new(MIB)).background(Background::new(2));
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

/// Data that changes, and a handler that reads it at once and answers a while later.
#[derive(Clone)]
struct Moving(Arc<std::sync::atomic::AtomicUsize>);

impl Moving {
    fn site(world: &World, layer: CacheLayer, fields: Fields) -> (Self, Site) {
        let data = Self(Arc::new(1.into()));
        let read = data.clone();
        let site = world.site(layer, move |request: Request<Body>| {
            let response = read.answer(&request, fields);
            async move {
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                }
                response
            }
        });
        (data, site)
    }

    fn answer(&self, request: &Request<Body>, fields: Fields) -> Response<Body> {
        let version = self.0.load(std::sync::atomic::Ordering::SeqCst);
        let (body, tag) = (format!("v{version}-0123456789"), format!("\"{version}\""));
        let location = request.uri().to_string();
        let mut all = [fields, &[("etag", &*tag)]].concat();
        if *request.method() == Method::POST {
            all.push(("content-location", &location));
        }
        let field = |name| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        if field("if-none-match").is_some_and(|tags| tags.contains(&tag)) {
            return with_status(304, &all, "");
        }
        let holds = field("if-range").is_none_or(|range| range == tag);
        match field("range").filter(|_| holds).as_deref() {
            Some("bytes=0-5") => {
                all.push(("content-range", "bytes 0-5/13"));
                with_status(206, &all, body[..6].to_owned())
            }
            Some("bytes=6-") => {
                all.push(("content-range", "bytes 6-12/13"));
                with_status(206, &all, body[6..].to_owned())
            }
            _ => page(&all, body),
        }
    }

    fn change(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Validates,
    Heads,
    Refreshes,
    Completes,
    TakesAPart,
    Posts,
    Equivalent,
    EquivalentStale,
    Queries,
    QueryRefreshes,
}

const WAYS: [Way; 10] = [
    Way::Queries,
    Way::QueryRefreshes,
    Way::Validates,
    Way::Heads,
    Way::Refreshes,
    Way::Completes,
    Way::TakesAPart,
    Way::Posts,
    Way::Equivalent,
    Way::EquivalentStale,
];

impl Way {
    async fn prepared(self, world: &World) -> (Moving, Site) {
        let layer = world.cache.gateway().tag("t").keep(hours(2)).unwrap();
        let layer = layer.query_method(100, Body::new).unwrap();
        let fields: Fields = match self {
            Self::Refreshes | Self::QueryRefreshes => {
                &[("cache-control", "max-age=60, stale-while-revalidate=600")]
            }
            Self::Equivalent | Self::EquivalentStale => &[
                ("cache-control", "max-age=60"),
                ("no-vary-search", "params=(\"utm\")"),
            ],
            _ => &[("cache-control", "max-age=60")],
        };
        let (data, site) = Moving::site(world, layer, fields);
        match self {
            Self::Completes => {
                let part = get_with("/p", &[("range", "bytes=0-5")]);
                assert_eq!(site.ask(part).await.code(), 206);
            }
            Self::TakesAPart | Self::Posts => {}
            Self::Equivalent => {}
            Self::EquivalentStale => {
                site.get("/p?utm=9").await;
                world.advance(seconds(61));
            }
            _ => {
                let asked = match self {
                    Self::Queries | Self::QueryRefreshes => self.request(),
                    _ => get("/p"),
                };
                site.ask(asked).await;
                world.advance(seconds(61));
            }
        }
        (data, site)
    }

    fn request(self) -> Request<Body> {
        match self {
            Self::Queries | Self::QueryRefreshes => {
                let mut asked = request("QUERY".parse().unwrap(), "/p", &[]);
                *asked.body_mut() = Body::from("which");
                asked
            }
            Self::Heads => request(Method::HEAD, "/p", &[]),
            Self::TakesAPart => get_with("/p", &[("range", "bytes=0-5")]),
            Self::Posts => request(Method::POST, "/p", &[]),
            Self::Equivalent | Self::EquivalentStale => get("/p?utm=1"),
            _ => get("/p"),
        }
    }

    fn later(self) -> Vec<Request<Body>> {
        match self {
            Self::Queries | Self::QueryRefreshes => vec![self.request()],
            Self::TakesAPart => vec![self.request(), get("/p")],
            Self::Equivalent | Self::EquivalentStale => vec![get("/p?utm=2"), get("/p?utm=1")],
            _ => vec![get("/p"), get_with("/p", &[("range", "bytes=0-5")])],
        }
    }
}

/// Polls so often, with all others going on between; the future, if it is not done.
async fn step<F: Future + Unpin>(mut future: F, polls: usize) -> Result<F::Output, F> {
    for _ in 0..polls {
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(cx))
        });
        if let std::task::Poll::Ready(done) = polled.await {
            return Ok(done);
        }
        tokio::task::yield_now().await;
    }
    Err(future)
}

/// P2 at each await of each way: nothing that starts after a purge is answered with what was read before it.
#[tokio::test(start_paused = true)]
async fn no_purge_loses_a_race_at_any_await() {
    let mut failures = Vec::new();
    for waiting in [false, true] {
        for way in WAYS {
            for purge in ["page", "tag", "url"] {
                for polls in 0..40 {
                    for reads in [false, true] {
                        let world = if waiting {
                            World::waiting()
                        } else {
                            World::new()
                        };
                        let (data, site) = way.prepared(&world).await;
                        let asked = Box::pin(site.service.clone().oneshot(way.request()));
                        let under_way = step(asked, polls).await;
                        data.change();
                        match purge {
                            "page" => world.purge_page("/p").await,
                            "tag" => world.purge_tag("t").await,
                            _ => {
                                let asked = way.request();
                                let _ = world
                                    .cache
                                    .purge_page(&asked.uri().to_string())
                                    .await
                                    .unwrap();
                            }
                        }
                        let same_url = purge == "url";
                        let others: Vec<_> = way
                            .later()
                            .into_iter()
                            .filter(|later| !same_url || later.uri() == way.request().uri())
                            .map(|later| site.start(later))
                            .collect();
                        settle().await;
                        let answer = match under_way {
                            Ok(answer) => answer.unwrap(),
                            Err(future) => future.await.unwrap(),
                        };
                        if reads {
                            drop(read(answer).await)
                        } else {
                            drop(answer)
                        }
                        for other in others {
                            let other = other.await.unwrap();
                            if !other.body.starts_with("v2") {
                                failures.push(format!(
                                    "{waiting} {way:?} {purge} {polls} {reads}: {} {}",
                                    other.status, other.body
                                ));
                            }
                        }
                        world.assert_at_rest().await;
                        for later in way.later() {
                            if same_url && later.uri() != way.request().uri() {
                                continue;
                            }
                            let later = site.ask(later).await;
                            if !later.body.starts_with("v2") {
                                failures.push(format!(
                                    "{waiting} {way:?} {purge} {polls} {reads} later: {} {}",
                                    later.status, later.body
                                ));
                            }
                        }
                        world.assert_at_rest().await;
                    }
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} {:#?}",
        failures.len(),
        &failures[..failures.len().min(30)]
    );
}

/// P3 at each await: a client that leaves there leaves no flight, task or budget behind, and nobody waits for it.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_at_any_await_leaves_nothing_behind() {
    let mut failures = Vec::new();
    for waiting in [false, true] {
        for way in WAYS {
            for polls in 0..50 {
                let world = if waiting {
                    World::waiting()
                } else {
                    World::new()
                };
                let (_, site) = way.prepared(&world).await;
                let asked = Box::pin(site.service.clone().oneshot(way.request()));
                let followers: Vec<_>;
                match step(asked, polls).await {
                    Ok(answer) => {
                        followers = (0..3).map(|_| site.start(way.request())).collect();
                        drop(answer);
                    }
                    Err(future) => {
                        followers = (0..3).map(|_| site.start(way.request())).collect();
                        tokio::task::yield_now().await;
                        drop(future);
                    }
                }
                let since = Instant::now();
                for follower in followers {
                    let answer = follower.await.unwrap();
                    if !answer.status.is_success() {
                        failures.push(format!("{waiting} {way:?} {polls}: {answer:?}"));
                    }
                }
                if since.elapsed() > seconds(1) {
                    failures.push(format!(
                        "{waiting} {way:?} {polls}: waited {:?}",
                        since.elapsed()
                    ));
                }
                world.assert_at_rest().await;
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} {:#?}",
        failures.len(),
        &failures[..failures.len().min(30)]
    );
}

/// P1: credentials are excused by what the response itself says (DESIGN §6). A 304 to one person that says nothing is not excused by what the
/// stored page said before: its fields would reach everybody.
async fn a_304_with_what_one_person_gets_is_merged_for_others_only_if_it_says_so_itself(
    world: World,
) {
    let (origin, site) = world.origin(world.page());
    origin.says(
        200,
        &[("etag", "\"a\""), ("cache-control", "public, max-age=60")],
        "soup",
    );
    site.get("/p").await;
    world.advance(seconds(61));
    origin.confirms(&[("etag", "\"a\""), ("x-csrf-token", "alice's")]);
    let own = site.ask(get_with("/p", &[("cookie", "alice")])).await;
    assert_eq!(own.field("x-csrf-token"), Some("alice's"), "{own:?}");
    origin.confirms(&[("etag", "\"a\"")]);
    let other = site.get("/p").await;
    assert_eq!(other.field("x-csrf-token"), None, "{other:?}");
}

/// P1, the same for what completes a stored part (RFC 9111 §3.4).
async fn the_rest_of_a_part_that_one_person_got_is_shared_only_if_it_says_so_itself(world: World) {
    let (origin, site) = world.origin(world.page().store_parts(true));
    let says: Fields = &[
        ("content-range", "bytes 0-3/8"),
        ("cache-control", "public, max-age=600"),
        ("etag", "\"a\""),
    ];
    origin.says(206, says, "soup");
    site.ask(get_with("/p", &[("range", "bytes=0-3")])).await;
    origin.says(
        206,
        &[
            ("content-range", "bytes 4-7/8"),
            ("etag", "\"a\""),
            ("x-csrf-token", "alice's"),
        ],
        "more",
    );
    let own = site.ask(get_with("/p", &[("cookie", "alice")])).await;
    assert!(own.is(200, "soupmore"), "{own:?}");
    origin.says(200, &[], "whole");
    let other = site.get("/p").await;
    assert_eq!(other.field("x-csrf-token"), None, "{other:?}");
}

/// P3: a flight whose leader is lost is led anew by one of those who wait, as for whole pages.
async fn concurrent_ranges_whose_leader_panics_elect_another(world: World) {
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page().store_parts(true), {
        let runs = Runs::default();
        move |_| {
            let (held, run) = (held.clone(), runs.begin());
            async move {
                held.pass().await;
                assert!(run > 1, "the first panics");
                with_status(206, PART, "0123")
            }
        }
    });
    let first = ranged(&site, 1);
    site.runs.reach(1).await;
    let crowd = ranged(&site, 20);
    settle().await;
    gate.open_for(1);
    settle().await;
    gate.open();
    for leader in first {
        assert!(leader.await.is_err());
    }
    for answer in crowd {
        assert_eq!(answer.await.unwrap().code(), 206);
    }
    world.assert_at_rest().await;
    assert_eq!(site.runs(), 2);
}

/// What a fill for everyone is asked with is what its variant is filed under (`normalise`, RFC 9110 §12.5.3), also where it is for a part.
async fn a_part_for_everyone_is_asked_for_in_the_form_that_selects_it(world: World) {
    let (origin, site) = world.origin(world.page().store_parts(true));
    origin.answers(|request| {
        let said = request.headers()["accept-language"].to_str().unwrap();
        let fields = [PART, &[("vary", "accept-language")]].concat();
        with_status(206, &fields, said[..4].to_owned())
    });
    let ask = async |languages| {
        let fields = [("range", "bytes=0-3"), ("accept-language", languages)];
        site.ask(get_with("/p", &fields)).await.body
    };
    ask("EN;q=0.5,de").await;
    assert_eq!(ask("de, en;q=0.5").await, "de, ");
}

/// P3: who has looked the store up before a page landed and joins after it looks again; those who wait for that must not go alone.
async fn a_crowd_that_comes_while_a_page_lands_runs_the_handler_once(world: World) {
    for polls in 0..40 {
        world.purge_page("/p").await;
        let site = world.site(world.page(), |_| async {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            page(&[], "soup")
        });
        let asked = Box::pin(async { read(site.open(get("/p")).await).await });
        let under_way = step(asked, polls).await;
        let crowd: Vec<_> = (0..30).map(|_| site.start(get("/p"))).collect();
        if let Err(leader) = under_way {
            leader.await;
        }
        for answer in crowd {
            assert!(answer.await.unwrap().is(200, "soup"));
        }
        world.assert_at_rest().await;
        assert_eq!(site.runs(), 1, "after {polls} polls");
    }
}

/// What the handler does not finish in time goes on in the background (`soft_timeout`), also where the request had to ask alone: else a page
/// whose handler is slower than the soft timeout is never renewed while a refusal is remembered, and each try is cut off half way.
async fn after_the_soft_timeout_a_handler_that_was_asked_alone_goes_on_too(world: World) {
    let layer = world.cache.page(minutes(1)).stale_if_error(minutes(5));
    let (origin, site) = world.origin(layer.soft_timeout(seconds(2)).unwrap());
    origin.says(200, &[], "soup");
    site.get("/p").await;
    world.advance(seconds(61));
    origin.says(200, &[("set-cookie", "a=b")], "for one");
    assert!(site.get("/p").await.is(200, "for one"));
    origin.says(200, &[], "bread");
    let gate = origin.hold();
    let stale = read(site.open(get("/p")).await).await;
    assert!(stale.is(200, "soup"), "{stale:?}");
    gate.open();
    settle().await;
    let runs = site.runs();
    let next = site.get("/p").await;
    assert!(next.is(200, "bread"), "{next:?}");
    assert_eq!(site.runs(), runs, "what was begun is finished: {next:?}");
}

/// P4: from whatever moment on the store hangs, a request loses one timeout to it.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_from_any_await_on_costs_a_request_one_timeout() {
    let mut failures = Vec::new();
    for way in WAYS {
        for polls in 0..40 {
            let store = Troubled::new(false);
            let world = World::on(stores::Waiting(store.clone()));
            let (_, site) = way.prepared(&world).await;
            let asked = Box::pin(site.service.clone().oneshot(way.request()));
            let Err(under_way) = step(asked, polls).await else {
                continue;
            };
            store.has(&Call::ALL.map(|call| (call, Trouble::Hangs)));
            let since = Instant::now();
            let answer = under_way.await.unwrap();
            let lost = since.elapsed();
            if lost > world.cache.shared.store_timeout + Duration::from_millis(5) {
                failures.push(format!(
                    "{way:?} {polls}: {} after {lost:?} of {:?}",
                    answer.status(),
                    world.cache.shared.store_timeout
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} {failures:#?}", failures.len());
}
