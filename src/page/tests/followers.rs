//! Who waits for a flight, for how long, and who gets what it brings.

use tokio::time::Instant;

use super::*;
use crate::seconds;

on_every_store! {
    a_follower_of_another_variant_does_not_wait_for_the_leaders_body
    followers_of_another_variant_collapse_among_themselves
    those_who_come_after_a_purge_do_not_wait_for_what_it_struck
    head_and_no_store_wait_for_nobody
    nothing_is_stored_before_the_whole_of_it_is_there
}

async fn followers_of_another_variant_collapse_among_themselves(world: World) {
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |request: Request<Body>| {
        let language = request.headers()["x-l"].to_str().unwrap().to_owned();
        let held = held.clone();
        async move {
            held.pass().await;
            page(&[("vary", "X-L")], language)
        }
    });
    let languages = ["de", "en", "de", "en", "fr", "en", "de"];
    let ask = |language| site.start(get_with("/p", &[("x-l", language)]));
    let asked = languages.map(ask);
    settle().await;
    assert_eq!(site.runs(), 1, "what it varies on is not known yet");
    gate.open();
    for (language, asked) in languages.into_iter().zip(asked) {
        assert_eq!(asked.await.unwrap().body, language);
    }
    assert_eq!(site.runs(), 3);
    world.cache.background().idle().await;
    // Known by now, they do not meet at all.
    world.purge_page("/p").await;
    for (language, asked) in languages.into_iter().zip(languages.map(ask)) {
        assert_eq!(asked.await.unwrap().body, language);
    }
    assert_eq!(site.runs(), 6);
    world.assert_at_rest().await;
}

async fn a_follower_of_another_variant_does_not_wait_for_the_leaders_body(world: World) {
    let german = Gate::closed();
    let held = german.clone();
    let site = world.site(world.page(), move |request: Request<Body>| {
        let language = request.headers()["x-l"].to_str().unwrap().to_owned();
        let held = held.clone();
        let body = stream::once(async move {
            if language == "de" {
                held.pass().await;
            }
            Ok::<_, Infallible>(language)
        });
        async move { page(&[("vary", "X-L")], Body::from_stream(body)) }
    });
    let leader = site.start(get_with("/p", &[("x-l", "de")]));
    settle().await;
    let english = site.start(get_with("/p", &[("x-l", "en")]));
    assert_eq!(
        english.await.unwrap().said(),
        "fwd=vary-miss; stored; collapsed=?0"
    );
    german.open();
    assert_eq!(leader.await.unwrap().body, "de");
    world.assert_at_rest().await;
}

/// A tag that only the head tells: the flight that it outlaws may stream for long, and stands at the key all the while.
async fn those_who_come_after_a_purge_do_not_wait_for_what_it_struck(world: World) {
    for how in [How::Key, How::HandlersTag] {
        let data = Data::default();
        let (made_of, slow) = (data.clone(), Gate::closed());
        let held = slow.clone();
        let site = world.site(world.page(), move |_| {
            let (version, held) = (made_of.read(), held.clone());
            let end = stream::once(async move {
                if version == 0 {
                    held.pass().await;
                }
                Ok::<_, Infallible>(version.to_string())
            });
            let mut response = page(
                &[],
                Body::from_stream(stream::iter([Ok("version ".to_owned())]).chain(end)),
            );
            CacheTags::new(["handler"]).add_to(response.extensions_mut());
            async move { response }
        });
        let old = site.start(get("/p?q"));
        settle().await;
        data.change();
        world.purge(how).await;
        let after: Vec<_> = (0..10).map(|_| site.start(get("/p?q"))).collect();
        for request in after {
            assert_eq!(request.await.unwrap().body, "version 1");
        }
        assert_eq!(
            site.runs(),
            2,
            "{how:?}: they run the handler once among themselves"
        );
        slow.open();
        assert_eq!(old.await.unwrap().body, "version 0");
        assert_eq!(site.get("/p?q").await.body, "version 1");
        world.purge(How::Clear).await;
        world.assert_at_rest().await;
    }
}

