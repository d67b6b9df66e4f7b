//! The contract of values, for a cache on any store.
//!
//! Each check is named as the sentence that it proves, and panics with what was broken.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cache, CacheError, Lifetime, Lookup};
use crate::ttl::{Ttl, days, hours, minutes, seconds};

const SHORT: Duration = Duration::from_millis(200);
const LONGER: Duration = Duration::from_millis(300);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Dish {
    name: String,
    cents: u32,
    tags: Vec<String>,
    note: Option<String>,
}

fn soup() -> Dish {
    Dish {
        name: "sóup \u{0} 🍲".to_owned(),
        cents: 650,
        tags: vec!["hot".to_owned()],
        note: None,
    }
}

/// Runs every check, each on a cache of its own from `make`: with an empty store, or an empty part of one. `wait` lets time pass, on the
/// clock of the caches: less than a second at once.
///
/// # Panics
///
/// With the sentence of the contract that is broken.
pub(crate) async fn run<C, W>(make: impl Fn() -> C, wait: impl Fn(Duration) -> W)
where
    C: Future<Output = Cache>,
    W: Future<Output = ()>,
{
    what_is_set_comes_back(make().await).await;
    a_stored_null_is_a_hit(make().await).await;
    keys_and_values_of_any_letters_round_trip(make().await).await;
    integers_can_be_counted_and_read_as_any_number(make().await).await;
    a_wrong_type_is_an_error_that_names_the_key(make().await).await;
    add_stores_only_where_there_is_nothing(make().await, &wait).await;
    of_many_that_add_one_does(make().await).await;
    a_lifetime_of_zero_stores_nothing(make().await).await;
    lifetimes_are_told_to_the_millisecond(make().await).await;
    what_is_over_is_gone(make().await, &wait).await;
    touch_and_persist_change_lifetimes(make().await, &wait).await;
    delete_says_whether_there_was_something(make().await).await;
    many_are_found_set_and_deleted(make().await).await;
    counting_is_exact(make().await).await;
    of_many_that_count_none_is_lost(make().await).await;
    counting_keeps_the_lifetime(make().await, &wait).await;
    counting_begins_with_a_lifetime(make().await, &wait).await;
    a_remembered_absence_is_no_value(make().await).await;
    versions_are_apart(make().await).await;
    a_value_moves_to_the_next_version(make().await).await;
    get_or_set_loads_only_what_is_missing(make().await).await;
    a_purge_of_a_tag_frees_values(make().await).await;
    clear_frees_all(make().await).await;
    a_delete_refuses_the_fill_that_it_outran(make().await).await;
    a_purge_of_a_tag_refuses_the_fill_that_it_outran(make().await).await;
    deletes_by_prefix_and_pattern_say_how_many(make().await).await;
    a_scan_brings_keys_and_lifetimes(make().await).await;
    a_lock_is_its_owners(make().await, &wait).await;
    the_store_is_well(make().await).await;
}

fn ok<T, E: Debug>(answer: Result<T, E>) -> T {
    answer.expect("the store is well")
}

async fn text(cache: &Cache, key: &str) -> Option<String> {
    ok(cache.get(key).await)
}

async fn what_is_set_comes_back(cache: Cache) {
    assert_eq!(ok(cache.get::<Dish>("dish").await), None);
    ok(cache.set("dish", &soup(), minutes(5)).await);
    assert_eq!(ok(cache.get::<Dish>("dish").await), Some(soup()));
    ok(cache.set("dish", "changed", minutes(5)).await);
    assert_eq!(text(&cache, "dish").await.as_deref(), Some("changed"));
}

