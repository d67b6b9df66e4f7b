//! What may not be shared does not queue ("hit-for-miss").

use super::*;

/// A handler that answers with these fields at once, and ends its body when `body` lets it.
fn saying(world: &World, layer: CacheLayer, fields: Fields, body: &Gate) -> Site {
    let body = body.clone();
    world.site(layer, move |_| {
        let body = body.clone();
        let end = stream::once(async move {
            body.pass().await;
            Ok::<_, Infallible>("text")
        });
        async move { page(fields, Body::from_stream(end)) }
    })
}

/// A handler that answers with these fields once the gate is open.
fn slow(world: &World, layer: CacheLayer, fields: Fields, gate: &Gate) -> Site {
    let gate = gate.clone();
    world.site(layer, move |_| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            page(fields, "text")
        }
    })
}

const PRIVATE: Fields = &[("cache-control", "private")];

on_every_store! {
    followers_of_what_may_not_be_shared_are_released_at_its_head
    requests_for_what_was_refused_lately_run_side_by_side
    a_refusal_is_forgotten_after_ten_seconds
}

async fn followers_of_what_may_not_be_shared_are_released_at_its_head(world: World) {
    let (head, body) = (Gate::closed(), Gate::closed());
    let (held, end) = (head.clone(), body.clone());
    let site = world.site(world.page(), move |_| {
        let (held, end) = (held.clone(), end.clone());
        async move {
            held.pass().await;
            let end = stream::once(async move {
                end.pass().await;
                Ok::<_, Infallible>("text")
            });
            page(PRIVATE, Body::from_stream(end))
        }
    });
    let asked: Vec<_> = (0..20).map(|_| site.start(get("/p"))).collect();
    settle().await;
    assert_eq!(site.runs(), 1);
    // Only the leader's head: its body never ends before all others have run.
    head.open_for(1);
    site.runs.reach(20).await;
    head.open();
    body.open();
    let mut said = Vec::new();
    for request in asked {
        said.push(request.await.unwrap().said().to_owned());
    }
    assert_eq!(
        said.iter()
            .filter(|said| *said == "fwd=uri-miss; collapsed=?0")
            .count(),
        19
    );
    assert_eq!(site.runs(), 20, "each for itself");
    world.assert_at_rest().await;
}

async fn requests_for_what_was_refused_lately_run_side_by_side(world: World) {
    let body = Gate::opened();
    let site = saying(&world, world.page(), PRIVATE, &body);
    site.get("/p").await;
    let gate = Gate::closed();
    let site = slow(&world, world.page(), PRIVATE, &gate);
    let asked: Vec<_> = (0..100).map(|_| site.start(get("/p"))).collect();
    // All are in the handler, and none has answered.
    site.runs.reach(100).await;
    gate.open();
    for request in asked {
        assert_eq!(request.await.unwrap().said(), "fwd=uri-miss");
    }
    // Another address is another matter.
    let gate = Gate::closed();
    let site = slow(&world, world.page(), PRIVATE, &gate);
    let asked: Vec<_> = (0..10).map(|_| site.start(get("/q"))).collect();
    settle().await;
    assert_eq!(site.runs(), 1);
    gate.open();
    for request in asked {
        request.await.unwrap();
    }
}

