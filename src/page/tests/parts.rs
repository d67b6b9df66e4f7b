//! Parts (206) that a gateway stores, and what they answer (RFC 9111 §3.3).

use super::origin::Origin;
use super::ranged::{TEXT, get_range, ranged, ranged_of};
use super::*;

/// A gateway before an origin that serves ranges by the book.
fn gateway(world: &World, tag: &'static str, fields: Fields) -> (Origin, Site) {
    served(world, world.cache.gateway(), tag, fields)
}

fn served(world: &World, layer: CacheLayer, tag: &'static str, fields: Fields) -> (Origin, Site) {
    let (origin, site) = world.origin(layer);
    origin.answers(move |request| ranged(request, tag, fields));
    (origin, site)
}

/// Status, `Content-Range` and body.
fn told(answer: &Answer) -> (u16, Option<&str>, &str) {
    let status = answer.status.as_u16();
    (status, answer.field("content-range"), &answer.body)
}

on_every_store! {
    a_part_answers_the_ranges_within_it
    a_part_answers_no_range_that_is_partly_outside_it
    a_part_never_answers_a_plain_get
    a_part_is_stale_when_its_lifetime_is_over
    a_part_of_one_variant_is_never_given_to_another
    requests_for_one_range_run_the_handler_once
    a_purge_by_page_tag_or_key_frees_a_part
    a_whole_page_that_came_instead_of_a_part_is_stored
}

async fn a_part_answers_the_ranges_within_it(world: World) {
    let (_, site) = gateway(&world, "\"a\"", &[]);
    let miss = site.ask(get_range("/p", "bytes=10-19")).await;
    assert_eq!(told(&miss), (206, Some("bytes 10-19/20"), "abcdefghij"));
    assert_eq!(miss.said(), "fwd=uri-miss; stored");
    world.advance(Duration::from_secs(5));
    for (range, at, body) in [
        ("bytes=10-19", "bytes 10-19/20", "abcdefghij"),
        ("bytes=12-13", "bytes 12-13/20", "cd"),
        ("bytes=15-999", "bytes 15-19/20", "fghij"),
        ("bytes=18-", "bytes 18-19/20", "ij"),
        ("bytes=-3", "bytes 17-19/20", "hij"),
        ("bytes=-10", "bytes 10-19/20", "abcdefghij"),
    ] {
        let hit = site.ask(get_range("/p", range)).await;
        assert_eq!(told(&hit), (206, Some(at), body), "{range}");
        let length = body.len().to_string();
        assert_eq!(hit.field("content-length"), Some(&*length), "{range}");
        assert_eq!(hit.said(), "hit; ttl=55", "{range}");
        assert_eq!(
            (hit.field("age"), hit.field("etag")),
            (Some("5"), Some("\"a\""))
        );
        assert_eq!(hit.field("content-type"), Some("text/plain"));
    }
    assert_eq!(site.runs(), 1);
    world.assert_at_rest().await;
}