async fn a_stored_null_is_a_hit(cache: Cache) {
    ok(cache.set("null", &None::<Dish>, Ttl::Default).await);
    assert_eq!(ok(cache.get::<Option<Dish>>("null").await), Some(None));
    ok(cache.set("unit", &(), Ttl::Forever).await);
    assert_eq!(ok(cache.get::<()>("unit").await), Some(()));
    assert!(ok(cache.contains("null").await) && ok(cache.contains("unit").await));
    assert!(!ok(cache.contains("other").await));
    let many = ok(cache.get_many::<Option<Dish>>(["null", "other"]).await);
    assert_eq!(many, HashMap::from([("null".to_owned(), None)]));
    let loaded = cache.get_or_set("null", minutes(1), async || Some(soup()));
    assert_eq!(ok(loaded.await), None, "a null need not be loaded");
}

async fn keys_and_values_of_any_letters_round_trip(cache: Cache) {
    let long = "k".repeat(Cache::LONGEST_KEY);
    let keys = [
        "plain",
        "käse:🧀",
        " ",
        "a b\n\t\r",
        "\u{0}",
        "\u{7f}",
        "a:b:c",
        "%25",
        "*?[a]\\",
        "#digest",
        &long,
    ];
    for (n, key) in keys.iter().enumerate() {
        ok(cache.set(key, &(n, key), minutes(5)).await);
    }
    for (n, key) in keys.iter().enumerate() {
        let found = ok(cache.get::<(usize, String)>(key).await);
        assert_eq!(found, Some((n, (*key).to_owned())));
    }
    let bytes: Vec<u8> = (0..=255).collect();
    ok(cache.set("bytes", &bytes, minutes(5)).await);
    assert_eq!(ok(cache.get::<Vec<u8>>("bytes").await), Some(bytes));
    let error = cache.set("", &1, minutes(5)).await.unwrap_err();
    assert!(matches!(error, CacheError::EmptyKey));
    let error = cache.get::<u8>(&"k".repeat(Cache::LONGEST_KEY + 1)).await;
    assert!(matches!(error, Err(CacheError::LongKey { .. })));
}

async fn integers_can_be_counted_and_read_as_any_number(cache: Cache) {
    ok(cache.set("n", &200_u8, minutes(5)).await);
    assert_eq!(ok(cache.incr("n", 100).await), 300);
    assert_eq!(ok(cache.get::<u16>("n").await), Some(300));
    assert_eq!(ok(cache.get::<i128>("n").await), Some(300));
    assert_eq!(ok(cache.get::<f64>("n").await), Some(300.0));
    assert_eq!(ok(cache.get::<Option<u64>>("n").await), Some(Some(300)));
    assert!(cache.get::<u8>("n").await.is_err(), "it does not fit");
    ok(cache.set("large", &u64::MAX, minutes(5)).await);
    assert_eq!(ok(cache.get::<u64>("large").await), Some(u64::MAX));
    for value in [i64::MIN, -1, 0, i64::MAX] {
        ok(cache.set("n", &value, minutes(5)).await);
        assert_eq!(ok(cache.get::<i64>("n").await), Some(value));
    }
    ok(cache.set("bool", &true, minutes(5)).await);
    assert_eq!(ok(cache.get::<bool>("bool").await), Some(true));
}

async fn a_wrong_type_is_an_error_that_names_the_key(cache: Cache) {
    ok(cache.set("dish", &soup(), minutes(5)).await);
    ok(cache.set("n", &5, minutes(5)).await);
    let errors = [
        cache.get::<u32>("dish").await.map(|_| ()),
        cache.get_many::<bool>(["n"]).await.map(|_| ()),
        cache.get::<Dish>("n").await.map(|_| ()),
        cache.lookup::<Vec<Dish>>("dish").await.map(|_| ()),
        cache
            .get_or_set("dish", minutes(1), async || 5_u8)
            .await
            .map(|_| ()),
    ];
    for (error, name) in errors.into_iter().zip(["dish", "n", "n", "dish", "dish"]) {
        let error = error.unwrap_err();
        assert!(
            matches!(&error, CacheError::WrongType { key, .. } if key == name),
            "{error:?}"
        );
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(ok(cache.get::<Dish>("dish").await), Some(soup()));
    // A map with a key that is none in JSON, and a value that refuses to be written.
    let refused = cache
        .set("refused", &Refused, minutes(1))
        .await
        .unwrap_err();
    assert!(matches!(&refused, CacheError::Encode { key, .. } if key == "refused"));
    assert!(cache.add("refused", &Refused, minutes(1)).await.is_err());
    assert!(!ok(cache.contains("refused").await));
}

struct Refused;

impl Serialize for Refused {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it cannot be written"))
    }
}

