use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Notify, oneshot};

use super::*;
use crate::cache::{CacheError, LoadError, Loaded};
use crate::ttl::{Ttl, minutes};

/// A loader that says how often it ran, and waits until it may go on.
#[derive(Clone, Default)]
struct Slow {
    runs: Arc<AtomicU32>,
    go: Arc<Notify>,
}

impl Slow {
    async fn load(self) -> u32 {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        self.go.notified().await;
        run
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }
}

fn ask(cache: &Cache, slow: &Slow) -> tokio::task::JoinHandle<u32> {
    let (cache, slow) = (cache.clone(), slow.clone());
    tokio::spawn(async move {
        let loaded = cache.get_or_set("a", minutes(5), || slow.load()).tag("t");
        loaded.await.unwrap()
    })
}

#[tokio::test]
async fn of_a_hundred_that_ask_at_once_one_loads() {
    for (world, _) in [(World::new(), None), {
        let (world, store) = World::remote();
        (world, Some(store))
    }] {
        let slow = Slow::default();
        let asked: Vec<_> = (0..100).map(|_| ask(&world.cache, &slow)).collect();
        settle().await;
        slow.go.notify_one();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), 1);
        }
        assert_eq!(slow.runs(), 1);
        let values = world.cache.stats().values;
        assert_eq!((values.hits, values.misses, values.sets), (99, 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_on_many_threads_loads_once() {
    for round in 0..50 {
        let World { cache, .. } = World::new();
        let runs = Arc::new(AtomicU32::new(0));
        let asked: Vec<_> = (0..32)
            .map(|_| {
                let (cache, runs) = (cache.clone(), runs.clone());
                tokio::spawn(async move {
                    let load = async || runs.fetch_add(1, Ordering::SeqCst);
                    cache.get_or_set("a", minutes(5), load).await.unwrap()
                })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), 0, "round {round}");
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1, "round {round}");
    }
}

#[tokio::test]
async fn when_the_one_that_loads_goes_away_another_does() {
    let World { cache, .. } = World::new();
    let slow = Slow::default();
    let leader = ask(&cache, &slow);
    settle().await;
    let followers = [ask(&cache, &slow), ask(&cache, &slow)];
    settle().await;
    assert_eq!(slow.runs(), 1);
    leader.abort();
    settle().await;
    assert_eq!(slow.runs(), 2);
    slow.go.notify_one();
    for follower in followers {
        assert_eq!(follower.await.unwrap(), 2);
    }
}

#[tokio::test]
async fn when_the_one_that_loads_panics_another_does() {
    let World { cache, .. } = World::new();
    let go = Arc::new(Notify::new());
    let panics = {
        let (cache, go) = (cache.clone(), go.clone());
        tokio::spawn(async move {
            let load = async || -> u32 {
                go.notified().await;
                panic!("as a loader may")
            };
            cache.get_or_set("a", minutes(5), load).await
        })
    };
    settle().await;
    let slow = Slow::default();
    let follower = ask(&cache, &slow);
    settle().await;
    assert_eq!(slow.runs(), 0);
    go.notify_one();
    slow.go.notify_one();
    assert_eq!(follower.await.unwrap(), 1);
    assert!(panics.await.is_err());
}

/// P2: nobody who asks after a purge is given what was read before it, and it is not stored.
#[tokio::test]
async fn a_purge_outruns_a_load() {
    for purge in 0..3 {
        let World { cache, .. } = World::new();
        let slow = Slow::default();
        let leader = ask(&cache, &slow);
        settle().await;
        let waits = ask(&cache, &slow);
        settle().await;
        match purge {
            0 => drop(cache.purge_tag("t").await.unwrap()),
            1 => drop(cache.delete("a").await.unwrap()),
            _ => drop(cache.clear().await.unwrap()),
        }
        let late = ask(&cache, &slow);
        settle().await;
        // The late one does not wait for what is outlawed already, where that can be known.
        assert_eq!(slow.runs(), 2);
        slow.go.notify_waiters();
        assert_eq!(leader.await.unwrap(), 1, "it asked before the purge");
        assert_eq!(
            waits.await.unwrap(),
            2,
            "the fence does not admit the first"
        );
        assert_eq!(late.await.unwrap(), 2);
        assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(2));
        assert_eq!(slow.runs(), 2);
    }
}

#[tokio::test]
async fn a_purge_of_a_tag_that_the_loader_gives_outruns_it() {
    let World { cache, .. } = World::new();
    let (go, wait) = oneshot::channel::<()>();
    let leader = {
        let cache = cache.clone();
        tokio::spawn(async move {
            let load = async || {
                wait.await.unwrap();
                Loaded::new(1).tag("dish:5")
            };
            cache.get_or_load("a", load).await.unwrap()
        })
    };
    settle().await;
    cache.purge_tag("dish:5").await.unwrap();
    go.send(()).unwrap();
    assert_eq!(leader.await.unwrap(), 1);
    assert!(!cache.contains("a").await.unwrap());
}

