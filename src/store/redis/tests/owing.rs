//! Purges that did not reach the server.

use super::*;
use crate::store::{PurgeError, Store};

/// Two nodes; what the first says to the server, the proxy may keep.
async fn world() -> (Redis, Proxy, Node, Node) {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    let (far, near) = (Node::through(&proxy), Node::on(&redis));
    until("the far node is there", || async {
        far.tried("dish:0").await.is_ok()
    })
    .await;
    (redis, proxy, far, near)
}

async fn purge_in_vain(node: &Node, tag: &str) {
    let purged = node.cache.purge_tag(tag).await;
    assert!(
        matches!(purged, Err(PurgeError::Undelivered(_))),
        "{purged:?}"
    );
}

#[tokio::test]
async fn a_node_that_owes_a_purge_reads_nothing_until_it_is_delivered() {
    let (_redis, proxy, far, near) = world().await;
    near.set("dish:1", "menu").await;
    assert!(far.has("dish:1").await);
    proxy.set(Fault::BlackHole);
    purge_in_vain(&far, "menu").await;
    assert_eq!(far.owed(), 1);
    let facts = far.part.facts().await;
    assert!(facts.is_err() || facts.unwrap().undelivered == Some(1));
    assert!(far.tried("dish:1").await.is_err());
    assert!(near.has("dish:1").await, "it could not know");
    proxy.set(Fault::None);
    until("the far node reads again", || async {
        let found = far.tried("dish:1").await;
        assert!(!matches!(found, Ok(true)), "what it has purged");
        found.is_ok()
    })
    .await;
    assert_eq!(far.owed(), 0);
    assert!(!near.has("dish:1").await);
    assert_eq!(far.part.facts().await.unwrap().undelivered, Some(0));
}

#[tokio::test]
async fn what_is_owed_is_delivered_though_nobody_asks() {
    let (_redis, proxy, far, near) = world().await;
    near.set("dish:1", "menu").await;
    proxy.set(Fault::BlackHole);
    purge_in_vain(&far, "menu").await;
    proxy.set(Fault::None);
    until("it is delivered", || async { !near.has("dish:1").await }).await;
    until("it is not owed any more", || async { far.owed() == 0 }).await;
    near.set("dish:1", "menu").await;
    until("the far node reads again", || async {
        let found = far.tried("dish:1").await;
        assert!(!matches!(found, Ok(false)), "it is delivered once");
        found.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_purge_whose_caller_went_away_is_owed() {
    let (_redis, proxy, far, near) = world().await;
    near.set("dish:1", "menu").await;
    near.set("dish:2", "other").await;
    proxy.set(Fault::BlackHole);
    let dropped = tokio::time::timeout(Duration::from_millis(1), far.cache.purge_tag("menu")).await;
    assert!(dropped.is_err());
    assert_eq!(far.owed(), 1);
    let deleting = far.cache.delete("dish:2");
    assert!(
        tokio::time::timeout(Duration::from_millis(1), deleting)
            .await
            .is_err()
    );
    assert_eq!(far.owed(), 2);
    proxy.set(Fault::None);
    for key in ["dish:1", "dish:2"] {
        until("it is delivered", || async { !near.has(key).await }).await;
    }
}

/// Whether it has arrived, nobody can tell who has no answer.
#[tokio::test]
async fn a_purge_whose_answer_is_lost_is_delivered_again() {
    let (_redis, proxy, far, near) = world().await;
    near.set("dish:1", "menu").await;
    // The server knows the script from then on, so that the purge is one command.
    near.purge_tag("something else").await;
    proxy.set(Fault::CutAfter(0));
    purge_in_vain(&far, "menu").await;
    assert!(!near.has("dish:1").await, "it had arrived");
    assert_eq!(far.owed(), 1);
    near.set("dish:1", "menu").await;
    proxy.set(Fault::None);
    until("it is not owed any more", || async { far.owed() == 0 }).await;
    assert!(!near.has("dish:1").await, "more, never less");
}

#[tokio::test]
async fn too_many_are_one_purge_of_everything() {
    let redis = Redis::start(Options::default()).await;
    let proxy = Proxy::start(redis.address()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let (far, near) = (Node::of(hasty(url).queue(3)), Node::on(&redis));
    let beside = Node::of_the(patient(redis.url()), "other");
    near.set("dish:1", "nobody's").await;
    beside.set("dish:1", "nobody's").await;
    until("the far node is there", || async {
        far.tried("dish:1").await.is_ok()
    })
    .await;
    proxy.set(Fault::BlackHole);
    for tag in ["a", "b", "c", "d"] {
        assert!(near.has("dish:1").await);
        purge_in_vain(&far, tag).await;
    }
    assert_eq!(far.owed(), 1);
    proxy.set(Fault::None);
    until("everything is purged", || async {
        !near.has("dish:1").await
    })
    .await;
    assert!(beside.has("dish:1").await, "of one namespace");
}

#[tokio::test]
async fn every_kind_of_purge_is_owed_by_a_node_whose_server_pauses() {
    let redis = Redis::start(Options::default()).await;
    let (far, near) = (Node::of(hasty(redis.url())), Node::on(&redis));
    let keys = ["tag", "key", "prefix:1", "glob:1:x"];
    until("the far node is there", || async {
        far.tried("tag").await.is_ok()
    })
    .await;
    for key in keys {
        near.set(key, key).await;
    }
    near.set("stays", "stays").await;
    redis.pause();
    purge_in_vain(&far, "tag").await;
    assert!(far.cache.delete("key").await.is_err());
    assert!(far.cache.delete_prefix("prefix:").await.is_err());
    assert!(far.cache.delete_matching("glob:*:x").await.is_err());
    assert_eq!(far.owed(), 4);
    assert!(far.tried("stays").await.is_err());
    redis.resume();
    until("they are delivered", || async { far.owed() == 0 }).await;
    for key in keys {
        assert!(!near.has(key).await, "{key}");
    }
    assert!(near.has("stays").await);
}

#[tokio::test]
async fn a_purge_that_a_dead_server_did_not_take_is_taken_by_the_next() {
    let redis = Redis::start(Options::default()).await;
    let (far, near) = (Node::of(hasty(redis.url())), Node::of(hasty(redis.url())));
    until("the far node is there", || async {
        far.tried("dish:1").await.is_ok()
    })
    .await;
    redis.kill();
    purge_in_vain(&far, "menu").await;
    assert!(far.tried("dish:1").await.is_err());
    redis.restart().await;
    until("it is delivered", || async { far.owed() == 0 }).await;
    assert_eq!(redis.ask(&["ZCARD", "shop:#marks"]).await, "2");
    until("all goes on", || async {
        let set = near.cache.set("dish:1", "dish:1", minutes(30)).await;
        set.is_ok() && far.tried("dish:1").await.unwrap_or_default()
    })
    .await;
}