async fn head_and_no_store_wait_for_nobody(world: World) {
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |request: Request<Body>| {
        let held = held.clone();
        async move {
            if !request.headers().contains_key("x-quick") {
                held.pass().await;
            }
            page(&[], "soup")
        }
    });
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    let quick = ("x-quick", "1");
    assert_eq!(
        read(site.open(request(Method::HEAD, "/p", &[quick])).await)
            .await
            .status,
        200
    );
    let no_store = get_with("/p", &[quick, ("cache-control", "no-store")]);
    assert_eq!(read(site.open(no_store).await).await.body, "soup");
    gate.open();
    leader.await.unwrap();
    assert_eq!(site.runs(), 3);
    world.assert_at_rest().await;
}

/// Asked with `no-store`, which looks the store up and follows no flight.
async fn nothing_is_stored_before_the_whole_of_it_is_there(world: World) {
    let end = Gate::closed();
    let site = world.site_of(&Data::default(), &Gate::opened(), &end);
    let no_store = || get_with("/p", &[("cache-control", "no-store")]);
    let filling = site.open(get("/p")).await;
    let early = site.start(no_store());
    settle().await;
    end.open();
    assert_eq!(early.await.unwrap().said(), "fwd=bypass");
    read(filling).await;
    world.cache.background().idle().await;
    assert!(site.ask(no_store()).await.is_hit());
    assert_eq!(site.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_five_seconds() {
    let world = World::new();
    let (runs, gate) = (Runs::default(), Gate::closed());
    let (counted, held) = (runs.clone(), gate.clone());
    let handler = runs.handler(move |_| {
        let (run, held) = (counted.count(), held.clone());
        async move {
            if run == 1 {
                held.pass().await;
            }
            page(&[], run.to_string())
        }
    });
    let site = Site::of(world.clone(), runs, world.page().layer(handler));
    let leader = site.start(get("/p"));
    site.runs.reach(1).await;
    let since = Instant::now();
    let follower = site.start(get("/p")).await.unwrap();
    assert_eq!(since.elapsed(), seconds(5), "of paused time");
    assert_eq!(follower.body, "2");
    // What it made is stored, though the first flight is still under way.
    assert_eq!(site.get("/p").await.said(), "hit; ttl=1800");
    gate.open();
    assert_eq!(leader.await.unwrap().body, "1");
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn at_most_1_024_wait_for_one_flight() {
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
    let asked: Vec<_> = (0..1_100).map(|_| site.start(get("/p"))).collect();
    settle().await;
    assert_eq!(
        site.runs(),
        1 + (1_100 - 1 - 1_024),
        "the rest go for themselves"
    );
    gate.open();
    for request in asked {
        assert_eq!(request.await.unwrap().body, "soup");
    }
    assert_eq!(world.cache.stats().collapsed(), 1_024);
    world.assert_at_rest().await;
}

/// The answer is as old for a follower as it is for a hit, and what belonged to the leader's connection is not passed on.
#[tokio::test(start_paused = true)]
async fn a_follower_gets_the_fields_of_a_stored_answer() {
    let world = World::new();
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.page(), move |_| {
        let held = held.clone();
        async move {
            held.pass().await;
            let fields = [
                ("age", "10"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("x-kept", "1"),
                ("server-timing", "db"),
            ];
            page(&fields, "soup")
        }
    });
    let leader = site.start(get("/p"));
    settle().await;
    let follower = site.start(get("/p"));
    settle().await;
    gate.open();
    leader.await.unwrap();
    let follower = follower.await.unwrap();
    assert_eq!(follower.said(), "fwd=uri-miss; collapsed");
    assert_eq!(
        (follower.field("age"), follower.field("x-kept")),
        (Some("10"), Some("1"))
    );
    for name in ["connection", "x-hop", "server-timing"] {
        assert_eq!(follower.field(name), None);
    }
}
