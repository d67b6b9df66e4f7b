//! A million people, languages or addresses do not grow memory without bound (DESIGN P5): what the whole process holds, over the capacity of its store,
//! or what it has more than before, over that of its limiter.
//!
//! Optimised (`cargo test --release --manifest-path tests/flood/Cargo.toml`), the keys are a million; otherwise they are fewer, so that all
//! tests together remain quick.
#![cfg(target_os = "linux")]

use std::convert::Infallible;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use larder::clock::ManualClock;
use larder::limit::{Action, Ask, LimitKey, Limiter, Standing};
use larder::{Cache, CacheLayer, MIB, MemoryLimiter, MemoryStore, Quota, identity, minutes};
use tower::{Layer, ServiceExt, service_fn};

const KEYS: usize = match cfg!(debug_assertions) {
    true => 16_000,
    false => 1_000_000,
};

const CAPACITY: usize = 16 * MIB;

/// One test after the other, since they share a process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the process has had in memory at most, in bytes.
fn most_resident() -> usize {
    resident("VmHWM:")
}

fn resident(which: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.and_then(|number| number.trim().parse::<usize>().ok());
    kilobytes.expect("it tells that") * 1_024
}

/// A page of some hundred bytes, asked for once with each key.
fn flood(
    what: &str,
    layer: impl FnOnce(&Cache) -> CacheLayer,
    fields: &'static [(&'static str, &'static str)],
    ask: impl Fn(usize) -> (&'static str, String),
) -> MemoryStore {
    let _alone = alone();
    let store = MemoryStore::new(CAPACITY);
    let cache = Cache::builder(store.clone()).user(identity::cookie("session"));
    let cache = cache.build().expect("the options make sense");
    let page = layer(&cache).layer(service_fn(move |_: Request<Body>| async move {
        let mut response = Response::builder().header("content-type", "text/plain");
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let body = Body::from("a page of one's own. ".repeat(10));
        Ok::<_, Infallible>(response.body(body).expect("it is one"))
    }));
    let ask = async |key: usize| {
        let (name, value) = ask(key);
        let request = Request::get("/")
            .header("host", "shop.example")
            .header(name, value);
        let request = request.body(Body::empty()).expect("it is one");
        let response = page.clone().oneshot(request).await;
        let (head, body) = response.expect("it is answered").into_parts();
        let body = body.collect().await.expect("it is whole").to_bytes();
        assert_eq!((head.status.as_u16(), body.len()), (200, 210));
        let said = head.headers["cache-status"].to_str();
        said.expect("it is text").to_owned()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is a runtime");
    runtime.block_on(async {
        for key in 0..KEYS {
            let said = ask(key).await;
            assert!(said.ends_with("; stored"), "{key}: {said}");
        }
        // It still stores, and still finds.
        assert!(ask(KEYS - 1).await.starts_with("larder; hit"));
    });
    let over = most_resident() as f64 / CAPACITY as f64;
    println!("{KEYS} {what}: {over:.2} of the capacity resident, {store:?}");
    assert!(over <= 1.5, "{over:.2} of the capacity are resident");
    assert!(store.weight() <= CAPACITY as u64, "{store:?}");
    store
}

#[test]
fn a_million_sessions_stay_within_the_capacity() {
    let layer = |cache: &Cache| {
        let page = cache.page(minutes(30)).vary_on_user();
        page.expect("there is a user")
    };
    let session = |key| ("cookie", format!("session={key:032x}"));
    let store = flood("sessions", layer, &[], session);
    assert!(store.len() > 4_000, "as many as fit: {store:?}");
}

#[test]
fn a_million_languages_stay_within_the_capacity() {
    let layer = |cache: &Cache| cache.page(minutes(30));
    let language = |key| ("accept-language", format!("l{key}"));
    let store = flood("languages", layer, &[("vary", "accept-language")], language);
    assert!(store.len() > 10, "the last of them: {store:?}");
}

fn take(limiter: &MemoryLimiter, name: &str, quota: &Quota) -> Standing {
    let ask = Ask::new(LimitKey::new("search", name.as_bytes()), quota);
    let Poll::Ready(Ok(decision)) = limiter.decide_now(Action::Acquire, &[ask]) else {
        panic!("it decides at once");
    };
    decision.standings()[0]
}

/// Somebody has used a part of a quota; then come random keys, `pause` after each other. How many of them were admitted.
fn flood_of_addresses(what: &str, pause: Duration) -> usize {
    let _alone = alone();
    let began = Instant::now();
    let before = resident("VmRSS:");
    let clock = ManualClock::new();
    let capacity = KEYS / 20;
    let limiter = MemoryLimiter::builder().keys(capacity).clock(clock.clone());
    let limiter = limiter.build();
    let quota: Quota = "100/h".parse().expect("it is a rate");
    for _ in 0..60 {
        assert!(take(&limiter, "victim", &quota).admitted);
    }
    let mut most = 0;
    let mut admitted = 0;
    for key in 0..KEYS as u64 {
        let key = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        admitted += usize::from(take(&limiter, &format!("{key:032x}"), &quota).admitted);
        clock.advance(pause);
        if key.is_multiple_of(1_000) {
            most = most.max(resident("VmRSS:"));
        }
    }
    assert!(limiter.len() <= capacity);
    let over = most.max(resident("VmRSS:")).saturating_sub(before) as f64
        / (capacity * MemoryLimiter::BYTES_PER_KEY) as f64;
    let took = began.elapsed();
    println!("{KEYS} {what}: {over:.2} of the capacity resident, {limiter:?}, {took:?}");
    // Pages and tables that are there once weigh more than few keys.
    assert!(
        over <= 1.5 || cfg!(debug_assertions),
        "{over:.2} of the capacity are resident"
    );

    let worked_off = (pause * KEYS as u32).as_secs() / 36;
    let standing = take(&limiter, "victim", &quota);
    assert_eq!(
        standing.remaining,
        39 + worked_off.min(60),
        "the victim's state was kept"
    );
    admitted
}

#[test]
fn a_million_addresses_at_once_share_what_is_left() {
    let admitted = flood_of_addresses("addresses at once", Duration::ZERO);
    // All but the victim's place, and one quota for the rest.
    assert_eq!(admitted, KEYS / 20 - 1 + 100);
}

#[test]
fn a_million_addresses_come_and_go() {
    // An address is as good as new after 36 s, in which so many come that a third of the capacity is in use.
    let pause = Duration::from_secs(36) * 60 / KEYS as u32;
    let admitted = flood_of_addresses("addresses that come and go", pause);
    assert_eq!(admitted, KEYS, "there is room for each");
}