async fn a_part_answers_no_range_that_is_partly_outside_it(world: World) {
    let (_, site) = gateway(&world, "\"a\"", &[]);
    for (range, body) in [
        ("bytes=5-9", "56789"),
        ("bytes=4-9", "456789"),
        ("bytes=9-10", "9a"),
        ("bytes=9-", "9abcdefghij"),
        ("bytes=-2", "ij"),
        ("bytes=0-0", "0"),
    ] {
        // One part is kept at a time, so each begins with this one.
        site.ask(get_range("/p", "bytes=5-8")).await;
        let runs = site.runs();
        let answer = site.ask(get_range("/p", range)).await;
        assert_eq!((&*answer.body, site.runs()), (body, runs + 1), "{range}");
        assert_eq!(answer.said(), "fwd=partial; stored", "{range}");
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn a_part_never_answers_a_plain_get(world: World) {
    for (n, tag) in ["\"a\"", "W/\"a\"", ""].into_iter().enumerate() {
        let target = format!("/{n}");
        for range in ["bytes=5-8", "bytes=0-8", "bytes=0-19"] {
            let (_, site) = gateway(&world, tag, &[]);
            site.ask(get_range(&target, range)).await;
            let runs = site.runs();
            let head = site.ask(request(Method::HEAD, &target, &[])).await;
            assert_eq!((head.status.as_u16(), site.runs()), (200, runs + 1));
            let whole = site.get(&target).await;
            assert_eq!(told(&whole), (200, None, TEXT), "{tag} {range}");
            assert_eq!(site.runs(), runs + 2, "{tag} {range}");
            let _ = world.cache.clear().await.unwrap();
        }
    }
}

async fn a_part_is_stale_when_its_lifetime_is_over(world: World) {
    let (_, site) = gateway(&world, "\"a\"", &[]);
    site.ask(get_range("/p", "bytes=0-4")).await;
    world.advance(Duration::from_secs(60));
    let again = site.ask(get_range("/p", "bytes=0-4")).await;
    assert_eq!((told(&again).2, site.runs()), ("01234", 2));
    assert!(site.ask(get_range("/p", "bytes=1-2")).await.is_hit());
}

async fn a_part_of_one_variant_is_never_given_to_another(world: World) {
    let site = world.site(world.cache.gateway(), async |request: Request<Body>| {
        let who = request
            .headers()
            .get("x-l")
            .map_or("", |who| who.to_str().unwrap());
        let text = match who {
            "de" => "eins zwei drei",
            _ => "one two three!",
        };
        // One tag for both, as no origin should.
        ranged_of(text, &request, "\"a\"", &[("vary", "X-L")])
    });
    let ask = |range, language| get_with("/p", &[("range", range), ("x-l", language)]);
    assert_eq!(site.ask(ask("bytes=0-3", "de")).await.body, "eins");
    assert_eq!(site.ask(ask("bytes=0-3", "en")).await.body, "one ");
    assert_eq!(site.ask(ask("bytes=0-1", "de")).await.body, "ei");
    assert_eq!(site.ask(ask("bytes=0-1", "en")).await.body, "on");
    let plain = |language| get_with("/p", &[("x-l", language)]);
    assert_eq!(site.ask(plain("fr")).await.body, "one two three!");
    assert_eq!(site.ask(plain("de")).await.body, "eins zwei drei");
    assert_eq!(site.ask(plain("en")).await.body, "one two three!");
}

async fn requests_for_one_range_run_the_handler_once(world: World) {
    let gate = Gate::closed();
    let held = gate.clone();
    let site = world.site(world.cache.gateway(), move |request: Request<Body>| {
        let held = held.clone();
        async move {
            held.pass().await;
            ranged(&request, "\"a\"", &[])
        }
    });
    let asked: Vec<_> = (0..10)
        .map(|_| site.start(get_range("/p", "bytes=3-6")))
        .collect();
    let other = site.start(get_range("/p", "bytes=0-1"));
    site.runs.reach(2).await;
    settle().await;
    gate.open();
    for request in asked {
        let answer = request.await.unwrap();
        assert_eq!(told(&answer), (206, Some("bytes 3-6/20"), "3456"));
    }
    assert_eq!(other.await.unwrap().body, "01");
    assert_eq!(site.runs(), 2);
    world.assert_at_rest().await;
}

async fn a_purge_by_page_tag_or_key_frees_a_part(world: World) {
    let layer = || world.cache.gateway().tag("layer");
    for how in ["page", "host", "layer", "handler", "key", "clear"] {
        let site = world.site(layer(), async |request: Request<Body>| {
            let mut answer = ranged(&request, "\"a\"", &[]);
            answer.extensions_mut().insert(CacheTags::new(["handler"]));
            answer
        });
        site.ask(get_range("/p?q", "bytes=0-4")).await;
        assert!(site.ask(get_range("/p?q", "bytes=0-4")).await.is_hit());
        match how {
            "page" => world.purge_page("/p").await,
            "host" => world.purge_page("//shop.example/p?q").await,
            "key" => {
                let key = layer().key(&RequestHead::of(&get("/p?q"))).unwrap();
                let _ = world.cache.purge_key(&key).await.unwrap();
            }
            "clear" => drop(world.cache.clear().await.unwrap()),
            tag => world.purge_tag(tag).await,
        }
        let after = site.ask(get_range("/p?q", "bytes=0-4")).await;
        assert_eq!(
            (after.said(), site.runs()),
            ("fwd=uri-miss; stored", 2),
            "{how}"
        );
        let _ = world.cache.clear().await.unwrap();
    }
}

async fn a_whole_page_that_came_instead_of_a_part_is_stored(world: World) {
    let site = world.site(world.cache.gateway(), async |_| {
        page(&[("cache-control", "max-age=60")], TEXT)
    });
    let miss = site.ask(get_range("/p", "bytes=2-4")).await;
    assert_eq!((miss.status.as_u16(), &*miss.body), (200, TEXT));
    let cut = site.ask(get_range("/p", "bytes=2-4")).await;
    assert_eq!(told(&cut), (206, Some("bytes 2-4/20"), "234"));
    assert_eq!(
        (site.get("/p").await.body, site.runs()),
        (TEXT.to_owned(), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_cache_stores_no_part_and_cuts_ranges_from_whole_pages() {
    let world = World::new();
    let (_, site) = served(&world, world.page(), "\"a\"", &[]);
    for _ in 0..2 {
        let part = site.ask(get_range("/p", "bytes=2-4")).await;
        assert_eq!(told(&part), (206, Some("bytes 2-4/20"), "234"));
        assert_eq!(part.said(), "fwd=bypass");
    }
    site.get("/p").await;
    let cut = site.ask(get_range("/p", "bytes=2-4")).await;
    assert_eq!(told(&cut), (206, Some("bytes 2-4/20"), "234"));
    assert!(cut.is_hit());
    assert_eq!(site.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stored_whole_page_answers_ranges_before_any_part_does() {
    let world = World::new();
    let (_, site) = gateway(&world, "\"a\"", &[]);
    site.get("/p").await;
    for (range, status, body) in [
        ("bytes=0-1", 206, "01"),
        ("bytes=-2", 206, "ij"),
        ("bytes=20-", 416, ""),
        ("bytes=x", 200, TEXT),
    ] {
        let answer = site.ask(get_range("/p", range)).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, body));
    }
    assert_eq!(site.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn if_range_must_name_the_stored_parts_strong_tag() {
    let world = World::new();
    let (origin, site) = gateway(&world, "\"a\"", &[]);
    site.ask(get_range("/p", "bytes=0-9")).await;
    let ask = |tag| get_with("/p", &[("range", "bytes=1-2"), ("if-range", tag)]);
    let hit = site.ask(ask("\"a\"")).await;
    assert_eq!((told(&hit).2, site.runs()), ("12", 1));
    // The client knows what else the fields say (RFC 9110 §15.3.7).
    assert_eq!(hit.field("content-type"), None);
    for tag in ["\"b\"", "W/\"a\""] {
        let runs = site.runs();
        let answer = site.ask(ask(tag)).await;
        assert_eq!(told(&answer), (200, None, TEXT), "{tag}");
        assert_eq!(origin.asked("if-range").as_deref(), Some(tag));
        assert_eq!(site.runs(), runs + 1, "{tag}");
        world.purge_page("/p").await;
        site.ask(get_range("/p", "bytes=0-9")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_the_stored_parts_version_is_told_so() {
    let world = World::new();
    let (_, site) = gateway(&world, "\"a\"", &[]);
    site.ask(get_range("/p", "bytes=0-9")).await;
    let ask = |tag| get_with("/p", &[("range", "bytes=1-2"), ("if-none-match", tag)]);
    let held = site.ask(ask("\"a\"")).await;
    assert_eq!((held.status.as_u16(), &*held.body), (304, ""));
    assert_eq!(held.field("content-range"), None);
    let other = site.ask(ask("\"b\"")).await;
    assert_eq!(told(&other), (206, Some("bytes 1-2/20"), "12"));
    assert_eq!(site.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_for_one_person_is_not_stored() {
    let world = World::new();
    let authorized = [("range", "bytes=0-4"), ("authorization", "Basic x")];
    type Row<'a> = (Fields, &'a [(&'a str, &'a str)], bool);
    let table: [Row<'_>; 6] = [
        (&[], &[("range", "bytes=0-4")], true),
        (&[], &authorized, false),
        (&[("cache-control", "must-revalidate")], &authorized, true),
        (&[("cache-control", "public")], &authorized, true),
        (
            &[("cache-control", "private")],
            &[("range", "bytes=0-4")],
            false,
        ),
        (&[("set-cookie", "a=b")], &[("range", "bytes=0-4")], false),
    ];
    for (n, (fields, asked, stored)) in table.into_iter().enumerate() {
        let (_, site) = gateway(&world, "\"a\"", fields);
        let target = format!("/{n}");
        site.ask(get_with(&target, asked)).await;
        let next = site.ask(get_range(&target, "bytes=0-4")).await;
        assert_eq!(
            (next.is_hit(), &*next.body),
            (stored, "01234"),
            "{n}: {fields:?}"
        );
    }
}

/// What selects is what the handler has seen (RFC 9110 §12.5.3).
#[tokio::test(start_paused = true)]
async fn the_handler_of_a_part_sees_the_form_of_codings_that_selects() {
    let world = World::new();
    let (origin, site) = gateway(&world, "\"a\"", &[("vary", "Accept-Encoding")]);
    let ask = |codings| {
        get_with(
            "/p",
            &[("range", "bytes=0-4"), ("accept-encoding", codings)],
        )
    };
    site.ask(ask("GZIP;q=1.0,br")).await;
    assert!(site.ask(ask("br, gzip")).await.is_hit());
    assert_eq!(origin.asked("accept-encoding").as_deref(), Some("br, gzip"));
}
