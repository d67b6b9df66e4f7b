//! What is counted: by route, with the bytes and the time that hits spare, and how long the store was waited for.

use axum::Router;
use axum::routing::get as get_route;

use super::*;
use crate::clock::{Clock, Now};
use crate::monitor::{Absence, Latency, Operation, Reason, StaleUse};
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Scanned, Stamp,
    StoreError, StoreFacts,
};
use crate::{NullStore, seconds};

fn on_router(world: &World, router: Router) -> Site {
    Site::of(world.clone(), Runs::default(), router)
}

on_every_store! {
    a_route_counts_under_the_path_that_axum_matched
    hits_save_what_their_page_took
}

async fn a_route_counts_under_the_path_that_axum_matched(world: World) {
    let router = Router::new()
        .route("/menu/{dish}", get_route(async || "soup"))
        .route("/news", get_route(async || "none"))
        .layer(world.page());
    let site = on_router(&world, router.fallback(async || "lost"));
    for target in [
        "/menu/soup",
        "/menu/fish",
        "/menu/soup",
        "/news",
        "/elsewhere",
    ] {
        site.get(target).await;
    }
    site.ask(request(Method::POST, "/news", &[])).await;
    let stats = world.cache.stats();
    let routes: Vec<_> = stats
        .routes
        .iter()
        .map(|of| (&*of.route, of.hits(), of.misses(), of.bypassed()))
        .collect();
    assert_eq!(routes, [("/menu/{dish}", 1, 2, 0), ("/news", 0, 1, 1)]);
    assert_eq!((stats.hits(), stats.misses(), stats.bypassed()), (1, 3, 1));
    assert_eq!(stats.hit_rate(), Some(0.25));
}

