//! What must hold while many write, read and purge at once.
//!
//! Nothing here depends on who wins: each check states what may be seen whatever the order was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ask::{
    fill, get, key_mark, now, on_threads, purge_at, put, record, record_for, remove, stamp, tag,
};
use crate::store::{Done, Head, If, Key, KeyBuf, Purge, Record, RecordId, Store, When};

const THREADS: usize = 4;
const ROUNDS: usize = 500;

/// While records of different lengths replace each other, a reader sees one or the other, whole, and never none.
pub async fn a_reader_sees_the_old_record_or_the_new_one<S: Store>(store: S) {
    let store = Arc::new(store);
    fill(&*store, "a", &[], "0").await;
    on_threads(THREADS, move |n| {
        let store = store.clone();
        async move {
            for round in 0..ROUNDS {
                if n == 0 {
                    fill(&*store, "a", &[], &"x".repeat(round % 97)).await;
                    continue;
                }
                let record = get(&*store, "a").await.record;
                let record = record.expect("a reader sees the old record or the new one, not none");
                if let Head::Wire(head) = &record.head {
                    assert_eq!(
                        head.strip_prefix(b"head of "),
                        Some(record.body.as_ref()),
                        "a reader sees the old record or the new one, not a mixture"
                    );
                }
            }
        }
    })
    .await;
}

/// Of many that add where nothing stands, replace what they all read, or remove it, one is told that it did.
pub async fn of_many_that_write_on_one_condition_one_succeeds<S: Store>(store: S) {
    let store = Arc::new(store);
    for _ in 0..20 {
        let added = put_by_many(&store, When::Absent).await;
        let replaced = put_by_many(&store, When::Same(added)).await;
        let removing = store.clone();
        let done = on_threads(THREADS, move |_| {
            let store = removing.clone();
            async move { remove(&*store, "a", If::Same(replaced)).await }
        })
        .await;
        let removed = done.iter().filter(|done| **done == Done::Removed).count();
        assert_eq!(removed, 1, "of many that remove a record one does");
    }
}

/// The one record of those put at once that was stored.
async fn put_by_many<S: Store>(store: &Arc<S>, when: When) -> RecordId {
    let fence = stamp(&**store).await;
    let putting = store.clone();
    let done = on_threads(THREADS, move |n| {
        let store = putting.clone();
        async move {
            let record = record(fence, "a", &[], &n.to_string());
            (put(&*store, "a", &record, when).await, record.id)
        }
    })
    .await;
    let stored: Vec<_> = done
        .iter()
        .filter(|(done, _)| *done == Done::Stored)
        .map(|(_, id)| *id)
        .collect();
    assert_eq!(stored.len(), 1, "of many that put on {when:?} one does");
    let stands = get(&**store, "a").await.record.map(|record| record.id);
    assert_eq!(stands, Some(stored[0]), "the one that was stored stands");
    stored[0]
}

/// Fills, validations and purges of keys, tags and a namespace at once: what a reader gets is never older than a purge that had returned
/// before it asked.
pub async fn no_purge_loses_a_race<S: Store>(store: S) {
    let storm = Arc::new(Storm {
        store,
        data: AtomicU64::new(0),
        purged: Default::default(),
    });
    let joined = storm.clone();
    on_threads(2 * THREADS, move |n| {
        let storm = joined.clone();
        async move {
            for round in 0..ROUNDS {
                match n % 4 {
                    0 => storm.purge(n + round).await,
                    _ => storm.fill(n + round).await,
                }
            }
        }
    })
    .await;

    let all = Purge::Marks(vec![tag("namespace")]);
    storm.change(&all, &[0, 1, 2, 3]).await;
    for key in KEYS {
        let left = get(&storm.store, key).await.record;
        assert!(left.is_none(), "after the last purge nothing is left");
        fill(&storm.store, key, &["namespace"], "0").await;
    }
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// Which of two tags each key's records carry, beside that of the namespace.
const TAGS: [&str; 4] = ["even", "odd", "even", "odd"];

struct Storm<S> {
    store: S,
    /// What is cached: a number that each purger raises before it purges.
    data: AtomicU64,
    /// For each key, the greatest number that stood there when a purge of it that has returned began.
    purged: [AtomicU64; 4],
}

impl<S: Store> Storm<S> {
    /// One request: looks, and fills or validates now and then whatever it finds.
    async fn fill(&self, turn: usize) {
        let key = turn % 4;
        let least = self.purged[key].load(Ordering::SeqCst);
        let found = get(&self.store, KEYS[key]).await;
        let tags = [TAGS[key], "namespace"];
        if let Some(read) = &found.record {
            assert!(
                number_in(read) >= least,
                "no get brings what a purge that has returned before it has struck"
            );
            if turn.is_multiple_of(3) {
                let (stamp, times) = (read.stamp, read.times);
                let body = number_in(read).to_string();
                let merged = record_for(times, stamp, KEYS[key], &tags, &body);
                tokio::task::yield_now().await;
                put(&self.store, KEYS[key], &merged, When::Same(read.id)).await;
                return;
            }
        }
        let data = self.data.load(Ordering::SeqCst);
        tokio::task::yield_now().await;
        let filled = record(found.stamp, KEYS[key], &tags, &data.to_string());
        put(&self.store, KEYS[key], &filled, When::Fenced).await;
    }

    /// One writer: purges one key, or those of one tag, or all.
    async fn purge(&self, turn: usize) {
        let key = turn / 4 % 4;
        match turn % 3 {
            0 => {
                let name = KEYS[key];
                let purge = Purge::Keys(vec![(KeyBuf::new(name.as_bytes()), key_mark(name))]);
                self.change(&purge, &[key]).await;
            }
            1 => {
                let purge = Purge::Marks(vec![tag(TAGS[key])]);
                self.change(&purge, &[key, (key + 2) % 4]).await;
            }
            _ => {
                let purge = Purge::Marks(vec![tag("namespace")]);
                self.change(&purge, &[0, 1, 2, 3]).await;
            }
        }
    }

    /// Changes the data, purges, and looks at what was struck.
    async fn change(&self, purge: &Purge, struck: &[usize]) {
        let data = self.data.fetch_add(1, Ordering::SeqCst) + 1;
        let purged = purge_at(&self.store, purge, now()).await;
        for key in struck {
            self.purged[*key].fetch_max(data, Ordering::SeqCst);
        }
        let keys: Vec<_> = struck
            .iter()
            .map(|key| Key::new(KEYS[*key].as_bytes()))
            .collect();
        let found = self.store.get(&keys, now()).await;
        for found in found.expect("the store is well") {
            let Some(record) = found.record else { continue };
            assert!(
                record.stamp.epoch == purged.epoch && record.stamp.seq >= purged.seq,
                "after a purge no get brings a record whose stamp is older than it"
            );
            assert!(
                number_in(&record) >= data,
                "after a purge no get brings data from before it"
            );
        }
    }
}

fn number_in(record: &Record) -> u64 {
    let text = std::str::from_utf8(&record.body).unwrap_or_default();
    text.parse()
        .expect("records hold the number they were filled with")
}
