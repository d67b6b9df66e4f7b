//! Faults that reviews have found, each as a test that tells its story.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};

use async_trait::async_trait;

use super::*;
use crate::InvalidationLayer;
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Scanned, Stamp,
    StoreError,
};

/// An inner layer that refuses tells the outer one what it would have told apart.
#[tokio::test(start_paused = true)]
async fn a_field_that_an_inner_layer_keys_is_in_vary_though_it_stores_nothing() {
    let world = World::new();
    let inner = world
        .page()
        .vary_on_header(HeaderName::from_static("x-tenant"))
        .max_body(4)
        .unwrap();
    let runs = Runs::default();
    let handler = runs.handler(async |request: Request<Body>| {
        let who = request.headers()["x-tenant"].to_str().unwrap().to_owned();
        page(&[], format!("page of {who}"))
    });
    let site = Site::of(
        world.clone(),
        runs.clone(),
        world.page().layer(inner.layer(handler)),
    );
    site.ask(get_with("/p", &[("x-tenant", "alice")])).await;
    let other = site.ask(get_with("/p", &[("x-tenant", "bob")])).await;
    assert_eq!(other.body, "page of bob");
}

#[tokio::test(start_paused = true)]
async fn a_refused_answer_names_the_fields_of_the_key() {
    let world = World::new();
    let site = world.site(
        world
            .page()
            .vary_on_header(HeaderName::from_static("x-l"))
            .max_body(4)
            .unwrap(),
        async |_| page(&[("cache-control", "public, max-age=60")], "long text"),
    );
    let one = site.ask(get_with("/p", &[("x-l", "a")])).await;
    assert_eq!(one.field("vary"), Some("x-l"), "{:?}", one.headers);
}

#[tokio::test(start_paused = true)]
async fn followers_get_no_personal_trailers() {
    let world = World::new();
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |_| {
        let held = held.clone();
        async move {
            held.pass().await;
            page(
                &[],
                trailing(&["soup"], &[("set-cookie", "session=alice"), ("x-t", "1")]),
            )
        }
    });
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    let follower = site.start(get("/p"));
    settle().await;
    gate.open();
    leader.await.unwrap();
    let follower = follower.await.unwrap();
    let hit = site.get("/p").await;
    assert!(hit.is_hit());
    assert!(!hit.trailers.unwrap().contains_key("set-cookie"));
    assert!(!follower.trailers.unwrap().contains_key("set-cookie"));
}

