//! What must hold while many write, read and purge at once.
//!
//! Nothing here depends on who wins: each check states what may be seen whatever the order was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::ask::{
    admits, apply, fill, get, key_mark, now, number, on_threads, purge_at, put, record, record_for,
    remove, stamp, standing, tag, times,
};
use crate::store::{
    Done, Head, If, Key, KeyBuf, Matching, Op, Purge, Record, RecordId, Store, When,
};

const THREADS: usize = 4;

/// How often each thread acts: less where every call takes a round trip.
fn rounds(store: &impl Store) -> usize {
    if store.get_now(Key::new(b"a"), now()).is_ready() {
        500
    } else {
        50
    }
}

/// While records of different lengths replace each other, a reader sees one or the other, whole, and never none.
pub async fn a_reader_sees_the_old_record_or_the_new_one<S: Store>(store: S) {
    let store = Arc::new(store);
    let rounds = rounds(&*store);
    fill(&*store, "a", &[], "0").await;
    on_threads(THREADS, move |n| {
        let store = store.clone();
        async move {
            for round in 0..rounds {
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
    for _ in 0..rounds(&*store) / 10 {
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

/// Many count one number, which is begun by whoever is first: every count is in it, once.
pub async fn of_many_that_count_none_is_lost<S: Store>(store: S) {
    let rounds = rounds(&store) / 5;
    let store = Arc::new(store);
    let counting = store.clone();
    let done = on_threads(THREADS, move |_| {
        let store = counting.clone();
        async move {
            let mut said = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                let create = number(times(), stamp(&*store).await, "n", &[], 1);
                let count = Op::Count {
                    by: 1,
                    create: Some(create),
                };
                said.push(apply(&*store, "n", count).await);
            }
            said
        }
    })
    .await;
    let mut said: Vec<i64> = done
        .into_iter()
        .flatten()
        .filter_map(|done| match done {
            Done::Counted(number) => Some(number),
            _ => None,
        })
        .collect();
    said.sort_unstable();
    let counted = i64::try_from(THREADS * rounds).expect("a small number");
    let expected: Vec<i64> = (1..=counted).collect();
    assert_eq!(said, expected, "of many that count none is lost");
    assert_eq!(standing(&*store, "n").await.body, counted.to_string());
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
    let rounds = rounds(&store);
    let storm = Arc::new(Storm {
        store,
        data: AtomicU64::new(0),
        purged: Default::default(),
    });
    let joined = storm.clone();
    on_threads(2 * THREADS, move |n| {
        let storm = joined.clone();
        async move {
            for round in 0..rounds {
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

/// A purge by predicate finds a record, and while it looks on, somebody validates that record: an origin that does not notice every change says
/// that it still holds.
pub async fn what_is_validated_while_a_purge_looks_for_it_is_gone<S: Store>(store: S) {
    let store = Arc::new(store);
    let stands = fill(&*store, "a", &["t"], "from before").await;
    let (is_found, is_validated) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let validating = (store.clone(), is_found.clone(), is_validated.clone());
    let stamps = on_threads(2, move |n| {
        let (store, is_found, is_validated) = validating.clone();
        async move {
            if n == 0 {
                let found = move |key: &[u8]| {
                    if key == b"a" && !is_found.swap(true, Ordering::SeqCst) {
                        wait_for(&is_validated);
                    }
                    key == b"a"
                };
                let purge = Matching::by(KeyBuf::new(b"".as_slice()), found);
                purge_at(&*store, &Purge::Matching(purge), now()).await;
                return None;
            }
            wait_for(&is_found);
            let found = get(&*store, "a").await;
            if let Some(read) = &found.record {
                let merged = record(found.stamp, "a", &["t"], "from before");
                put(&*store, "a", &merged, When::Same(read.id)).await;
            }
            is_validated.store(true, Ordering::SeqCst);
            found.record.map(|_| found.stamp)
        }
    })
    .await;
    assert!(
        get(&*store, "a").await.record.is_none(),
        "what was validated while a purge looked for it is gone"
    );
    for stamp in stamps.into_iter().flatten() {
        assert!(
            !admits(&*store, stamp, &[key_mark("a"), tag("t")]).await,
            "what was validated while a purge looked for it is given to nobody"
        );
        let late = record(stamp, "a", &["t"], "from before");
        for when in [When::Fenced, When::Same(stands)] {
            assert_ne!(put(&*store, "a", &late, when).await, Done::Stored);
        }
    }
}

/// Holds this thread up until that has happened, but not for ever: it may have to wait for this thread.
fn wait_for(happens: &AtomicBool) {
    for _ in 0..1_000 {
        if happens.load(Ordering::SeqCst) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
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
                // A 304 of an origin that does not notice every change: it says of old data that it still holds.
                let body = number_in(read).to_string();
                let merged = record_for(read.times, found.stamp, KEYS[key], &tags, &body);
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
        match turn % 7 {
            0 | 1 => {
                let name = KEYS[key];
                let purge = Purge::Keys(vec![(KeyBuf::new(name.as_bytes()), key_mark(name))]);
                self.change(&purge, &[key]).await;
            }
            2 | 3 => {
                let purge = Purge::Marks(vec![tag(TAGS[key])]);
                self.change(&purge, &[key, (key + 2) % 4]).await;
            }
            4 => {
                let purge = Purge::Marks(vec![tag("namespace")]);
                self.change(&purge, &[0, 1, 2, 3]).await;
            }
            5 => {
                let within = KeyBuf::new(b"".as_slice());
                let purge = Matching::by(within, |key| matches!(key, b"b" | b"c"));
                self.change(&Purge::Matching(purge), &[1, 2]).await;
            }
            // It promises nothing, and must not take anything back.
            _ => {
                let purge = Purge::Soft(vec![tag(TAGS[key])], now());
                purge_at(&self.store, &purge, now()).await;
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
            // A purge by predicate takes more than a moment, and what was filled while it looked may stand.
            assert!(
                matches!(purge, Purge::Matching(_))
                    || record.stamp.epoch == purged.epoch && record.stamp.seq >= purged.seq,
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
