//! What purges by prefix and glob, of versions and namespaces, soft ones, later ones and repeated ones strike, and what they leave.

use super::stores::{Call, Trouble, Troubled};
use super::*;
use crate::{PurgeError, seconds};

on_every_store! {
    a_purge_by_prefix_frees_what_starts_with_it_and_nothing_else
    a_purge_by_glob_frees_what_matches_and_nothing_else
    what_is_no_beginning_of_a_path_is_refused
    no_glob_takes_for_ever
    versions_and_namespaces_are_cleared_apart
    a_soft_purge_is_answered_stale_while_it_is_refreshed
    without_a_window_a_soft_purge_is_validated_first
    windows_count_from_the_soft_purge
    a_fill_under_way_is_stale_after_a_soft_purge
    a_soft_purge_strikes_what_it_names_alone
    a_later_purge_is_made_without_being_waited_for
    a_lagging_replica_is_outlived_by_the_purge_that_is_made_again
    all_kinds_of_hard_purges_are_made_again_and_soft_ones_are_not
}

const TARGETS: [&str; 9] = [
    "/menu",
    "/menu/",
    "/menu/soups",
    "/menu/soups?page=2",
    "/menu/soups/print",
    "/menus",
    "/Menu/",
    "/",
    "/other/menu/soups",
];

/// Which of these pages, on two hosts and in two languages each, a purge frees.
async fn freed(world: &World, purge: impl AsyncFn(&Cache)) -> Vec<String> {
    let site = world.site(world.page(), async |_| page(&[("vary", "X-L")], "page"));
    let ask = async |host: &'static str, target: &str| {
        let mut answers = Vec::new();
        for language in ["de", "en"] {
            let mut asked = get_with(target, &[("x-l", language)]);
            asked
                .headers_mut()
                .insert("host", HeaderValue::from_static(host));
            answers.push(site.ask(asked).await);
        }
        answers
    };
    for target in TARGETS {
        ask("shop.example", target).await;
        ask("other.example", target).await;
    }
    purge(&world.cache).await;
    let mut freed = Vec::new();
    for (host, name) in [("shop.example", ""), ("other.example", "//other")] {
        for target in TARGETS {
            let hits: Vec<_> = ask(host, target).await.iter().map(Answer::is_hit).collect();
            assert_eq!(hits[0], hits[1], "all variants of {target}, or none");
            if !hits[0] {
                freed.push(format!("{name}{target}"));
            }
        }
    }
    freed
}

async fn a_purge_by_prefix_frees_what_starts_with_it_and_nothing_else(world: World) {
    for (prefix, expected) in [
        (
            "/menu/",
            &[
                "/menu/",
                "/menu/soups",
                "/menu/soups?page=2",
                "/menu/soups/print",
            ][..],
        ),
        ("/menu/soups/", &["/menu/soups/print"]),
        ("/men*", &[]),
        ("//elsewhere.example/", &[]),
    ] {
        let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        for n in 0..expected.len() {
            expected.push(format!("//other{}", expected[n]));
        }
        let struck = freed(&world, async |cache| {
            let _ = cache.purge_page_prefix(prefix).await.unwrap();
        });
        assert_eq!(struck.await, expected, "{prefix}");
    }
    let struck = freed(&world, async |cache| {
        let purged = cache.purge_page_prefix("//OTHER.example:80/menu/s").await;
        // Three pages, each with two variants, and the lists of these.
        assert!(purged.unwrap().removed() >= 6);
    });
    let expected = ["soups", "soups?page=2", "soups/print"];
    assert_eq!(
        struck.await,
        expected.map(|end| format!("//other/menu/{end}"))
    );
    let all = freed(&world, async |cache| {
        let _ = cache.purge_page_prefix("/").await.unwrap();
    });
    assert_eq!(all.await.len(), 2 * TARGETS.len());
}

async fn a_purge_by_glob_frees_what_matches_and_nothing_else(world: World) {
    for (glob, expected) in [
        ("/menu/*/print", &["/menu/soups/print"][..]),
        ("/menu", &["/menu"]),
        ("/menu?", &["/menu/", "/menus"]),
        ("/[mM]enu/", &["/menu/", "/Menu/"]),
        (
            "*/menu/soups",
            &["/menu/soups", "/menu/soups?page=2", "/other/menu/soups"],
        ),
        ("/menu\\*", &[]),
    ] {
        let struck = freed(&world, async |cache| {
            let on_this_host = format!("http://shop.example{glob}");
            let glob = if glob.starts_with('/') {
                &on_this_host
            } else {
                glob
            };
            let _ = cache.purge_pages_matching(glob).await.unwrap();
        });
        let mut struck = struck.await;
        struck.retain(|target| !glob.starts_with('*') || !target.starts_with("//"));
        assert_eq!(struck, expected, "{glob}");
    }
}

async fn what_is_no_beginning_of_a_path_is_refused(world: World) {
    let cache = &world.cache;
    for text in [
        "",
        "menu",
        "//shop.example",
        "//*/menu",
        "ftp://shop.example/",
    ] {
        for refused in [
            cache.purge_page_prefix(text).await,
            cache.purge_pages_matching(text).await,
        ] {
            let error = refused.unwrap_err();
            assert!(matches!(&error, PurgeError::Address(said) if said == text));
            assert!(error.to_string().contains("/path"), "{error}");
        }
    }
}

