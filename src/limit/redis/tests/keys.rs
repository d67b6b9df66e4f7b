//! What is written, for how long, and what becomes of what others write.

use super::*;
use crate::limit::Algorithm;
use std::num::NonZeroU32;

fn each() -> Vec<Quota> {
    let quota = || Quota::new(5, Duration::from_secs(1000)).unwrap();
    vec![
        quota(),
        quota().algorithm(Algorithm::FixedWindow),
        quota().algorithm(Algorithm::FixedWindowStaggered),
        quota().algorithm(Algorithm::FixedWindowFromFirst),
        quota().algorithm(Algorithm::SlidingCounter),
        quota().strict(),
        Quota::in_flight(NonZeroU32::new(5).unwrap()),
    ]
}

async fn only_key(redis: &Redis) -> String {
    let keys = redis.ask(&["KEYS", "*"]).await;
    assert_eq!(keys.lines().count(), 1, "{keys}");
    keys
}

#[tokio::test]
async fn what_is_refused_writes_nothing() {
    let redis = Redis::start(Options::default()).await;
    let node = node(&redis);
    for quota in each() {
        let ask = Ask::new(key("k"), &quota);
        assert!(node.one(Action::Acquire, ask.cost(3)).await.admitted);
        let free = Quota::new(1_000, Duration::from_secs(60)).unwrap();
        let both = [Ask::new(key("new"), &free), ask.cost(3)];
        let before = redis.ask(&["DEBUG", "DIGEST"]).await;
        redis.ask(&["CONFIG", "RESETSTAT"]).await;
        assert!(!node.one(Action::Acquire, ask.cost(3)).await.admitted);
        assert!(!node.acts(Action::Acquire, &both).await.is_admitted());
        assert!(node.one(Action::Peek, ask.cost(2)).await.admitted);
        let denied = Quota::deny_all();
        let both = [ask, Ask::new(key("k"), &denied)];
        assert!(!node.acts(Action::Acquire, &both).await.is_admitted());
        assert!(node.one(Action::Acquire, ask.cost(0)).await.admitted);
        let stats = redis.ask(&["INFO", "commandstats"]).await;
        for write in ["set", "zadd", "zrem", "zremrangebyscore", "del", "pexpire"] {
            assert!(!stats.contains(&format!("cmdstat_{write}:")), "{stats}");
        }
        assert_eq!(before, redis.ask(&["DEBUG", "DIGEST"]).await, "{quota:?}");
        redis.ask(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn keys_live_as_long_as_they_matter_and_never_without_end() {
    let redis = Redis::start(Options::default()).await;
    let node = node(&redis);
    for quota in each() {
        let ask = Ask::new(key("k"), &quota);
        for action in [
            Action::Acquire,
            Action::Acquire,
            Action::Charge,
            Action::GiveBack,
        ] {
            let standing = node.one(action, ask.cost(2)).await;
            let key = only_key(&redis).await;
            let ttl: u64 = redis.ask(&["PTTL", &key]).await.parse().unwrap();
            assert!(
                ttl + 1_000 >= standing.full / 1_000,
                "{ttl} of {standing:?}"
            );
            assert!(ttl <= 2_000_001, "{ttl}");
        }
        node.one(Action::Reset, ask).await;
        redis.ask(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn what_others_have_written_there_counts_as_nothing() {
    let redis = Redis::start(Options::default()).await;
    let node = node(&redis);
    let nan = "\u{7f}".repeat(16);
    let garbage: [&[&str]; 8] = [
        &["SET", "KEY", "garbage"],
        &["SET", "KEY", "16 bytes of text"],
        &["SET", "KEY", "24 bytes of text and so on"],
        &["SET", "KEY", &nan],
        &["HSET", "KEY", "a", "b"],
        &["RPUSH", "KEY", "a", "b"],
        &["ZADD", "KEY", "-1e300", "#"],
        &["ZADD", "KEY", "1e300", "16 bytes of text", "5", "x"],
    ];
    for quota in each() {
        let ask = Ask::new(key("k"), &quota);
        node.one(Action::Acquire, ask).await;
        let key = only_key(&redis).await;
        for command in garbage {
            redis.ask(&["DEL", &key]).await;
            let command: Vec<&str> = command
                .iter()
                .map(|word| if *word == "KEY" { &key } else { *word })
                .collect();
            redis.ask(&command).await;
            for action in [Action::Peek, Action::GiveBack, Action::Acquire] {
                let decided = node.decide(action, &[ask]).await;
                assert!(decided.is_ok(), "{action:?} after {command:?}: {decided:?}");
            }
            node.one(Action::Charge, ask).await;
            node.one(Action::Peek, ask).await;
            assert_ne!(
                redis.ask(&["PTTL", &key]).await,
                "-1",
                "{command:?} {quota:?}"
            );
        }
        redis.ask(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn a_full_server_is_unavailable_and_counts_again_when_it_has_room() {
    let redis = Redis::start(Options::default()).await;
    let node = node(&redis);
    for (option, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1")] {
        assert_eq!(redis.ask(&["CONFIG", "SET", option, value]).await, "OK");
    }
    for quota in each() {
        let ask = Ask::new(key("k"), &quota);
        let error = node.decide(Action::Acquire, &[ask]).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert!(
            cause.is_some_and(|cause| cause.contains("OOM")),
            "{error:?}"
        );
    }
    assert_eq!(redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await, "OK");
    for quota in each() {
        assert!(node.admits("k", &quota).await);
    }
}

#[tokio::test]
async fn long_names_and_absurd_rates_are_counted() {
    let redis = Redis::start(Options::default()).await;
    let node = node(&redis);
    let name = "x".repeat(1 << 20);
    let years = Duration::from_secs(10 * 366 * 86_400);
    for quota in [
        Quota::new(1, years).unwrap(),
        Quota::new(1_000_000_000_000, years).unwrap(),
        Quota::new(1_000_000_000_000, Duration::from_millis(1)).unwrap(),
        Quota::new(1_000_000_000_000, years)
            .unwrap()
            .algorithm(Algorithm::SlidingCounter),
    ] {
        assert!(node.admits(&name, &quota).await);
    }
    let keys = redis.ask(&["KEYS", "*"]).await;
    assert!(keys.lines().all(|key| key.len() < 128), "{keys}");
}

#[tokio::test]
async fn namespaces_count_apart_and_stores_share_their_connections() {
    let redis = Redis::start(Options::default()).await;
    let store = crate::RedisStore::builder(redis.url()).build().unwrap();
    let [one, other] =
        ["one", "other"].map(|name| RedisLimiter::on(&store).namespace(name).build().unwrap());
    let quota = quota("1/h");
    assert!(one.admits("k", &quota).await);
    assert!(!one.admits("k", &quota).await);
    assert!(other.admits("k", &quota).await);
    for namespace in ["", "a b", "{a}", &"x".repeat(65)] {
        let refused = RedisLimiter::on(&store).namespace(namespace).build();
        assert!(refused.is_err(), "{namespace}");
    }
    let refused = RedisLimiter::on(&store).place_lease(Duration::ZERO).build();
    assert!(refused.is_err());
}