async fn add_stores_only_where_there_is_nothing<W: Future<Output = ()>>(
    cache: Cache,
    wait: &impl Fn(Duration) -> W,
) {
    assert!(ok(cache.add("a", "first", SHORT).await));
    assert!(!ok(cache.add("a", "second", minutes(5)).await));
    assert_eq!(text(&cache, "a").await.as_deref(), Some("first"));
    wait(LONGER).await;
    assert!(
        ok(cache.add("a", "second", Ttl::Forever).await),
        "what is over is absent"
    );
    assert_eq!(text(&cache, "a").await.as_deref(), Some("second"));
    ok(cache.delete("a").await);
    assert!(ok(cache.add("a", "third", minutes(5)).await));
    ok(cache.set("null", &None::<u8>, minutes(5)).await);
    assert!(
        !ok(cache.add("null", &1, minutes(5)).await),
        "a null is a value"
    );
    assert!(ok(cache.add("zero", &1, Duration::ZERO).await));
    assert!(!ok(cache.contains("zero").await));
    assert!(!ok(cache.add("a", &1, Duration::ZERO).await));
    assert_eq!(text(&cache, "a").await.as_deref(), Some("third"));
}

async fn of_many_that_add_one_does(cache: Cache) {
    let added = (0..20).map(|n| {
        let cache = cache.clone();
        tokio::spawn(async move { ok(cache.add("one", &n, minutes(5)).await) })
    });
    let mut count = 0;
    for added in added.collect::<Vec<_>>() {
        count += u32::from(added.await.expect("it does not panic"));
    }
    assert_eq!(count, 1);
}

async fn a_lifetime_of_zero_stores_nothing(cache: Cache) {
    ok(cache.set("a", &1, minutes(5)).await);
    ok(cache.set("a", &2, Duration::ZERO).await);
    assert!(
        !ok(cache.contains("a").await),
        "what stood there is removed"
    );
    ok(cache.set("a", &1, minutes(5)).await);
    ok(cache
        .set(
            "a",
            &2,
            Ttl::until(std::time::UNIX_EPOCH, std::time::UNIX_EPOCH),
        )
        .await);
    assert!(!ok(cache.contains("a").await));
    ok(cache.set_many([("a", 1), ("b", 2)], minutes(5)).await);
    assert!(ok(cache.set_many([("a", 1), ("b", 2)], Duration::ZERO).await).is_empty());
    assert!(ok(cache.get_many::<u8>(["a", "b"]).await).is_empty());
    let loaded = cache.get_or_set("a", Duration::ZERO, async || 7).await;
    assert_eq!(ok(loaded), 7);
    assert!(!ok(cache.contains("a").await));
    assert_eq!(ok(cache.incr_or_create("a", 3, Duration::ZERO).await), 3);
    assert!(!ok(cache.contains("a").await));
}

async fn lifetimes_are_told_to_the_millisecond(cache: Cache) {
    assert_eq!(ok(cache.ttl("a").await), None);
    let about = |lifetime: Option<Lifetime>, most: Duration| match lifetime {
        Some(Lifetime::For(left)) => left <= most && left + minutes(1) > most && !left.is_zero(),
        _ => false,
    };
    for span in [
        Duration::from_millis(59_999),
        hours(1),
        days(31),
        days(4_000),
    ] {
        ok(cache.set("a", &1, span).await);
        let left = ok(cache.ttl("a").await);
        assert!(about(left, span), "{left:?} of {span:?}");
    }
    ok(cache.set("a", &1, Ttl::Forever).await);
    assert_eq!(ok(cache.ttl("a").await), Some(Lifetime::Forever));
    ok(cache.set("a", &1, Ttl::Default).await);
    assert!(
        about(ok(cache.ttl("a").await), minutes(5)),
        "the default of a cache"
    );
}