/// The leader does not read, and leaves after 29 s of the 40 that the body takes.
#[tokio::test(start_paused = true)]
async fn a_follower_that_reads_outlives_the_limit_of_a_forsaken_body() {
    let world = World::new();
    let site = world.site(world.page(), async |_| {
        let body = stream::unfold(0, |n| async move {
            if n == 40 {
                return None;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>("x"), n + 1))
        });
        page(&[("content-length", "40")], Body::from_stream(body))
    });
    let leader = site.open(get("/p")).await;
    let follower = site.open(get("/p")).await;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(29)).await;
        drop(leader);
    });
    let read = try_read(follower).await;
    assert_eq!(read.unwrap().body.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn the_host_selects_nothing_since_it_is_keyed() {
    let world = World::new();
    let site = world.site(world.page(), async |_| page(&[("vary", "Host")], "text"));
    let ask = || {
        Request::get("/p")
            .header("host", "Shop.example:80")
            .body(Body::empty())
            .unwrap()
    };
    site.ask(ask()).await;
    site.ask(ask()).await;
    assert!(site.ask(ask()).await.is_hit(), "runs {}", site.runs());
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn an_authority_that_a_layer_outside_has_set_is_kept() {
    let world = World::new();
    let site = world.site(world.page(), async |request: Request<Body>| {
        page(&[], request.uri().to_string())
    });
    let mut asked = Request::get("http://tenant-a.internal/p")
        .header("host", "shop.example")
        .body(Body::empty())
        .unwrap();
    asked.extensions_mut().insert(axum::extract::OriginalUri(
        "http://shop.example/p".parse().unwrap(),
    ));
    assert_eq!(site.ask(asked).await.body, "http://tenant-a.internal/p");
}

#[tokio::test(start_paused = true)]
async fn a_target_of_another_scheme_passes_by() {
    let world = World::new();
    let site = world.site(world.page(), async |request: Request<Body>| {
        page(&[], request.uri().to_string())
    });
    site.ask(get("evil://shop.example/p")).await;
    let other = site.ask(get("/p")).await;
    assert_eq!(other.body, "/p");
}

#[tokio::test(start_paused = true)]
async fn behind_a_trusted_proxy_the_authority_is_keyed_too() {
    let world = World::new();
    let site = world.site(
        world.page().forwarding(crate::Forwarding::Trusted),
        async |request: Request<Body>| page(&[], request.uri().authority().unwrap().to_string()),
    );
    let ask = |uri: &str, xfh: &str| {
        Request::get(uri)
            .header("x-forwarded-host", xfh)
            .body(Body::empty())
            .unwrap()
    };
    site.ask(ask("https://evil.example/p", "shop.example"))
        .await;
    assert_eq!(
        site.ask(ask("https://shop.example/p", "shop.example"))
            .await
            .body,
        "shop.example"
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_left_leave_no_wakers_behind() {
    let world = World::new();
    let site = world.site(world.page(), async |_| {
        page(
            &[("content-length", "4")],
            Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
        )
    });
    let _leader = site.open(get("/p")).await;
    let alive = Arc::new(AtomicU64::new(0));
    for _ in 0..5_000 {
        let waker = Counted::waker(&alive);
        let mut follower = site.open(get("/p")).await.into_body();
        let mut cx = Context::from_waker(&waker);
        assert!(http_body::Body::poll_frame(Pin::new(&mut follower), &mut cx).is_pending());
        drop(follower);
    }
    assert_eq!(alive.load(Ordering::Relaxed), 0, "wakers are held");
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_is_owed_goes_past_the_limit_of_the_background() {
    for fills in [0, 256] {
        let world = World::on(SlowPurge(MemoryStore::new(16 * MIB)));
        let site = world.site(world.page(), async |_| page(&[], "old"));
        site.get("/p").await;
        assert!(site.get("/p").await.is_hit());
        let busy = world.site(world.page(), async |_| {
            std::future::pending::<Response<Body>>().await
        });
        for n in 0..fills {
            let task = busy.start(get(&format!("/busy{n}")));
            busy.runs.reach(n + 1).await;
            task.abort();
            settle().await;
        }
        let runs = Runs::default();
        let unsafe_site = Site::of(
            world.clone(),
            runs.clone(),
            InvalidationLayer::new(&world.cache)
                .layer(runs.handler(async |_| std::future::pending::<Response<Body>>().await)),
        );
        let post = unsafe_site.start(request(Method::POST, "/p", &[]));
        runs.reach(1).await;
        post.abort();
        settle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = read(site.open(get("/p")).await).await;
        assert!(!after.is_hit(), "{}", after.said());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fill_does_not_push_itself_out() {
    let world = World::new();
    let site = world.site(
        world.page().max_variants(2).unwrap(),
        async |request: Request<Body>| {
            let h = request.headers();
            if h.contains_key("x-b") {
                page(&[("vary", "x-b"), ("cache-control", "max-age=10")], "short")
            } else {
                page(&[("vary", "x-a")], "long")
            }
        },
    );
    site.ask(get_with("/p", &[("x-a", "1")])).await;
    site.ask(get_with("/p", &[("x-a", "2")])).await;
    for _ in 0..3 {
        site.ask(get_with("/p", &[("x-b", "1")])).await;
    }
    assert_eq!(site.runs(), 3);
}

/// A waker that knows when it is gone.
struct Counted(Arc<AtomicU64>);

impl Counted {
    fn waker(alive: &Arc<AtomicU64>) -> Waker {
        alive.fetch_add(1, Ordering::Relaxed);
        Waker::from(Arc::new(Self(alive.clone())))
    }
}

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A store whose purges take a while.
struct SlowPurge(MemoryStore);

#[async_trait]
impl Store for SlowPurge {
    fn about(&self) -> About {
        self.0.about()
    }

    async fn get(
        &self,
        keys: &[Key<'_>],
        now: crate::clock::Now,
    ) -> Result<Vec<Found>, StoreError> {
        self.0.get(keys, now).await
    }

    async fn apply(
        &self,
        ops: &[(Key<'_>, Op)],
        now: crate::clock::Now,
    ) -> Result<Vec<Done>, StoreError> {
        self.0.apply(ops, now).await
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.0.admits(stamp, marks).await
    }

    async fn purge(
        &self,
        purge: &Purge,
        now: crate::clock::Now,
    ) -> Result<crate::store::Struck, PurgeError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.0.purge(purge, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.0.scan(prefix, budget)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.0.watch()
    }
}
