//! Nodes that share a server, and applications that share a database.

use axum::body::Body;
use http::{Method, Request, Response};
use tower::{Layer, ServiceExt};

use super::*;
use crate::store::Store;
use crate::{InvalidationLayer, RequestHead};

fn asked(method: Method) -> Request<Body> {
    let request = Request::builder().method(method).uri("/menu?day=1");
    let request = request.header("host", "shop.example");
    request.body(Body::empty()).unwrap()
}

impl Node {
    /// One that has a clock of its own.
    fn at(redis: &Redis, clock: crate::clock::ManualClock) -> Self {
        let store = patient(redis.url()).build().unwrap();
        let part = store.part.server.part("shop", 1);
        let cache = Cache::builder(store).namespace("shop").clock(clock);
        let cache = cache.store_timeout(PATIENCE).build().unwrap();
        Self { cache, part }
    }

    /// Answers with the page, made by `maker` where it has to be, and says who made it.
    async fn page(&self, method: Method, maker: &'static str) -> String {
        let layer = self.cache.page(minutes(30)).tag("menu");
        let service = layer.layer(tower::service_fn(move |_| async move {
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(maker)))
        }));
        let service = InvalidationLayer::new(&self.cache).layer(service);
        let answer = service.oneshot(asked(method)).await.unwrap();
        let body = axum::body::to_bytes(Body::new(answer.into_body()), 1024).await;
        self.cache.background().idle().await;
        String::from_utf8(body.unwrap().into()).unwrap()
    }
}

#[tokio::test]
async fn what_one_node_stores_another_reads() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.set("dish:1", "menu").await;
    assert!(other.has("dish:1").await);
    assert_eq!(one.page(Method::GET, "one").await, "one");
    assert_eq!(other.page(Method::GET, "other").await, "one");
}

/// One way to purge `dish:1`, or the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tag,
    Delete,
    Prefix,
    Glob,
    Clear,
    Page,
    PageKey,
    Unsafe,
}

impl Way {
    const ALL: [Self; 8] = [
        Self::Tag,
        Self::Delete,
        Self::Prefix,
        Self::Glob,
        Self::Clear,
        Self::Page,
        Self::PageKey,
        Self::Unsafe,
    ];

    const fn strikes_values(self) -> bool {
        !matches!(self, Self::Page | Self::PageKey | Self::Unsafe)
    }

    const fn strikes_pages(self) -> bool {
        !matches!(self, Self::Delete | Self::Prefix | Self::Glob)
    }

    async fn purge(self, node: &Node) {
        let cache = &node.cache;
        match self {
            Self::Tag => node.purge_tag("menu").await,
            Self::Delete => assert!(cache.delete("dish:1").await.unwrap()),
            Self::Prefix => assert_eq!(cache.delete_prefix("dish").await.unwrap(), 1),
            Self::Glob => assert_eq!(cache.delete_matching("*:[01]").await.unwrap(), 1),
            Self::Clear => drop(cache.clear().await.unwrap()),
            Self::Page => drop(cache.purge_page("//shop.example/menu").await.unwrap()),
            Self::PageKey => {
                let key = cache
                    .page(minutes(30))
                    .key(&RequestHead::of(&asked(Method::GET)));
                let _ = cache.purge_key(&key.unwrap()).await.unwrap();
            }
            Self::Unsafe => assert_eq!(node.page(Method::POST, "changed").await, "changed"),
        }
    }
}

#[tokio::test]
async fn a_purge_on_one_node_strikes_on_another_at_once() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for way in Way::ALL {
        one.set("dish:1", "menu").await;
        let before = one.page(Method::GET, "old").await;
        assert!(other.has("dish:1").await);
        assert_eq!(other.page(Method::GET, "never").await, before, "{way:?}");
        way.purge(&one).await;
        assert_eq!(other.has("dish:1").await, !way.strikes_values(), "{way:?}");
        let after = other.page(Method::GET, "new").await;
        assert_eq!(after == "new", way.strikes_pages(), "{way:?}");
        let _ = one.cache.clear().await.unwrap();
    }
}