async fn what_is_over_is_gone<W: Future<Output = ()>>(cache: Cache, wait: &impl Fn(Duration) -> W) {
    ok(cache.set("a", "short", SHORT).await);
    ok(cache.set("b", "long", minutes(5)).await);
    assert!(
        ok(cache.contains("a").await),
        "less than a second is not nothing"
    );
    wait(LONGER).await;
    assert_eq!(text(&cache, "a").await, None);
    assert_eq!(ok(cache.ttl("a").await), None);
    assert!(!ok(cache.touch("a", minutes(5)).await), "it is not revived");
    assert_eq!(text(&cache, "b").await.as_deref(), Some("long"));
}

async fn touch_and_persist_change_lifetimes<W: Future<Output = ()>>(
    cache: Cache,
    wait: &impl Fn(Duration) -> W,
) {
    assert!(!ok(cache.touch("a", minutes(5)).await));
    assert!(!ok(cache.persist("a").await));
    ok(cache.set("a", "kept", SHORT).await);
    assert!(ok(cache.touch("a", minutes(5)).await));
    wait(LONGER).await;
    assert_eq!(text(&cache, "a").await.as_deref(), Some("kept"));
    assert!(ok(cache.persist("a").await));
    assert_eq!(ok(cache.ttl("a").await), Some(Lifetime::Forever));
    assert!(ok(cache.touch("a", Ttl::Default).await));
    assert!(matches!(ok(cache.ttl("a").await), Some(Lifetime::For(_))));
    assert!(ok(cache.touch("a", Ttl::Forever).await));
    assert_eq!(ok(cache.ttl("a").await), Some(Lifetime::Forever));
    assert!(ok(cache.touch("a", Duration::ZERO).await));
    assert!(!ok(cache.contains("a").await));
    assert!(!ok(cache.touch("a", Duration::ZERO).await));
}

async fn delete_says_whether_there_was_something(cache: Cache) {
    assert!(!ok(cache.delete("a").await));
    ok(cache.set("a", &None::<u8>, minutes(5)).await);
    assert!(ok(cache.delete("a").await));
    assert!(!ok(cache.delete("a").await));
    ok(cache.set("a", &1, minutes(5)).await);
    assert!(ok(cache.contains("a").await), "it can be set again at once");
}

async fn many_are_found_set_and_deleted(cache: Cache) {
    assert!(
        ok(cache
            .set_many(BTreeMap::<String, u8>::new(), minutes(5))
            .await)
        .is_empty()
    );
    assert!(ok(cache.get_many::<u8>(Vec::<String>::new()).await).is_empty());
    assert_eq!(ok(cache.delete_many(Vec::<String>::new()).await), 0);
    let values: BTreeMap<String, Option<u32>> = (0..50)
        .map(|n| (format!("n:{n}"), (n % 7 > 0).then_some(n)))
        .collect();
    assert!(ok(cache.set_many(&values, minutes(5)).await).is_empty());
    let wanted = (0..60).map(|n| format!("n:{n}"));
    let found = ok(cache.get_many::<Option<u32>>(wanted.clone()).await);
    assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), values);
    let twice = ok(cache.get_many::<Option<u32>>(["n:1", "n:1"]).await);
    assert_eq!(twice.len(), 1);
    assert_eq!(ok(cache.delete_many(wanted).await), 50);
    assert!(!ok(cache.contains("n:1").await));
}

