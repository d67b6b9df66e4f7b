//! Servers that have lost what they had acknowledged.

use super::*;

const FENCE: [&str; 4] = ["shop:#fence", "shop:#marks", "shop:#keys", "shop:#soft"];

/// Commands that lose a part of the fence, or all of it.
fn losses() -> Vec<Vec<&'static str>> {
    let mut losses = vec![
        vec!["FLUSHALL"],
        vec!["SET", FENCE[0], "too short"],
        vec!["SET", FENCE[0], "of the right length, but no fence"],
        vec!["ZREMRANGEBYSCORE", FENCE[1], "0", "0"],
    ];
    for key in FENCE {
        losses.push(vec!["DEL", key]);
        losses.push(vec![
            "EVAL",
            "redis.call('DEL', KEYS[1]) redis.call('LPUSH', KEYS[1], 'x')",
            "1",
            key,
        ]);
        losses.push(vec![
            "EVAL",
            "redis.call('DEL', KEYS[1]) redis.call('SET', KEYS[1], 'x')",
            "1",
            key,
        ]);
    }
    losses
}

#[tokio::test]
async fn what_has_lost_a_part_of_its_fence_answers_nothing_of_before() {
    let redis = Redis::start(Options::default()).await;
    for loss in losses() {
        let node = Node::on(&redis);
        node.set("dish:1", "menu").await;
        node.set("dish:2", "menu").await;
        node.purge_tag("other").await;
        assert!(node.cache.delete("dish:2").await.unwrap());
        assert!(node.has("dish:1").await);
        let crate::cache::Lookup::Miss(miss) = node.cache.lookup::<String>("dish:3").await.unwrap()
        else {
            panic!("nothing is there");
        };
        redis.ask(&loss).await;
        // Who knows all marks does not miss those that are lost; who comes anew has to.
        let new = Node::on(&redis);
        assert!(!new.has("dish:1").await, "{loss:?}");
        assert!(!node.has("dish:1").await, "{loss:?}");
        let is_filled = miss.fill("dish:3", minutes(30)).await.unwrap();
        assert!(!is_filled, "{loss:?}");
        node.set("dish:4", "menu").await;
        assert!(new.has("dish:4").await, "{loss:?}");
        new.purge_tag("menu").await;
        assert!(!node.has("dish:4").await, "{loss:?}");
    }
}

#[tokio::test]
async fn a_purge_finds_out_by_itself_that_marks_are_lost() {
    let redis = Redis::start(Options::default()).await;
    for loss in losses() {
        let node = Node::on(&redis);
        node.set("dish:1", "menu").await;
        redis.ask(&loss).await;
        node.purge_tag("other").await;
        assert!(!node.has("dish:1").await, "{loss:?}");
    }
}

/// Copies the fence beside itself, or back.
async fn copy(redis: &Redis, back: bool) {
    for key in FENCE {
        let saved = format!("saved:{key}");
        let (from, to) = if back { (&*saved, key) } else { (key, &*saved) };
        assert_eq!(redis.ask(&["COPY", from, to, "REPLACE"]).await, "1");
    }
}

#[tokio::test]
async fn a_fence_that_has_gone_back_is_noticed_by_reads() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.set("dish:1", "menu").await;
    one.set("dish:2", "other").await;
    copy(&redis, false).await;
    other.purge_tag("menu").await;
    assert!(!one.has("dish:1").await);
    copy(&redis, true).await;
    // It says so once, and has purged everything.
    assert!(one.tried("dish:1").await.is_err());
    for node in [&one, &other, &Node::on(&redis)] {
        for key in ["dish:1", "dish:2"] {
            assert!(!node.tried(key).await.unwrap_or_default(), "{key}");
        }
    }
    one.set("dish:1", "menu").await;
    until("both go on", || async {
        other.tried("dish:1").await.unwrap_or_default()
    })
    .await;
}

/// A purge moves the fence on, past all that it has lost.
#[tokio::test]
async fn a_fence_that_has_gone_back_is_noticed_by_purges() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.set("dish:1", "menu").await;
    copy(&redis, false).await;
    other.purge_tag("menu").await;
    assert!(!one.has("dish:1").await);
    copy(&redis, true).await;
    drop(one.cache.purge_tag("something else").await);
    until("the purge is delivered", || async { one.owed() == 0 }).await;
    assert!(!Node::on(&redis).has("dish:1").await);
}

#[tokio::test]
async fn a_server_that_comes_back_as_it_was_earlier_shows_nothing_of_then() {
    let redis = Redis::start(Options::default()).await;
    let one = Node::of(hasty(redis.url()).answer_timeout(PATIENCE));
    let other = Node::on(&redis);
    one.set("dish:1", "menu").await;
    one.set("dish:2", "daily").await;
    assert_eq!(redis.ask(&["SAVE"]).await, "OK");
    other.purge_tag("menu").await;
    one.purge_tag("daily").await;
    // It has seen how far the fence was, and has a purge of its own to repeat.
    assert!(!one.has("dish:1").await);
    redis.restart().await;
    until("it reads again", || async {
        one.tried("dish:1").await.is_ok()
    })
    .await;
    let new = Node::on(&redis);
    for key in ["dish:1", "dish:2"] {
        for node in [&one, &new] {
            assert!(!node.tried(key).await.unwrap(), "{key}");
        }
    }
}

#[tokio::test]
async fn a_server_that_takes_anothers_place_gets_the_last_purges_again() {
    let redis = Redis::start(Options::default()).await;
    let node = Node::of(hasty(redis.url()).answer_timeout(PATIENCE));
    for tag in ["a", "b", "c"] {
        node.purge_tag(tag).await;
    }
    assert!(!node.cache.delete("dish:1").await.unwrap());
    let marks = async || {
        let marks = redis.ask(&["ZCARD", FENCE[1]]).await;
        let keys = redis.ask(&["ZCARD", FENCE[2]]).await;
        (marks, keys)
    };
    // One of them is the epoch's own.
    let all = ("4".to_owned(), "2".to_owned());
    assert_eq!(marks().await, all);
    redis.restart().await;
    assert_eq!(redis.ask(&["DBSIZE"]).await, "0");
    until("it reads again", || async {
        node.tried("dish:1").await.is_ok()
    })
    .await;
    assert_eq!(marks().await, all);

    redis.restart().await;
    until("it purges again", || async {
        node.cache.purge_tag("a").await.is_ok()
    })
    .await;
    until("it owes nothing", || async { node.owed() == 0 }).await;
    assert_eq!(marks().await, all);
}

#[tokio::test]
async fn a_fence_that_cannot_move_on_is_made_anew() {
    let redis = Redis::start(Options::default()).await;
    let node = Node::on(&redis);
    node.set("dish:1", "menu").await;
    let far = "local raw = redis.call('GET', KEYS[1]) \
        redis.call('SET', KEYS[1], string.sub(raw, 1, 8) .. struct.pack('>I8', 2 ^ 60) .. string.sub(raw, 17)) \
        return 1";
    assert_eq!(redis.ask(&["EVAL", far, "1", "shop:#fence"]).await, "1");
    until("it reads again", || async {
        node.tried("dish:1").await.is_ok()
    })
    .await;
    node.set("dish:1", "menu").await;
    node.purge_tag("menu").await;
    assert!(!node.has("dish:1").await);
}