/// A glob may come from people (SEC-ADM-03): one that would take a search by trying for ever takes no time.
async fn no_glob_takes_for_ever(world: World) {
    let site = world.site(world.page(), async |_| page(&[], "page"));
    let target = format!("/{}", "a".repeat(2_000));
    site.get(&target).await;
    let glob = format!("/{}b", "*a".repeat(500));
    let purged = world.cache.purge_pages_matching(&glob).await.unwrap();
    assert_eq!(purged.removed(), 0);
    assert!(site.get(&target).await.is_hit());
    let glob = format!("/{}", "*a".repeat(500));
    let purged = world.cache.purge_pages_matching(&glob).await.unwrap();
    assert_eq!(purged.removed(), 1);
}

async fn versions_and_namespaces_are_cleared_apart(world: World) {
    let store = MemoryStore::new(MIB);
    let spaces = [("a", 1), ("a", 2), ("b", 1), ("b", 2)];
    let worlds = spaces.map(|(namespace, version)| {
        let builder = Cache::builder(store.clone()).namespace(namespace);
        World::built(builder.version(version))
    });
    let sites = worlds
        .each_ref()
        .map(|world| world.site(world.page(), async |_| page(&[], "soup")));
    let cache = &worlds[0].cache;
    for (n, expected) in [
        [false, true, true, true],
        [true, false, true, true],
        [true, true, true, true],
        [false, false, true, true],
        [false, true, true, true],
    ]
    .into_iter()
    .enumerate()
    {
        for site in &sites {
            site.get("/p").await;
        }
        let _ = match n {
            0 => cache.clear().await,
            1 => cache.clear_version(2).await,
            2 => cache.clear_version(3).await,
            3 => cache.clear_namespace().await,
            _ => cache.purge_page_prefix("/").await,
        }
        .unwrap();
        let mut hits = [false; 4];
        for (hit, site) in hits.iter_mut().zip(&sites) {
            *hit = site.get("/p").await.is_hit();
        }
        assert_eq!(hits, expected, "{n}");
    }
    drop(world);
}

async fn a_soft_purge_is_answered_stale_while_it_is_refreshed(world: World) {
    let layer = || world.page().tag("menu").stale_while_revalidate(minutes(1));
    for how in ["tag", "tags", "page", "key", "clear"] {
        let (origin, site) = world.origin(layer());
        world.purge_page("/p").await;
        origin.says(200, &[], "soup");
        site.get("/p").await;
        world.advance(minutes(1));
        origin.says(200, &[], "bread");
        let soft = world.cache.soft();
        let _ = match how {
            "tag" => soft.purge_tag("menu").await,
            "tags" => soft.purge_tags(["other", "menu"]).await,
            "page" => soft.purge_page("//shop.example/p").await,
            "key" => {
                let key = layer().key(&RequestHead::of(&get("/p"))).unwrap();
                soft.purge_key(&key).await
            }
            _ => soft.clear().await,
        }
        .unwrap();
        world.advance(seconds(5));
        let stale = site.get("/p").await;
        assert!(stale.is(200, "soup"), "{how}: {stale:?}");
        assert_eq!(stale.said(), "hit; ttl=-5", "{how}");
        assert_eq!(stale.field("age"), Some("65"), "its age is what it was");
        let new = site.get("/p").await;
        assert!(new.is(200, "bread") && new.is_hit(), "{how}: {new:?}");
        assert_eq!(site.runs(), 2, "{how}");
    }
}

async fn without_a_window_a_soft_purge_is_validated_first(world: World) {
    for says in ["max-age=600", "max-age=600, must-revalidate"] {
        let layer = world.page().tag("menu");
        let (origin, site) = world.origin(layer);
        world.purge_page("/p").await;
        let fields: &[_] = &[("cache-control", says), ("etag", "\"a\"")];
        let fields = fields.to_vec();
        origin.answers(
            move |request| match request.headers().get("if-none-match") {
                Some(_) => with_status(304, &fields, ""),
                None => page(&fields, "soup"),
            },
        );
        site.get("/p").await;
        let _ = world.cache.soft().purge_tag("menu").await.unwrap();
        let answer = site.get("/p").await;
        assert!(answer.is(200, "soup"), "{says}: {answer:?}");
        assert_eq!(origin.asked("if-none-match").as_deref(), Some("\"a\""));
        assert!(answer.said().starts_with("fwd=stale"), "{answer:?}");
        // What was confirmed after the purge is fresh again.
        assert!(site.get("/p").await.is_hit(), "{says}");
        assert_eq!(site.runs(), 2, "{says}");
    }
}

