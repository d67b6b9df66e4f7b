//! A purge wins every race, and frees what its name says.

use tokio::sync::Semaphore;

use super::*;
use crate::grpc::CallPolicy;
use crate::store::Store;
use crate::ttl::minutes;

fn layer_of(cache: &Cache) -> GrpcCacheLayer {
    let policy = CallPolicy::new(minutes(5)).tag("items");
    cache.grpc().method(ITEM, policy).build().unwrap()
}

/// What is made before a purge is neither stored nor given to who asks after it.
async fn a_purge_outruns_a_fill(store: impl Store) {
    let (cache, _) = built(Cache::builder(store));
    let layer = layer_of(&cache);
    let gate = Arc::new(Semaphore::new(0));
    let (opened, runs) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let handler = Counted::new(move |_| {
        let (gate, run) = (gate.clone(), runs.fetch_add(1, Ordering::SeqCst));
        async move {
            if run == 0 {
                gate.acquire().await.unwrap().forget();
            }
            ok(if run == 0 { b"old" } else { b"new" })
        }
    });
    let first = start(&layer, &handler, call(ITEM, b"7"));
    let_others_run().await;
    assert_eq!(handler.count(), 1);
    cache.purge_tag("items").await.unwrap();
    let after = start(&layer, &handler, call(ITEM, b"7"));
    let_others_run().await;
    opened.add_permits(1);
    assert_eq!(after.await.unwrap().data, message(b"new"));
    assert_eq!(first.await.unwrap().data, message(b"old"));
    cache.background().idle().await;
    let last = ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!((last.data, handler.count()), (message(b"new"), 2));
}

#[tokio::test(start_paused = true)]
async fn a_purge_outruns_a_fill_in_the_handler() {
    a_purge_outruns_a_fill(MemoryStore::new(16 * MIB)).await;
}

#[tokio::test(start_paused = true)]
async fn a_purge_outruns_a_fill_in_the_handler_on_a_store_that_has_to_be_waited_for() {
    a_purge_outruns_a_fill(Waiting(MemoryStore::new(16 * MIB))).await;
}

/// The fence alone: nobody has asked since the purge, and nothing newer stands there.
async fn what_was_made_before_a_purge_is_not_stored(store: impl Store) {
    let (cache, _) = built(Cache::builder(store));
    let layer = layer_of(&cache);
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let handler = Counted::new(move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            ok(b"soup")
        }
    });
    let first = start(&layer, &handler, call(ITEM, b"7"));
    let_others_run().await;
    cache.purge_tag("items").await.unwrap();
    opened.add_permits(2);
    first.await.unwrap();
    cache.background().idle().await;
    ask(&layer, &handler, call(ITEM, b"7")).await;
    assert_eq!(handler.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_purge_is_not_stored() {
    what_was_made_before_a_purge_is_not_stored(MemoryStore::new(16 * MIB)).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_purge_is_not_stored_elsewhere() {
    what_was_made_before_a_purge_is_not_stored(Waiting(MemoryStore::new(16 * MIB))).await;
}

#[tokio::test]
async fn a_purge_by_path_frees_the_method_whatever_was_asked() {
    let (cache, _) = cache();
    let policy = CallPolicy::new(minutes(5));
    let other = "/catalog.Catalog/ListCategory";
    let layer = cache
        .grpc()
        .method(ITEM, policy.clone())
        .method(other, policy)
        .build()
        .unwrap();
    let handler = Counted::new(|_| async { ok(b"soup") });
    let ask_all = async || {
        for (path, content) in [(ITEM, b"7"), (ITEM, b"8"), (other, b"7")] {
            ask(&layer, &handler, call(path, content)).await;
        }
    };
    ask_all().await;
    ask_all().await;
    assert_eq!(handler.count(), 3);
    cache.purge_page(ITEM).await.unwrap();
    ask_all().await;
    assert_eq!(handler.count(), 5);
}

#[tokio::test]
async fn clearing_frees_all() {
    let (cache, _) = cache();
    let layer = layer_of(&cache);
    let handler = Counted::new(|_| async { ok(b"soup") });
    for _ in 0..2 {
        ask(&layer, &handler, call(ITEM, b"7")).await;
        cache.clear().await.unwrap();
    }
    assert_eq!(handler.count(), 2);
}
