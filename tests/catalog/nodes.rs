//! Processes that share their answers in Redis.

use std::collections::HashSet;

use larder::{Cache, RedisStore, minutes};

use crate::{
    caller::{Caller, behind_its_back},
    client::Client,
    raw::within,
    redis::{Options, Redis},
    server::{Scratch, Server},
};

/// Two nodes on one database and one Redis.
struct Nodes {
    redis: Redis,
    db: String,
    servers: [Server; 2],
    callers: [Caller; 2],
    _dir: Scratch,
}

impl Nodes {
    async fn start() -> Self {
        let dir = Scratch::new();
        let redis = Redis::start(Options::default()).await;
        let (db, url) = (dir.file("shared.db"), redis.url());
        let flags = ["--db", &db, "--redis", &url];
        let servers = [Server::start(&flags).await, Server::start(&flags).await];
        let callers = [Caller::of(&servers[0]).await, Caller::of(&servers[1]).await];
        Self {
            redis,
            db,
            servers,
            callers,
            _dir: dir,
        }
    }
}

/// Asks until the answer is kept: storing in Redis goes on behind the answer.
async fn hit(caller: &Caller, id: i64) -> crate::proto::Item {
    within("the answer is kept", async {
        loop {
            let seen = caller.get(id).await;
            if seen.cache.as_ref().is_some_and(|cache| cache.is_hit()) {
                return seen.message();
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_one_node_keeps_all_answer_and_what_one_frees_is_gone_everywhere() {
    let nodes = Nodes::start().await;
    let [one, other] = &nodes.callers;
    let item = hit(one, 9).await;
    behind_its_back(
        &nodes.db,
        "UPDATE menu_items SET name = 'Other pasta' WHERE id = 9",
    );
    let kept = other.get(9).await;
    kept.assert_hit();
    assert_eq!(kept.message(), item, "of the other node");

    let client = Client::new();
    for server in &nodes.servers {
        client.get(server, "/catalog/pasta").await;
    }
    for (nth, (updating, name)) in [(one, "One"), (other, "Two"), (one, "Three")]
        .into_iter()
        .enumerate()
    {
        updating.update(9, name, 100).await.message();
        for (caller, server) in nodes.callers.iter().zip(&nodes.servers) {
            assert_eq!(caller.get(9).await.message().name, name, "{nth}");
            assert_eq!(caller.list("pasta").await.message()[0].name, name, "{nth}");
            let page = client.get(server, "/catalog/pasta").await;
            assert!(page.body.contains(name), "{nth}: {}", page.body);
        }
        hit(other, 9).await;
    }
}

#[tokio::test]
async fn calls_are_answered_while_redis_is_away_and_changes_are_seen_where_they_are_made() {
    let nodes = Nodes::start().await;
    let [one, other] = &nodes.callers;
    hit(one, 9).await;
    hit(other, 9).await;
    nodes.redis.pause();
    let paused = within(
        "an update while Redis is silent",
        one.update(9, "Paused", 1),
    )
    .await;
    assert_eq!(paused.message().name, "Paused");
    assert_eq!(one.get(9).await.message().name, "Paused");
    assert_eq!(other.get(10).await.message().id, 10);
    nodes.redis.resume();
    // What Redis was not told, it is told now; then the other node sees it, too.
    within("the change is seen by the other node", async {
        while other.get(9).await.message().name != "Paused" {}
    })
    .await;

    nodes.redis.kill();
    let mut said = HashSet::new();
    for nth in 0..20 {
        let name = format!("Killed {nth}");
        one.update(9, &name, 1).await.message();
        let seen = one.get(9).await;
        said.insert(seen.cache.clone().map(|cache| cache.is_hit()));
        assert_eq!(seen.message().name, name);
        assert_eq!(other.get(9).await.message().name, name, "nothing is read");
    }
    assert_eq!(said, HashSet::from([Some(false)]));
    nodes.redis.restart().await;
    assert_eq!(hit(one, 9).await.name, "Killed 19");
    assert_eq!(hit(other, 9).await.name, "Killed 19");
}

#[tokio::test]
async fn a_node_starts_and_answers_without_redis() {
    let redis = Redis::start(Options::default()).await;
    let url = redis.url();
    redis.kill();
    let server = Server::start(&["--redis", &url, "--flush-on-start"]).await;
    let caller = Caller::of(&server).await;
    for _ in 0..10 {
        assert_eq!(caller.get(9).await.message().id, 9);
    }
    redis.restart().await;
    hit(&caller, 9).await;
}

#[tokio::test]
async fn two_nodes_count_together() {
    let dir = Scratch::new();
    let redis = Redis::start(Options::default()).await;
    let (db, url) = (dir.file("shared.db"), redis.url());
    let flags = ["--db", &db, "--redis", &url, "--updates", "4/h"];
    let servers = [Server::start(&flags).await, Server::start(&flags).await];
    let mut admitted = 0;
    for server in [
        &servers[0],
        &servers[1],
        &servers[0],
        &servers[1],
        &servers[0],
        &servers[1],
    ] {
        let caller = Caller::of(server).await;
        admitted += usize::from(caller.update(9, "a", 1).await.answer.is_ok());
    }
    assert_eq!(admitted, 4);
}

/// The restaurant's cache, as its `events` use it: the same namespace, version and tags.
#[tokio::test]
async fn the_restaurant_and_the_catalog_free_each_others_answers() {
    let nodes = Nodes::start().await;
    let [one, _] = &nodes.callers;
    let store = RedisStore::builder(nodes.redis.url())
        .build()
        .expect("a URL");
    let restaurant = Cache::builder(store)
        .namespace("restaurant")
        .version(1)
        .build()
        .expect("these are names");

    hit(one, 9).await;
    behind_its_back(
        &nodes.db,
        "UPDATE menu_items SET name = 'By a form' WHERE id = 9",
    );
    let freed = restaurant.purge_tags(["menu", "category:pasta"]).await;
    freed.expect("Redis is there");
    assert_eq!(one.get(9).await.message().name, "By a form");

    for (key, tag) in [
        ("whole", "menu"),
        ("section", "category:pasta"),
        ("pizza", "category:pizza"),
    ] {
        let set = restaurant.set(key, "kept", minutes(5)).tag(tag).await;
        set.expect("Redis is there");
    }
    one.update(9, "By a call", 1).await.message();
    for (key, stays) in [("whole", false), ("section", false), ("pizza", true)] {
        let there = restaurant.contains(key).await.expect("Redis is there");
        assert_eq!(there, stays, "{key}");
    }
}