async fn windows_count_from_the_soft_purge(world: World) {
    let layer = world.page().tag("menu").stale_if_error(minutes(1));
    let (origin, site) = world.origin(layer);
    origin.says(200, &[], "soup");
    site.get("/p").await;
    origin.says(500, &[], "sorry");
    let _ = world.cache.soft().purge_tag("menu").await.unwrap();
    world.advance(seconds(60));
    let answer = site.get("/p").await;
    assert!(answer.is(200, "soup"), "within its window: {answer:?}");
    world.advance(seconds(1));
    let answer = site.get("/p").await;
    assert!(answer.is(500, "sorry"), "beyond its window: {answer:?}");
}

async fn a_fill_under_way_is_stale_after_a_soft_purge(world: World) {
    let layer = world.page().tag("menu");
    let (origin, site) = world.origin(layer);
    let gate = origin.hold();
    origin.says(200, &[], "soup");
    let filling = site.start(get("/p"));
    site.runs.reach(1).await;
    world.advance(seconds(1));
    let _ = world.cache.soft().purge_tag("menu").await.unwrap();
    gate.open();
    assert_eq!(filling.await.unwrap().body, "soup");
    world.cache.background().idle().await;
    origin.says(200, &[], "bread");
    let answer = site.get("/p").await;
    assert!(answer.is(200, "bread"), "{answer:?}");
}

async fn a_soft_purge_strikes_what_it_names_alone(world: World) {
    let layer = world.page().tag("menu").stale_while_revalidate(minutes(1));
    let site = world.site(layer, async |_| page(&[], "soup"));
    for target in ["/p", "/q"] {
        site.get(target).await;
    }
    let soft = world.cache.soft();
    let _ = soft.purge_page("/p").await.unwrap();
    let _ = soft.purge_tag("other").await.unwrap();
    world.advance(seconds(1));
    assert_eq!(site.get("/p").await.said(), "hit; ttl=-1");
    assert_eq!(site.get("/q").await.said(), "hit; ttl=1799");
    assert!(matches!(
        soft.purge_page("q").await,
        Err(PurgeError::Address(_))
    ));
}

async fn a_later_purge_is_made_without_being_waited_for(world: World) {
    let site = world.site(world.page().tag("menu"), async |_| page(&[], "soup"));
    site.get("/p").await;
    world
        .cache
        .purge_later(|cache| async move { cache.purge_tag("menu").await });
    world.cache.background().idle().await;
    assert!(!site.get("/p").await.is_hit());
}

/// A failure is counted, and nobody is told.
#[tokio::test(start_paused = true)]
async fn a_later_purge_that_fails_is_counted() {
    for at_once in [true, false] {
        for trouble in [Trouble::Fails, Trouble::Hangs] {
            let store = Troubled::new(at_once);
            store.has(&[(Call::Purge, trouble)]);
            let world = World::on(store);
            world
                .cache
                .purge_later(|cache| async move { cache.clear().await });
            world.cache.background().idle().await;
            assert_eq!(world.cache.stats().store_errors, 1, "{trouble:?}");
        }
    }
}

/// A database whose replica, which pages are made of, learns 400 ms later what has changed.
async fn a_lagging_replica_is_outlived_by_the_purge_that_is_made_again(world: World) {
    drop(world);
    for repeated in [false, true] {
        let mut builder = Cache::builder(MemoryStore::new(MIB));
        if repeated {
            builder = builder.purge_again_after(seconds(1));
        }
        let world = World::built(builder);
        let replica = versions::Data::default();
        let site = world.site_of(&replica, &Gate::opened(), &Gate::opened());
        assert_eq!(site.get("/p?q").await.body, "version 0");
        // The primary has changed; the replica does not know.
        world.purge_tag("layer").await;
        let answer = read(site.open(get("/p?q")).await).await;
        assert_eq!(answer.body, "version 0");
        tokio::time::sleep(Duration::from_millis(400)).await;
        replica.change();
        let answer = read(site.open(get("/p?q")).await).await;
        assert_eq!(answer.body, "version 0", "it was kept");
        tokio::time::sleep(Duration::from_millis(601)).await;
        let expected = if repeated { "version 1" } else { "version 0" };
        assert_eq!(site.get("/p?q").await.body, expected);
        // Once, and not again and again.
        tokio::time::sleep(seconds(5)).await;
        assert!(site.get("/p?q").await.is_hit());
        world.assert_at_rest().await;
    }
}

async fn all_kinds_of_hard_purges_are_made_again_and_soft_ones_are_not(world: World) {
    drop(world);
    for how in versions::How::ALL.map(Some).into_iter().chain([None]) {
        let store = MemoryStore::new(MIB);
        let world = World::built(Cache::builder(store).purge_again_after(seconds(1)));
        let data = versions::Data::default();
        let site = world.site_of(&data, &Gate::opened(), &Gate::opened());
        let ask = async || read(site.open(get("/p?q")).await).await;
        ask().await;
        match how {
            Some(how) => world.purge(how).await,
            None => {
                let _ = world.cache.soft().purge_tag("layer").await.unwrap();
            }
        }
        ask().await;
        assert!(ask().await.is_hit(), "{how:?}");
        tokio::time::sleep(seconds(2)).await;
        assert_eq!(ask().await.is_hit(), how.is_none(), "{how:?}");
        world.assert_at_rest().await;
    }
}