#[tokio::test]
async fn errors_reach_all_that_waited_and_are_not_stored() {
    let World { cache, .. } = World::new();
    let (runs, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let asked: Vec<_> = (0..10)
        .map(|_| {
            let (cache, runs, go) = (cache.clone(), runs.clone(), go.clone());
            tokio::spawn(async move {
                let load = async || {
                    let run = runs.fetch_add(1, Ordering::SeqCst);
                    go.notified().await;
                    Err::<u32, _>(format!("run {run}"))
                };
                cache.get_or_try_set("a", minutes(5), load).await
            })
        })
        .collect();
    settle().await;
    go.notify_one();
    for asked in asked {
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.loader().map(String::as_str), Some("run 0"));
    }
    assert!(!cache.contains("a").await.unwrap());
    let again = cache.get_or_try_set("a", minutes(5), async || Ok::<_, String>(7));
    assert_eq!(again.await.unwrap(), 7, "it is tried again at once");
}

#[tokio::test]
async fn who_waits_with_errors_of_another_type_loads_for_itself() {
    let World { cache, .. } = World::new();
    let go = Arc::new(Notify::new());
    let leader = {
        let (cache, go) = (cache.clone(), go.clone());
        tokio::spawn(async move {
            let load = async || {
                go.notified().await;
                Err::<u32, _>("text")
            };
            cache.get_or_try_set("a", minutes(5), load).await
        })
    };
    settle().await;
    let follower = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get_or_set("a", minutes(5), async || 5).await })
    };
    settle().await;
    go.notify_one();
    assert!(matches!(leader.await.unwrap(), Err(LoadError::Load(_))));
    assert_eq!(follower.await.unwrap().unwrap(), 5);
}

#[tokio::test]
async fn a_loader_may_borrow_and_need_not_be_cloned() {
    let World { cache, .. } = World::new();
    let name = "soup".to_owned();
    let dish = cache.get_or_set("a", minutes(5), async || name.clone());
    assert_eq!(dish.await.unwrap(), name);
}

#[tokio::test]
async fn lifetimes_can_depend_on_the_value() {
    let world = World::new();
    let cache = &world.cache;
    for (key, is_over) in [("yesterday", true), ("today", false)] {
        let load = async || {
            let ttl = if is_over {
                Ttl::Forever
            } else {
                Ttl::For(minutes(60))
            };
            Ok::<_, ()>(Loaded::new(is_over).ttl(ttl))
        };
        assert_eq!(cache.get_or_try_load(key, load).await.unwrap(), is_over);
    }
    world.pass(minutes(60));
    assert!(cache.contains("yesterday").await.unwrap());
    assert!(!cache.contains("today").await.unwrap());
    // Without one of its own, it is the cache's default.
    cache
        .get_or_load("plain", async || Loaded::from(1))
        .await
        .unwrap();
    world.pass(minutes(5));
    assert!(!cache.contains("plain").await.unwrap());
}

#[tokio::test]
async fn a_refresh_overwrites_unless_a_purge_outruns_it() {
    let World { cache, .. } = World::new();
    cache.set("a", &1, minutes(5)).await.unwrap();
    let purged = cache
        .get_or_set("a", minutes(5), async || {
            cache.delete("a").await.unwrap();
            2
        })
        .refresh();
    assert_eq!(purged.await.unwrap(), 2);
    assert!(!cache.contains("a").await.unwrap());
    cache.set("a", &1, minutes(5)).await.unwrap();
    let failed = cache.get_or_try_set("a", minutes(5), async || Err::<u8, _>("no"));
    assert!(
        failed.refresh().await.is_err(),
        "what stands there is not the news"
    );
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1), "and is kept");
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_is_too_slow_is_stopped() {
    let World { cache, .. } = World::new();
    let slow = Slow::default();
    let loaded = cache.get_or_set("a", minutes(5), || slow.clone().load());
    let error = loaded.hard_timeout(SECOND).await.unwrap_err();
    assert!(matches!(error, CacheError::TimedOut { key } if key == "a"));
    // Who follows waits no longer than it may, and leaves the leader alone.
    let leader = ask(&cache, &slow);
    settle().await;
    let follows = cache
        .get_or_set("a", minutes(5), async || 9)
        .hard_timeout(SECOND);
    assert!(matches!(follows.await, Err(CacheError::TimedOut { .. })));
    slow.go.notify_one();
    assert_eq!(leader.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_asks_for_its_own_key_comes_to_an_end() {
    let World { cache, .. } = World::new();
    let value = cache.get_or_set("a", minutes(5), async || {
        cache.get_or_set("a", minutes(5), async || 1).await.unwrap() + 1
    });
    assert_eq!(value.await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_not_stored_is_still_shared() {
    let World { cache, .. } = World::new();
    let go = Arc::new(Notify::new());
    let large = "x".repeat(MIB);
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let (cache, go, large) = (cache.clone(), go.clone(), large.clone());
            tokio::spawn(async move {
                let load = async || {
                    go.notified().await;
                    large
                };
                cache.get_or_set("a", minutes(5), load).await.unwrap().len()
            })
        })
        .collect();
    settle().await;
    go.notify_one();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), MIB);
    }
    assert!(
        !cache.contains("a").await.unwrap(),
        "it is larger than the store takes"
    );
    let error = cache.set("a", &large, minutes(5)).await.unwrap_err();
    assert!(matches!(error, CacheError::TooLarge { key } if key == "a"));
}