#[tokio::test(start_paused = true)]
async fn a_layer_has_a_name_of_its_own_or_counts_as_unmatched() {
    let world = World::new();
    let named = world.site(world.page().named("menu"), async |_| page(&[], "soup"));
    let plain = world.site(world.page(), async |_| page(&[], "soup"));
    named.get("/a").await;
    named.get("/a").await;
    plain.get("/b").await;
    let stats = world.cache.stats();
    assert_eq!(stats.routes.len(), 2);
    assert_eq!(stats.route("menu").unwrap().count(Reason::Hit), 1);
    let unmatched = stats.route("(unmatched)").unwrap();
    assert_eq!(unmatched.count(Reason::Stored(Absence::Uri)), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_names_make_a_thousand_routes_and_one() {
    let world = World::built(Cache::builder(NullStore));
    for n in 0..10_000 {
        let layer = world.page().named(format!("route-{n}"));
        world
            .site(layer, async |_| page(&[], "soup"))
            .get("/a")
            .await;
    }
    let stats = world.cache.stats();
    assert_eq!(stats.routes.len(), 1_001);
    assert_eq!(stats.requests(), 10_000);
    assert_eq!(stats.route("(other)").unwrap().requests(), 9_000);
}

async fn hits_save_what_their_page_took(world: World) {
    let clock = world.clock.clone();
    let layer = world
        .page()
        .named("menu")
        .stale_while_revalidate(minutes(5));
    let site = world.site(layer, move |_| {
        let clock = clock.clone();
        async move {
            clock.advance(Duration::from_millis(250));
            page(&[("etag", "\"1\"")], "soup of the day")
        }
    });
    let saved = || world.cache.stats().time_saved().as_millis();
    let served = || world.cache.stats().bytes_served();
    site.get("/menu").await;
    assert_eq!((saved(), served()), (0, 0), "a miss spares nothing");
    for hits in 1..=3 {
        site.get("/menu").await;
        assert_eq!((saved(), served()), (hits * 250, hits as u64 * 15));
    }
    site.ask(request(Method::HEAD, "/menu", &[])).await;
    site.ask(get_with("/menu", &[("if-none-match", "\"1\"")]))
        .await;
    assert_eq!((saved(), served()), (1_250, 45), "neither has a body");
    let part = site.ask(get_with("/menu", &[("range", "bytes=0-3")])).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!((saved(), served()), (1_500, 49));
    let parts = site
        .ask(get_with("/menu", &[("range", "bytes=0-3,8-9")]))
        .await;
    assert_eq!(served(), 49 + parts.body.len() as u64);
    let before = (saved(), served());
    world.advance(minutes(31));
    site.get("/menu").await;
    let stats = world.cache.stats();
    let stale = Reason::StaleHit(StaleUse::WhileRevalidated);
    assert_eq!(stats.route("menu").unwrap().count(stale), 1);
    assert_eq!((saved(), served()), (before.0 + 250, before.1 + 15));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_confirmed_is_worth_what_it_took_to_make() {
    let world = World::new();
    let clock = world.clock.clone();
    let site = world.site(world.page(), move |request: Request<Body>| {
        let clock = clock.clone();
        async move {
            if request.headers().contains_key("if-none-match") {
                clock.advance(Duration::from_millis(1));
                return with_status(304, &[("etag", "\"1\"")], "");
            }
            clock.advance(Duration::from_millis(400));
            page(&[("etag", "\"1\"")], "soup")
        }
    });
    site.get("/menu").await;
    world.advance(minutes(31));
    site.get("/menu").await;
    let stats = world.cache.stats();
    assert_eq!((stats.validated(), stats.time_saved()), (1, Duration::ZERO));
    assert_eq!(stats.bytes_served(), 4, "from the store all the same");
    site.get("/menu").await;
    assert_eq!(world.cache.stats().time_saved().as_millis(), 400);
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_from_a_flight_is_counted_and_spares_nothing() {
    let world = World::new();
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page().named("menu"), move |_| {
        let gate = held.clone();
        async move {
            gate.pass().await;
            page(&[], "soup")
        }
    });
    let asked: Vec<_> = (0..5).map(|_| site.start(get("/menu"))).collect();
    settle().await;
    gate.open();
    for answer in asked {
        assert_eq!(answer.await.unwrap().body, "soup");
    }
    let stats = world.cache.stats();
    let menu = stats.route("menu").unwrap();
    assert_eq!((menu.collapsed(), menu.misses(), menu.hits()), (4, 1, 0));
    assert_eq!(
        (menu.bytes_served(), menu.time_saved()),
        (0, Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_holds_no_key() {
    let world = World::new();
    let router = Router::new().route(
        "/s/{name}",
        get_route(async || "body-text").layer(world.page()),
    );
    let site = on_router(&world, router);
    for _ in 0..2 {
        site.ask(get_with("/s/alice?token=hush", &[("cookie", "a=b")]))
            .await;
    }
    let stats = world.cache.stats();
    let shown = stats.to_json() + &format!("{stats:?}{:?}", world.cache);
    assert!(shown.contains("/s/{name}"));
    for secret in ["alice", "hush", "token", "shop.example", "body-text"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_store_evicts_and_finds_expired_is_counted() {
    let world = World::on(MemoryStore::new(MIB));
    let site = world.site(world.page(), async |_| page(&[], "x".repeat(50_000)));
    let facts = || world.cache.stats().store;
    assert_eq!((facts().entries, facts().evictions), (Some(0), Some(0)));
    for n in 0..40 {
        site.get(&format!("/{n}")).await;
    }
    let full = facts();
    let (entries, evictions) = (full.entries.unwrap(), full.evictions.unwrap());
    assert_eq!(entries + evictions, 40);
    assert!(evictions > 0 && full.bytes < full.capacity);
    assert_eq!(full.expirations, Some(0));
    assert!(site.get("/39").await.is_hit());
    world.advance(minutes(120));
    site.get("/39").await;
    assert_eq!(facts().expirations, Some(1));
}

/// A store for which time passes while it is waited for.
struct Slow {
    store: MemoryStore,
    clock: ManualClock,
    hangs: bool,
}

const READ: Duration = Duration::from_millis(3);
const WRITE: Duration = Duration::from_millis(7);
const CHECK: Duration = Duration::from_millis(15);
const PURGE: Duration = Duration::from_millis(30);

impl Slow {
    async fn takes(&self, span: Duration) {
        tokio::task::yield_now().await;
        self.clock.advance(span);
    }
}

#[async_trait::async_trait]
impl Store for Slow {
    fn about(&self) -> About {
        self.store.about()
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        self.takes(READ).await;
        self.store.get(keys, now).await
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        self.takes(WRITE).await;
        self.store.apply(ops, now).await
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.takes(CHECK).await;
        self.store.admits(stamp, marks).await
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<crate::store::Struck, PurgeError> {
        self.takes(PURGE).await;
        self.store.purge(purge, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.store.scan(prefix, budget)
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        tokio::task::yield_now().await;
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.store.facts().await
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.store.watch()
    }
}

fn slow(hangs: bool) -> World {
    let clock = ManualClock::new();
    let store = Slow {
        store: MemoryStore::new(MIB),
        clock: clock.clone(),
        hangs,
    };
    let cache = Cache::builder(store).clock(clock.clone()).build().unwrap();
    World { cache, clock }
}

#[tokio::test(start_paused = true)]
async fn the_store_is_timed_where_it_is_waited_for() {
    let world = slow(false);
    let site = world.site(world.page().tag("menu"), async |_| page(&[], "soup"));
    site.get("/menu").await;
    site.get("/menu").await;
    world.purge_tag("menu").await;
    let latencies = world.cache.stats().store_latencies;
    let table = [
        (Operation::Read, READ, 5),
        (Operation::Write, WRITE, 10),
        (Operation::Purge, PURGE, 50),
    ];
    for (operation, span, bound) in table {
        let latency: &Latency = latencies.of(operation);
        assert!(latency.count() > 0, "{operation:?}");
        assert_eq!(latency.mean(), Some(span), "{operation:?}");
        let bound = Duration::from_millis(bound);
        assert_eq!(latency.quantile(1.0), Some(bound), "{operation:?}");
    }
    assert_eq!(latencies.purge.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_at_once_is_not_timed() {
    let world = World::new();
    let site = world.site(world.page().tag("menu"), async |_| page(&[], "soup"));
    site.get("/menu").await;
    world.purge_tag("menu").await;
    let latencies = world.cache.stats().store_latencies;
    for operation in Operation::ALL {
        assert_eq!(latencies.of(operation).count(), 0, "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_to_be_asked_tells_its_facts_or_fails() {
    let world = slow(false);
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    site.get("/menu").await;
    assert_eq!(world.cache.stats().store, StoreFacts::default());
    let stats = world.cache.stats_with_store().await.unwrap();
    assert_eq!((stats.store.entries, stats.misses()), (Some(1), 1));
    let hanging = slow(true);
    let error = hanging.cache.stats_with_store().await.unwrap_err();
    assert!(error.to_string().contains("describe"), "{error}");
    assert_eq!(hanging.cache.stats().store_errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_into_the_timeout_is_timed_too() {
    // Here the cache's clock runs with tokio's.
    struct Running(tokio::time::Instant);
    impl Clock for Running {
        fn now(&self) -> Now {
            Now::from_millis(1_000_000) + self.0.elapsed()
        }

        fn wall(&self) -> std::time::SystemTime {
            std::time::UNIX_EPOCH + Duration::from_millis(self.now().as_millis())
        }
    }
    let store = stores::Troubled::new(false);
    store.has(&[(stores::Call::Get, stores::Trouble::Hangs)]);
    let cache = Cache::builder(store)
        .clock(Running(tokio::time::Instant::now()))
        .store_timeout(seconds(1))
        .build()
        .unwrap();
    let world = World {
        cache,
        clock: ManualClock::new(),
    };
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    site.get("/menu").await;
    let stats = world.cache.stats();
    assert_eq!(stats.store_latencies.read.count(), 1);
    let took = stats.store_latencies.read.sum();
    assert!(seconds(1) <= took && took < seconds(2), "{took:?}");
    assert_eq!(stats.store_errors, 1);
}
