//! Memory is bounded in bytes, and what does not fit is served all the same (P5; faults 17 and 22 of PEERS §2).

use super::*;

/// A body of so many kilobytes, in pieces of one, whose length is told or not.
fn body_of(kilobytes: usize, told: bool) -> Response<Body> {
    let pieces = (0..kilobytes).map(|n| Ok::<_, Infallible>(vec![b'a' + (n % 26) as u8; 1_000]));
    let body = Body::from_stream(stream::iter(pieces));
    let length = (kilobytes * 1_000).to_string();
    page(
        &told
            .then_some(("content-length", &*length))
            .into_iter()
            .collect::<Vec<_>>(),
        body,
    )
}

fn is_whole(answer: &Answer, kilobytes: usize) -> bool {
    let bytes = answer.body.as_bytes();
    bytes.len() == kilobytes * 1_000
        && bytes
            .chunks(1_000)
            .enumerate()
            .all(|(n, piece)| piece.iter().all(|byte| *byte == b'a' + (n % 26) as u8))
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_limit_streams_through_whole() {
    for told in [false, true] {
        let world = World::new();
        let site = world.site(
            world.page().max_body(50_000).unwrap(),
            move |request: Request<Body>| {
                let kilobytes = request.uri().path()[1..].parse().unwrap();
                async move { body_of(kilobytes, told) }
            },
        );
        for (kilobytes, stored) in [(50, true), (51, false), (2_000, false)] {
            let target = format!("/{kilobytes}");
            let asked: Vec<_> = (0..3).map(|_| site.start(get(&target))).collect();
            for request in asked {
                assert!(
                    is_whole(&request.await.unwrap(), kilobytes),
                    "{kilobytes}, {told}"
                );
            }
            assert_eq!(
                site.get(&target).await.is_hit(),
                stored,
                "{kilobytes}, {told}"
            );
        }
        world.assert_at_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_of_all_recordings_bodies_stream_through_whole() {
    for told in [false, true] {
        let world = World::built(Cache::builder(MemoryStore::new(MIB)).recording_budget(50_000));
        let gate = Gate::closed();
        let held = gate.clone();
        let site = world.site(world.page(), move |request: Request<Body>| {
            let held = held.clone();
            let slow = request.uri().path() == "/slow";
            async move {
                let (parts, body) = body_of(30, told).into_parts();
                let end = stream::once(async move {
                    if slow {
                        held.pass().await;
                    }
                    Ok::<_, axum::Error>(Bytes::new())
                });
                let mut body = body.into_data_stream();
                let last = body.next().await.unwrap();
                let body = body.chain(end).chain(stream::iter([last]));
                Response::from_parts(parts, Body::from_stream(body))
            }
        });
        let length = |answer: &Answer| answer.body.len();
        // The first holds more than half of the budget until it ends.
        let slow = site.start(get("/slow"));
        settle().await;
        for run in 2..=4 {
            assert_eq!(length(&read(site.open(get("/p")).await).await), 30_000);
            assert_eq!(site.runs(), run, "not stored");
        }
        gate.open();
        assert_eq!(length(&slow.await.unwrap()), 30_000);
        assert!(site.get("/slow").await.is_hit());
        // There is room again, and a budget that was used up is no reason to remember a page for.
        assert_eq!(length(&site.get("/p").await), 30_000);
        assert!(site.get("/p").await.is_hit());
        world.cache.background().idle().await;
        assert_eq!(world.cache.shared.budget.left(), 50_000);
    }
}

#[tokio::test(start_paused = true)]
async fn followers_of_what_the_budget_does_not_hold_are_served_each_for_itself() {
    let world = World::built(Cache::builder(MemoryStore::new(MIB)).recording_budget(10_000));
    let site = world.site(world.page(), async |_| body_of(30, false));
    let asked: Vec<_> = (0..10).map(|_| site.start(get("/p"))).collect();
    for request in asked {
        assert!(is_whole(&request.await.unwrap(), 30));
    }
    assert_eq!(
        (site.runs(), world.cache.shared.budget.left()),
        (10, 10_000)
    );
    assert_eq!(world.cache.shared.flights.under_way(), 0);
}

/// Every request has an address, a variant and a tag of its own.
#[tokio::test(start_paused = true)]
async fn a_flood_of_addresses_variants_and_tags_stays_within_the_capacity() {
    const MANY: usize = 15_000;
    let store = MemoryStore::new(MIB);
    let world = World::on(store.clone());
    let site = world.site(world.page(), async |request| {
        let mut response = page(&[("vary", "X-L")], "soup");
        let tag = request.headers()["x-l"].to_str().unwrap();
        CacheTags::new([tag]).add_to(response.extensions_mut());
        response
    });
    let ask = |n: usize| get_with(&format!("/{n}?q={n}"), &[("x-l", &n.to_string())]);
    let weigh = || assert!(store.weight() <= MIB as u64, "{store:?}");
    for n in 0..MANY {
        read(site.open(ask(n)).await).await;
        weigh();
    }
    assert!(store.len() > 500, "and it still stores: {store:?}");
    assert!(site.ask(ask(MANY - 1)).await.is_hit());
    for n in 0..MANY {
        world.purge_tag(&n.to_string()).await;
        weigh();
    }
    // What was forgotten of all these tags has purged more, never less.
    for n in (0..MANY).step_by(997) {
        assert!(!site.ask(ask(n)).await.is_hit(), "{n}");
    }
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn one_page_has_so_many_variants_and_no_more() {
    let store = MemoryStore::new(MIB);
    let world = World::on(store.clone());
    let site = world.site(world.page(), async |_| {
        page(&[("vary", "Accept-Language")], "soup")
    });
    let ask = |n| get_with("/p", &[("accept-language", &format!("de-{n}"))]);
    for n in 0..1_000 {
        assert_eq!(site.ask(ask(n)).await.body, "soup");
    }
    // An index, and what it leads to.
    assert_eq!(store.len(), 1 + 16);
    for n in 984..1_000 {
        assert!(site.ask(ask(n)).await.is_hit(), "{n} is one of the last");
    }
    assert!(!site.ask(ask(0)).await.is_hit(), "the first has made room");
}