async fn counting_is_exact(cache: Cache) {
    for error in [cache.incr("n", 1).await, cache.decr("n", 1).await] {
        assert!(matches!(error, Err(CacheError::Missing { key }) if key == "n"));
    }
    ok(cache.set("n", &5, minutes(5)).await);
    assert_eq!(ok(cache.incr("n", 10).await), 15);
    assert_eq!(ok(cache.incr("n", -20).await), -5);
    assert_eq!(ok(cache.decr("n", 5).await), -10);
    assert_eq!(ok(cache.decr("n", -20).await), 10);
    assert_eq!(ok(cache.incr("n", 0).await), 10);
    for no_number in ["text", "12"] {
        ok(cache.set("text", no_number, minutes(5)).await);
        let error = cache.incr("text", 1).await;
        assert!(matches!(error, Err(CacheError::NotANumber { key }) if key == "text"));
        assert_eq!(text(&cache, "text").await.as_deref(), Some(no_number));
    }
    for (start, by) in [(i64::MAX, 1), (i64::MIN, -1), (i64::MAX, i64::MAX)] {
        ok(cache.set("n", &start, minutes(5)).await);
        let error = cache.incr("n", by).await;
        assert!(matches!(error, Err(CacheError::Overflow { key }) if key == "n"));
        assert_eq!(ok(cache.get::<i64>("n").await), Some(start));
    }
    assert!(matches!(
        cache.decr("n", i64::MIN).await,
        Err(CacheError::Overflow { .. })
    ));
    ok(cache.delete("n").await);
    assert!(matches!(
        cache.incr("n", 1).await,
        Err(CacheError::Missing { .. })
    ));
}

async fn of_many_that_count_none_is_lost(cache: Cache) {
    let counted = (0..20).map(|_| {
        let cache = cache.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                ok(cache.incr_or_create("n", 2, minutes(5)).await);
            }
        })
    });
    for counted in counted.collect::<Vec<_>>() {
        counted.await.expect("it does not panic");
    }
    assert_eq!(ok(cache.get::<u64>("n").await), Some(200));
}

async fn counting_keeps_the_lifetime<W: Future<Output = ()>>(
    cache: Cache,
    wait: &impl Fn(Duration) -> W,
) {
    ok(cache.set("n", &1, LONGER).await);
    ok(cache.set("forever", &1, Ttl::Forever).await);
    assert_eq!(ok(cache.incr("n", 1).await), 2);
    assert_eq!(ok(cache.incr("forever", 1).await), 2);
    let Some(Lifetime::For(left)) = ok(cache.ttl("n").await) else {
        panic!("it has a lifetime");
    };
    assert!(left <= LONGER);
    assert_eq!(ok(cache.ttl("forever").await), Some(Lifetime::Forever));
    wait(LONGER + SHORT).await;
    assert!(matches!(
        cache.incr("n", 1).await,
        Err(CacheError::Missing { .. })
    ));
}

async fn counting_begins_with_a_lifetime<W: Future<Output = ()>>(
    cache: Cache,
    wait: &impl Fn(Duration) -> W,
) {
    assert_eq!(ok(cache.incr_or_create("n", 3, LONGER).await), 3);
    assert_eq!(ok(cache.incr_or_create("n", 3, Ttl::Forever).await), 6);
    assert!(matches!(ok(cache.ttl("n").await), Some(Lifetime::For(_))));
    wait(LONGER + SHORT).await;
    assert_eq!(ok(cache.incr_or_create("n", -1, minutes(5)).await), -1);
    ok(cache.delete("n").await);
    assert_eq!(
        ok(cache.incr_or_create("n", 1, minutes(5)).await),
        1,
        "after a delete"
    );
    ok(cache.set("text", "a", minutes(5)).await);
    let error = cache.incr_or_create("text", 1, minutes(5)).await;
    assert!(matches!(error, Err(CacheError::NotANumber { .. })));
}

