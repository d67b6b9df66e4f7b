use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;

use super::*;
use crate::cache::{CacheError, Lookup};
use crate::ttl::{Ttl, minutes};

/// A table of even numbers, and what was asked of it.
#[derive(Default)]
struct Table(Mutex<Vec<Vec<String>>>);

impl Table {
    async fn load(&self, missing: Vec<String>) -> Result<HashMap<String, u32>, Infallible> {
        let rows = missing.iter().filter_map(|key| {
            let number: u32 = key.parse().ok()?;
            number.is_multiple_of(2).then(|| (key.clone(), number))
        });
        let rows = rows.collect();
        self.0.lock().unwrap().push(missing);
        Ok(rows)
    }

    fn asked(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn sorted(values: HashMap<String, u32>) -> Vec<u32> {
    let mut values: Vec<u32> = values.into_values().collect();
    values.sort_unstable();
    values
}

#[tokio::test]
async fn one_call_loads_what_is_missing() {
    let World { cache, .. } = World::new();
    let table = Table::default();
    cache.set("2", &2, minutes(5)).await.unwrap();
    let ask = |keys: [&'static str; 4]| {
        cache.get_many_or_load(keys, minutes(5), |missing| table.load(missing))
    };
    assert_eq!(sorted(ask(["1", "2", "4", "4"]).await.unwrap()), [2, 4]);
    assert_eq!(table.asked(), [["1", "4"]]);
    assert_eq!(sorted(ask(["1", "2", "3", "4"]).await.unwrap()), [2, 4]);
    assert_eq!(table.asked(), [["1", "3"]], "absence is not remembered");
    let found = ask(["2", "4", "2", "4"])
        .absent_for(minutes(1))
        .await
        .unwrap();
    assert_eq!(sorted(found), [2, 4]);
    assert!(table.asked().is_empty(), "nothing is missing");
}

#[tokio::test]
async fn absence_is_remembered_on_request() {
    let world = World::new();
    let cache = &world.cache;
    let table = Table::default();
    let ask = || {
        let asked = cache.get_many_or_load(["1", "2"], minutes(5), |missing| table.load(missing));
        asked.absent_for(SECOND).tag("numbers")
    };
    for _ in 0..2 {
        assert_eq!(sorted(ask().await.unwrap()), [2]);
    }
    assert_eq!(table.asked(), [["1", "2"]]);
    // To all others it is not there.
    assert!(!cache.contains("1").await.unwrap());
    assert_eq!(cache.get::<Option<u32>>("1").await.unwrap(), None);
    assert_eq!(cache.ttl("1").await.unwrap(), None);
    assert!(matches!(
        cache.lookup::<u32>("1").await.unwrap(),
        Lookup::Miss(_)
    ));
    assert!(!cache.touch("1", minutes(5)).await.unwrap());
    world.pass(SECOND);
    assert_eq!(sorted(ask().await.unwrap()), [2]);
    assert_eq!(table.asked(), [["1"]], "for as long as was said");
    cache.purge_tag("numbers").await.unwrap();
    ask().await.unwrap();
    assert_eq!(table.asked(), [["1", "2"]], "a purge frees absence too");
    assert!(cache.add("1", &1, minutes(5)).await.unwrap());
    assert_eq!(sorted(ask().await.unwrap()), [1, 2]);
    cache.delete("1").await.unwrap();
    ask().await.unwrap();
    let loaded = cache.get_or_set("1", minutes(5), async || 5).await.unwrap();
    assert_eq!(loaded, 5, "a loader of its own is asked");
}

#[tokio::test]
async fn a_purge_outruns_the_loader_of_many() {
    let World { cache, .. } = World::new();
    let load = async |missing: Vec<String>| {
        cache.delete("1").await.unwrap();
        Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 7)))
    };
    let found = cache.get_many_or_load(["1", "2"], Ttl::Forever, load).await;
    assert_eq!(sorted(found.unwrap()), [7, 7]);
    assert_eq!(sorted(cache.get_many(["1", "2"]).await.unwrap()), [7]);
    assert!(cache.contains("2").await.unwrap());
}

#[tokio::test]
async fn what_the_loader_brings_unasked_is_left_out() {
    let World { cache, .. } = World::new();
    let load = async |_| Ok::<_, Infallible>([("1".to_owned(), 1), ("other".to_owned(), 2)]);
    let found = cache.get_many_or_load(["1"], minutes(5), load).await;
    assert_eq!(found.unwrap(), HashMap::from([("1".to_owned(), 1)]));
    assert!(!cache.contains("other").await.unwrap());
}

#[tokio::test]
async fn the_keys_that_the_store_did_not_take_are_told() {
    let World { cache, .. } = World::new();
    let values = [("large", "x".repeat(MIB)), ("small", "x".to_owned())];
    let failed = cache.set_many(values, minutes(5)).await.unwrap();
    assert_eq!(failed, ["large"]);
    assert!(cache.contains("small").await.unwrap());
    let error = cache.set_many([("a", 1), ("", 2)], minutes(5)).await;
    assert!(matches!(error, Err(CacheError::EmptyKey)));
    assert!(
        !cache.contains("a").await.unwrap(),
        "before anything is stored"
    );
}
