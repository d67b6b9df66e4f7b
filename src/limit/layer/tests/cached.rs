//! The layer outside and inside of a page cache.

use http::header::HOST;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::{Cache, CacheLayer, MIB, MemoryStore, minutes};

/// A page behind a gate, a cache, and a limit.
struct Site {
    world: World,
    cache: Cache,
    gate: Arc<Semaphore>,
}

impl Site {
    fn new() -> Self {
        let world = World::new();
        let cache = Cache::builder(MemoryStore::new(MIB)).clock(world.clock.clone());
        Self {
            cache: cache.build().unwrap(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            world,
        }
    }

    fn route(&self) -> Router {
        let (gate, runs) = (self.gate.clone(), self.world.runs.clone());
        Router::new().fallback(any(async move || {
            let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
            drop(gate.acquire().await);
            ([("ratelimit", "\"handler\";r=77")], format!("soup {run}"))
        }))
    }

    fn page(&self) -> CacheLayer {
        let page = self.cache.page(minutes(1));
        page.stale_while_revalidate(Duration::from_secs(600))
    }

    /// The limit stands outside: everything counts.
    fn outside(&self, build: impl FnOnce(RateLimitBuilder) -> RateLimitBuilder) -> Router {
        let limit = build(self.world.layer("test")).build().unwrap();
        self.route().layer(self.page()).layer(limit)
    }

    /// The limit stands inside: only what reaches the handler counts.
    fn inside(&self, quota: &str) -> Router {
        let limit = self.world.layer("test").quota(quota, client_ip());
        let limit = limit.fields(Fields::Always).build().unwrap();
        self.route().layer(limit).layer(self.page())
    }

    fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn open(&self) {
        self.gate.add_permits(1_000);
    }
}

fn page(addr: &str) -> Request<Body> {
    let mut request = by(addr, "GET", "/page");
    request
        .headers_mut()
        .insert(HOST, "shop.example".parse().unwrap());
    request
}

fn start(app: &Router, addr: &str) -> JoinHandle<Response<Body>> {
    let (app, request) = (app.clone(), page(addr));
    tokio::spawn(async move { send(&app, request).await })
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

async fn outcome(app: &Router, addr: &str) -> (u16, String) {
    let answer = send(app, page(addr)).await;
    (answer.status().as_u16(), text(answer).await)
}

#[tokio::test(start_paused = true)]
async fn outside_every_hit_counts() {
    let site = Site::new();
    let app = site.outside(|limit| limit.quota("3/m", client_ip()));
    for expected in [200, 200, 200, 429] {
        assert_eq!(outcome(&app, ALICE).await.0, expected);
    }
    assert_eq!(outcome(&app, BOB).await.0, 200);
    assert_eq!(site.world.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn outside_hits_may_be_free_or_cheaper() {
    for (hit_cost, left) in [(0, 9), (2, 3)] {
        let site = Site::new();
        let app = site.outside(|limit| {
            let limit = limit.quota("14/m", client_ip()).cost(|_| 5);
            limit.hit_cost(hit_cost).fields(Fields::Always)
        });
        let mut last = None;
        for _ in 0..4 {
            let answer = send(&app, page(ALICE)).await;
            assert_eq!(answer.status(), 200);
            last = answer.headers().get_all("ratelimit").iter().next().cloned();
            drop(text(answer).await);
        }
        let last = last.unwrap();
        let expected = format!("\"test\";r={left};");
        assert!(last.to_str().unwrap().starts_with(&expected), "{last:?}");
        assert_eq!(site.world.runs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn outside_each_of_those_who_wait_together_is_charged_for_itself() {
    let site = Site::new();
    let app = site.outside(|limit| limit.quota("10/m", everyone()));
    site.close();
    let crowd: Vec<_> = (0..12).map(|_| start(&app, ALICE)).collect();
    settle().await;
    site.open();
    let mut statuses = Vec::new();
    for request in crowd {
        statuses.push(request.await.unwrap().status().as_u16());
    }
    let admitted = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((admitted, site.world.runs()), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn inside_only_misses_count_and_hits_tell_nothing_that_was_stored() {
    let site = Site::new();
    let app = site.inside("1/m");
    let miss = send(&app, page(ALICE)).await;
    let lines = miss.headers().get_all("ratelimit").iter();
    let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
    assert_eq!(lines.join(", "), "\"handler\";r=77, \"test\";r=0;t=60");
    drop(text(miss).await);
    for _ in 0..5 {
        let hit = send(&app, page(ALICE)).await;
        assert_eq!(hit.status(), 200);
        assert!(field(&hit, "cache-status").unwrap().contains("hit"));
        for name in ["ratelimit", "ratelimit-policy", "retry-after"] {
            assert_eq!(field(&hit, name), None, "{name}");
        }
    }
    assert_eq!(site.world.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn outside_a_hit_tells_what_remains_now() {
    let site = Site::new();
    let app = site.outside(|limit| limit.quota("5/m", client_ip()).fields(Fields::Always));
    drop(text(send(&app, page(ALICE)).await).await);
    for left in [3, 2] {
        let hit = send(&app, page(ALICE)).await;
        let expected = format!("\"test\";r={left};t=12");
        assert_eq!(field(&hit, "ratelimit"), Some(&*expected));
    }
}

#[tokio::test(start_paused = true)]
async fn inside_a_refusal_is_neither_stored_nor_for_anybody_else() {
    let site = Site::new();
    let app = site.inside("1/h");
    let other = {
        let mut request = page(ALICE);
        *request.uri_mut() = "/other".parse().unwrap();
        request
    };
    assert_eq!(send(&app, other).await.status(), 200);
    assert_eq!(outcome(&app, ALICE).await.0, 429);
    assert_eq!(outcome(&app, ALICE).await.0, 429);
    assert_eq!(outcome(&app, BOB).await, (200, "soup 2".into()));
    // Now it is stored, and costs nobody anything.
    assert_eq!(outcome(&app, ALICE).await, (200, "soup 2".into()));
}

#[tokio::test(start_paused = true)]
async fn inside_whoever_waited_for_one_that_was_refused_is_served() {
    let site = Site::new();
    // The leader waits before the limit, as one does whose limiter is far away.
    let gate = Arc::new(Semaphore::new(0));
    let limit = site
        .world
        .layer("test")
        .quota("1/h", client_ip())
        .build()
        .unwrap();
    let waits = {
        let gate = gate.clone();
        axum::middleware::from_fn(
            move |request: Request<Body>, next: axum::middleware::Next| {
                let gate = gate.clone();
                async move {
                    drop(gate.acquire().await);
                    next.run(request).await
                }
            },
        )
    };
    let app = site.route().layer(limit).layer(waits).layer(site.page());
    gate.add_permits(1);
    let mut other = page(ALICE);
    *other.uri_mut() = "/other".parse().unwrap();
    assert_eq!(send(&app, other).await.status(), 200);
    gate.forget_permits(1);
    let leader = start(&app, ALICE);
    settle().await;
    let waiting: Vec<_> = (0..5).map(|_| start(&app, BOB)).collect();
    settle().await;
    gate.add_permits(100);
    assert_eq!(leader.await.unwrap().status(), 429);
    for waiter in waiting {
        let answer = waiter.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(text(answer).await, "soup 2");
    }
    // They still shared one run, though the first of them was refused.
    assert_eq!(site.world.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn inside_a_refusal_does_not_keep_others_from_sharing_one_run() {
    let site = Site::new();
    let app = site.inside("1/h");
    let mut other = page(ALICE);
    *other.uri_mut() = "/other".parse().unwrap();
    assert_eq!(send(&app, other).await.status(), 200);
    assert_eq!(outcome(&app, ALICE).await.0, 429);
    site.close();
    let addrs = ["192.0.2.11", "192.0.2.12", "192.0.2.13"];
    let crowd: Vec<_> = addrs.iter().map(|addr| start(&app, addr)).collect();
    settle().await;
    site.open();
    for request in crowd {
        assert_eq!(request.await.unwrap().status(), 200);
    }
    assert_eq!(site.world.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn inside_a_refresh_in_the_background_is_not_the_clients() {
    let site = Site::new();
    let app = site.inside("2/h");
    assert_eq!(outcome(&app, ALICE).await, (200, "soup 1".into()));
    site.world.advance(Duration::from_secs(61));
    // Stale at once, and new in the background: by the budget of nobody.
    assert_eq!(outcome(&app, ALICE).await, (200, "soup 1".into()));
    site.cache.background().idle().await;
    assert_eq!(outcome(&app, ALICE).await, (200, "soup 2".into()));
    // One unit of hers is left.
    let mut other = page(ALICE);
    *other.uri_mut() = "/other".parse().unwrap();
    let answer = send(&app, other).await;
    assert_eq!(answer.status(), 200);
    drop(text(answer).await);
    // The budget of refreshes is over after two: what is stale goes out nevertheless.
    for run in [4, 4, 4] {
        site.world.advance(Duration::from_secs(61));
        assert_eq!(outcome(&app, BOB).await.0, 200);
        site.cache.background().idle().await;
        assert_eq!(site.world.runs(), run);
    }
}

#[tokio::test(start_paused = true)]
async fn outside_a_429_of_the_handler_is_not_stored() {
    let site = Site::new();
    let runs = site.world.runs.clone();
    let route = Router::new().fallback(any(async move || {
        runs.fetch_add(1, Ordering::SeqCst);
        (
            StatusCode::TOO_MANY_REQUESTS,
            [("cache-control", "max-age=60")],
        )
    }));
    let limit = site
        .world
        .layer("test")
        .quota("9/m", client_ip())
        .build()
        .unwrap();
    let app = route.layer(site.page()).layer(limit);
    for _ in 0..2 {
        assert_eq!(outcome(&app, ALICE).await.0, 429);
    }
    assert_eq!(site.world.runs(), 2);
}
