//! What rules ask for is freed in one step; what one of them does wrong is its own affair.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use axum::body::Body;
use http::{Request, Response};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt};

use super::*;
use crate::clock::Now;
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, MemoryStore, Notice, Op, Purge, PurgeError, Scanned,
    Stamp, Store, StoreError, Struck,
};
use crate::{Identify, MIB, RequestHead, identity, minutes};

/// A store in memory that writes down how many marks each purge has, and takes none while it is down.
#[derive(Clone)]
struct Counting {
    store: MemoryStore,
    purges: Arc<Mutex<Vec<usize>>>,
    is_down: Arc<Mutex<bool>>,
}

impl Counting {
    fn new() -> Self {
        Self {
            store: MemoryStore::new(MIB),
            purges: Arc::default(),
            is_down: Arc::default(),
        }
    }

    /// How many marks each purge since the last call had.
    fn taken(&self) -> Vec<usize> {
        std::mem::take(&mut self.purges.lock().unwrap())
    }
}

#[async_trait]
impl Store for Counting {
    fn about(&self) -> About {
        self.store.about()
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        self.store.get(keys, now).await
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        self.store.apply(ops, now).await
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.store.admits(stamp, marks).await
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError> {
        // As one that has to be waited for.
        tokio::task::yield_now().await;
        let Purge::Marks(marks) = purge else {
            panic!("{purge:?}")
        };
        self.purges.lock().unwrap().push(marks.len());
        if *self.is_down.lock().unwrap() {
            return Err(PurgeError::Undelivered(StoreError::new(
                "purge",
                "it is down",
            )));
        }
        self.store.purge(purge, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.store.scan(prefix, budget)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.store.watch()
    }
}

/// A cache whose pages have their path as a tag.
struct World {
    cache: Cache,
    store: Counting,
}

impl World {
    fn new() -> Self {
        let store = Counting::new();
        let by_cookie = identity::cookie("session");
        let builder = Cache::builder(store.clone()).user(by_cookie);
        let cache = builder.build().unwrap();
        Self { cache, store }
    }

    fn rules(&self) -> Invalidation {
        Invalidation::new(&self.cache)
    }

    async fn ask(&self, path: &str) -> Response<Body> {
        let handler = tower::service_fn(async |request: Request<Body>| {
            let mut response = Response::new(Body::from("page"));
            let tag = request.uri().path().to_owned();
            crate::CacheTags::new([tag]).add_to(response.extensions_mut());
            let fields = response.headers_mut();
            crate::CacheGroups::new(["pages"]).unwrap().add_to(fields);
            Ok::<_, Infallible>(response)
        });
        let request = Request::get(path).header("host", "shop.example");
        let page = self.cache.page(minutes(5)).layer(handler);
        let request = request.body(Body::empty()).unwrap();
        page.oneshot(request).await.unwrap().map(Body::new)
    }

    /// Makes these pages, and sees that they are kept.
    async fn keep(&self, paths: &[&str]) {
        for path in paths {
            let body = self.ask(path).await.into_body();
            drop(axum::body::to_bytes(body, 9).await.unwrap());
            self.cache.background().idle().await;
            assert!(self.is_kept(path).await, "{path}");
        }
    }

    /// Asking for its head alone, nothing is stored.
    async fn is_kept(&self, path: &str) -> bool {
        let response = self.ask(path).await;
        let said = response.headers()["cache-status"].to_str().unwrap();
        said.starts_with("larder; hit")
    }

    async fn freed<'a>(&self, paths: &[&'a str]) -> Vec<&'a str> {
        let mut freed = Vec::new();
        for path in paths {
            if !self.is_kept(path).await {
                freed.push(*path);
            }
        }
        freed
    }
}

struct Placed(u64);

struct Changed;

#[derive(Debug, thiserror::Error)]
#[error("no stock")]
struct NoStock;

const NONE: [&str; 0] = [];

#[tokio::test]
async fn each_rule_of_the_type_runs_and_all_is_freed_in_one_step() {
    let world = World::new();
    world.keep(&["/menu", "/orders/7", "/other"]).await;
    let rules = world
        .rules()
        .on::<Placed>(|_, purges| purges.tags(["/menu", "popular"]))
        .on::<Placed>(|placed, purges| purges.tag(format!("/orders/{}", placed.0)))
        .on::<Changed>(|_, purges| purges.tag("/other"));
    let emitted = rules.emit(Placed(7)).await.unwrap();
    assert_eq!(emitted.rules, 2);
    assert!(emitted.purged.is_some());
    assert_eq!(world.store.taken(), [3]);
    let all = ["/menu", "/orders/7", "/other"];
    assert_eq!(world.freed(&all).await, ["/menu", "/orders/7"]);
}

