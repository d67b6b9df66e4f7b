//! Where the pages are kept: in this process, or in Redis for every process that is told so.

use larder::{Cache, MIB, MemoryStore, cache::CacheBuilder};

use crate::{log, process::AnyError};

/// A cache on the store that the flags ask for.
pub(crate) fn builder(redis: Option<&str>) -> Result<CacheBuilder, AnyError> {
    match redis {
        Some(url) => shared(url),
        // 64 MiB hold every page of this restaurant many times over.
        None => Ok(Cache::builder(MemoryStore::new(64 * MIB))),
    }
}

/// One store for all: what one process stores, all answer, and what one frees is gone everywhere at once. No connection is made here: the
/// restaurant opens whether Redis is there or not, and makes its pages itself while it is away.
#[cfg(feature = "redis")]
fn shared(url: &str) -> Result<CacheBuilder, AnyError> {
    let store = larder::store::redis::RedisStore::builder(url).build()?;
    Ok(Cache::builder(store))
}

#[cfg(not(feature = "redis"))]
fn shared(_: &str) -> Result<CacheBuilder, AnyError> {
    Err(crate::args::NEEDS_REDIS.into())
}

/// Frees all pages of the restaurant, and nothing else in the store. What Redis does not hear of now is told it later, and this process reads
/// nothing from it before.
pub(crate) async fn flush(cache: &Cache) {
    match cache.clear().await {
        Ok(_) => log::info("the cache is cleared"),
        Err(error) => owes(&error),
    }
}

/// Says why pages are not stored, where the store is not well from the start: each of them is made for each request then.
pub(crate) async fn check(cache: &Cache) {
    if let Err(error) = cache.health().await {
        log::error(&format_args!(
            "{}; pages are made without it until it answers",
            with_causes(&error)
        ));
    }
}

/// Says that a purge has yet to be delivered, and why.
pub(crate) fn owes(error: &dyn std::error::Error) {
    log::error(&format_args!(
        "{}; it is told as soon as the store is there",
        with_causes(error)
    ));
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
