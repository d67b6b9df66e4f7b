use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::cache::{CacheError, LoadError};
use crate::ttl::{Ttl, minutes};

/// Counts its runs, and fails where it is told to.
#[derive(Clone, Default)]
struct Source {
    runs: Arc<AtomicU32>,
    fails: bool,
}

impl Source {
    async fn load(self) -> Result<u32, &'static str> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fails {
            true => Err("it fails"),
            false => Ok(run),
        }
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    fn failing(mut self) -> Self {
        self.fails = true;
        self
    }
}

#[tokio::test]
async fn what_is_over_answers_while_it_is_loaded_behind() {
    let world = World::new();
    let cache = &world.cache;
    let source = Source::default();
    let ask = || {
        let source = source.clone();
        let asked = cache.get_or_try_set("a", SECOND, move || source.load());
        asked.stale_for(minutes(1))
    };
    assert_eq!(ask().await.unwrap(), 1);
    world.pass(SECOND);
    assert_eq!(
        cache.get::<u32>("a").await.unwrap(),
        None,
        "a plain look-up gets nothing stale"
    );
    assert_eq!((ask().await.unwrap(), ask().await.unwrap()), (1, 1));
    cache.background().idle().await;
    assert_eq!(source.runs(), 2, "once for both");
    assert_eq!(ask().await.unwrap(), 2);
    world.pass(SECOND + minutes(1));
    assert_eq!(ask().await.unwrap(), 3, "past the window it is waited for");
    assert_eq!(source.runs(), 3);
}

#[tokio::test]
async fn a_purge_outruns_what_is_loaded_behind() {
    let world = World::new();
    let cache = &world.cache;
    let go = Arc::new(Notify::new());
    cache
        .get_or_set("a", SECOND, async || 1)
        .stale_for(minutes(1))
        .await
        .unwrap();
    world.pass(SECOND);
    let waiting = go.clone();
    let ask = cache.get_or_set("a", SECOND, async move || {
        waiting.notified().await;
        2
    });
    assert_eq!(ask.stale_for(minutes(1)).await.unwrap(), 1);
    settle().await;
    cache.delete("a").await.unwrap();
    go.notify_one();
    cache.background().idle().await;
    assert!(!cache.contains("a").await.unwrap());
    let asked = cache
        .get_or_set("a", SECOND, async || 3)
        .stale_for(minutes(1));
    assert_eq!(asked.await.unwrap(), 3);
}

#[tokio::test]
async fn after_a_failure_behind_it_is_not_tried_again_at_once() {
    let world = World::new();
    let cache = &world.cache;
    cache
        .get_or_set("a", SECOND, async || 0)
        .stale_for(minutes(1))
        .await
        .unwrap();
    world.pass(SECOND);
    let source = Source::default().failing();
    let ask = || {
        let source = source.clone();
        let asked = cache.get_or_try_set("a", SECOND, move || source.load());
        asked.stale_for(minutes(1))
    };
    for _ in 0..3 {
        assert_eq!(ask().await.unwrap(), 0);
        cache.background().idle().await;
    }
    assert_eq!(source.runs(), 1);
    world.pass(SECOND * 5);
    assert_eq!(ask().await.unwrap(), 0);
    cache.background().idle().await;
    assert_eq!(source.runs(), 2, "after the back-off");
}

#[tokio::test]
async fn what_is_over_stands_in_for_a_loader_that_fails() {
    let world = World::new();
    let cache = &world.cache;
    let good = Source::default();
    let bad = Source::default().failing();
    let ask = |source: &Source| {
        let source = source.clone();
        let asked = cache.get_or_try_set("a", SECOND, move || source.load());
        asked.stale_on_error(minutes(1))
    };
    assert_eq!(ask(&good).await.unwrap(), 1);
    world.pass(SECOND);
    assert_eq!(ask(&bad).await.unwrap(), 1);
    assert_eq!(bad.runs(), 1, "it is asked first");
    assert_eq!(ask(&good).await.unwrap(), 2);
    // Purged, it does not stand in.
    world.pass(SECOND);
    cache.delete("a").await.unwrap();
    assert!(matches!(ask(&bad).await, Err(LoadError::Load(error)) if *error == "it fails"));
    assert_eq!(ask(&good).await.unwrap(), 3);
    world.pass(SECOND + minutes(1));
    assert!(ask(&bad).await.is_err(), "past the window");
}

#[tokio::test(start_paused = true)]
async fn past_the_soft_timeout_what_is_over_answers_and_the_load_goes_on() {
    let world = World::new();
    let cache = &world.cache;
    let go = Arc::new(Notify::new());
    let ask = |value: u32| {
        let go = go.clone();
        let load = async move || {
            go.notified().await;
            value
        };
        let asked = cache.get_or_set("a", SECOND, load);
        asked.soft_timeout(SECOND).stale_on_error(minutes(1))
    };
    go.notify_one();
    assert_eq!(ask(1).await.unwrap(), 1);
    world.pass(SECOND);
    assert_eq!(ask(2).await.unwrap(), 1);
    // Another waits for the same load, no longer than that.
    assert_eq!(ask(3).await.unwrap(), 1);
    go.notify_one();
    cache.background().idle().await;
    assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(2));
    // Where it is quick, its value is answered.
    world.pass(SECOND);
    go.notify_one();
    assert_eq!(ask(4).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn past_the_hard_timeout_what_is_over_answers_and_the_load_ends() {
    let world = World::new();
    let cache = &world.cache;
    cache
        .get_or_set("a", SECOND, async || 1)
        .stale_on_error(minutes(1))
        .await
        .unwrap();
    world.pass(SECOND);
    let never = || async {
        std::future::pending::<()>().await;
        2
    };
    let ask = || cache.get_or_set("a", SECOND, never).hard_timeout(SECOND);
    assert_eq!(ask().stale_on_error(minutes(1)).await.unwrap(), 1);
    assert!(matches!(ask().await, Err(CacheError::TimedOut { .. })));
}

#[tokio::test]
async fn what_is_stale_is_not_there_for_the_other_methods() {
    let world = World::new();
    let cache = &world.cache;
    let stale = async || {
        let load = cache
            .get_or_set("a", SECOND, async || "old".to_owned())
            .refresh();
        load.stale_on_error(minutes(1)).await.unwrap();
        world.pass(SECOND);
    };
    stale().await;
    assert!(!cache.contains("a").await.unwrap());
    assert_eq!(cache.ttl("a").await.unwrap(), None);
    assert!(!cache.touch("a", minutes(5)).await.unwrap());
    assert!(!cache.persist("a").await.unwrap());
    assert!(cache.get_many::<String>(["a"]).await.unwrap().is_empty());
    assert!(cache.incr_version("a").await.is_err());
    assert!(cache.add("a", "new", minutes(5)).await.unwrap());
    assert_eq!(
        cache.get::<String>("a").await.unwrap().as_deref(),
        Some("new")
    );
    // Touched while it is fresh, it keeps its window.
    stale().await;
    let fresh = cache
        .get_or_set("a", SECOND, async || "newer".to_owned())
        .refresh();
    fresh.stale_on_error(minutes(1)).await.unwrap();
    assert!(cache.touch("a", SECOND * 10).await.unwrap());
    world.pass(SECOND * 69);
    let fails = cache.get_or_try_set("a", Ttl::Default, async || Err::<String, _>(()));
    assert_eq!(fails.stale_on_error(minutes(1)).await.unwrap(), "newer");
}
