//! Numbers that are counted.

use std::sync::Arc;

use super::ask::{
    HOUR, apply, body, fill, get, now, number, purge_key, purge_tags, put, stamp, standing, times,
};
use crate::store::{Done, If, Kind, Op, Record, Store, Times, When};

async fn count(store: &impl Store, key: &str, by: i64, create: Option<Arc<Record>>) -> Done {
    apply(store, key, Op::Count { by, create }).await
}

/// What is counted keeps its lifetimes, its stamp and its marks, and is another writing.
pub async fn a_count_keeps_all_but_the_number<S: Store>(store: S) {
    let first = number(times(), stamp(&store).await, "n", &["t"], 5);
    assert_eq!(put(&store, "n", &first, When::Fenced).await, Done::Stored);
    purge_tags(&store, &["unrelated"]).await;
    let mut last = first.clone();
    for (by, now_is) in [(1, 6), (-10, -4), (0, -4), (i64::MAX, i64::MAX - 4)] {
        // A number that is there already is counted, whatever could be begun.
        let unused = number(times(), stamp(&store).await, "n", &[], 100);
        for (by, create) in [(by, None), (0, Some(unused))] {
            assert_eq!(
                count(&store, "n", by, create).await,
                Done::Counted(now_is),
                "a count says what the number is now"
            );
        }
        let counted = standing(&store, "n").await;
        assert_eq!(counted.body, now_is.to_string(), "what is counted stands");
        assert_eq!(counted.kind, Kind::Number);
        assert_eq!(counted.times, first.times, "a count keeps the lifetimes");
        assert_eq!(counted.stamp, first.stamp, "a count keeps the stamp");
        assert_eq!(counted.marks, first.marks, "a count keeps the marks");
        assert_ne!(counted.id, last.id, "a count is a writing of its own");
        let late = number(times(), stamp(&store).await, "n", &[], 0);
        assert_eq!(
            put(&store, "n", &late, When::Same(last.id)).await,
            Done::Refused,
            "what was read before a count does not stand any more"
        );
        last = counted;
    }
    purge_tags(&store, &["t"]).await;
    assert_eq!(
        count(&store, "n", 1, None).await,
        Done::Nothing,
        "a purge strikes what was counted, as it does what was read then"
    );
    assert_eq!(body(&store, "n").await, None);
}

/// Where no valid number stands, one is begun if it may be, and else there is nothing to count.
pub async fn a_count_begins_only_where_no_valid_number_stands<S: Store>(store: S) {
    assert_eq!(
        count(&store, "n", 1, None).await,
        Done::Nothing,
        "of an absent key there is nothing to count"
    );
    assert_eq!(body(&store, "n").await, None, "and nothing is begun");
    for way in ["absent", "outlawed", "removed", "expired"] {
        match way {
            "outlawed" => {
                purge_tags(&store, &["t"]).await;
            }
            "removed" => {
                apply(&store, "n", Op::Remove(If::Any)).await;
            }
            "expired" => {
                let over = Times {
                    keep_until: now().before(HOUR),
                    ..times()
                };
                let expired = number(over, stamp(&store).await, "n", &["t"], 70);
                put(&store, "n", &expired, When::Always).await;
            }
            _ => {}
        }
        let first = number(times(), stamp(&store).await, "n", &["t"], 3);
        assert_eq!(
            count(&store, "n", 3, Some(first.clone())).await,
            Done::Counted(3),
            "a number is begun where the one before is {way}, and says what it begins with"
        );
        let begun = standing(&store, "n").await;
        assert_eq!(
            begun.times, first.times,
            "what is begun has its own lifetimes"
        );
        assert_eq!(begun.marks, first.marks, "and its own marks");
        assert_eq!(count(&store, "n", 3, Some(first)).await, Done::Counted(6));
    }
}

/// A number that was begun before a purge is not stored after it.
pub async fn the_beginning_of_a_count_is_fenced<S: Store>(store: S) {
    for by_key in [true, false] {
        let slow = number(times(), stamp(&store).await, "n", &["t"], 1);
        if by_key {
            purge_key(&store, "n").await;
        } else {
            purge_tags(&store, &["t"]).await;
        }
        assert_eq!(
            count(&store, "n", 1, Some(slow)).await,
            Done::Outlawed,
            "a purge refuses numbers that were begun before it"
        );
        assert_eq!(body(&store, "n").await, None);
    }
}

/// What is no number, and what would not fit, is left as it was.
pub async fn what_cannot_be_counted_is_left_alone<S: Store>(store: S) {
    fill(&store, "text", &[], "7").await;
    let create = number(times(), stamp(&store).await, "text", &[], 1);
    for create in [None, Some(create)] {
        assert_eq!(
            count(&store, "text", 1, create).await,
            Done::NotANumber,
            "what is no number is not counted"
        );
        assert_eq!(body(&store, "text").await.as_deref(), Some("7"));
    }
    for (is, by) in [(i64::MAX, 1), (i64::MIN, -1), (-2, i64::MIN)] {
        let full = number(times(), stamp(&store).await, "n", &[], is);
        put(&store, "n", &full, When::Always).await;
        assert_eq!(
            count(&store, "n", by, None).await,
            Done::Overflow,
            "a number does not go round ({is} and {by})"
        );
        let left = get(&store, "n").await.record.expect("it is left");
        assert_eq!(left.body, is.to_string(), "what does not fit is left alone");
        assert_eq!(left.id, full.id);
    }
}
