//! The store cannot hurt the site (P4).

use axum::Router;
use axum::routing::any;
use tokio::time::Instant;

use super::stores::{Call, Trouble, Troubled};
use super::*;
use crate::store::Done;
use crate::{InvalidationLayer, NullStore};

/// The longest that a page may lose to the store.
const TIMEOUT: Duration = Duration::from_millis(250);

/// A handler that answers with the number of its run.
fn numbered(world: &World) -> Site {
    let runs = Runs::default();
    let counted = runs.clone();
    let handler = runs.handler(move |_| {
        let run = counted.count();
        async move { page(&[], run.to_string()) }
    });
    Site::of(world.clone(), runs, world.page().layer(handler))
}

const UNWELL: [Trouble; 2] = [Trouble::Fails, Trouble::Hangs];

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_costs_each_request_one_timeout_at_most() {
    for at_once in [true, false] {
        for trouble in UNWELL {
            let troubled = Call::ALL.map(|call| vec![(call, trouble)]);
            let all = Call::ALL.map(|call| (call, trouble)).to_vec();
            for troubles in troubled.into_iter().chain([all]) {
                let store = Troubled::new(at_once);
                let world = World::on(store.clone());
                let site = numbered(&world);
                store.has(&troubles);
                for run in 1..=5 {
                    let since = Instant::now();
                    let answer = read(site.open(get(&format!("/{run}"))).await).await;
                    assert_eq!(
                        (answer.status.as_u16(), answer.body),
                        (200, run.to_string())
                    );
                    assert!(
                        since.elapsed() <= TIMEOUT,
                        "{troubles:?}: {:?}",
                        since.elapsed()
                    );
                }
                world.assert_at_rest().await;
            }
        }
    }
}

