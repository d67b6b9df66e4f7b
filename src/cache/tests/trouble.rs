use std::convert::Infallible;
use std::future::IntoFuture;

use super::*;
use crate::cache::{CacheError, LoadError};
use crate::monitor::RequestCounts;
use crate::ttl::minutes;
use crate::{NullStore, StoreError};

fn is_unwell<T>(answer: Result<T, CacheError>) -> bool {
    matches!(answer, Err(CacheError::Store(_) | CacheError::Purge(_)))
}

#[tokio::test]
async fn a_store_that_is_down_is_an_error_and_loaders_run() {
    let (world, store) = World::remote();
    let cache = &world.cache;
    cache.set("a", &1, minutes(5)).await.unwrap();
    store.go_down(true);
    assert!(is_unwell(cache.get::<u8>("a").await));
    assert!(is_unwell(cache.get_many::<u8>(["a"]).await));
    assert!(is_unwell(cache.set("a", &2, minutes(5)).await));
    assert!(is_unwell(cache.add("a", &2, minutes(5)).await));
    assert!(is_unwell(cache.set_many([("a", 2)], minutes(5)).await));
    assert!(is_unwell(cache.delete("a").await));
    assert!(is_unwell(cache.delete_prefix("a").await));
    assert!(is_unwell(cache.incr("a", 1).await));
    assert!(is_unwell(cache.incr_or_create("a", 1, minutes(5)).await));
    assert!(is_unwell(cache.touch("a", minutes(5)).await));
    assert!(is_unwell(cache.incr_version("a").await));
    assert!(is_unwell(cache.health().await));
    let before = cache.stats().store_errors;
    let counts = RequestCounts::default();
    let loaded = counts.scope(async { cache.get_or_set("a", minutes(5), async || 7).await });
    assert_eq!(loaded.await.unwrap(), 7);
    assert_eq!(
        cache.stats().store_errors,
        before + 1,
        "it is asked once, and counted"
    );
    assert_eq!(counts.errors(), 1);
    let load = async |keys: Vec<String>| Ok::<_, Infallible>(keys.into_iter().map(|key| (key, 8)));
    let loaded = cache.get_many_or_load(["a", "b"], minutes(5), load).await;
    assert_eq!(loaded.unwrap().len(), 2);
    let failed = cache
        .get_or_try_set("a", minutes(5), async || Err::<u8, _>("no"))
        .await;
    assert!(matches!(failed, Err(LoadError::Load(_))));
    store.go_down(false);
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
    cache.health().await.unwrap();
}

#[tokio::test]
async fn a_store_that_fails_while_a_value_is_loaded_costs_no_answer() {
    let (world, store) = World::remote();
    let cache = &world.cache;
    let loaded = cache.get_or_set("a", minutes(5), async || {
        store.go_down(true);
        5
    });
    assert_eq!(loaded.await.unwrap(), 5);
    store.go_down(false);
    assert!(!cache.contains("a").await.unwrap());
}

#[tokio::test]
async fn a_store_that_keeps_nothing_has_nothing() {
    let cache = Cache::builder(NullStore).build().unwrap();
    assert!(cache.add("a", &1, minutes(5)).await.unwrap());
    cache.set("a", &1, minutes(5)).await.unwrap();
    assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
    assert!(cache.get_many::<u8>(["a"]).await.unwrap().is_empty());
    assert!(matches!(
        cache.incr("a", 1).await,
        Err(CacheError::Missing { .. })
    ));
    assert!(!cache.touch("a", minutes(5)).await.unwrap());
    assert!(!cache.delete("a").await.unwrap());
    assert!(!cache.contains("a").await.unwrap());
    for n in 0..2 {
        assert_eq!(
            cache.get_or_set("a", minutes(5), async || n).await.unwrap(),
            n
        );
    }
    let crowd: Vec<_> = (0..20)
        .map(|n| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.get_or_set("a", minutes(5), async || n).await })
        })
        .collect();
    for asked in crowd {
        assert!(asked.await.unwrap().is_ok());
    }
}

#[test]
fn errors_say_what_went_wrong_and_hold_no_values() {
    let key = || "dish:5".to_owned();
    let source = || "secret".into();
    for (error, text) in [
        (
            CacheError::WrongType {
                key: key(),
                wanted: "u32",
                source: source(),
            },
            "the value under \"dish:5\" is no u32",
        ),
        (
            CacheError::Encode {
                key: key(),
                source: source(),
            },
            "the value for \"dish:5\" cannot be encoded",
        ),
        (
            CacheError::Missing { key: key() },
            "there is no value under \"dish:5\"",
        ),
        (
            StoreError::new("read", "refused").into(),
            "the cache store could not read",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_nobody_waits_for_any_more_is_made_again_all_the_same() {
    let store = Remote::new();
    let cache = Cache::builder(store.clone()).purge_again_after(SECOND);
    let cache = cache.build().unwrap();
    let mut purging = Box::pin(cache.purge_tag("menu"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(purging.as_mut().poll(&mut cx).is_pending());
    drop(purging);
    store.trips();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(store.trips(), 1);
}

#[tokio::test]
async fn any_patience_may_be_given() {
    let world = World::new();
    let cache = &world.cache;
    let guard = cache
        .lock("l", SECOND)
        .acquire(Duration::MAX)
        .await
        .unwrap();
    assert!(guard.release().await.unwrap());
    let load = || {
        let loaded = cache.get_or_set("a", SECOND, async || {
            settle().await;
            7
        });
        loaded.hard_timeout(Duration::MAX).into_future()
    };
    let (one, other) = tokio::join!(load(), load());
    assert_eq!((one.unwrap(), other.unwrap()), (7, 7));
    let cache = Cache::builder(NullStore).purge_again_after(Duration::MAX);
    let _ = cache.build().unwrap().purge_tag("menu").await.unwrap();
}