async fn a_remembered_absence_is_no_value(cache: Cache) {
    let nothing = async |_| Ok::<_, Infallible>(HashMap::<String, i64>::new());
    let keys = ["a", "counted", "added", "set"];
    let load = cache.get_many_or_load(keys, minutes(5), nothing);
    assert!(ok(load.absent_for(minutes(5)).await).is_empty());
    assert_eq!(ok(cache.get::<i64>("a").await), None);
    assert_eq!(ok(cache.ttl("a").await), None);
    assert!(!ok(cache.contains("a").await));
    assert!(!ok(cache.touch("a", minutes(1)).await) && !ok(cache.persist("a").await));
    for error in [cache.incr("a", 1).await, cache.decr("a", 1).await] {
        assert!(matches!(error, Err(CacheError::Missing { key }) if key == "a"));
    }
    let moved = cache.incr_version("a").await;
    assert!(matches!(moved, Err(CacheError::Missing { .. })));
    for sum in [3, 6] {
        let counted = cache.incr_or_create("counted", 3, minutes(5)).await;
        assert_eq!(ok(counted), sum);
    }
    assert!(ok(cache.add("added", &1, minutes(5)).await));
    ok(cache.set("set", &2, minutes(5)).await);
    let found = ok(cache.get_many::<i64>(keys).await);
    let found: BTreeMap<_, _> = found.iter().map(|(key, n)| (key.as_str(), *n)).collect();
    assert_eq!(
        found,
        BTreeMap::from([("added", 1), ("counted", 6), ("set", 2)])
    );
}

async fn versions_are_apart(cache: Cache) {
    let other = cache.at_version(cache.version() + 1);
    ok(cache.set("a", "here", minutes(5)).await);
    assert!(!ok(other.contains("a").await));
    assert!(matches!(
        other.incr("a", 1).await,
        Err(CacheError::Missing { .. })
    ));
    assert!(!ok(other.delete("a").await) && !ok(other.touch("a", minutes(1)).await));
    ok(other.set("a", "there", minutes(5)).await);
    assert_eq!(text(&cache, "a").await.as_deref(), Some("here"));
    assert_eq!(text(&other, "a").await.as_deref(), Some("there"));
    ok(other.clear().await);
    assert_eq!(text(&cache, "a").await.as_deref(), Some("here"));
    assert_eq!(text(&other, "a").await, None);
}

async fn a_value_moves_to_the_next_version(cache: Cache) {
    let next = cache.version() + 1;
    let error = cache.incr_version("a").await;
    assert!(matches!(error, Err(CacheError::Missing { .. })));
    ok(cache.set("a", &None::<u8>, Ttl::Forever).await);
    assert_eq!(ok(cache.incr_version("a").await), next);
    assert!(!ok(cache.contains("a").await));
    let there = cache.at_version(next);
    assert_eq!(ok(there.get::<Option<u8>>("a").await), Some(None));
    assert_eq!(ok(there.ttl("a").await), Some(Lifetime::Forever));
    ok(cache.set("n", &5, hours(2)).await);
    assert_eq!(ok(cache.incr_version("n").await), next);
    assert_eq!(ok(there.incr("n", 1).await), 6);
    let Some(Lifetime::For(left)) = ok(there.ttl("n").await) else {
        panic!("it has a lifetime");
    };
    assert!(left > hours(1));
    ok(there.clear().await);
    assert!(!ok(there.contains("n").await));
}

async fn get_or_set_loads_only_what_is_missing(cache: Cache) {
    let load = |value: u8| cache.get_or_set("a", minutes(5), async move || value);
    assert_eq!(ok(load(1).await), 1);
    assert_eq!(ok(load(2).await), 1);
    assert_eq!(ok(load(3).refresh().await), 3);
    assert_eq!(ok(load(4).await), 3);
    ok(cache.delete("a").await);
    assert_eq!(ok(load(5).await), 5);
    let failed = cache.get_or_try_set("b", minutes(5), async || Err::<u8, _>("no"));
    let error = failed.await.unwrap_err();
    assert_eq!(error.loader(), Some(&"no"));
    assert!(!ok(cache.contains("b").await), "errors are not stored");
    let loaded = cache.get_or_load("c", async || super::Loaded::new(1).ttl(Ttl::Forever));
    assert_eq!(ok(loaded.await), 1);
    assert_eq!(ok(cache.ttl("c").await), Some(Lifetime::Forever));
}

