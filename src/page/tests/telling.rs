//! `Cache-Status: …; key=` (RFC 9211 §2.8): to whom it is told, and that no request can write into it what it likes.

use proptest::prelude::*;
use sfv::visitor::Ignored;

use super::*;

const DEBUG: (&str, &str) = ("x-debug", "1");

fn telling(store: impl Store) -> World {
    World::built(
        Cache::builder(store).cache_status_if(|request| request.headers.contains_key("x-debug")),
    )
}

fn debug(target: &str) -> Request<Body> {
    get_with(target, &[DEBUG])
}

#[tokio::test(start_paused = true)]
async fn every_answer_tells_the_admitted_its_key() {
    for world in [
        telling(MemoryStore::new(MIB)),
        telling(Waiting(MemoryStore::new(MIB))),
    ] {
        let layer = world.page().stale_while_revalidate(minutes(5));
        let site = world.site(layer, async |_| page(&[], "soup"));
        let key = r#"; key="shop.example/menu?page=2""#;
        let asked = || site.ask(debug("/menu?page=2"));
        assert_eq!(asked().await.said(), format!("fwd=uri-miss; stored{key}"));
        assert_eq!(asked().await.said(), format!("hit; ttl=1800{key}"));
        world.advance(minutes(31));
        let stale = format!("hit; ttl=-60{key}; detail=stale-while-revalidate");
        assert_eq!(asked().await.said(), stale);
        assert_eq!(asked().await.said(), format!("hit; ttl=1800{key}"));
        // Nobody else sees anything, of hits neither.
        assert_eq!(site.get("/menu?page=2").await.field("cache-status"), None);
        // What has no part in the cache has no key.
        let posted = site
            .ask(request(Method::POST, "/menu?page=2", &[DEBUG]))
            .await;
        assert_eq!(posted.said(), "fwd=method; detail=method");
    }
}

#[tokio::test(start_paused = true)]
async fn everyone_sees_the_status_without_a_key() {
    let world = World::new();
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    for said in ["fwd=uri-miss; stored", "hit; ttl=1800"] {
        assert_eq!(site.ask(debug("/menu?token=hush")).await.said(), said);
    }
}

#[tokio::test(start_paused = true)]
async fn the_query_is_told_as_it_is_keyed() {
    let world = telling(MemoryStore::new(MIB));
    let layer = world.page().query(crate::QueryRule::only(["page"]));
    let site = world.site(layer, async |_| page(&[], "soup"));
    let told = site.ask(debug("/menu?token=hush&page=2")).await;
    assert!(told.said().ends_with(r#"; key="shop.example/menu?page=2""#));
}

#[tokio::test(start_paused = true)]
async fn what_else_is_keyed_is_told_apart_without_being_told() {
    let world = telling(MemoryStore::new(MIB));
    let layer = world.page().vary_on_header("x-tenant".parse().unwrap());
    let site = world.site(layer, async |_| page(&[], "soup"));
    let asked = async |tenant| {
        let told = site
            .ask(get_with("/menu", &[DEBUG, ("x-tenant", tenant)]))
            .await;
        told.said().to_owned()
    };
    let (one, other) = (asked("alpha").await, asked("beta").await);
    assert_ne!(one, other);
    for told in [one, other] {
        assert!(told.contains(r#"key="shop.example/menu ~"#), "{told}");
        assert!(!told.contains("alpha") && !told.contains("beta"), "{told}");
    }
}

/// The value of `key` in a field value that parses.
fn key_of(value: &str) -> String {
    assert!(
        sfv::Parser::new(value)
            .parse_list_with_visitor(&mut Ignored)
            .is_ok(),
        "{value}"
    );
    let (_, quoted) = value.split_once("; key=\"").expect("a key");
    let mut key = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next().filter(|c| *c != '"') {
        key.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    key
}

#[tokio::test(start_paused = true)]
async fn no_target_breaks_out_of_its_string() {
    let world = telling(MemoryStore::new(MIB));
    let site = world.site(world.page(), async |_| page(&[], "soup"));
    let long = format!("/{}", "a".repeat(4_000));
    let targets = [
        "/a\";hit;ttl=99999;x=\"",
        "/a\\",
        "/a\\\",evil;hit",
        "/a%0d%0aset-cookie:%20x=1",
        "/a,b;c=d",
        "/a?b=\\c",
        &long,
    ];
    for target in targets {
        for _ in 0..2 {
            let answer = site.ask(debug(target)).await;
            let value = answer.field("cache-status").unwrap();
            let key = key_of(value);
            assert!(key.len() <= 200, "{key}");
            if target != long {
                assert_eq!(key, format!("shop.example{target}"));
            }
            assert_eq!(value.matches("larder").count(), 1, "{value}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_target_is_told_as_one_string(path in "/[!-~\u{a0}-\u{fff}]{0,300}") {
        let Ok(uri) = http::Uri::try_from(path) else {
            return Ok(());
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = telling(MemoryStore::new(MIB));
            let site = world.site(world.page(), async |_| page(&[], "soup"));
            for _ in 0..2 {
                let mut request = debug("/");
                *request.uri_mut() = uri.clone();
                let answer = site.ask(request).await;
                let key = key_of(answer.field("cache-status").unwrap());
                assert!(key.starts_with("shop.example/"), "{key}");
                assert!(key.len() <= 200 && key.is_ascii(), "{key}");
            }
        });
    }
}