#[tokio::test]
async fn whatever_can_be_purged_can_be_asked_for() {
    type Rule = fn(&Changed, &mut Purges);
    let world = World::new();
    let rules: [(Rule, bool); 9] = [
        (|_, purges| purges.tag("/a"), true),
        (|_, purges| purges.page("/a"), true),
        (|_, purges| purges.page("http://shop.example/a"), true),
        (|_, purges| purges.page("//other.example/a"), false),
        (
            |_, purges| purges.group("http://shop.example", "pages"),
            true,
        ),
        (|_, purges| purges.group("shop.example", "Pages"), false),
        (|_, purges| purges.everything(), true),
        (|_, purges| purges.tags(NONE), false),
        (|_, purges| purges.tag("/b"), false),
    ];
    for (n, (rule, frees)) in rules.into_iter().enumerate() {
        world.keep(&["/a"]).await;
        let rules = world.rules().on::<Changed>(rule);
        rules.emit(Changed).await.unwrap();
        assert_eq!(world.freed(&["/a"]).await.is_empty(), !frees, "{n}");
    }
    world.keep(&["/a"]).await;
    let asked = Request::get("/a").header("host", "shop.example");
    let asked = asked.body(()).unwrap();
    let key = world.cache.page(minutes(5)).key(&RequestHead::of(&asked));
    let key = key.unwrap();
    let rules = world
        .rules()
        .on::<Changed>(move |_, purges| purges.key(&key));
    rules.emit(Changed).await.unwrap();
    assert_eq!(world.freed(&["/a"]).await, ["/a"]);
}

/// The identity's mark is that of [`Cache::purge_identity`].
#[tokio::test]
async fn the_pages_of_one_person_can_be_asked_for() {
    let world = World::new();
    let handler = || tower::service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty())));
    let asked = |person: &str| {
        let request = Request::get("/mine").header("host", "shop.example");
        let request = request.header("cookie", format!("session={person}"));
        request.body(Body::empty()).unwrap()
    };
    let layer = world.cache.page(minutes(5)).vary_on_user().unwrap();
    let ask = async |person| {
        let response = layer.layer(handler()).oneshot(asked(person)).await.unwrap();
        let said = response.headers()["cache-status"]
            .to_str()
            .unwrap()
            .to_owned();
        drop(http_body_util::BodyExt::collect(response.into_body()).await);
        world.cache.background().idle().await;
        said.starts_with("larder; hit")
    };
    for person in ["ann", "bob"] {
        ask(person).await;
        assert!(ask(person).await);
    }
    struct SignedOut(crate::Identity);
    let rules = world.rules();
    let rules = rules.on::<SignedOut>(|out, purges| purges.identity(&out.0));
    let request = asked("ann");
    let ann = identity::cookie("session").identify(&RequestHead::of(&request));
    rules.emit(SignedOut(ann)).await.unwrap();
    assert!(!ask("ann").await && ask("bob").await);
}

#[tokio::test]
async fn many_events_are_one_purge_and_what_they_share_is_asked_for_once() {
    let world = World::new();
    world.keep(&["/menu", "/orders/3"]).await;
    let rules = world.rules().on::<Placed>(|placed, purges| {
        purges.tag("/menu");
        purges.tag(format!("/orders/{}", placed.0));
    });
    let emitted = rules.emit_all((0..500).map(Placed)).await.unwrap();
    assert_eq!(emitted.rules, 500);
    assert_eq!(world.store.taken(), [501]);
    let all = ["/menu", "/orders/3"];
    assert_eq!(world.freed(&all).await, all);
}

#[tokio::test]
async fn what_nobody_asks_to_free_is_no_purge() {
    let world = World::new();
    let rules = world.rules().on::<Placed>(|_, _| {});
    let none = |rules| Emitted {
        rules,
        purged: None,
    };
    assert_eq!(rules.emit(Placed(1)).await.unwrap(), none(1));
    assert_eq!(
        rules.emit(Changed).await.unwrap(),
        none(0),
        "no rule of its type"
    );
    assert_eq!(rules.emit_all(Vec::<Placed>::new()).await.unwrap(), none(0));
    assert_eq!(rules.pending().emit().await.unwrap(), none(0));
    assert_eq!(world.store.taken(), [0; 0]);
}

