//! What every store keeps to.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::Codec;
use crate::store::conformance;
use crate::testing::values_contract;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_the_contract() {
    let redis = Redis::start(Options::default()).await;
    let redis = &redis;
    conformance::run(|| async move {
        redis.ask(&["FLUSHALL"]).await;
        patient(redis.url()).build().unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_namespace_keeps_it_beside_the_others() {
    let redis = Redis::start(Options::default()).await;
    let store = patient(redis.url()).build().unwrap();
    let count = AtomicU32::new(0);
    conformance::run(|| async {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        store.part.server.part(&format!("shop {nth}"), nth)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_for_each_call_keeps_it_too() {
    let redis = Redis::start(Options::default()).await;
    let redis = &redis;
    conformance::run(|| async move {
        redis.ask(&["FLUSHALL"]).await;
        patient(redis.url()).pooled(4).build().unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_keep_theirs() {
    let redis = Redis::start(Options::default()).await;
    for codec in [Codec::MessagePack, Codec::Json] {
        let make = || async {
            redis.ask(&["FLUSHALL"]).await;
            let store = patient(redis.url()).build().unwrap();
            let cache = Cache::builder(store).store_timeout(PATIENCE);
            cache.codec(codec).build().unwrap()
        };
        // The server expires keys by a clock of its own: time must really pass.
        values_contract(make, tokio::time::sleep).await;
    }
}