async fn a_purge_of_a_tag_frees_values(cache: Cache) {
    ok(cache
        .set("a", &1, minutes(5))
        .tag("orders")
        .tag("menu")
        .await);
    ok(cache.set("b", &1, minutes(5)).tag("orders").await);
    ok(cache.set("c", &1, Ttl::Forever).await);
    assert!(ok(cache.add("d", &1, minutes(5)).tag("menu").await));
    ok(cache.set_many([("e", 1)], minutes(5)).tag("menu").await);
    let load = cache.get_or_set("f", minutes(5), async || 1).tag("menu");
    assert_eq!(ok(load.await), 1);
    ok(cache.purge_tag("menu").await);
    let left = ok(cache.get_many::<u8>(["a", "b", "c", "d", "e", "f"]).await);
    let mut left: Vec<_> = left.into_keys().collect();
    left.sort_unstable();
    assert_eq!(left, ["b", "c"]);
    assert!(matches!(
        cache.incr("a", 1).await,
        Err(CacheError::Missing { .. })
    ));
    assert!(!ok(cache.touch("a", minutes(5)).await));
    assert!(
        ok(cache.add("a", &2, minutes(5)).tag("menu").await),
        "what is purged is absent"
    );
}

async fn clear_frees_all(cache: Cache) {
    ok(cache.set("a", &1, Ttl::Forever).await);
    ok(cache.clear().await);
    assert!(!ok(cache.contains("a").await));
    ok(cache.set("a", &2, Ttl::Forever).await);
    assert_eq!(ok(cache.get::<u8>("a").await), Some(2));
}

async fn miss(cache: &Cache, key: &str) -> super::Miss {
    match ok(cache.lookup::<u8>(key).await) {
        Lookup::Miss(miss) => miss,
        Lookup::Hit(value) => panic!("{value} is there"),
    }
}

async fn a_delete_refuses_the_fill_that_it_outran(cache: Cache) {
    let (early, other) = (miss(&cache, "a").await, miss(&cache, "b").await);
    ok(cache.delete("a").await);
    assert!(!ok(early.fill(&1, minutes(5)).await));
    assert!(!ok(cache.contains("a").await));
    assert!(ok(other.fill(&1, minutes(5)).await), "of another key");
    assert!(ok(miss(&cache, "a").await.fill(&2, minutes(5)).await));
    assert!(matches!(ok(cache.lookup::<u8>("a").await), Lookup::Hit(2)));
    let early = miss(&cache, "c").await;
    ok(cache.delete_prefix("c").await);
    assert!(!ok(early.fill(&1, minutes(5)).await));
    let early = miss(&cache, "c").await;
    ok(cache.clear().await);
    assert!(!ok(early.fill(&1, minutes(5)).await));
}

async fn a_purge_of_a_tag_refuses_the_fill_that_it_outran(cache: Cache) {
    let (early, other) = (miss(&cache, "a").await, miss(&cache, "b").await);
    ok(cache.purge_tag("menu").await);
    assert!(!ok(early.fill(&1, minutes(5)).tag("menu").await));
    assert!(ok(other.fill(&1, minutes(5)).tag("orders").await));
}

