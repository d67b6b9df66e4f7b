//! Faults seen in other caches, by their numbers in PEERS §2. What is not here concerns limits, stale serving, or other stores.

use axum::Router;
use axum::extract::Path;
use axum::routing::get as get_route;

use super::*;
use crate::seconds;

#[tokio::test(start_paused = true)]
async fn fault_01_alices_page_and_cookie_are_not_served_to_bob() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        let who = request.headers()["authorization"]
            .to_str()
            .unwrap()
            .to_owned();
        page(&[("set-cookie", &format!("session={who}"))], who)
    });
    for who in ["alice", "bob"] {
        let answer = site.ask(get_with("/p", &[("authorization", who)])).await;
        assert_eq!(
            (answer.field("set-cookie"), &*answer.body),
            (Some(&*format!("session={who}")), who)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn fault_02_vary_and_host_are_heeded() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        let field = |name| request.headers()[name].to_str().unwrap();
        page(
            &[("vary", "Accept")],
            format!("{} {}", field("host"), field("accept")),
        )
    });
    for _ in 0..2 {
        for (host, accept) in [
            ("a.example", "text/html"),
            ("a.example", "application/json"),
            ("b.example", "text/html"),
        ] {
            let request = Request::get("/p")
                .header("host", host)
                .header("accept", accept);
            let answer = site.ask(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.body, format!("{host} {accept}"));
        }
    }
    assert_eq!(site.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn fault_03_one_anonymous_401_does_not_lock_a_signed_in_user_out() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        match request.headers().contains_key("authorization") {
            true => page(&[], "welcome"),
            false => with_status(401, &[], "who?"),
        }
    });
    for _ in 0..2 {
        assert_eq!(site.get("/p").await.status, 401);
        let signed_in = get_with("/p", &[("authorization", "alice")]);
        assert_eq!(site.ask(signed_in).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn fault_04_head_does_not_poison_get() {
    let world = World::new();
    let router = Router::new().route("/p", get_route(async || "soup").layer(world.page()));
    let site = Site::of(world.clone(), Runs::default(), router);
    for body in ["", "soup", "", "soup"] {
        let method = if body.is_empty() {
            Method::HEAD
        } else {
            Method::GET
        };
        let answer = site.ask(request(method, "/p", &[])).await;
        assert_eq!(
            (answer.field("content-length"), &*answer.body),
            (Some("4"), body)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn fault_05_every_write_reaches_the_handler() {
    let world = World::new();
    let site = world.site(world.page(), async |_| {
        page(&[("cache-control", "public, max-age=60")], "x")
    });
    let methods = [Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    for (n, method) in methods.iter().chain(&methods).enumerate() {
        assert_eq!(
            site.ask(request(method.clone(), "/p", &[])).await.said(),
            "fwd=method"
        );
        assert_eq!(site.runs(), n + 1);
    }
    assert!(!site.get("/p").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn fault_06_a_part_is_never_served_as_the_whole() {
    let world = World::new();
    let site = world.site(world.page(), async |request| {
        match request.headers().contains_key("range") {
            true => with_status(
                206,
                &[
                    ("content-range", "bytes 0-1/4"),
                    ("cache-control", "max-age=60"),
                ],
                "so",
            ),
            false => page(&[], "soup"),
        }
    });
    assert_eq!(
        site.ask(get_with("/p", &[("range", "bytes=0-1")]))
            .await
            .body,
        "so"
    );
    let whole = site.get("/p").await;
    assert_eq!((whole.status.as_u16(), &*whole.body), (200, "soup"));
    // Nor one that nobody asked for.
    let site = world.site(world.page(), async |_| {
        with_status(
            206,
            &[
                ("content-range", "bytes 0-1/4"),
                ("cache-control", "public, max-age=60"),
            ],
            "so",
        )
    });
    for _ in 0..2 {
        assert_eq!(site.get("/q").await.said(), "fwd=uri-miss");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_07_every_line_of_cache_control_is_read_in_any_case() {
    let lines: [Fields; 4] = [
        &[("cache-control", "private, no-store")],
        &[
            ("cache-control", "max-age=60"),
            ("cache-control", "No-Store"),
        ],
        &[
            ("cache-control", "public"),
            ("cache-control", ""),
            ("cache-control", ",, PRIVATE"),
        ],
        &[
            ("Cache-Control", "max-age=60"),
            ("CACHE-CONTROL", "s-maxage=0"),
        ],
    ];
    for fields in lines {
        let world = World::new();
        let site = world.site(world.page(), move |_| async move { page(fields, "x") });
        for _ in 0..2 {
            assert_eq!(site.get("/p").await.said(), "fwd=uri-miss", "{fields:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_08_a_coded_body_keeps_its_coding() {
    let world = World::new();
    let fields = [
        ("content-encoding", "gzip"),
        ("vary", "Accept-Encoding"),
        ("content-type", "text/html"),
    ];
    let site = world.site(
        world.page(),
        move |_| async move { page(&fields, "not really") },
    );
    let asked = || get_with("/p", &[("accept-encoding", "gzip")]);
    site.ask(asked()).await;
    let hit = site.ask(asked()).await;
    assert!(hit.is_hit());
    for (name, value) in fields {
        assert_eq!(hit.field(name), Some(value));
    }
    assert!(
        !site
            .ask(get_with("/p", &[("accept-encoding", "identity")]))
            .await
            .is_hit()
    );
}

#[tokio::test(start_paused = true)]
async fn fault_09_pages_have_keys_of_their_own_without_any_configuration() {
    let world = World::new();
    let show = get_route(async |Path(id): Path<String>| id);
    let router = Router::new()
        .route("/dishes/{id}", show.clone())
        .route("/orders/{id}", show)
        .layer(world.page());
    let site = Site::of(world.clone(), Runs::default(), router);
    for said in ["fwd=uri-miss; stored", "hit; ttl=1800"] {
        for target in ["/dishes/1", "/dishes/2", "/orders/1", "/dishes/1?page=2"] {
            assert_eq!(site.get(target).await.said(), said, "{target}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fault_10_followers_do_not_hang_when_the_leaders_client_leaves() {
    let world = World::new();
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
    let follower = site.start(get("/p"));
    settle().await;
    leader.abort();
    settle().await;
    gate.open();
    assert_eq!(follower.await.unwrap().body, "soup");
}

#[tokio::test(start_paused = true)]
async fn fault_11_events_and_endless_bodies_send_their_head_at_once() {
    let world = World::new();
    let kinds: [Fields; 3] = [
        &[("content-type", "text/event-stream")],
        &[
            ("content-type", "Text/Event-Stream; charset=utf-8"),
            ("cache-control", "max-age=60"),
        ],
        &[("content-type", "application/octet-stream")],
    ];
    for fields in kinds {
        let site = world.site(world.page().max_body(1_000).unwrap(), move |_| async move {
            let endless = stream::repeat_with(|| Ok::<_, Infallible>("data: tick\n\n"));
            page(fields, Body::from_stream(endless))
        });
        for run in 1..=2 {
            let mut response = site.open(get("/events")).await;
            for _ in 0..1_000 {
                let frame = response.body_mut().frame().await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), "data: tick\n\n");
            }
            drop(response);
            assert_eq!(site.runs(), run);
        }
        world.assert_at_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn fault_12_trailers_are_kept() {
    let world = World::new();
    let stored = |control| {
        world.site(world.page(), move |_| async move {
            page(
                &[("cache-control", control)],
                trailing(&["a"], &[("x-t", "1")]),
            )
        })
    };
    // Stored, from the store, and passed through.
    for (control, target) in [
        ("max-age=60", "/p"),
        ("max-age=60", "/p"),
        ("private", "/q"),
    ] {
        let answer = stored(control).get(target).await;
        assert_eq!(answer.trailers.unwrap()["x-t"], "1", "{control}");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_14_the_service_is_not_called_on_hits() {
    let world = World::new();
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    for _ in 0..100 {
        site.get("/p").await;
    }
    assert_eq!((site.runs(), world.cache.stats().hits()), (1, 99));
}

#[tokio::test(start_paused = true)]
async fn fault_18_a_body_is_not_held_back_nor_swollen() {
    let store = MemoryStore::builder(16 * MIB)
        .largest_entry(2 * MIB)
        .build()
        .unwrap();
    let world = World::on(store.clone());
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |_| {
        let held = held.clone();
        let half = Bytes::from(vec![b'x'; MIB / 2]);
        let end = half.clone();
        let end = stream::once(async move {
            held.pass().await;
            Ok::<_, Infallible>(end)
        });
        async move { page(&[], Body::from_stream(stream::iter([Ok(half)]).chain(end))) }
    });
    let mut response = site.open(get("/p")).await;
    let first = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(
        first.into_data().unwrap().len(),
        MIB / 2,
        "before the rest is there"
    );
    gate.open();
    read(response).await;
    assert!(store.weight() >= MIB as u64);
    assert!(store.weight() < (MIB + 4_096) as u64, "{}", store.weight());
}

#[tokio::test(start_paused = true)]
async fn fault_19_the_longest_lifetime_holds_for_the_responses_own_too() {
    let world = World::new();
    let layer = world.page().max_ttl(seconds(30)).unwrap();
    let site = world.site(layer, async |_| {
        page(&[("cache-control", "max-age=3600")], "x")
    });
    site.get("/p").await;
    world.advance(seconds(29));
    assert_eq!(site.get("/p").await.said(), "hit; ttl=1");
    world.advance(seconds(1));
    assert!(!site.get("/p").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn fault_20_a_refresh_that_was_given_up_does_not_make_the_stale_page_fresh() {
    let world = World::built(
        Cache::builder(MemoryStore::new(MIB)).background(crate::background::Background::new(1)),
    );
    // No room to go on in: the refresh ends with its client.
    assert!(
        world
            .cache
            .background()
            .spawn(Box::pin(std::future::pending()))
    );
    let gate = Gate::closed();
    let held = gate.clone();
    let layer = world.cache.page(seconds(60)).keep(seconds(600)).unwrap();
    let site = world.site(layer, move |_| {
        let held = held.clone();
        async move {
            held.pass().await;
            page(&[], "soup")
        }
    });
    gate.open_for(1);
    read(site.open(get("/p")).await).await;
    world.advance(seconds(60));
    let refresh = site.start(get("/p"));
    site.runs.reach(2).await;
    refresh.abort();
    settle().await;
    gate.open_for(1);
    let answer = read(site.open(get("/p")).await).await;
    assert_eq!((answer.said(), site.runs()), ("fwd=stale; stored", 3));
    world.cache.background().shutdown();
}

#[tokio::test(start_paused = true)]
async fn fault_21_the_request_does_not_speak_through_the_response_and_errors_are_not_made_public() {
    let world = World::new();
    let site = world.site(world.page().client_ttl(seconds(60)), async |request| {
        let failed = request.uri().path() == "/failed";
        with_status(if failed { 500 } else { 200 }, &[], "x")
    });
    let asked = |target| get_with(target, &[("cache-control", "max-age=5, x-evil")]);
    for _ in 0..2 {
        assert_eq!(
            site.ask(asked("/p")).await.field("cache-control"),
            Some("max-age=60")
        );
        assert_eq!(
            site.ask(asked("/failed")).await.field("cache-control"),
            None
        );
    }
}
