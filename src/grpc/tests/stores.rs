//! Stores that are down, slow, full, or bring what nobody has stored.

use super::*;
use crate::page::tests::stores::{Call, Trouble, Troubled};
use crate::ttl::{minutes, seconds};

fn troubled(at_once: bool) -> (Troubled, Cache, GrpcCacheLayer) {
    let store = Troubled::new(at_once);
    let builder = Cache::builder(store.clone()).store_timeout(seconds(1));
    let (cache, _) = built(builder);
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    (store, cache, layer)
}

fn handler() -> Counted {
    Counted::new(|_| async { ok(b"soup") })
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_or_hangs_costs_no_answer() {
    for at_once in [false, true] {
        for of in [Call::Get, Call::Apply, Call::Admits] {
            for trouble in [Trouble::Fails, Trouble::Hangs] {
                let (store, cache, layer) = troubled(at_once);
                let handler = handler();
                store.has(&[(of, trouble)]);
                for _ in 0..3 {
                    let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
                    assert_eq!(seen.data, message(b"soup"), "{of:?} {trouble:?}");
                    assert_eq!(seen.code(), "0");
                }
                store.has(&[]);
                cache.background().idle().await;
                assert_at_rest(&cache).await;
            }
        }
        let (store, _, layer) = troubled(at_once);
        store.has(&[(Call::Get, Trouble::Fails)]);
        let seen = ask(&layer, &handler(), call(ITEM, b"7")).await;
        seen.assert_bypassed(Bypass::Store);
    }
}

/// What nobody can make a call of is a miss, is counted, and is replaced.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_asked_for_anew() {
    const BODIES: [&[u8]; 6] = [
        b"",
        b"not ours",
        b"\xff\xff\xff\xff",
        // No fields, and another kind of end.
        b"\0\0\0\0\x02",
        // A message that is cut short.
        b"\0\0\0\0\0\0\0\0\0\x05ab",
        // A value with a line feed.
        b"\0\0\0\x01\0\0\0\x01a\0\0\0\x01\n\0",
    ];
    for at_once in [false, true] {
        for body in BODIES {
            let (store, cache, layer) = troubled(at_once);
            let handler = handler();
            ask(&layer, &handler, call(ITEM, b"7")).await;
            cache.background().idle().await;
            store.has(&[(Call::Get, Trouble::Body(body))]);
            let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
            assert_eq!(
                (seen.data.clone(), seen.code()),
                (message(b"soup"), "0"),
                "{body:?}"
            );
            assert_eq!(seen.reason, Some(Reason::Stored(Absence::Uri)), "{body:?}");
            assert_eq!(handler.count(), 2, "{body:?}");
            assert!(cache.stats().foreign > 0, "{body:?}");
            store.has(&[]);
            cache.background().idle().await;
            assert_eq!(ask(&layer, &handler, call(ITEM, b"7")).await.reason, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_not_ours_is_asked_for_anew() {
    for trouble in [Trouble::Foreign, Trouble::Wire, Trouble::Index] {
        let (store, _, layer) = troubled(true);
        let handler = handler();
        ask(&layer, &handler, call(ITEM, b"7")).await;
        store.has(&[(Call::Get, trouble)]);
        let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
        assert_eq!(
            (seen.data, handler.count()),
            (message(b"soup"), 2),
            "{trouble:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_store_does_not_take_is_answered_each_time() {
    let (cache, _) = built(Cache::builder(MemoryStore::new(MIB)));
    let largest = usize::try_from(cache.store().about().largest.unwrap()).unwrap();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let content = vec![b'x'; largest];
    let sent = message(&content);
    let handler = Counted::new(move |_| {
        let content = content.clone();
        async move { ok(&content) }
    });
    for _ in 0..2 {
        let seen = ask(&layer, &handler, call(ITEM, b"7")).await;
        assert_eq!(seen.data, sent);
        seen.assert_refused(NotStored::TooLarge);
    }
}