#[tokio::test]
async fn a_rule_that_fails_or_panics_is_reported_by_name_and_the_others_run() {
    let world = World::new();
    let paths = ["/1", "/2", "/3", "/4", "/5", "/6", "/7"];
    world.keep(&paths).await;
    let rules = world
        .rules()
        .on::<Changed>(|_, purges| purges.tag("/1"))
        .try_on::<Changed>(|_, purges| {
            purges.tag("/2");
            Err(NoStock.into())
        })
        .named("stock")
        .on::<Changed>(|_, purges| {
            purges.tag("/3");
            panic!("no {}", "milk");
        })
        .named("milk")
        .on_async::<Changed>(|_, purges| {
            Box::pin(async {
                tokio::task::yield_now().await;
                purges.tag("/4");
                std::panic::panic_any(7)
            })
        })
        .named("seven")
        .on_async::<Changed>(|_, _| panic!("before it is a future"))
        .named("early")
        .on::<Changed>(|_, purges| {
            purges.page("nowhere");
            purges.tag("/5");
        })
        .on_async::<Changed>(|_, purges| {
            Box::pin(async {
                tokio::task::yield_now().await;
                purges.tag("/6");
                Err("not found".into())
            })
        })
        .named("async")
        .on_async::<Changed>(|_, purges| {
            Box::pin(async {
                tokio::task::yield_now().await;
                purges.tag("/7");
                Ok(())
            })
        });
    let error = rules.emit(Changed).await.unwrap_err();
    assert!(error.undelivered().is_none());
    let failures: Vec<(&str, String)> = error
        .failures()
        .iter()
        .map(|failure| {
            let source = std::error::Error::source(failure).unwrap();
            (failure.name(), source.to_string())
        })
        .collect();
    // Where it was added, since nobody has named it.
    let unnamed = failures[4].0.to_owned();
    assert!(unnamed.starts_with(concat!(file!(), ":")), "{unnamed}");
    let expected = [
        ("stock", "no stock"),
        ("milk", "it panicked: no milk"),
        ("seven", "it panicked: without a message"),
        ("early", "it panicked: before it is a future"),
        (
            &*unnamed,
            "\"nowhere\" is not the address of a page: say \"/path\" or \"http://host/path\"",
        ),
        ("async", "not found"),
    ];
    let expected = expected.map(|(name, text)| (name, text.to_owned()));
    assert_eq!(failures, expected);
    let first = error.failures()[0].to_string();
    let event = std::any::type_name::<Changed>();
    assert_eq!(
        first,
        format!("the rule \"stock\" of {event} failed: no stock")
    );
    assert!(
        error
            .to_string()
            .starts_with(&format!("{first}; the rule \"milk\""))
    );
    // Also what a rule asked for before it failed.
    assert_eq!(world.store.taken(), [7]);
    assert_eq!(world.freed(&paths).await, paths);
    // The next emit is not marked by it.
    world.keep(&["/1"]).await;
    rules.emit(Changed).await.unwrap_err();
    assert_eq!(world.freed(&["/1"]).await, ["/1"]);
}

#[tokio::test]
async fn what_is_not_delivered_says_so_beside_what_failed() {
    let world = World::new();
    world.keep(&["/menu"]).await;
    let rules = world
        .rules()
        .on::<Placed>(|_, purges| purges.tag("/menu"))
        .try_on::<Placed>(|_, _| Err(NoStock.into()))
        .named("stock");
    *world.store.is_down.lock().unwrap() = true;
    let error = rules.emit(Placed(1)).await.unwrap_err();
    assert!(matches!(
        error.undelivered(),
        Some(PurgeError::Undelivered(_))
    ));
    assert_eq!(error.failures().len(), 1);
    let text = error.to_string();
    assert!(
        text.starts_with("the purge did not reach the cache store; the rule \"stock\""),
        "{text}"
    );
    assert_eq!(world.cache.stats().store_errors, 1, "counted");
    assert!(world.is_kept("/menu").await);
    *world.store.is_down.lock().unwrap() = false;
    rules.emit(Placed(1)).await.unwrap_err();
    assert_eq!(world.freed(&["/menu"]).await, ["/menu"]);
}

