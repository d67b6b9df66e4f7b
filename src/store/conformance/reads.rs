//! What `get` brings, and when it brings nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::ask::{
    HOUR, body, fill, get, get_at, key_mark, now, purge_tags, put, record, record_for, stamp, tag,
};
use crate::store::{Done, Head, If, Key, Kind, Op, Record, Store, Times, When};

/// How long an expiry may take in a store whose clock lags behind this one.
const PATIENCE: Duration = Duration::from_secs(5);

/// A key that was never written has no record, and brings the stamp for its fill.
pub async fn an_absent_key_has_no_record<S: Store>(store: S) {
    let found = get(&store, "a").await;
    assert!(found.record.is_none(), "an absent key has no record");
    let record = record(found.stamp, "a", &["t"], "filled");
    assert_eq!(
        put(&store, "a", &record, When::Fenced).await,
        Done::Stored,
        "a miss brings the stamp that its fill may commit with"
    );
}

/// Every field of a record survives.
pub async fn a_record_comes_back_as_it_was_put<S: Store>(store: S) {
    for kind in [Kind::Page, Kind::Variants, Kind::Rule, Kind::Value] {
        let moment = now();
        let times = Times {
            born: moment.before(HOUR),
            fresh_until: moment + HOUR,
            keep_until: moment + 2 * HOUR,
        };
        let put_in = Arc::new(Record::new(
            kind,
            stamp(&store).await,
            times,
            vec![key_mark("a"), tag("t"), tag("u")],
            Head::Wire(Bytes::from_static(b"\x00head\xff")),
            Bytes::from_static(b"\xffbody\x00"),
        ));
        assert_eq!(put(&store, "a", &put_in, When::Fenced).await, Done::Stored);
        let record = get(&store, "a").await.record;
        let record = record.expect("what was stored is found");
        assert_eq!(record.id, put_in.id, "a record keeps its id");
        assert_eq!(record.stamp, put_in.stamp, "a record keeps its stamp");
        assert_eq!(record.times, put_in.times, "a record keeps its times");
        assert_eq!(record.marks, put_in.marks, "a record keeps its marks");
        assert_eq!(record.body, put_in.body, "a record keeps its body");
        assert_eq!(record.kind, put_in.kind, "a record keeps its kind");
        if let Head::Wire(head) = &record.head {
            assert_eq!(head.as_ref(), b"\x00head\xff", "a record keeps its head");
        }
    }
}

/// A record whose freshness is over is still found, until the last moment before it is kept no longer.
pub async fn a_stale_record_is_kept<S: Store>(store: S) {
    let moment = now();
    let times = Times {
        born: moment.before(2 * HOUR),
        fresh_until: moment.before(HOUR),
        keep_until: moment + HOUR,
    };
    let stale = record_for(times, stamp(&store).await, "a", &[], "stale");
    assert_eq!(put(&store, "a", &stale, When::Fenced).await, Done::Stored);
    for at in [moment, times.keep_until.before(Duration::from_millis(1))] {
        assert!(
            get_at(&store, "a", at).await.record.is_some(),
            "a stale record is found until its keep_until"
        );
    }
}

/// The end of keeping is strict, and a record past it counts as absent.
pub async fn at_keep_until_a_record_is_gone<S: Store>(store: S) {
    let moment = now();
    let until = |keep_until| Times {
        born: moment.before(2 * HOUR),
        fresh_until: moment.before(2 * HOUR),
        keep_until,
    };
    let fence = stamp(&store).await;
    let long_over = record_for(until(moment.before(HOUR)), fence, "a", &[], "expired");
    put(&store, "a", &long_over, When::Fenced).await;
    assert!(
        get(&store, "a").await.record.is_none(),
        "a record past its keep_until is gone"
    );

    let just_over = record_for(until(moment), fence, "b", &[], "expired");
    let op = Op::Put(just_over, When::Fenced);
    let earlier = moment.before(Duration::from_millis(1));
    let put_in = store.apply(&[(Key::new(b"b"), op)], earlier).await;
    put_in.expect("the store is well");
    let gone = async {
        // The same moment each time: only a store with a clock of its own may change its answer.
        while get_at(&store, "b", moment).await.record.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("at keep_until itself a record is gone");
}

/// Keys that start with each other, or differ in one byte at their end, have nothing in common.
pub async fn keys_are_compared_in_full<S: Store>(store: S) {
    let long = "k".repeat(300);
    let longer = format!("{long}k");
    let keys = [
        "shop", "shop2", "shop/", "shop\0", "shop/a", "Shop", &long, &longer,
    ];
    for key in keys {
        assert_eq!(body(&store, key).await, None, "keys are compared in full");
        fill(&store, key, &[], key).await;
    }
    for key in keys {
        assert_eq!(
            body(&store, key).await.as_deref(),
            Some(key),
            "every key has its own record"
        );
    }
    super::ask::remove(&store, "shop", If::Any).await;
    super::ask::purge_key(&store, "shop/").await;
    for key in keys {
        assert_eq!(
            body(&store, key).await.is_some(),
            key != "shop" && key != "shop/",
            "removing or purging one key leaves the others"
        );
    }
}

/// A batch has one answer per question, in the order of the questions.
pub async fn batches_are_answered_in_order<S: Store>(store: S) {
    const ORDER: &str = "a batch is answered in the order of its questions";
    let slow = stamp(&store).await;
    purge_tags(&store, &["t"]).await;
    let fence = stamp(&store).await;
    fill(&store, "standing", &[], "standing").await;
    let fenced = |stamp, key| Op::Put(record(stamp, key, &["t"], key), When::Fenced);
    let ops = [
        ("b", fenced(fence, "b")),
        ("nothing", Op::Remove(If::Any)),
        ("outlawed", fenced(slow, "outlawed")),
        ("standing", Op::Remove(If::Any)),
        ("a", fenced(fence, "a")),
    ]
    .map(|(key, op)| (Key::new(key.as_bytes()), op));
    let done = store.apply(&ops, now()).await.expect("the store is well");
    let expected = [
        Done::Stored,
        Done::Nothing,
        Done::Outlawed,
        Done::Removed,
        Done::Stored,
    ];
    assert_eq!(done, expected, "{ORDER}");

    let keys = ["b", "outlawed", "a", "standing", "a"].map(|key| Key::new(key.as_bytes()));
    let found = store.get(&keys, now()).await.expect("the store is well");
    let bodies: Vec<_> = found
        .iter()
        .map(|found| found.record.as_ref().map(|record| record.body.as_ref()))
        .collect();
    let expected = [Some(b"b".as_ref()), None, Some(b"a"), None, Some(b"a")];
    assert_eq!(bodies, expected, "{ORDER}");

    let none = store.get(&[], now()).await.expect("the store is well");
    assert!(none.is_empty(), "no question gets no answer");
    let none = store.apply(&[], now()).await.expect("the store is well");
    assert!(none.is_empty(), "no change gets no answer");
}
