use super::*;
use crate::cache::{Lookup, Miss};
use crate::ttl::minutes;

async fn miss(cache: &Cache) -> Miss {
    match cache.lookup::<u8>("a").await.unwrap() {
        Lookup::Miss(miss) => miss,
        Lookup::Hit(value) => panic!("{value} is there"),
    }
}

#[tokio::test]
async fn a_fill_that_began_before_a_purge_does_not_replace_one_that_began_after() {
    let World { cache, .. } = World::new();
    let early = miss(&cache).await;
    assert_eq!(early.key(), "a");
    cache.purge_tag("unrelated").await.unwrap();
    let late = miss(&cache).await;
    assert!(late.fill(&2, minutes(5)).await.unwrap());
    assert!(
        !early.fill(&1, minutes(5)).await.unwrap(),
        "something younger is there"
    );
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_plain_set_wins_and_loses_no_race() {
    let World { cache, .. } = World::new();
    // The last writer wins, also over what is younger by the fence.
    let early = miss(&cache).await;
    cache.set("a", &1, minutes(5)).await.unwrap();
    assert!(early.fill(&2, minutes(5)).await.unwrap());
    cache.set("a", &3, minutes(5)).await.unwrap();
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(3));
    // And it is not refused by a purge that came before it.
    cache.delete("a").await.unwrap();
    cache.set("a", &4, minutes(5)).tag("t").await.unwrap();
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(4));
}

#[tokio::test]
async fn look_ups_are_counted() {
    let World { cache, .. } = World::new();
    let counts = crate::monitor::RequestCounts::default();
    let work = async {
        let miss = miss(&cache).await;
        miss.fill(&1, minutes(5)).await.unwrap();
        cache.get::<u8>("a").await.unwrap();
        cache.get::<u8>("b").await.unwrap();
        cache.get_many::<u8>(["a", "b"]).await.unwrap();
        cache.get_or_set("a", minutes(5), async || 1).await.unwrap();
        cache.get_or_set("c", minutes(5), async || 1).await.unwrap();
        cache.contains("a").await.unwrap();
    };
    counts.scope(work).await;
    assert_eq!((counts.hits(), counts.misses(), counts.sets()), (3, 4, 2));
    let stats = cache.stats();
    let values = stats.values;
    assert_eq!((values.hits, values.misses, values.sets), (3, 4, 2));
    assert_eq!(values.hit_rate(), Some(3.0 / 7.0));
    assert_eq!(stats.requests(), 0, "they are no pages");
}

#[tokio::test]
async fn an_analysis_tells_values_by_the_beginning_of_their_keys() {
    let World { cache, .. } = World::new();
    let keys = ["dish:1", "dish:2", "motd", "user:1:name"];
    cache
        .set_many(keys.map(|key| (key, key)), minutes(5))
        .await
        .unwrap();
    cache.set("n", &1, minutes(5)).await.unwrap();
    let report = cache.analyse(100).await.unwrap();
    let mut prefixes: Vec<_> = report
        .prefixes
        .iter()
        .map(|total| (total.prefix.as_str(), total.total.count))
        .collect();
    prefixes.sort_unstable();
    assert_eq!(prefixes, [("dish", 2), ("motd", 1), ("n", 1), ("user", 1)]);
    assert_eq!(
        (report.kinds["value"].count, report.kinds["number"].count),
        (4, 1)
    );
    assert!(
        report
            .largest
            .iter()
            .any(|entry| entry.key == "user:1:name")
    );
}