#[tokio::test]
async fn events_of_a_transaction_are_emitted_together_or_not_at_all() {
    let world = World::new();
    let all = ["/menu", "/orders/7"];
    let rules = world
        .rules()
        .on::<Placed>(|placed, purges| purges.tag(format!("/orders/{}", placed.0)))
        .on::<Changed>(|_, purges| purges.tag("/menu"));
    world.keep(&all).await;
    let fill = || {
        let mut events = rules.pending();
        events.add(Placed(7));
        events.add(Changed);
        assert_eq!((events.len(), events.is_empty()), (2, false));
        events
    };
    drop(fill());
    fill().discard();
    assert_eq!(world.store.taken(), [0; 0]);
    assert_eq!(world.freed(&all).await, NONE);
    assert_eq!(fill().emit().await.unwrap().rules, 2);
    assert_eq!(world.store.taken(), [2]);
    assert_eq!(world.freed(&all).await, all);
}

#[tokio::test]
async fn a_change_that_succeeds_emits_its_events_and_one_that_fails_does_not() {
    let world = World::new();
    let rules = world.rules().on::<Changed>(|_, purges| purges.tag("/menu"));
    world.keep(&["/menu"]).await;
    let change = async |result: Result<u64, NoStock>| {
        let changing = rules.after_commit(async |events: &mut Pending| {
            tokio::task::yield_now().await;
            events.add(Changed);
            tokio::task::yield_now().await;
            result
        });
        changing.await
    };
    assert!(change(Err(NoStock)).await.is_err());
    assert_eq!(world.freed(&["/menu"]).await, NONE);
    let (value, emitted) = change(Ok(5)).await.unwrap();
    assert_eq!((value, emitted.unwrap().rules), (5, 1));
    assert_eq!(world.freed(&["/menu"]).await, ["/menu"]);
    // What has been changed is known also where not all could be freed.
    *world.store.is_down.lock().unwrap() = true;
    let (value, emitted) = change(Ok(6)).await.unwrap();
    assert_eq!(value, 6);
    assert!(emitted.unwrap_err().undelivered().is_some());
}

#[tokio::test]
async fn an_emit_goes_on_when_nobody_waits_for_it_any_more() {
    let world = World::new();
    let (gate, ran) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (passing, counted) = (gate.clone(), ran.clone());
    let rules = world.rules().on_async::<Changed>(move |_, purges| {
        let (passing, counted) = (passing.clone(), counted.clone());
        Box::pin(async move {
            passing.notified().await;
            counted.fetch_add(1, Ordering::Relaxed);
            purges.tag("/menu");
            Ok(())
        })
    });
    for polls in 0..2 {
        world.keep(&["/menu"]).await;
        {
            let mut emitting = pin!(rules.emit(Changed));
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(matches!(emitting.as_mut().poll(&mut cx), Poll::Pending));
            }
        }
        assert!(world.is_kept("/menu").await, "not yet");
        gate.notify_one();
        world.cache.background().idle().await;
        assert_eq!(ran.load(Ordering::Relaxed), polls + 1);
        assert_eq!(world.freed(&["/menu"]).await, ["/menu"], "{polls}");
    }
}

#[tokio::test]
async fn a_fill_under_way_while_an_event_is_emitted_is_not_stored() {
    let world = World::new();
    let rules = world.rules().on::<Changed>(|_, purges| purges.tag("/menu"));
    let under_way = world.ask("/menu").await;
    rules.emit(Changed).await.unwrap();
    drop(
        axum::body::to_bytes(under_way.into_body(), 9)
            .await
            .unwrap(),
    );
    world.cache.background().idle().await;
    assert!(!world.is_kept("/menu").await);
}

/// Handlers are futures that move between threads.
#[test]
fn what_handlers_hold_and_wait_for_is_send() {
    fn is_send<T: Send>(_: &T) {}

    async fn handler(rules: Invalidation) -> Result<u64, NoStock> {
        let (value, _) = rules
            .after_commit(async |events: &mut Pending| {
                let name = String::from("a text");
                tokio::task::yield_now().await;
                events.add(Placed(name.len() as u64));
                tokio::task::yield_now().await;
                Ok::<_, NoStock>(7)
            })
            .await?;
        let mut pending = rules.pending();
        tokio::task::yield_now().await;
        pending.add(Changed);
        drop(pending.emit().await);
        Ok(value)
    }

    let cache = Cache::builder(MemoryStore::new(MIB)).build().unwrap();
    let rules = Invalidation::new(&cache);
    is_send(&rules.emit(Changed));
    is_send(&handler(rules));
}

#[test]
fn rules_are_listed_by_name() {
    let cache = Cache::builder(MemoryStore::new(MIB)).build().unwrap();
    let rules = Invalidation::new(&cache).named("nobody");
    let more = rules.clone().on::<Changed>(|_, _| {}).named("menu");
    assert_eq!(format!("{rules:?} {more:?}"), "[] [\"menu\"]");
}
