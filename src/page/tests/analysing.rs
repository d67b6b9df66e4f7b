//! `Cache::analyse`: what is stored, looked at through the store alone.

use super::*;
use crate::monitor::{Analysis, Total};

async fn filled(world: &World) -> Site {
    let layer = world.page();
    let site = world.site(layer, async |request: Request<Body>| {
        match request.uri().path() {
            "/menu/large" => page(&[], "x".repeat(20_000)),
            "/news" => page(&[("vary", "accept-language")], "news"),
            "/soon" => page(&[("cache-control", "max-age=30")], "soon"),
            _ => page(&[], "soup"),
        }
    });
    for target in [
        "/",
        "/menu/soup",
        "/menu/large?token=hush",
        "/news",
        "/soon",
    ] {
        site.get(target).await;
    }
    site
}

on_every_store! {
    what_is_stored_is_told_by_prefix_kind_size_and_lifetime
    a_budget_bounds_what_is_looked_at
}

async fn what_is_stored_is_told_by_prefix_kind_size_and_lifetime(world: World) {
    filled(&world).await;
    let report = world.cache.analyse(1_000).await.unwrap();
    assert!(report.complete);
    // Five pages, and the index of the variants of one.
    assert_eq!(report.total.count, 6);
    assert_eq!(report.kinds["page"].count, 5);
    assert_eq!(report.kinds["variants"].count, 1);
    let mut prefixes: Vec<_> = report
        .prefixes
        .iter()
        .map(|of| (&*of.prefix, of.total.count))
        .collect();
    assert_eq!(prefixes.remove(0), ("/menu", 2), "most bytes come first");
    prefixes.sort_unstable();
    assert_eq!(prefixes, [("/", 1), ("/news", 2), ("/soon", 1)]);
    let bytes: u64 = report.prefixes.iter().map(|of| of.total.bytes).sum();
    assert_eq!(bytes, report.total.bytes);
    assert_eq!(report.large, 1);
    let largest = &report.largest[0];
    assert!(largest.bytes > 20_000);
    assert!(largest.key.starts_with("shop.example/menu/large ~"));
    assert_eq!(report.largest.len(), 6);
    let lifetimes = &report.lifetimes;
    assert_eq!(
        (lifetimes.fresh, lifetimes.stale, lifetimes.over),
        (6, 0, 0)
    );
    assert_eq!(lifetimes.fresh_for[0], ("1m", 1));
    assert_eq!(lifetimes.fresh_for[2].0, "1h");
    assert!(!serde_json::to_string(&report).unwrap().contains("hush"));

    let how = Analysis::default().largest(1).with_queries();
    let report = world.cache.analyse(how).await.unwrap();
    assert_eq!(report.largest.len(), 1);
    assert_eq!(report.largest[0].key, "shop.example/menu/large?token=hush");

    world.advance(minutes(10));
    let lifetimes = world.cache.analyse(1_000).await.unwrap().lifetimes;
    assert_eq!((lifetimes.fresh, lifetimes.over + lifetimes.stale), (5, 1));
}

async fn a_budget_bounds_what_is_looked_at(world: World) {
    filled(&world).await;
    for budget in 0..6 {
        let report = world.cache.analyse(budget).await.unwrap();
        assert_eq!(report.total.count, budget as u64);
        assert!(!report.complete, "{budget}");
    }
    let report = world.cache.analyse(6).await.unwrap();
    assert!(report.complete);
    assert_eq!(report.total.count, 6);
}

#[tokio::test(start_paused = true)]
async fn other_namespaces_of_the_store_are_left_out() {
    let store = MemoryStore::new(MIB);
    let shop = World::built(Cache::builder(store.clone()).namespace("shop"));
    let other = World::built(Cache::builder(store).namespace("other"));
    filled(&shop).await;
    let report = other.cache.analyse(1_000).await.unwrap();
    assert!(report.complete);
    assert_eq!(report.total, Total::default());
}

#[tokio::test]
async fn a_report_as_json_has_these_fields() {
    let world = World::new();
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    site.get("/menu").await;
    let report = world.cache.analyse(10).await.unwrap();
    let bytes = report.total.bytes;
    let total = format!(r#""count":1,"bytes":{bytes}"#);
    let json = format!(
        r#"{{"complete":true,"total":{{{total}}},"kinds":{{"page":{{{total}}}}},"prefixes":[{{"prefix":"/menu",{total}}}],"large":0,"largest":[{{"bytes":{bytes},"key":"shop.example/menu","kind":"page"}}],"lifetimes":{{"over":0,"stale":0,"fresh":1,"fresh_for":[["1m",0],["10m",0],["1h",1],["1d",0],["30d",0],["365d",0],["longer",0]]}}}}"#
    );
    assert_eq!(serde_json::to_string(&report).unwrap(), json);
}
