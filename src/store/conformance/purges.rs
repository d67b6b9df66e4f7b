//! What purges strike, and what they leave.

use super::ask::{
    HOUR, admits, body, fill, get, key_mark, now, purge_at, purge_key, purge_tags, put, record,
    remove, stamp, tag,
};
use super::scans::scan;
use crate::store::{Done, If, KeyBuf, Purge, RecordId, Stamp, Store, When};

/// A purge of a key takes its record away, and no other.
pub async fn a_purge_of_a_key_removes_its_record_alone<S: Store>(store: S) {
    for key in ["a", "ab", "b"] {
        fill(&store, key, &["t"], key).await;
    }
    purge_key(&store, "a").await;
    assert_eq!(body(&store, "a").await, None, "a purged key has no record");
    for key in ["ab", "b"] {
        assert_eq!(
            body(&store, key).await.as_deref(),
            Some(key),
            "a purge of a key leaves other keys"
        );
    }
    let left = scan(&store, "", 10).await;
    assert!(
        left.iter().all(|scanned| *scanned.key != *b"a"),
        "a purge of a key removes its record, rather than only hide it"
    );
    purge_key(&store, "never written").await;
    fill(&store, "a", &["t"], "after").await;
    assert_eq!(
        body(&store, "a").await.as_deref(),
        Some("after"),
        "what is filled after a purge stands"
    );
}

/// A fill that took its stamp before the purge of its key cannot commit; one that took it after can.
pub async fn a_purge_of_a_key_refuses_the_fills_under_way<S: Store>(store: S) {
    let read = fill(&store, "a", &["t"], "read").await;
    let before = stamp(&store).await;
    purge_key(&store, "a").await;
    refuses_fills(&store, before, read).await;
    let unrelated = record(before, "b", &["t"], "b");
    assert_eq!(
        put(&store, "b", &unrelated, When::Fenced).await,
        Done::Stored,
        "a purge of a key leaves the fills of others"
    );
}

/// A purge of marks strikes whatever carries one of them, under any key, and leaves the rest.
pub async fn a_purge_of_marks_strikes_all_that_carry_one_and_nothing_else<S: Store>(store: S) {
    let records: [(&str, &[&str]); 6] = [
        ("a", &["shop", "menu"]),
        ("b", &["shop", "menu", "dishes"]),
        ("c", &["shop", "dishes"]),
        ("d", &["shop"]),
        ("e", &["shop2", "menus"]),
        ("f", &[]),
    ];
    for struck in [&["menu"][..], &["menu", "dishes"], &["shop"], &[]] {
        for (key, tags) in records {
            fill(&store, key, tags, key).await;
        }
        purge_tags(&store, struck).await;
        for (key, tags) in records {
            let carries = tags.iter().any(|name| struck.contains(name));
            assert_eq!(
                body(&store, key).await.is_none(),
                carries,
                "a purge of {struck:?} strikes what carries one of them and nothing else, not so {key:?} with {tags:?}"
            );
        }
    }
}

/// A fill that took its stamp before the purge of one of its marks cannot commit; one that took it after can.
pub async fn a_purge_of_marks_refuses_the_fills_under_way<S: Store>(store: S) {
    for struck in ["page", "t", "namespace"] {
        let read = fill(&store, "a", &["page", "t", "namespace"], "read").await;
        let before = stamp(&store).await;
        purge_tags(&store, &[struck]).await;
        let slow = record(before, "a", &["page", "t", "namespace"], "slow");
        assert_eq!(
            put(&store, "a", &slow, When::Fenced).await,
            Done::Outlawed,
            "a purge of the mark {struck:?} refuses the fills under way"
        );
        assert_eq!(body(&store, "a").await, None);
        if struck == "t" {
            refuses_fills(&store, before, read).await;
        }
        let unrelated = record(before, "b", &["other"], "b");
        assert_eq!(
            put(&store, "b", &unrelated, When::Absent).await,
            Done::Stored,
            "a purge of marks leaves the fills that carry none of them"
        );
        remove(&store, "b", If::Any).await;
    }
}

/// No condition lets in what a purge has struck; a stamp from after it is let in.
async fn refuses_fills(store: &impl Store, before: Stamp, read: RecordId) {
    for when in [When::Fenced, When::Absent, When::Always, When::Same(read)] {
        let slow = record(before, "a", &["t"], "slow");
        assert_eq!(
            put(store, "a", &slow, when).await,
            Done::Outlawed,
            "a purge refuses the fills under way ({when:?})"
        );
        assert_eq!(
            body(store, "a").await,
            None,
            "a refused fill stores nothing"
        );
    }
    fill(store, "a", &["t"], "after").await;
    let slow = record(before, "a", &["t"], "slow");
    assert_eq!(
        put(store, "a", &slow, When::Fenced).await,
        Done::Outlawed,
        "a purge refuses the fills under way, also after a new one"
    );
    assert_eq!(body(store, "a").await.as_deref(), Some("after"));
}

