//! The store on real servers.

mod contract;
mod full;
mod history;
mod losing;
mod matching;
mod nodes;
mod numbers;
mod owing;

use std::future::Future;
use std::time::Duration;

use super::RedisStore;
use super::options::RedisStoreBuilder;
use super::process::{Fault, Options, Proxy, Redis};
use super::store::Part;
use crate::{Cache, minutes};

/// Far above what anything here takes: only what never comes takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store that waits for its server, however slow the machine is.
fn patient(url: impl Into<String>) -> RedisStoreBuilder {
    RedisStore::builder(url)
        .acquire_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .answer_timeout(PATIENCE)
}

/// A store that soon gives up, and soon tries again.
fn hasty(url: impl Into<String>) -> RedisStoreBuilder {
    let pause = Duration::from_millis(20);
    RedisStore::builder(url).breaker_pause(pause, pause)
}

/// One process of many.
struct Node {
    cache: Cache,
    part: Part,
}

impl Node {
    /// One of the application `shop`.
    fn of(store: RedisStoreBuilder) -> Self {
        Self::of_the(store, "shop")
    }

    fn of_the(store: RedisStoreBuilder, namespace: &str) -> Self {
        let store = store.build().unwrap();
        let part = store.part.server.part(namespace, 1);
        let cache = Cache::builder(store).namespace(namespace);
        let cache = cache.store_timeout(PATIENCE).build().unwrap();
        Self { cache, part }
    }

    fn on(redis: &Redis) -> Self {
        Self::of(patient(redis.url()))
    }

    fn through(proxy: &Proxy) -> Self {
        Self::of(hasty(format!("redis://127.0.0.1:{}", proxy.port())))
    }

    async fn set(&self, key: &str, tag: &str) {
        self.cache
            .set(key, key, minutes(30))
            .tag(tag)
            .await
            .unwrap();
    }

    async fn has(&self, key: &str) -> bool {
        self.tried(key).await.unwrap()
    }

    /// Is it there, if the store can tell?
    async fn tried(&self, key: &str) -> Result<bool, crate::CacheError> {
        let found: Option<String> = self.cache.get(key).await?;
        assert!(found.iter().all(|found| found == key), "{found:?}");
        Ok(found.is_some())
    }

    async fn purge_tag(&self, tag: &str) {
        let _ = self.cache.purge_tag(tag).await.unwrap();
    }

    /// How many purges it owes.
    fn owed(&self) -> usize {
        self.part.fence.queue.len()
    }
}

/// Waits until it is so.
async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("it never comes: {what}"));
}
