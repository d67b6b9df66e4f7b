//! Purges by what keys look like, among thousands.

use super::*;
use crate::cache::Lookup;

const MANY: usize = 3_000;

impl Node {
    async fn set_many(&self, prefix: &str, count: usize) {
        let values: Vec<_> = (0..count).map(|n| (format!("{prefix}{n}"), n)).collect();
        self.cache.set_many(values, minutes(30)).await.unwrap();
    }

    async fn count(&self, prefix: &str) -> usize {
        let scan = self.cache.scan(prefix).budget(usize::MAX);
        let (mut stream, mut found) = (scan.stream(), std::collections::HashSet::new());
        while let Some(value) = stream.next().await {
            found.insert(value.unwrap().key);
        }
        found.len()
    }
}

#[tokio::test]
async fn of_thousands_those_go_that_are_found() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.set_many("a:", MANY).await;
    one.set_many("b:", MANY).await;
    assert_eq!(other.count("").await, 2 * MANY);
    assert_eq!(other.cache.delete_prefix("a:").await.unwrap(), MANY as u64);
    assert_eq!((one.count("a:").await, one.count("b:").await), (0, MANY));
    // Those that end so.
    let sevens = (0..MANY).filter(|n| n % 10 == 7).count();
    let removed = other.cache.delete_matching("b:*7").await.unwrap();
    assert_eq!(removed, sevens as u64);
    assert_eq!(one.count("").await, MANY - sevens);
    assert_eq!(one.cache.get::<usize>("b:17").await.unwrap(), None);
    assert_eq!(one.cache.get::<usize>("b:18").await.unwrap(), Some(18));
    assert_eq!(other.cache.delete_matching("nothing*").await.unwrap(), 0);
}

#[tokio::test]
async fn a_fill_under_way_is_refused_whether_it_would_be_found_or_not() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.set_many("a:", MANY).await;
    let mut misses = Vec::new();
    for key in ["a:new", "b:new"] {
        let Lookup::Miss(miss) = one.cache.lookup::<String>(key).await.unwrap() else {
            panic!("nothing is there");
        };
        misses.push(miss);
    }
    assert_eq!(other.cache.delete_prefix("a:").await.unwrap(), MANY as u64);
    for miss in misses {
        assert!(!miss.fill("old", minutes(1)).await.unwrap());
    }
    let Lookup::Miss(miss) = one.cache.lookup::<String>("a:new").await.unwrap() else {
        panic!("nothing is there");
    };
    assert!(miss.fill("new", minutes(1)).await.unwrap());
}

/// A sweep takes many steps, and there are writes in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_filled_while_it_sweeps_is_not_older_than_it() {
    let redis = Redis::start(Options::default()).await;
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.set_many("filler:", 2 * MANY).await;
    let version = &std::sync::atomic::AtomicU64::new(0);
    let is_over = &std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let reader = |node: Node, key: String| async move {
        while !is_over.load(order) {
            let load = async || {
                let read = version.load(order);
                tokio::task::yield_now().await;
                read
            };
            let _: u64 = node
                .cache
                .get_or_set(&key, minutes(30), load)
                .await
                .unwrap();
        }
        node
    };
    let purger = async {
        for _ in 0..10 {
            let new = version.fetch_add(1, order) + 1;
            let _ = other.cache.delete_prefix("a:").await.unwrap();
            for key in ["a:1", "a:2"] {
                let found: Option<u64> = other.cache.get(key).await.unwrap();
                assert!(
                    found.is_none_or(|found| found >= new),
                    "{found:?} after {new}"
                );
            }
        }
        is_over.store(true, order);
    };
    let readers = tokio::join!(
        reader(Node::on(&redis), "a:1".to_owned()),
        reader(Node::on(&redis), "a:2".to_owned()),
        purger,
    );
    drop(readers);
    assert_eq!(one.count("filler:").await, 2 * MANY);
}