/// The names that start with another's, and what percent-encoding makes of it, are other namespaces all the same.
#[tokio::test]
async fn applications_in_one_database_never_see_purge_or_scan_each_other() {
    let redis = Redis::start(Options::default()).await;
    let names = ["shop", "shop:1", "shop%3A1", "shop#", "sho"];
    let nodes = names.map(|name| Node::of_the(patient(redis.url()), name));
    redis.ask(&["SET", "shop:1:of:somebody:else", "1"]).await;
    for (place, node) in nodes.iter().enumerate() {
        assert!(!node.has("dish:1").await);
        node.set("dish:1", "menu").await;
        node.set(&format!("own:{place}"), "menu").await;
    }
    for (place, node) in nodes.iter().enumerate() {
        let scan = node.cache.scan("");
        let mut scan = scan.stream();
        let mut found = Vec::new();
        while let Some(value) = scan.next().await {
            found.push(value.unwrap().key);
        }
        found.sort();
        assert_eq!(found, ["dish:1".to_owned(), format!("own:{place}")]);
    }
    let [shop, others @ ..] = &nodes;
    let all_others_are_whole = async || {
        for other in others {
            assert!(other.has("dish:1").await);
        }
    };
    shop.purge_tag("menu").await;
    assert!(!shop.has("dish:1").await);
    all_others_are_whole().await;
    shop.set("dish:1", "menu").await;
    assert_eq!(shop.cache.delete_prefix("d").await.unwrap(), 1);
    all_others_are_whole().await;
    shop.set("dish:1", "menu").await;
    assert!(shop.cache.delete_matching("*").await.unwrap() >= 1);
    all_others_are_whole().await;
    let _ = shop.cache.clear().await.unwrap();
    all_others_are_whole().await;
    assert_eq!(redis.ask(&["GET", "shop:1:of:somebody:else"]).await, "1");
}

#[tokio::test]
async fn versions_are_apart() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.set("dish:1", "menu").await;
    let next = other.cache.at_version(2);
    assert_eq!(next.get::<String>("dish:1").await.unwrap(), None);
    next.set("dish:1", "next", minutes(30))
        .tag("menu")
        .await
        .unwrap();
    let still_there = async || {
        let found: Option<String> = next.get("dish:1").await.unwrap();
        assert_eq!(found.as_deref(), Some("next"));
    };
    one.purge_tag("menu").await;
    still_there().await;
    one.set("dish:1", "menu").await;
    assert_eq!(one.cache.delete_prefix("").await.unwrap(), 1);
    still_there().await;
    one.set("dish:1", "menu").await;
    let _ = one.cache.clear().await.unwrap();
    still_there().await;
    one.set("dish:1", "menu").await;
    let _ = next.clear().await.unwrap();
    assert!(one.has("dish:1").await);
}

/// One fence for all versions of a namespace, which a purge of one of them moves on.
#[tokio::test]
async fn a_fill_loses_to_a_purge_on_another_node() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for way in Way::ALL.into_iter().filter(|way| way.strikes_values()) {
        let crate::cache::Lookup::Miss(miss) = one.cache.lookup::<String>("dish:1").await.unwrap()
        else {
            panic!("nothing is there");
        };
        // What is there to be counted.
        other.set("dish:1", "menu").await;
        way.purge(&other).await;
        let is_filled = miss.fill("dish:1", minutes(30)).tag("menu").await.unwrap();
        assert!(!is_filled, "{way:?}");
        assert!(!other.has("dish:1").await, "{way:?}");
    }
}

