//! What those who watch a store are told.
//!
//! A watch may take a while to begin and a notice a while to arrive, so each event is caused again until it is seen, but not for ever.

use std::time::Duration;

use super::ask::{
    HOUR, fill, get, next, now, purge_key, purge_tags, put, record_for, remove, stamp, times,
};
use crate::store::{BoxStream, If, Notice, Removal, Stamp, Store, Times, When};

/// How often an event is caused, and how long each of its notices is waited for.
const ATTEMPTS: usize = 20;
const PATIENCE: Duration = Duration::from_millis(500);

/// A record that is removed by name is told of.
pub async fn a_watch_tells_what_is_removed<S: Store>(store: S) {
    let mut watch = store.watch();
    for _ in 0..ATTEMPTS {
        fill(&store, "a", &[], "text").await;
        remove(&store, "a", If::Any).await;
        if is_told_of_removal(&mut watch, Removal::Removed).await {
            return;
        }
    }
    panic!("a watch tells what is removed");
}

/// Every purge is told of, and so is the record that the purge of a key removes.
pub async fn a_watch_tells_what_is_purged<S: Store>(store: S) {
    let mut watch = store.watch();
    let mut told = false;
    for _ in 0..ATTEMPTS {
        fill(&store, "a", &[], "text").await;
        purge_key(&store, "a").await;
        told = is_told_of_removal(&mut watch, Removal::Purged).await;
        if told {
            break;
        }
    }
    assert!(told, "a watch tells what the purge of a key removes");

    for by_key in [true, false] {
        let mut told = false;
        for _ in 0..ATTEMPTS {
            let purged = if by_key {
                purge_key(&store, "a").await
            } else {
                purge_tags(&store, &["t"]).await
            };
            told = is_told(&mut watch, |notice| covers(notice, purged)).await;
            if told {
                break;
            }
        }
        assert!(told, "a watch tells how far a purge has moved the fence");
    }
}

/// A record whose time is over is told of when it is looked for, at the latest.
pub async fn a_watch_tells_what_is_found_expired<S: Store>(store: S) {
    let mut watch = store.watch();
    for _ in 0..ATTEMPTS {
        let over = Times {
            keep_until: now().before(HOUR),
            ..times()
        };
        let expired = record_for(over, stamp(&store).await, "a", &[], "expired");
        put(&store, "a", &expired, When::Fenced).await;
        get(&store, "a").await;
        if is_told_of_removal(&mut watch, Removal::Expired).await {
            return;
        }
    }
    panic!("a watch tells what is found expired");
}

/// A record that another one replaces has not gone away: its key still has one.
pub async fn a_watch_does_not_tell_of_what_is_replaced<S: Store>(store: S) {
    let mut watch = store.watch();
    for _ in 0..ATTEMPTS {
        fill(&store, "a", &[], "old").await;
        fill(&store, "a", &[], "new").await;
        let after = purge_tags(&store, &["unrelated"]).await;
        let told = is_told(&mut watch, |notice| {
            assert!(
                !matches!(notice, Notice::Removed { .. }),
                "a watch does not tell of what is replaced, yet told {notice:?}"
            );
            covers(notice, after)
        });
        if told.await {
            return;
        }
    }
    panic!("a watch tells how far a purge has moved the fence");
}

fn covers(notice: &Notice, purged: Stamp) -> bool {
    matches!(notice, Notice::Marked(stamp) if stamp.epoch == purged.epoch && stamp.seq >= purged.seq)
}

async fn is_told_of_removal(watch: &mut BoxStream<'static, Notice>, expected: Removal) -> bool {
    is_told(watch, |notice| {
        matches!(notice, Notice::Removed { key, why } if **key == *b"a" && *why == expected)
    })
    .await
}

async fn is_told(
    watch: &mut BoxStream<'static, Notice>,
    is_wanted: impl Fn(&Notice) -> bool,
) -> bool {
    let told = async {
        loop {
            let notice = next(watch)
                .await
                .expect("a watch lasts as long as its store");
            if is_wanted(&notice) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.is_ok()
}
