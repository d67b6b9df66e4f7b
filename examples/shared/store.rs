//! Where the answers of the restaurant are kept and its clients counted: in this process, or in Redis for every process that is told so.

use larder::{Cache, MIB, MemoryLimiter, MemoryStore, RateLimiter, cache::CacheBuilder};

use crate::{log, process::AnyError};

/// A cache on the store that the flags ask for, and a limiter beside it.
pub(crate) fn open(redis: Option<&str>) -> Result<(CacheBuilder, RateLimiter), AnyError> {
    match redis {
        Some(url) => shared(url),
        None => Ok((
            // 64 MiB hold every answer of this restaurant many times over.
            Cache::builder(MemoryStore::new(64 * MIB)),
            RateLimiter::new(MemoryLimiter::new()),
        )),
    }
}

/// One store for all: what one process stores, all answer, and what one frees is gone everywhere at once. No connection is made here: the
/// restaurant opens whether Redis is there or not; while it is away, this process makes its answers and counts its clients itself.
#[cfg(feature = "redis")]
fn shared(url: &str) -> Result<(CacheBuilder, RateLimiter), AnyError> {
    use larder::{limit::RedisLimiter, store::redis::RedisStore};

    let store = RedisStore::builder(url).build()?;
    let limiter = RedisLimiter::on(&store).namespace("restaurant").build()?;
    Ok((Cache::builder(store), RateLimiter::new(limiter)))
}

#[cfg(not(feature = "redis"))]
fn shared(_: &str) -> Result<(CacheBuilder, RateLimiter), AnyError> {
    Err(crate::args::NEEDS_REDIS.into())
}

/// Frees all answers of the restaurant, and nothing else in the store. What Redis does not hear of now is told it later, and this process reads
/// nothing from it before.
pub(crate) async fn flush(cache: &Cache) {
    match cache.clear().await {
        Ok(_) => log::info("the cache is cleared"),
        Err(error) => owes(&error),
    }
}

/// Says why nothing is stored, where the store is not well from the start: each answer is made for each request then.
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

pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
