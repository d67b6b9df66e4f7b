use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::NullStore;
use crate::cache::CacheError;
use crate::ttl::minutes;

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_lock_when_it_is_released() {
    let World { cache, .. } = World::new();
    let first = cache.lock("job", minutes(5)).acquire(SECOND).await.unwrap();
    let waits = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.lock("job", minutes(5)).acquire(minutes(1)).await })
    };
    tokio::time::sleep(SECOND).await;
    assert!(!waits.is_finished());
    assert!(first.release().await.unwrap());
    let second = waits.await.unwrap().unwrap();
    let error = cache
        .lock("job", minutes(5))
        .acquire(SECOND)
        .await
        .unwrap_err();
    assert!(matches!(error, CacheError::Locked { name } if name == "job"));
    let error = cache.lock("job", minutes(5)).acquire(Duration::ZERO).await;
    assert!(matches!(error, Err(CacheError::Locked { .. })));
    assert!(second.release().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn no_two_hold_it_at_once() {
    let World { cache, .. } = World::new();
    let (inside, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let workers: Vec<_> = (0..20)
        .map(|_| {
            let (cache, inside, most) = (cache.clone(), inside.clone(), most.clone());
            tokio::spawn(async move {
                let lock = cache.lock("job", minutes(5));
                let guard = lock.acquire(minutes(60)).await.unwrap();
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(30)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                guard.release().await.unwrap()
            })
        })
        .collect();
    for worker in workers {
        assert!(worker.await.unwrap());
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_store_that_keeps_nothing_gives_no_locks() {
    let cache = Cache::builder(NullStore).build().unwrap();
    let error = cache.lock("job", SECOND).try_acquire().await.unwrap_err();
    assert!(matches!(error, CacheError::NotKept));
    assert!(matches!(cache.health().await, Err(CacheError::NotKept)));
}

#[test]
fn dropped_without_a_runtime_it_ends_with_its_time() {
    let World { cache, clock } = World::new();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let lock = || {
        runtime()
            .block_on(cache.lock("job", SECOND).try_acquire())
            .unwrap()
    };
    drop(lock().unwrap());
    assert!(lock().is_none());
    clock.advance(SECOND);
    assert!(lock().is_some());
}

#[tokio::test]
async fn of_a_store_that_is_down_nothing_is_known() {
    let (world, store) = World::remote();
    let guard = world
        .cache
        .lock("job", SECOND)
        .try_acquire()
        .await
        .unwrap()
        .unwrap();
    store.go_down(true);
    assert!(matches!(
        guard.extend(SECOND).await,
        Err(CacheError::Store(_))
    ));
    assert!(matches!(guard.release().await, Err(CacheError::Store(_))));
    let error = world.cache.lock("job", SECOND).try_acquire().await;
    assert!(matches!(error, Err(CacheError::Store(_))));
}
