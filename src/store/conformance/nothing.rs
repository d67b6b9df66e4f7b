//! The contract of stores that keep nothing.

use std::task::Poll;

use super::ask::{
    admits, apply, get, now, number, purge_key, purge_soft, purge_tags, put, record, remove, stamp,
    struck_at, times,
};
use super::scans::scan;
use crate::store::{Done, If, Key, KeyBuf, Matching, Op, Purge, Store, When};

/// Whatever is put, and however, is not found: not one by one, not in a batch, and not at once.
pub async fn nothing_is_found_after_any_put<S: Store>(store: S) {
    for when in [When::Fenced, When::Absent, When::Always] {
        let record = record(stamp(&store).await, "a", &["t"], "text");
        put(&store, "a", &record, when).await;
        assert!(
            get(&store, "a").await.record.is_none(),
            "nothing is found after a put ({when:?})"
        );
        if let Poll::Ready(found) = store.get_now(Key::new(b"a"), now()) {
            let found = found.expect("the store is well");
            assert!(found.record.is_none(), "nothing is found at once either");
        }
        let keys = [Key::new(b"a"), Key::new(b"b"), Key::new(b"a")];
        let found = store.get(&keys, now()).await.expect("the store is well");
        assert_eq!(found.len(), keys.len(), "one key gets one answer");
        assert!(found.iter().all(|found| found.record.is_none()));
    }
}

/// There is never a record that a removal could take away, or that was read and still stands.
pub async fn there_is_nothing_to_remove_or_to_replace<S: Store>(store: S) {
    let record = record(stamp(&store).await, "a", &["t"], "text");
    put(&store, "a", &record, When::Always).await;
    for condition in [If::Any, If::Same(record.id)] {
        assert_eq!(
            remove(&store, "a", condition).await,
            Done::Nothing,
            "there is nothing to remove"
        );
    }
    assert_ne!(
        put(&store, "a", &record, When::Same(record.id)).await,
        Done::Stored,
        "there is nothing to replace"
    );
}

/// A number is begun each time, and never counted; and nothing is kept longer.
pub async fn nothing_is_counted_or_kept_longer<S: Store>(store: S) {
    for _ in 0..2 {
        let first = number(times(), stamp(&store).await, "n", &[], 4);
        let (id, times) = (first.id, first.times);
        let begin = Op::Count {
            by: 4,
            create: Some(first),
        };
        assert_eq!(
            apply(&store, "n", begin).await,
            Done::Counted(4),
            "a number that is begun says what it begins with"
        );
        let count = Op::Count {
            by: 1,
            create: None,
        };
        assert_eq!(
            apply(&store, "n", count).await,
            Done::Nothing,
            "there is nothing to count"
        );
        for of in [If::Any, If::Same(id)] {
            let life = Op::Life {
                fresh_until: times.fresh_until,
                keep_until: times.keep_until,
                of,
            };
            assert_eq!(
                apply(&store, "n", life).await,
                Done::Nothing,
                "there is nothing to keep longer"
            );
        }
    }
    assert!(get(&store, "n").await.record.is_none());
}

/// Purges of all kinds are taken, and find nothing.
pub async fn no_purge_finds_anything<S: Store>(store: S) {
    let before = stamp(&store).await;
    let record = record(before, "a", &["t"], "text");
    put(&store, "a", &record, When::Always).await;
    purge_soft(&store, &["t"], now()).await;
    let all = Purge::Matching(Matching::prefix(KeyBuf::new(b"".as_slice())));
    let struck = struck_at(&store, &all, now()).await;
    assert_eq!(struck.removed, 0, "there is nothing to find");
    assert!(
        !admits(&store, before, &record.marks).await,
        "what a purge by predicate outlaws is not admitted"
    );
}

/// Flights ask before they share what they read: what was stamped before a purge must not be shared after it.
pub async fn what_a_purge_outlaws_is_not_admitted<S: Store>(store: S) {
    let before = stamp(&store).await;
    let record = record(before, "a", &["t"], "text");
    purge_key(&store, "a").await;
    purge_tags(&store, &["t"]).await;
    assert!(
        !admits(&store, before, &record.marks).await,
        "what a purge outlaws is not admitted"
    );
    if let Poll::Ready(admitted) = store.admits_now(before, &record.marks) {
        assert!(!admitted.expect("the store is well"), "nor at once");
    }
}

/// A scan ends at once.
pub async fn nothing_is_scanned<S: Store>(store: S) {
    let record = record(stamp(&store).await, "a", &[], "text");
    put(&store, "a", &record, When::Always).await;
    assert!(scan(&store, "", 10).await.is_empty(), "nothing is scanned");
}
