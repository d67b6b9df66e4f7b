//! What soft purges end, and what they leave.

use std::time::Duration;

use super::ask::{
    HOUR, admits, apply, body, fill, get, now, purge_key, purge_soft, purge_tags, put, record,
    record_for, stamp, standing, tag, times,
};
use crate::store::{Done, If, Op, Store, Times, When};

/// What was fresh is stale from that moment on, and still there, as long as it would have been.
pub async fn a_soft_purge_ends_freshness_and_nothing_else<S: Store>(store: S) {
    for key in ["a", "b"] {
        fill(&store, key, &["t"], key).await;
    }
    fill(&store, "other", &["u"], "other").await;
    let (before, other) = (standing(&store, "a").await, standing(&store, "other").await);
    let earlier = stamp(&store).await;
    let at = now();
    let purged = purge_soft(&store, &["t"], at).await;
    assert!(
        purged.epoch == earlier.epoch && purged.seq > earlier.seq,
        "a soft purge moves the fence on"
    );

    for _ in 0..3 {
        let softened = get(&store, "a").await.record;
        let softened = softened.expect("what is purged softly is still there");
        let expected = Times {
            fresh_until: at,
            ..before.times
        };
        assert_eq!(
            softened.times, expected,
            "a soft purge ends freshness at its moment and leaves the other times"
        );
        assert_eq!(softened.id, before.id, "it is the same writing");
        assert_eq!(softened.stamp, before.stamp, "it keeps its stamp");
        assert_eq!(softened.body, before.body, "it keeps its body");
        assert_eq!(
            standing(&store, "b").await.times.fresh_until,
            at,
            "a soft purge ends the freshness of all that carry its mark"
        );
        assert_eq!(
            standing(&store, "other").await.times,
            other.times,
            "a soft purge leaves what carries none of its marks"
        );
    }
    let late = record(earlier, "a", &["t"], "merged");
    assert_eq!(
        put(&store, "a", &late, When::Same(before.id)).await,
        Done::Stored,
        "what was read before a soft purge can be replaced as that"
    );
    assert!(
        admits(&store, before.stamp, &[tag("t")]).await,
        "a soft purge outlaws nothing"
    );
}

/// What is stale already has been stale since then, and a moment to come ends freshness when it comes.
pub async fn a_soft_purge_makes_nothing_fresher<S: Store>(store: S) {
    let moment = now();
    let stale = Times {
        born: moment.before(3 * HOUR),
        fresh_until: moment.before(2 * HOUR),
        keep_until: moment + HOUR,
    };
    let stale = record_for(stale, stamp(&store).await, "stale", &["t"], "stale");
    put(&store, "stale", &stale, When::Fenced).await;
    fill(&store, "fresh", &["t", "u"], "fresh").await;
    let minute = Duration::from_secs(60);
    for (tags, at, expected) in [
        (&["t"][..], moment + minute, moment + minute),
        (&["u"], moment + 2 * minute, moment + minute),
        (&["u"], moment, moment),
    ] {
        purge_soft(&store, tags, at).await;
        assert_eq!(
            standing(&store, "stale").await.times,
            stale.times,
            "a soft purge makes nothing fresher"
        );
        assert_eq!(
            standing(&store, "fresh").await.times.fresh_until,
            expected,
            "of several moments the earliest ends freshness"
        );
    }
}

/// A fill that took its stamp before a soft purge has read what is stale now; one that took it after has not.
pub async fn a_soft_purge_reaches_fills_under_way<S: Store>(store: S) {
    let at = now();
    for when in [When::Fenced, When::Absent, When::Always] {
        let before = stamp(&store).await;
        purge_soft(&store, &["t"], at).await;
        let slow = record(before, "a", &["t"], "slow");
        assert_eq!(
            put(&store, "a", &slow, when).await,
            Done::Stored,
            "a soft purge refuses no fill ({when:?})"
        );
        assert_eq!(
            standing(&store, "a").await.times.fresh_until,
            at,
            "what was read before a soft purge is stale since then ({when:?})"
        );
        fill(&store, "a", &["t"], "after").await;
        let after = standing(&store, "a").await;
        assert!(
            after.times.fresh_until > at,
            "what is read after a soft purge is fresh"
        );
        super::ask::remove(&store, "a", If::Any).await;
    }
}

/// Hard and soft marks are kept apart: neither takes the place of the other.
pub async fn soft_and_hard_purges_leave_each_other<S: Store>(store: S) {
    fill(&store, "a", &["t"], "struck").await;
    purge_soft(&store, &["t"], now()).await;
    purge_tags(&store, &["t"]).await;
    assert_eq!(
        body(&store, "a").await,
        None,
        "a hard purge strikes what a soft one has made stale"
    );
    let before = stamp(&store).await;
    purge_tags(&store, &["t"]).await;
    purge_soft(&store, &["t"], now()).await;
    let slow = record(before, "a", &["t"], "slow");
    assert_eq!(
        put(&store, "a", &slow, When::Fenced).await,
        Done::Outlawed,
        "a soft purge does not take back a hard one"
    );
    assert_eq!(body(&store, "a").await, None);

    fill(&store, "b", &["t", "u"], "b").await;
    let at = now();
    purge_soft(&store, &["u"], at).await;
    for n in 0..20 {
        purge_tags(&store, &[&format!("unrelated {n}")]).await;
        purge_key(&store, &format!("unrelated {n}")).await;
    }
    assert_eq!(
        standing(&store, "b").await.times.fresh_until,
        at,
        "a hard purge does not take back a soft one"
    );
}

/// What is kept longer is not made younger: what a soft purge has ended stays ended.
pub async fn a_longer_life_does_not_undo_a_soft_purge<S: Store>(store: S) {
    fill(&store, "a", &["t"], "text").await;
    let at = now();
    purge_soft(&store, &["t"], at).await;
    let Times { fresh_until, .. } = times();
    let keep_until = fresh_until + 5 * HOUR;
    let life = Op::Life {
        fresh_until,
        keep_until,
        of: If::Any,
    };
    assert_eq!(apply(&store, "a", life).await, Done::Stored);
    let living = standing(&store, "a").await.times;
    assert_eq!(
        (living.fresh_until, living.keep_until),
        (at, keep_until),
        "a longer life does not undo a soft purge"
    );
}
