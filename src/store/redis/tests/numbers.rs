//! Numbers, and lifetimes to the millisecond.

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::store::{Done, Head, If, Key, Kind, Op, Record, Stamp, Store, Times, When};
use crate::{CacheError, Lifetime};

#[tokio::test]
async fn numbers_are_exact_in_all_of_their_64_bits() {
    let redis = Redis::start(Options::default()).await;
    let cache = Node::on(&redis).cache;
    for (start, by, sum) in [
        (0, 1, 1),
        (9, 1, 10),
        (-1, 1, 0),
        // What a double cannot hold.
        ((1 << 53) + 1, 2, (1 << 53) + 3),
        (i64::MAX - 1, 1, i64::MAX),
        (i64::MIN + 1, -1, i64::MIN),
        (i64::MIN, i64::MAX, -1),
        (1_234_567_890_123_456_789, 1, 1_234_567_890_123_456_790),
    ] {
        cache.set("n", &start, minutes(1)).await.unwrap();
        assert_eq!(cache.incr("n", by).await.unwrap(), sum);
        assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(sum));
    }
}

#[tokio::test]
async fn what_cannot_be_counted_is_left_alone() {
    let redis = Redis::start(Options::default()).await;
    let cache = Node::on(&redis).cache;
    for (start, by) in [(i64::MAX, 1), (i64::MIN, -1), (i64::MAX, i64::MAX)] {
        cache.set("n", &start, minutes(1)).await.unwrap();
        let error = cache.incr("n", by).await.unwrap_err();
        assert!(matches!(error, CacheError::Overflow { .. }), "{error}");
        assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(start));
    }
    cache.set("text", "1", minutes(1)).await.unwrap();
    let error = cache.incr("text", 1).await.unwrap_err();
    assert!(matches!(error, CacheError::NotANumber { .. }), "{error}");
    let error = cache.incr("missing", 1).await.unwrap_err();
    assert!(matches!(error, CacheError::Missing { .. }), "{error}");
    let error = cache.decr("n", i64::MIN).await.unwrap_err();
    assert!(matches!(error, CacheError::Overflow { .. }), "{error}");
    assert_eq!(redis.ask(&["EXISTS", "shop:#scratch"]).await, "0");
}

#[tokio::test]
async fn nodes_count_together() {
    let redis = Redis::start(Options::default()).await;
    let nodes = [Node::on(&redis), Node::on(&redis)];
    let counting = nodes
        .iter()
        .flat_map(|node| (0..50).map(|_| node.cache.incr_or_create("n", 3, minutes(1))));
    let counted = futures_util::future::join_all(counting).await;
    let mut counted: Vec<i64> = counted.into_iter().map(Result::unwrap).collect();
    counted.sort_unstable();
    let expected: Vec<i64> = (1..=100).map(|n| 3 * n).collect();
    assert_eq!(counted, expected, "each sees a number of its own");
}

/// A record under `key`, with these lifetimes.
fn record(kind: Kind, stamp: Stamp, times: Times) -> std::sync::Arc<Record> {
    let (head, body) = (Head::Wire(bytes::Bytes::new()), bytes::Bytes::from("41"));
    std::sync::Arc::new(Record::new(kind, stamp, times, Vec::new(), head, body))
}

#[tokio::test]
async fn lifetimes_are_kept_to_the_millisecond() {
    let redis = Redis::start(Options::default()).await;
    let part = Node::on(&redis).part;
    let (key, now) = (Key::new(b"n"), SystemClock::new().now());
    let found = part.get(&[key], now).await.unwrap().remove(0);
    let times = Times {
        born: now,
        fresh_until: now + Duration::from_millis(61_001),
        keep_until: now + Duration::from_millis(98_765),
    };
    let put = Op::Put(record(Kind::Number, found.stamp, times), When::Always);
    assert_eq!(
        part.apply(&[(key, put)], now).await.unwrap(),
        [Done::Stored]
    );
    let count = Op::Count {
        by: 1,
        create: None,
    };
    assert_eq!(
        part.apply(&[(key, count)], now).await.unwrap(),
        [Done::Counted(42)]
    );
    let read = async || {
        let found = part.get(&[key], now).await.unwrap().remove(0);
        found.record.unwrap().times
    };
    assert_eq!(read().await, times, "counting changes none");

    let ttl = async || {
        let left = redis.ask(&[
            "EVAL",
            "return redis.call('PTTL', redis.call('KEYS', 'shop:1:*')[1])",
            "0",
        ]);
        left.await.parse::<u64>().unwrap()
    };
    assert!((1..=98_765).contains(&ttl().await));
    let longer = Times {
        fresh_until: now + Duration::from_millis(1_234_567),
        keep_until: now + Duration::from_millis(7_654_321),
        ..times
    };
    let life = Op::Life {
        fresh_until: longer.fresh_until,
        keep_until: longer.keep_until,
        of: If::Any,
    };
    assert_eq!(
        part.apply(&[(key, life)], now).await.unwrap(),
        [Done::Stored]
    );
    assert_eq!(read().await, longer);
    assert!((98_765..=7_654_321).contains(&ttl().await));
}

#[tokio::test]
async fn what_lives_for_ever_does_so_on_the_server() {
    let redis = Redis::start(Options::default()).await;
    let cache = Node::on(&redis).cache;
    cache.set("n", &1, crate::Ttl::Forever).await.unwrap();
    assert_eq!(redis.ask(&["PTTL", "shop:1:n"]).await, "-1");
    assert_eq!(cache.incr("n", 1).await.unwrap(), 2);
    assert_eq!(cache.ttl("n").await.unwrap(), Some(Lifetime::Forever));
    assert!(cache.touch("n", minutes(1)).await.unwrap());
    assert_ne!(redis.ask(&["PTTL", "shop:1:n"]).await, "-1");
    assert!(cache.persist("n").await.unwrap());
    assert_eq!(redis.ask(&["PTTL", "shop:1:n"]).await, "-1");
}

/// As behind a store of an application's own that hands on no namespace.
#[tokio::test]
async fn names_say_nothing_where_all_namespaces_meet() {
    let redis = Redis::start(Options::default()).await;
    let store = patient(redis.url()).build().unwrap();
    let now = SystemClock::new().now();
    let times = Times {
        born: now,
        fresh_until: now + minutes(5),
        keep_until: now + minutes(5),
    };
    for full in ["one:n", "two:n"] {
        let key = Key::named(full.as_bytes(), 4);
        let found = store.get(&[key], now).await.unwrap().remove(0);
        let create = Some(record(Kind::Number, found.stamp, times));
        let count = Op::Count { by: 41, create };
        let counted = store.apply(&[(key, count)], now).await.unwrap();
        assert_eq!(counted, [Done::Counted(41)], "{full}");
    }
}
