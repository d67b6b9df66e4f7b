use super::*;
use crate::cache::{Codec, contract};

#[tokio::test(flavor = "multi_thread")]
async fn values_in_memory_keep_the_contract() {
    let clock = ManualClock::new();
    for codec in [Codec::MessagePack, Codec::Json] {
        let make = || async {
            let cache = Cache::builder(MemoryStore::new(MIB)).codec(codec);
            cache.clock(clock.clone()).build().unwrap()
        };
        contract::run(make, async |span| clock.advance(span)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_in_a_store_that_is_waited_for_keep_the_contract() {
    let clock = ManualClock::new();
    let make = || async {
        let cache = Cache::builder(Remote::new()).clock(clock.clone());
        cache.build().unwrap()
    };
    contract::run(make, async |span| clock.advance(span)).await;
}

#[tokio::test]
async fn a_write_costs_one_round_trip_once_the_fence_was_seen() {
    let (world, store) = World::remote();
    let cache = &world.cache;
    cache.set("a", &1, SECOND).await.unwrap();
    assert_eq!(store.trips(), 2, "the first asks for the stamp");
    cache.set("b", &1, SECOND).await.unwrap();
    assert_eq!(store.trips(), 1);
    cache.get::<u8>("a").await.unwrap();
    assert_eq!(store.trips(), 1);
    cache.delete("a").await.unwrap();
    cache.set("a", &2, SECOND).await.unwrap();
    assert_eq!(store.trips(), 2, "after its own delete it knows the fence");
    cache
        .set_many((0..20).map(|n| (n.to_string(), n)), SECOND)
        .await
        .unwrap();
    cache
        .get_many::<u8>((0..20).map(|n| n.to_string()))
        .await
        .unwrap();
    assert_eq!(store.trips(), 2);
    // Another node purges.
    let other = Cache::builder(store.clone())
        .clock(world.clock.clone())
        .build()
        .unwrap();
    other.delete("a").await.unwrap();
    store.trips();
    cache.set("a", &3, SECOND).await.unwrap();
    assert_eq!(
        store.trips(),
        3,
        "refused, it asks for the stamp and tries again"
    );
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(3));
}
