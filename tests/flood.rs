//! A million people or languages do not grow memory without bound (DESIGN P5): what the whole process holds, over the capacity of its store.
//!
//! Optimised (`cargo test --release --test flood`), the keys are a million; otherwise they are fewer, so that all tests together remain quick.
#![cfg(target_os = "linux")]

use std::convert::Infallible;
use std::fs;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use larder::{Cache, CacheLayer, MIB, MemoryStore, identity, minutes};
use tower::{Layer, ServiceExt, service_fn};

const KEYS: usize = match cfg!(debug_assertions) {
    true => 16_000,
    false => 1_000_000,
};

const CAPACITY: usize = 16 * MIB;

/// What the process has had in memory at most, in bytes.
fn most_resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.and_then(|number| number.trim().parse::<usize>().ok());
    kilobytes.expect("it tells the peak") * 1_024
}

/// A page of some hundred bytes, asked for once with each key.
fn flood(
    what: &str,
    layer: impl FnOnce(&Cache) -> CacheLayer,
    fields: &'static [(&'static str, &'static str)],
    ask: impl Fn(usize) -> (&'static str, String),
) -> MemoryStore {
    // One after the other, since they share a process.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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