/// Neither a validation that comes late, nor further purges, nor a mark that is forgotten bring back what a purge has struck.
pub async fn an_outlawed_record_is_never_revived<S: Store>(store: S) {
    fill(&store, "a", &["t"], "struck").await;
    let validated = get(&store, "a").await;
    let read = validated.record.expect("what was stored is found");
    purge_tags(&store, &["t"]).await;
    // A 304 that came late: it carries the stamp that was read together with the record.
    let merged = record(read.stamp, "a", &["t"], "merged");
    let done = put(&store, "a", &merged, When::Same(read.id)).await;
    assert_eq!(done, Done::Outlawed, "a validation does not revive");
    for n in 0..20 {
        purge_tags(&store, &[&format!("unrelated {n}")]).await;
        let found = get(&store, "a").await.record;
        assert!(found.is_none(), "an outlawed record is never revived");
    }

    fill(&store, "b", &["t"], "struck").await;
    let slow = record(stamp(&store).await, "b", &["t"], "slow");
    purge_key(&store, "b").await;
    for when in [When::Always, When::Fenced] {
        put(&store, "b", &slow, when).await;
        // A store may forget the marks of keys after many, but not what they struck.
        for n in 0..300 {
            purge_key(&store, &format!("unrelated {n}")).await;
        }
        let found = get(&store, "b").await.record;
        assert!(found.is_none(), "a mark that is forgotten revives nothing");
    }
}

/// A stamp of another fence, of an earlier life of this one, or from ahead of it, is worth nothing.
pub async fn foreign_and_future_stamps_are_not_admitted<S: Store>(store: S) {
    let fence = stamp(&store).await;
    let foreign = Stamp {
        epoch: fence.epoch ^ 1,
        ..fence
    };
    let ahead = |by| Stamp {
        seq: fence.seq + by,
        ..fence
    };
    for (which, stamp) in [
        ("another epoch", foreign),
        ("the future", ahead(1)),
        ("the future", ahead(HOUR.as_micros() as u64)),
    ] {
        let stranger = record(stamp, "a", &[], "stranger");
        assert!(
            !admits(&store, stamp, &stranger.marks).await,
            "a stamp of {which} is not admitted"
        );
        for when in [When::Fenced, When::Absent, When::Always] {
            assert_eq!(
                put(&store, "a", &stranger, when).await,
                Done::Outlawed,
                "a fill with a stamp of {which} is refused"
            );
        }
        assert_eq!(
            body(&store, "a").await,
            None,
            "a record with a stamp of {which} is not valid"
        );
    }
}

/// Purges are ordered by the fence, also when the clock stands still or steps back.
pub async fn every_purge_moves_the_fence_on<S: Store>(store: S) {
    let moment = now();
    let purges = [
        Purge::Marks(vec![tag("t")]),
        Purge::Keys(vec![(KeyBuf::new(b"a".as_slice()), key_mark("a"))]),
    ];
    for at in [moment, moment, moment.before(HOUR), moment + HOUR, moment] {
        for purge in &purges {
            fill(&store, "a", &["t"], "filled").await;
            let before = stamp(&store).await;
            let purged = purge_at(&store, purge, at).await;
            let after = stamp(&store).await;
            assert_eq!(purged.epoch, before.epoch, "a purge keeps the epoch");
            assert!(purged.seq > before.seq, "every purge moves the fence on");
            assert!(after.seq >= purged.seq, "the fence does not step back");
            assert_eq!(
                body(&store, "a").await,
                None,
                "a purge strikes also when the clock stands still or steps back"
            );
            assert!(!admits(&store, before, &[tag("t"), key_mark("a")]).await);
            assert!(admits(&store, purged, &[tag("t"), key_mark("a")]).await);
        }
    }
}

/// `admits` foretells whether `get` would bring a record with this stamp and these marks.
pub async fn admits_says_what_get_does<S: Store>(store: S) {
    let sets: [&[&str]; 5] = [&[], &["t"], &["u"], &["t", "v"], &["w"]];
    let first = stamp(&store).await;
    for (n, tags) in sets.into_iter().enumerate() {
        fill(&store, &n.to_string(), tags, "text").await;
    }
    for (struck, left) in [(&["w"][..], 4), (&["x"], 4), (&["t"], 2), (&["u", "v"], 1)] {
        purge_tags(&store, struck).await;
        let mut admitted = 0;
        for (n, tags) in sets.into_iter().enumerate() {
            let marks: Vec<_> = tags.iter().map(|name| tag(name)).collect();
            let says = admits(&store, first, &marks).await;
            let found = get(&store, &n.to_string()).await.record.is_some();
            assert_eq!(says, found, "admits says what get does ({tags:?})");
            admitted += usize::from(says);
        }
        assert_eq!(
            admitted, left,
            "younger marks strike, and nothing else does"
        );
    }
    let before = stamp(&store).await;
    let after = purge_key(&store, "key").await;
    assert!(
        !admits(&store, before, &[key_mark("key")]).await,
        "a fill of a purged key is not admitted while it runs"
    );
    assert!(
        admits(&store, after, &[key_mark("key")]).await,
        "the stamp that a purge returns is one from after it"
    );
}

/// A fill that supersedes what stands outlaws it and goes on with a younger stamp, unless another purge was first.
pub async fn a_fill_that_supersedes_outlives_its_own_purge_alone<S: Store>(store: S) {
    fill(&store, "a", &["t"], "stands").await;
    let before = stamp(&store).await;
    let superseded = store
        .supersede(&[tag("t")], before, &[tag("t"), tag("u")], now())
        .await
        .expect("the store takes the purge");
    assert!(
        !admits(&store, before, &[tag("t")]).await,
        "what stands is outlawed by what supersedes it"
    );
    if let Some(after) = superseded {
        assert!(
            admits(&store, after, &[tag("t"), tag("u")]).await,
            "what supersedes is not outlawed by its own purge"
        );
        let outlawed = stamp(&store).await;
        purge_tags(&store, &["u"]).await;
        let superseded = store
            .supersede(&[tag("t")], outlawed, &[tag("t"), tag("u")], now())
            .await
            .expect("the store takes the purge");
        assert_eq!(superseded, None, "another purge was first");
    }
}