async fn deletes_by_prefix_and_pattern_say_how_many(cache: Cache) {
    let keys = [
        "dish:1",
        "dish:2",
        "dish:1:de",
        "user:1",
        "käse:*",
        "käse:1",
    ];
    ok(cache.set_many(keys.map(|key| (key, key)), minutes(5)).await);
    let other = cache.at_version(cache.version() + 1);
    ok(other.set("dish:1", "other", minutes(5)).await);
    assert_eq!(ok(cache.delete_matching("dish:?").await), 2);
    assert_eq!(ok(cache.delete_matching("käse:\\*").await), 1);
    assert!(ok(cache.contains("käse:1").await));
    assert_eq!(ok(cache.delete_matching("*:[0-9]:d*").await), 1);
    assert_eq!(ok(cache.delete_prefix("us").await), 1);
    assert_eq!(ok(cache.delete_prefix("us").await), 0);
    assert_eq!(ok(cache.delete_matching("*").await), 1);
    // Beyond what a store may show of a long key.
    for end in ["1", "2", "3"] {
        let long = format!("dish: {}:{end}", "ü".repeat(400));
        ok(cache.set(&long, end, minutes(5)).await);
    }
    let begin = format!("dish: {}", "ü".repeat(400));
    assert_eq!(ok(cache.delete_matching("dish:*:[13]").await), 2);
    let rest = format!("{begin}:?");
    assert_eq!(ok(cache.delete_matching(&rest).await), 1);
    ok(cache.set(&begin, "long", minutes(5)).await);
    assert_eq!(ok(cache.delete_prefix(&begin).await), 1);
    assert_eq!(text(&other, "dish:1").await.as_deref(), Some("other"));
}

async fn a_scan_brings_keys_and_lifetimes(cache: Cache) {
    ok(cache.set("dish:1", &soup(), Ttl::Forever).await);
    ok(cache.set("dish:ä", &1, hours(1)).await);
    ok(cache.set("user:1", &1, hours(1)).await);
    let mut found = BTreeMap::new();
    let scan = cache.scan("dish:");
    let mut values = scan.stream();
    while let Some(value) = values.next().await {
        let value = ok(value);
        assert!(value.size > 0);
        found.insert(value.key, value.lifetime);
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), ["dish:1", "dish:ä"]);
    assert_eq!(found["dish:1"], Lifetime::Forever);
    let Lifetime::For(left) = found["dish:ä"] else {
        panic!("it has a lifetime");
    };
    assert!(left <= hours(1) && left > minutes(50));
    let scan = cache.scan("").budget(2);
    let mut values = scan.stream();
    let mut count = 0;
    while values.next().await.is_some() {
        count += 1;
    }
    assert_eq!(count, 2, "no more than the budget");
}

async fn a_lock_is_its_owners<W: Future<Output = ()>>(cache: Cache, wait: &impl Fn(Duration) -> W) {
    let take = || cache.lock("job", LONGER).try_acquire();
    let first = ok(take().await).expect("it is free");
    assert!(ok(take().await).is_none());
    assert!(ok(cache
        .add("job", "a value of that name", minutes(5))
        .await));
    assert!(ok(first.extend(minutes(5)).await));
    wait(LONGER + SHORT).await;
    assert!(ok(take().await).is_none(), "it was extended");
    assert!(ok(first.release().await));
    let second = ok(take().await).expect("it was released");
    wait(LONGER + SHORT).await;
    let third = ok(take().await).expect("its time was over");
    assert!(!ok(second.extend(minutes(5)).await), "another has it");
    assert!(!ok(second.release().await));
    assert!(ok(take().await).is_none(), "and keeps it");
    drop(third);
    cache.background().idle().await;
    assert!(ok(take().await).is_some(), "dropped, it is released");
    cache.background().idle().await;
    let error = cache.lock("", seconds(1)).try_acquire().await;
    assert!(matches!(error, Err(CacheError::EmptyKey)));
}

async fn the_store_is_well(cache: Cache) {
    ok(cache.health().await);
    let scan = cache.scan("");
    assert!(
        scan.stream().next().await.is_none(),
        "nothing is left of it"
    );
}
