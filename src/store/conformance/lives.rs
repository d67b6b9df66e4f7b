//! Lifetimes that are changed afterwards.

use std::time::Duration;

use super::ask::{
    HOUR, apply, body, fill, get, now, purge_key, purge_tags, put, record_for, remove, stamp,
    standing, times,
};
use crate::clock::Now;
use crate::store::{Done, If, Op, Store, Times, When};

/// How long an expiry may take in a store whose clock lags behind this one.
const PATIENCE: Duration = Duration::from_secs(5);

fn life(fresh_until: Now, keep_until: Now, of: If) -> Op {
    Op::Life {
        fresh_until,
        keep_until,
        of,
    }
}

/// Both horizons are what they were set to, further or nearer; all else is as it was.
pub async fn a_life_changes_lifetimes_alone<S: Store>(store: S) {
    fill(&store, "a", &["t"], "text").await;
    purge_tags(&store, &["unrelated"]).await;
    let before = standing(&store, "a").await;
    let moment = now();
    for (fresh_until, keep_until) in [
        (moment + 3 * HOUR, moment + 4 * HOUR),
        (moment + HOUR, moment + 2 * HOUR),
        (moment.before(HOUR), moment + HOUR),
        (Now::NEVER, Now::NEVER),
    ] {
        let done = apply(&store, "a", life(fresh_until, keep_until, If::Any)).await;
        assert_eq!(done, Done::Stored, "a valid record can be kept longer");
        let living = standing(&store, "a").await;
        let expected = Times {
            born: before.times.born,
            fresh_until,
            keep_until,
        };
        assert_eq!(living.times, expected, "a record has the life it was given");
        assert_eq!(living.id, before.id, "a life keeps the id");
        assert_eq!(living.stamp, before.stamp, "a life keeps the stamp");
        assert_eq!(living.marks, before.marks, "a life keeps the marks");
        assert_eq!(living.body, before.body, "a life keeps the body");
    }
    let soon = now() + Duration::from_millis(50);
    let done = apply(&store, "a", life(soon, soon, If::Any)).await;
    assert_eq!(done, Done::Stored);
    let gone = async {
        while get(&store, "a").await.record.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("what has a shorter life is gone when that is over");
    fill(&store, "b", &["t"], "text").await;
    let over = life(moment.before(HOUR), moment.before(HOUR), If::Any);
    assert_eq!(apply(&store, "b", over).await, Done::Stored);
    assert_eq!(body(&store, "b").await, None, "a life that is over ends it");
}

/// There is no life for what is absent, outlawed or expired: it is not brought back.
pub async fn a_life_revives_nothing<S: Store>(store: S) {
    let (fresh_until, keep_until) = (now() + 5 * HOUR, now() + 6 * HOUR);
    let keep = async || apply(&store, "a", life(fresh_until, keep_until, If::Any)).await;
    assert_eq!(keep().await, Done::Nothing, "an absent key has no life");

    fill(&store, "a", &["t"], "outlawed").await;
    purge_tags(&store, &["t"]).await;
    assert_eq!(keep().await, Done::Nothing, "what is outlawed has no life");
    assert_eq!(body(&store, "a").await, None);

    fill(&store, "a", &["t"], "purged").await;
    purge_key(&store, "a").await;
    assert_eq!(keep().await, Done::Nothing, "what is purged has no life");

    let over = Times {
        keep_until: now().before(HOUR),
        ..times()
    };
    let expired = record_for(over, stamp(&store).await, "a", &[], "expired");
    put(&store, "a", &expired, When::Fenced).await;
    assert_eq!(keep().await, Done::Nothing, "what is expired has no life");
    assert_eq!(body(&store, "a").await, None, "a life revives nothing");

    fill(&store, "a", &["t"], "living").await;
    assert_eq!(keep().await, Done::Stored);
    purge_tags(&store, &["t"]).await;
    assert_eq!(
        body(&store, "a").await,
        None,
        "a purge strikes what was kept longer, as it does what was read then"
    );
}

/// `If::Same` is for the writing that it names, and for no other.
pub async fn a_life_of_the_same_record_is_for_no_other<S: Store>(store: S) {
    let (fresh_until, keep_until) = (now() + 5 * HOUR, now() + 6 * HOUR);
    let read = fill(&store, "a", &[], "read").await;
    let stands = fill(&store, "a", &[], "stands").await;
    let before = standing(&store, "a").await.times;
    assert_eq!(
        apply(&store, "a", life(fresh_until, keep_until, If::Same(read))).await,
        Done::Nothing,
        "Same gives no other record a life"
    );
    assert_eq!(standing(&store, "a").await.times, before);
    let of = If::Same(stands);
    assert_eq!(
        apply(&store, "a", life(fresh_until, keep_until, of)).await,
        Done::Stored,
        "Same gives the record it names a life"
    );
    let found = get(&store, "a").await.record.expect("it is kept");
    assert_eq!(found.times.keep_until, keep_until);
    assert_eq!(
        remove(&store, "a", If::Same(stands)).await,
        Done::Removed,
        "it is still the same writing"
    );
}