#[tokio::test]
async fn what_is_set_after_a_soft_purge_elsewhere_is_fresh() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for key in ["dish:1", "dish:2", "dish:3"] {
        assert!(!other.has(key).await, "it has seen the fence");
        let _ = one.cache.soft().purge_tag("menu").await.unwrap();
        match key {
            "dish:1" => other.set(key, "menu").await,
            "dish:2" => {
                let added = other.cache.add(key, key, minutes(30)).tag("menu").await;
                assert!(added.unwrap());
            }
            _ => {
                let set = other.cache.set_many([(key, key)], minutes(30)).tag("menu");
                assert!(set.await.unwrap().is_empty());
            }
        }
        assert!(other.has(key).await && one.has(key).await, "{key}");
    }
    // A namespace that was purged softly, and a number made there.
    let _ = one.cache.soft().clear().await.unwrap();
    let count = other.cache.incr_or_create("n", 1, minutes(30));
    assert_eq!(count.await.unwrap(), 1);
    assert_eq!(one.cache.get::<i64>("n").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_purge_of_another_version_is_made_again_there() {
    let redis = Redis::start(Options::default()).await;
    let store = patient(redis.url()).build().unwrap();
    let after = Duration::from_secs(2);
    let cache = Cache::builder(store).namespace("shop");
    let cache = cache.purge_again_after(after).build().unwrap();
    let second = cache.at_version(2);
    second.set("dish:1", "old", minutes(30)).await.unwrap();
    cache
        .set("dish:1", "of the first", minutes(30))
        .await
        .unwrap();
    // Whoever purges first attends to the purges of both.
    assert!(!cache.delete("other").await.unwrap());
    assert!(second.delete("dish:1").await.unwrap());
    assert_eq!(second.delete_prefix("dish:2").await.unwrap(), 0);
    // What a replica that lags behind still says is stored meanwhile.
    second.set("dish:1", "old", minutes(30)).await.unwrap();
    second.set("dish:2", "old", minutes(30)).await.unwrap();
    until("they are purged again", || async {
        redis
            .ask(&["EXISTS", "shop:2:dish:1", "shop:2:dish:2"])
            .await
            == "0"
    })
    .await;
    let left = cache.get::<String>("dish:1").await.unwrap();
    assert_eq!(left.as_deref(), Some("of the first"));
}

/// As where an application drops its requests after it has left its runtime.
#[test]
fn a_purge_without_a_runtime_is_owed_and_does_not_panic() {
    let node = Node::of(hasty("redis://127.0.0.1:9"));
    let mut purging = Box::pin(node.cache.purge_tag("menu"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = purging.as_mut().poll(&mut cx);
    assert!(
        matches!(
            &polled,
            std::task::Poll::Ready(Err(crate::store::PurgeError::Undelivered(_)))
        ),
        "{polled:?}"
    );
    drop(purging);
    assert_eq!(node.owed(), 1);
}

#[tokio::test]
async fn both_versions_of_the_protocol_say_the_same() {
    let redis = Redis::start(Options::default()).await;
    for version in ["resp2", "resp3"] {
        let url = format!("{}?protocol={version}", redis.url());
        let (node, other) = (Node::of(patient(url)), Node::on(&redis));
        node.set("dish:1", "menu").await;
        assert!(node.has("dish:1").await && other.has("dish:1").await);
        let count = node.cache.incr_or_create(version, 1, minutes(30));
        assert_eq!(count.await.unwrap(), 1);
        let scan = node.cache.scan(version);
        let scanned = scan.stream().next().await.unwrap().unwrap();
        assert_eq!(scanned.key, version);
        other.purge_tag("menu").await;
        assert!(!node.has("dish:1").await);
        assert_eq!(node.cache.delete_prefix(version).await.unwrap(), 1);
        assert!(node.part.facts().await.unwrap().server.is_some());
    }
}

/// The page of another is over for it, while the server keeps it still.
#[tokio::test]
async fn a_node_whose_clock_is_ahead_stores_pages_all_the_same() {
    let redis = Redis::start(Options::default()).await;
    let clock = crate::clock::ManualClock::new();
    let on_time = Node::at(&redis, clock.clone());
    assert_eq!(on_time.page(Method::GET, "old").await, "old");
    let ahead = crate::clock::ManualClock::new();
    ahead.advance(minutes(31));
    let ahead = Node::at(&redis, ahead);
    assert_eq!(ahead.page(Method::GET, "new").await, "new");
    for node in [&ahead, &on_time] {
        assert_eq!(node.page(Method::GET, "never").await, "new");
    }
}