/// The same for those who would wait for another: what they ask of the store before and after adds up to no more.
#[tokio::test(start_paused = true)]
async fn followers_lose_one_timeout_at_most_to_a_store_that_hangs() {
    for call in [Call::Get, Call::Apply, Call::Admits] {
        let store = Troubled::new(false);
        let world = World::on(store.clone());
        let gate = Gate::closed();
        let held = gate.clone();
        let site = world.site(world.page(), move |_| {
            let held = held.clone();
            async move {
                held.pass().await;
                page(&[], "soup")
            }
        });
        let leader = site.start(get("/p"));
        site.runs.reach(1).await;
        store.has(&[(call, Trouble::Hangs)]);
        let followers: Vec<_> = (0..5)
            .map(|_| {
                let site = site.clone();
                tokio::spawn(async move {
                    let since = Instant::now();
                    read(site.open(get("/p")).await).await;
                    since.elapsed()
                })
            })
            .collect();
        if call != Call::Apply {
            // The first of them has given the store up, and is in the handler.
            site.runs.reach(2).await;
        }
        settle().await;
        gate.open();
        for follower in followers {
            let lost = follower.await.unwrap();
            assert!(lost <= TIMEOUT, "{call:?}: {lost:?}");
        }
        leader.await.unwrap();
        world.assert_at_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_passed_by_and_counted() {
    for at_once in [true, false] {
        for trouble in UNWELL {
            let store = Troubled::new(at_once);
            let world = World::on(store.clone());
            let site = numbered(&world);
            assert_eq!(site.get("/p").await.said(), "fwd=uri-miss; stored");
            store.has(&[(Call::Get, trouble)]);
            for run in 2..=4 {
                let answer = site.get("/p").await;
                assert_eq!(
                    (answer.said(), &*answer.body),
                    ("fwd=bypass", &*run.to_string())
                );
            }
            assert_eq!(world.cache.stats().store_errors, 3);
            store.has(&[]);
            assert_eq!(
                site.get("/p").await.said(),
                "hit; ttl=1800",
                "it is well again"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_leaves_pages_served() {
    let says = [Done::Refused, Done::Outlawed, Done::TooLarge, Done::Nothing].map(Trouble::Says);
    for at_once in [true, false] {
        for trouble in says.into_iter().chain(UNWELL) {
            let store = Troubled::new(at_once);
            let world = World::on(store.clone());
            let site = numbered(&world);
            store.has(&[(Call::Apply, trouble)]);
            for run in 1..=3 {
                let answer = site.get("/p").await;
                assert!(answer.said().starts_with("fwd=uri-miss"), "{trouble:?}");
                assert_eq!(answer.body, run.to_string());
            }
            let errors = world.cache.stats().store_errors;
            assert_eq!(
                errors,
                if UNWELL.contains(&trouble) { 3 } else { 0 },
                "{trouble:?}"
            );
            store.has(&[]);
            site.get("/p").await;
            assert!(
                site.get("/p").await.is_hit(),
                "{trouble:?}: it is well again"
            );
            world.assert_at_rest().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lying_store_brings_is_a_miss_and_replaced() {
    for at_once in [true, false] {
        for trouble in [Trouble::Foreign, Trouble::Wire, Trouble::Index] {
            let store = Troubled::new(at_once);
            let world = World::on(store.clone());
            let site = numbered(&world);
            store.has(&[(Call::Get, trouble)]);
            for run in 1..=3 {
                let answer = site.get("/p").await;
                assert!(answer.said().starts_with("fwd="), "{trouble:?}");
                assert_eq!(answer.body, run.to_string());
            }
            let foreign = world.cache.stats().foreign;
            assert_eq!(
                foreign,
                if trouble == Trouble::Index { 0 } else { 3 },
                "{trouble:?}"
            );
            store.has(&[]);
            site.get("/p").await;
            assert!(site.get("/p").await.is_hit());
        }
    }
}

/// What comes back from a store is checked as what comes from a network is (RFC 9110 §5.5): a field that would split the answer, or
/// smuggle another field into it, is never sent.
#[tokio::test(start_paused = true)]
async fn a_field_that_a_store_has_broken_is_a_miss_and_is_not_sent() {
    for (at_once, from, to, is_refused) in [
        (true, "plain words", "other words", false),
        (true, "plain words", "a\r\nx-a: bcd", true),
        (false, "plain words", "plain\nwords", true),
        (false, "plain words", "plain\0words", true),
        (false, "plain words", "plain\u{7f}words", true),
        (false, "x-plain", "x-pl\rin", true),
        (false, "x-plain", "x-pl in", true),
        (false, "x-plain", "x-pl:in", true),
        (false, "x-plain", "X-PLAIN", true),
        (false, "x-plain", "x-other", false),
        (false, "grpc-status", "grpc\nstatus", true),
        (false, "trailed", "tra\nled", true),
    ] {
        let store = Troubled::new(at_once);
        let world = World::on(store.clone());
        let site = world.site(world.page(), async |_| {
            let body = trailing(&["soup"], &[("grpc-status", "trailed")]);
            page(&[("x-plain", "plain words")], body)
        });
        site.get("/p").await;
        store.has(&[(Call::Get, Trouble::Rewrites(from, to))]);
        let answer = site.get("/p").await;
        assert_eq!(answer.body, "soup", "{to:?}");
        assert_eq!(answer.is_hit(), !is_refused, "{to:?}");
        assert!(!answer.headers.contains_key("x-a"), "{to:?}");
        let foreign = world.cache.stats().foreign;
        assert_eq!(foreign, u64::from(is_refused), "{to:?}");
        match (from, is_refused) {
            ("plain words", false) => assert_eq!(answer.field("x-plain"), Some(to)),
            (_, false) => assert_eq!(answer.field(to), Some("plain words")),
            (_, true) => assert_eq!(answer.field("x-plain"), Some("plain words")),
        }
        // What could not be read was replaced.
        store.has(&[]);
        assert!(site.get("/p").await.is_hit(), "{to:?}");
    }
}

/// The same for what leads to a page: neither the index of its variants, nor the rule of its queries, nor one variant of several.
#[tokio::test(start_paused = true)]
async fn an_index_that_a_store_has_broken_is_a_miss_and_is_replaced() {
    const FRESH: (&str, &str) = ("cache-control", "max-age=60");
    for at_once in [true, false] {
        for (from, to) in [
            ("x-l", "x\rl"),
            ("x-v", "x\nv"),
            ("\0\0\0\u{3}utm", "\0\0\0\u{9}utm"),
        ] {
            let store = Troubled::new(at_once);
            let world = World::on(store.clone());
            let site =
                world.site(
                    world.cache.gateway(),
                    async |request: Request<Body>| match request.uri().path() {
                        "/vary" => page(&[FRESH, ("vary", "x-l"), ("x-v", "1")], "soup"),
                        _ => page(&[FRESH, ("no-vary-search", "params=(\"utm\")")], "soup"),
                    },
                );
            let ask = |target| site.get(target);
            let (first, second) = match from {
                "x-l" | "x-v" => ("/vary", "/vary"),
                _ => ("/search?utm=1", "/search?utm=2"),
            };
            ask(first).await;
            assert!(ask(second).await.is_hit(), "{from:?}");
            store.has(&[(Call::Get, Trouble::Rewrites(from, to))]);
            let foreign = world.cache.stats().foreign;
            assert!(!ask(second).await.is_hit(), "{to:?}");
            assert!(world.cache.stats().foreign > foreign, "{to:?}");
            store.has(&[]);
            ask(second).await;
            assert!(ask(second).await.is_hit(), "{from:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_nothing_is_unwell() {
    let store = Troubled::new(false);
    let world = World::on(store.clone());
    let site = numbered(&world);
    store.has(&[(Call::Get, Trouble::Forgets)]);
    assert_eq!(site.get("/p").await.said(), "fwd=bypass");
    store.has(&[(Call::Apply, Trouble::Forgets)]);
    for _ in 0..2 {
        assert_eq!(site.get("/p").await.said(), "fwd=uri-miss; stored");
    }
    assert_eq!(site.runs(), 3);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_null_store_leaves_pages_served_and_nobody_waits_for_what_is_not_kept() {
    let world = World::on(NullStore);
    let site = numbered(&world);
    for run in 1..=3 {
        assert_eq!(site.get("/p").await.body, run.to_string());
    }
    world.assert_at_rest().await;
}

/// What was not delivered is an error that comes in time, and an unsafe method is answered all the same.
#[tokio::test(start_paused = true)]
async fn a_purge_that_hangs_is_an_error_after_the_timeout() {
    for trouble in UNWELL {
        let store = Troubled::new(false);
        let world = World::on(store.clone());
        let router = Router::new()
            .route("/note", any(async || "note").layer(world.page()))
            .layer(InvalidationLayer::new(&world.cache));
        let site = Site::of(world.clone(), Runs::default(), router);
        store.has(&[(Call::Purge, trouble)]);
        let since = Instant::now();
        let error = world.cache.purge_tag("menu").await.unwrap_err();
        assert!(error.to_string().contains("did not reach"), "{error}");
        assert!(since.elapsed() <= TIMEOUT);
        assert_eq!(
            site.ask(request(Method::POST, "/note", &[])).await.status,
            200
        );
        assert!(since.elapsed() <= 2 * TIMEOUT);
        assert_eq!(world.cache.stats().store_errors, 2);
    }
}

/// It is written through: the layer of the page and the one round it have each tried, and said so to the counters.
#[tokio::test(start_paused = true)]
async fn an_answer_to_post_whose_purge_is_not_delivered_is_passed_on_and_not_stored() {
    for at_once in [true, false] {
        for trouble in UNWELL {
            let store = Troubled::new(at_once);
            let world = World::on(store.clone());
            let (origin, site) = world.origin(world.cache.gateway());
            origin.answers(|request| {
                let fields = [
                    ("cache-control", "max-age=60"),
                    ("content-location", "/p"),
                    ("cache-group-invalidation", "\"a\""),
                ];
                page(&fields, request.method().to_string())
            });
            let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
            let site = Site::of(world.clone(), site.runs.clone(), layered);
            store.has(&[(Call::Purge, trouble)]);
            let since = Instant::now();
            let answer = site.ask(request(Method::POST, "/p", &[])).await;
            assert_eq!((&*answer.body, answer.said()), ("POST", "fwd=method"));
            assert!(since.elapsed() <= 2 * TIMEOUT, "{trouble:?}");
            assert_eq!(world.cache.stats().store_errors, 2);
            store.has(&[]);
            let answer = site.get("/p").await;
            assert_eq!((&*answer.body, answer.is_hit()), ("GET", false));
            world.assert_at_rest().await;
        }
    }
}

/// What an unsafe method frees is outlawed by a purge, which every node sees, and never removed by hand.
#[tokio::test(start_paused = true)]
async fn an_unsafe_method_frees_by_a_purge_alone() {
    for at_once in [true, false] {
        let store = Troubled::new(at_once);
        let world = World::on(store.clone());
        let (origin, site) = world.origin(world.page());
        origin.answers(|request| match *request.method() {
            Method::GET => page(&[("cache-groups", "\"a\"")], "page"),
            _ => page(
                &[("location", "/q"), ("cache-group-invalidation", "\"a\"")],
                "",
            ),
        });
        let layered = InvalidationLayer::new(&world.cache).layer(site.service.clone());
        let site = Site::of(world.clone(), site.runs.clone(), layered);
        for target in ["/p", "/q", "/of-the-group"] {
            site.get(target).await;
            assert!(site.get(target).await.is_hit());
        }
        // Nothing else can be written.
        store.has(&[(Call::Apply, Trouble::Fails)]);
        site.ask(request(Method::PUT, "/p", &[])).await;
        assert_eq!(world.cache.stats().store_errors, 0);
        for target in ["/p", "/q", "/of-the-group"] {
            assert!(!site.get(target).await.is_hit(), "{target}");
        }
    }
}
