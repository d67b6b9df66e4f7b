//! A server, or a fence, without room.

use super::*;
use crate::CacheError;

#[tokio::test]
async fn a_server_without_memory_takes_purges_and_no_more() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for key in ["tag", "key", "prefix:1", "cleared", "stays"] {
        one.set(key, key).await;
    }
    for (option, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "2mb")] {
        assert_eq!(redis.ask(&["CONFIG", "SET", option, value]).await, "OK");
    }
    // One connection, so that what it takes stays taken.
    let mut held = redis.hold().await;
    for size in [16 << 10, 256, 1] {
        let filler = "x".repeat(size);
        let mut count = 0;
        while held
            .ask(&["SET", &format!("filler:{size}:{count}"), &filler])
            .await
            == "OK"
        {
            count += 1;
        }
    }
    let refused = one.cache.set("new", "new", minutes(1)).await;
    assert!(matches!(refused, Err(CacheError::Store(_))), "{refused:?}");
    assert!(other.has("stays").await, "what is there is read");

    one.purge_tag("tag").await;
    assert!(!other.has("tag").await);
    assert!(one.cache.delete("key").await.unwrap());
    assert!(!other.has("key").await);
    assert_eq!(one.cache.delete_prefix("prefix:").await.unwrap(), 1);
    assert!(!other.has("prefix:1").await);
    assert!(other.has("stays").await);
    let _ = one.cache.clear().await.unwrap();
    assert!(!other.has("stays").await);
    assert_eq!(one.owed(), 0);

    // Where there is no fence yet, it is made.
    let new = Node::of_the(patient(redis.url()), "new");
    assert!(!new.has("dish:1").await);
    new.purge_tag("menu").await;
    let newer = Node::of_the(patient(redis.url()), "newer");
    newer.purge_tag("menu").await;

    redis.ask(&["FLUSHALL"]).await;
    one.set("new", "new").await;
    assert!(other.has("new").await);
}

#[tokio::test]
async fn one_soft_purge_repeated_pushes_nothing_out() {
    let redis = Redis::start(Options::default()).await;
    let node = Node::of_the(patient(redis.url()).marks(3), "shop");
    node.set("stays", "stays").await;
    for _ in 0..20 {
        let _ = node.cache.soft().purge_tag("menu").await.unwrap();
    }
    assert!(node.has("stays").await);
    for n in 0..4 {
        let tag = format!("tag:{n}");
        let _ = node.cache.soft().purge_tag(&tag).await.unwrap();
    }
    assert!(!node.has("stays").await, "too many purge more, never less");
}

#[tokio::test]
async fn many_large_values_go_in_several_scripts() {
    let redis = Redis::start(Options::default()).await;
    let node = Node::on(&redis);
    let large = "x".repeat(3 << 20);
    let values = (0..12).map(|n| (format!("large:{n}"), &large));
    let failed = node.cache.set_many(values, minutes(1)).await.unwrap();
    assert_eq!(failed, Vec::<String>::new());
    for n in 0..12 {
        let found = node.cache.get::<String>(&format!("large:{n}")).await;
        assert_eq!(found.unwrap().map(|value| value.len()), Some(large.len()));
    }
}