async fn a_refusal_is_forgotten_after_ten_seconds(world: World) {
    saying(&world, world.page(), PRIVATE, &Gate::opened())
        .get("/p")
        .await;
    for (later, runs) in [
        (Duration::from_millis(9_999), 5),
        (Duration::from_millis(1), 1),
    ] {
        world.advance(later);
        let gate = Gate::closed();
        // It can be stored now; as long as the refusal is remembered, nobody waits for it all the same.
        let site = slow(&world, world.page(), &[], &gate);
        let asked: Vec<_> = (0..5).map(|_| site.start(get("/p"))).collect();
        settle().await;
        assert_eq!(site.runs(), runs);
        gate.open();
        for request in asked {
            request.await.unwrap();
        }
        world.cache.background().idle().await;
        let _ = world.cache.clear().await.unwrap();
        // What was stored is no refusal any more.
        if runs == 5 {
            saying(&world, world.page(), PRIVATE, &Gate::opened())
                .get("/p")
                .await;
            world.advance(Duration::from_millis(9_999));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_again_collapses_again() {
    let world = World::new();
    saying(&world, world.page(), PRIVATE, &Gate::opened())
        .get("/p")
        .await;
    let gate = Gate::opened();
    slow(&world, world.page(), &[], &gate).get("/p").await;
    world.purge_page("/p").await;
    let gate = Gate::closed();
    let site = slow(&world, world.page(), &[], &gate);
    let asked: Vec<_> = (0..5).map(|_| site.start(get("/p"))).collect();
    settle().await;
    assert_eq!(site.runs(), 1);
    gate.open();
    for request in asked {
        request.await.unwrap();
    }
}

const COOKIE: (&str, &str) = ("cookie", "session=alice");

#[tokio::test(start_paused = true)]
async fn one_signed_in_request_does_not_stop_collapsing_for_everybody() {
    let world = World::new();
    slow(&world, world.page(), &[], &Gate::opened())
        .ask(get_with("/p", &[COOKIE]))
        .await;
    let gate = Gate::closed();
    let site = slow(&world, world.page(), &[], &gate);
    let signed_in: Vec<_> = (0..5)
        .map(|_| site.start(get_with("/p", &[COOKIE])))
        .collect();
    site.runs.reach(5).await;
    let anonymous: Vec<_> = (0..5).map(|_| site.start(get("/p"))).collect();
    settle().await;
    assert_eq!(site.runs(), 6);
    gate.open();
    for request in signed_in.into_iter().chain(anonymous) {
        assert_eq!(request.await.unwrap().body, "text");
    }
    assert!(site.get("/p").await.is_hit());
    world.assert_at_rest().await;
}

/// It was refused for what it asked with, which says nothing of those who waited.
#[tokio::test(start_paused = true)]
async fn anonymous_followers_of_a_signed_in_leader_collapse_among_themselves() {
    let world = World::new();
    let gate = Gate::closed();
    let site = slow(&world, world.page(), &[], &gate);
    let leader = site.start(get_with("/p", &[COOKIE]));
    settle().await;
    let followers: Vec<_> = (0..10).map(|_| site.start(get("/p"))).collect();
    settle().await;
    assert_eq!(site.runs(), 1);
    gate.open();
    leader.await.unwrap();
    for request in followers {
        assert_eq!(request.await.unwrap().body, "text");
    }
    assert_eq!(site.runs(), 2);
    assert!(site.get("/p").await.is_hit());
    world.assert_at_rest().await;
}

/// Everyone is of one class where the handler sees nobody's credentials.
#[tokio::test(start_paused = true)]
async fn what_a_shared_route_refused_does_not_queue_for_those_with_cookies_either() {
    let world = World::new();
    let layer = || world.page().shared();
    saying(&world, layer(), PRIVATE, &Gate::opened())
        .ask(get_with("/p", &[COOKIE]))
        .await;
    let gate = Gate::closed();
    let site = slow(&world, layer(), PRIVATE, &gate);
    let asked: Vec<_> = (0..10)
        .map(|_| site.start(get_with("/p", &[COOKIE])))
        .collect();
    settle().await;
    assert_eq!(site.runs(), 10);
    gate.open();
    for request in asked {
        request.await.unwrap();
    }
}

/// What one client has already must not keep the page from everyone: a fill asks for all of it.
#[tokio::test(start_paused = true)]
async fn the_condition_of_one_client_does_not_keep_the_page_from_everyone() {
    let world = World::new();
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |request: Request<Body>| {
        let held = held.clone();
        async move {
            held.pass().await;
            match request.headers().get("if-none-match") {
                Some(_) => with_status(304, &[("etag", "\"a\"")], Body::empty()),
                None => page(&[("etag", "\"a\"")], "text"),
            }
        }
    });
    let conditional = site.start(get_with("/p", &[("if-none-match", "\"a\"")]));
    settle().await;
    let plain: Vec<_> = (0..10).map(|_| site.start(get("/p"))).collect();
    settle().await;
    gate.open();
    // It has what was made, and is told so.
    let conditional = conditional.await.unwrap();
    assert_eq!((conditional.status.as_u16(), &*conditional.body), (304, ""));
    assert_eq!(conditional.said(), "fwd=uri-miss; stored");
    for request in plain {
        let answer = request.await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, "text"));
    }
    assert_eq!(site.runs(), 1);
    assert!(site.get("/p").await.is_hit());
    world.assert_at_rest().await;
}

/// A handler that answers 304 all the same says nothing of the page, and of whether that can be stored.
#[tokio::test(start_paused = true)]
async fn a_304_is_neither_shared_nor_remembered() {
    let world = World::new();
    let runs = Runs::default();
    let counted = runs.clone();
    let gate = Gate::closed();
    let held = gate.clone();
    let handler = runs.handler(move |_| {
        let first = counted.count() == 1;
        let held = held.clone();
        async move {
            held.pass().await;
            match first {
                true => with_status(304, &[], Body::empty()),
                false => page(&[], "text"),
            }
        }
    });
    let site = Site::of(world.clone(), runs.clone(), world.page().layer(handler));
    let leader = site.start(get("/p"));
    settle().await;
    let followers: Vec<_> = (0..10).map(|_| site.start(get("/p"))).collect();
    settle().await;
    gate.open();
    let leader = leader.await.unwrap();
    // Who has asked under no condition never gets a 304.
    assert_eq!(
        (leader.status.as_u16(), leader.field("cache-status")),
        (502, None)
    );
    for request in followers {
        assert_eq!(request.await.unwrap().body, "text");
    }
    assert_eq!(runs.count(), 2);
    world.assert_at_rest().await;
}
