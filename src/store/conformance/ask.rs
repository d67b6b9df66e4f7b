//! What checks say to a store, in a line each.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::runtime::Handle;

use crate::clock::{Clock, Now, SystemClock};
use crate::store::{
    Done, Found, Head, If, Key, KeyBuf, Kind, Mark, Op, Purge, Record, RecordId, Stamp, Store,
    Struck, Times, When,
};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

const WELL: &str = "the store is well, so it gives no error";

/// The machine's time, which a store with a clock of its own roughly agrees with.
pub(super) fn now() -> Now {
    SystemClock::new().now()
}

pub(super) fn key_mark(key: &str) -> Mark {
    Mark::of("conformance key", &[key.as_bytes()])
}

pub(super) fn tag(name: &str) -> Mark {
    Mark::of("conformance tag", &[name.as_bytes()])
}

pub(super) fn times() -> Times {
    let born = now();
    Times {
        born,
        fresh_until: born + HOUR,
        keep_until: born + 2 * HOUR,
    }
}

/// A record for `key`, which carries the mark of its key and these tags.
pub(super) fn record(stamp: Stamp, key: &str, tags: &[&str], body: &str) -> Arc<Record> {
    record_for(times(), stamp, key, tags, body)
}

pub(super) fn record_for(
    times: Times,
    stamp: Stamp,
    key: &str,
    tags: &[&str],
    body: &str,
) -> Arc<Record> {
    let marks: Vec<Mark> = std::iter::once(key_mark(key))
        .chain(tags.iter().map(|name| tag(name)))
        .collect();
    let head = Head::Wire(Bytes::from(format!("head of {body}")));
    let body = Bytes::from(body.to_owned());
    Arc::new(Record::new(Kind::Page, stamp, times, marks, head, body))
}

/// A number that can be counted, with the mark of its key and these tags.
pub(super) fn number(times: Times, stamp: Stamp, key: &str, tags: &[&str], is: i64) -> Arc<Record> {
    let record = record_for(times, stamp, key, tags, "");
    Arc::new(Record::new(
        Kind::Number,
        stamp,
        times,
        record.marks.clone(),
        Head::Wire(Bytes::new()),
        Bytes::from(is.to_string()),
    ))
}

/// The record that must stand there.
pub(super) async fn standing(store: &impl Store, key: &str) -> Arc<Record> {
    let record = get(store, key).await.record;
    record.expect("what was stored is found")
}

pub(super) async fn get(store: &impl Store, key: &str) -> Found {
    get_at(store, key, now()).await
}

pub(super) async fn get_at(store: &impl Store, key: &str, now: Now) -> Found {
    let mut found = store
        .get(&[Key::new(key.as_bytes())], now)
        .await
        .expect(WELL);
    assert_eq!(found.len(), 1, "one key gets one answer");
    found.remove(0)
}

/// The stamp that a fill which starts now must carry.
pub(super) async fn stamp(store: &impl Store) -> Stamp {
    get(store, "no record stands here").await.stamp
}

/// The body that `get` brings, for comparison with what should stand there.
pub(super) async fn body(store: &impl Store, key: &str) -> Option<String> {
    let record = get(store, key).await.record?;
    Some(String::from_utf8_lossy(&record.body).into_owned())
}

pub(super) async fn apply(store: &impl Store, key: &str, op: Op) -> Done {
    let mut done = store
        .apply(&[(Key::new(key.as_bytes()), op)], now())
        .await
        .expect(WELL);
    assert_eq!(done.len(), 1, "one change gets one answer");
    done.remove(0)
}

pub(super) async fn put(store: &impl Store, key: &str, record: &Arc<Record>, when: When) -> Done {
    apply(store, key, Op::Put(record.clone(), when)).await
}

pub(super) async fn remove(store: &impl Store, key: &str, condition: If) -> Done {
    apply(store, key, Op::Remove(condition)).await
}

/// A whole fill: takes its stamp, and commits.
pub(super) async fn fill(store: &impl Store, key: &str, tags: &[&str], body: &str) -> RecordId {
    let record = record(get(store, key).await.stamp, key, tags, body);
    let done = put(store, key, &record, When::Fenced).await;
    assert_eq!(done, Done::Stored, "a fill that nothing outran is stored");
    record.id
}

pub(super) async fn purge_key(store: &impl Store, key: &str) -> Stamp {
    let purge = Purge::Keys(vec![(KeyBuf::new(key.as_bytes()), key_mark(key))]);
    purge_at(store, &purge, now()).await
}

pub(super) async fn purge_tags(store: &impl Store, tags: &[&str]) -> Stamp {
    let marks = tags.iter().map(|name| tag(name)).collect();
    purge_at(store, &Purge::Marks(marks), now()).await
}

pub(super) async fn purge_soft(store: &impl Store, tags: &[&str], at: Now) -> Stamp {
    let marks = tags.iter().map(|name| tag(name)).collect();
    purge_at(store, &Purge::Soft(marks, at), now()).await
}

pub(super) async fn purge_at(store: &impl Store, purge: &Purge, now: Now) -> Stamp {
    struck_at(store, purge, now).await.stamp
}

pub(super) async fn struck_at(store: &impl Store, purge: &Purge, now: Now) -> Struck {
    store
        .purge(purge, now)
        .await
        .expect("the store is well, so it takes the purge")
}

pub(super) async fn admits(store: &impl Store, stamp: Stamp, marks: &[Mark]) -> bool {
    store.admits(stamp, marks).await.expect(WELL)
}

pub(super) async fn next<T>(stream: &mut Pin<Box<dyn Stream<Item = T> + Send + '_>>) -> Option<T> {
    std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}

/// Runs `work(0)` to `work(threads - 1)`, each on a thread of its own, and passes their panics on.
pub(super) async fn on_threads<T, F>(
    threads: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let running: Vec<_> = (0..threads)
        .map(|n| {
            let (work, runtime) = (work.clone(), Handle::current());
            tokio::task::spawn_blocking(move || runtime.block_on(work(n)))
        })
        .collect();
    let mut results = Vec::with_capacity(threads);
    for thread in running {
        match thread.await {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results
}
