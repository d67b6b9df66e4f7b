//! Which puts and removals take effect.

use std::sync::Arc;

use bytes::Bytes;

use super::ask::{
    HOUR, body, fill, get, now, purge_tags, put, record, record_for, remove, stamp, times,
};
use crate::store::{Done, Head, If, Kind, Record, Store, Times, When};

/// The later of two fills of one age stands.
pub async fn a_put_replaces_the_record<S: Store>(store: S) {
    let fence = stamp(&store).await;
    for text in ["old", "new and longer", "new"] {
        let record = record(fence, "a", &[], text);
        assert_eq!(
            put(&store, "a", &record, When::Fenced).await,
            Done::Stored,
            "a fill replaces what is not younger than it"
        );
        assert_eq!(
            body(&store, "a").await.as_deref(),
            Some(text),
            "a put replaces the record"
        );
    }
}

/// A fill that took its stamp earlier and commits later must not win.
pub async fn a_fill_does_not_replace_a_younger_record<S: Store>(store: S) {
    let slow = record(stamp(&store).await, "a", &[], "slow");
    purge_tags(&store, &["unrelated"]).await;
    fill(&store, "a", &[], "young").await;
    assert_eq!(
        put(&store, "a", &slow, When::Fenced).await,
        Done::Refused,
        "a slow fill does not replace a younger record"
    );
    assert_eq!(
        body(&store, "a").await.as_deref(),
        Some("young"),
        "what a put was refused for still stands"
    );
}

/// `When::Absent` adds a record, and counts outlawed and expired ones as absent.
pub async fn absent_stores_only_where_no_valid_record_stands<S: Store>(store: S) {
    let add = async |key, text| {
        let record = record(stamp(&store).await, key, &["t"], text);
        put(&store, key, &record, When::Absent).await
    };
    assert_eq!(
        add("a", "first").await,
        Done::Stored,
        "Absent stores where nothing stands"
    );
    assert_eq!(
        add("a", "second").await,
        Done::Refused,
        "Absent does not replace a valid record"
    );
    assert_eq!(body(&store, "a").await.as_deref(), Some("first"));

    purge_tags(&store, &["t"]).await;
    assert_eq!(
        add("a", "third").await,
        Done::Stored,
        "Absent stores where the record is outlawed"
    );
    remove(&store, "a", If::Any).await;
    assert_eq!(
        add("a", "fourth").await,
        Done::Stored,
        "Absent stores where the record was removed"
    );
    assert_eq!(body(&store, "a").await.as_deref(), Some("fourth"));

    let over = Times {
        keep_until: now().before(HOUR),
        ..times()
    };
    let expired = record_for(over, stamp(&store).await, "b", &[], "expired");
    put(&store, "b", &expired, When::Fenced).await;
    assert_eq!(
        add("b", "fresh").await,
        Done::Stored,
        "Absent stores where the record is past its keep_until"
    );
    assert_eq!(body(&store, "b").await.as_deref(), Some("fresh"));
}

/// `When::Same` replaces what was read, and nothing that came after it.
pub async fn same_replaces_only_the_record_that_was_read<S: Store>(store: S) {
    let read = fill(&store, "a", &["t"], "read").await;
    let replace = async |id, text| {
        let record = record(stamp(&store).await, "a", &["t"], text);
        put(&store, "a", &record, When::Same(id)).await
    };
    assert_eq!(
        replace(read, "merged").await,
        Done::Stored,
        "Same replaces the record that was read"
    );
    assert_eq!(body(&store, "a").await.as_deref(), Some("merged"));
    assert_eq!(
        replace(read, "late").await,
        Done::Refused,
        "Same does not replace another record"
    );
    assert_eq!(body(&store, "a").await.as_deref(), Some("merged"));

    let removed = fill(&store, "a", &["t"], "removed").await;
    remove(&store, "a", If::Any).await;
    assert_eq!(
        replace(removed, "late").await,
        Done::Refused,
        "Same does not store where the record was removed"
    );
    let outlawed = fill(&store, "a", &["t"], "outlawed").await;
    purge_tags(&store, &["t"]).await;
    assert_eq!(
        replace(outlawed, "late").await,
        Done::Refused,
        "Same does not store where the record is outlawed"
    );
    assert_eq!(body(&store, "a").await, None);
}

/// `When::Always` asks for nothing: the last writer wins.
pub async fn always_replaces_even_a_younger_record<S: Store>(store: S) {
    let older = record(stamp(&store).await, "a", &[], "last");
    purge_tags(&store, &["unrelated"]).await;
    fill(&store, "a", &[], "younger").await;
    assert_eq!(put(&store, "a", &older, When::Always).await, Done::Stored);
    assert_eq!(
        body(&store, "a").await.as_deref(),
        Some("last"),
        "Always replaces even a younger record"
    );
}

/// A removal says whether there was something to remove, and takes away no other record than the one it names.
pub async fn a_removed_record_is_gone<S: Store>(store: S) {
    assert_eq!(
        remove(&store, "a", If::Any).await,
        Done::Nothing,
        "of an absent key there is nothing to remove"
    );
    fill(&store, "a", &[], "text").await;
    assert_eq!(remove(&store, "a", If::Any).await, Done::Removed);
    assert_eq!(body(&store, "a").await, None, "a removed record is gone");
    assert_eq!(remove(&store, "a", If::Any).await, Done::Nothing);

    let read = fill(&store, "a", &[], "read").await;
    let stands = fill(&store, "a", &[], "stands").await;
    assert_eq!(
        remove(&store, "a", If::Same(read)).await,
        Done::Nothing,
        "Same does not remove another record"
    );
    assert_eq!(body(&store, "a").await.as_deref(), Some("stands"));
    assert_eq!(remove(&store, "a", If::Same(stands)).await, Done::Removed);
    assert_eq!(body(&store, "a").await, None, "a removed record is gone");
}

/// A store that names its largest record refuses a larger one, whatever its condition. (One that names none has no such size.)
pub async fn a_record_that_is_too_large_leaves_the_old_one<S: Store>(store: S) {
    let Some(largest) = store.about().largest else {
        return;
    };
    let length = usize::try_from(largest).expect("the largest record can be made on this machine");
    let old = fill(&store, "a", &[], "old").await;
    let large = Arc::new(Record::new(
        Kind::Page,
        get(&store, "a").await.stamp,
        times(),
        Vec::new(),
        Head::Wire(Bytes::new()),
        Bytes::from(vec![0; length]),
    ));
    for when in [When::Fenced, When::Always, When::Same(old)] {
        assert_eq!(
            put(&store, "a", &large, when).await,
            Done::TooLarge,
            "a body of the size that a whole record may weigh is too large"
        );
        assert_eq!(
            body(&store, "a").await.as_deref(),
            Some("old"),
            "a record that is too large leaves the old one"
        );
    }
    assert_eq!(
        put(&store, "b", &large, When::Absent).await,
        Done::TooLarge,
        "a body of the size that a whole record may weigh is too large"
    );
    assert_eq!(body(&store, "b").await, None);
}
