//! Stores that are not as one would wish.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;

use crate::MIB;
use crate::clock::Now;
use crate::page::variants::Variants;
use crate::store::{
    About, BoxStream, Done, Found, Head, HeadObject, Key, Kind, Mark, MemoryStore, Notice, Op,
    Purge, PurgeError, Record, Scanned, Stamp, Store, StoreError, Times,
};

/// A store that never answers at once, as one behind a network, and brings records as what they are as bytes.
pub(crate) struct Waiting<S>(pub(crate) S);

/// The record as another process reads it; `None` where it stays in this one.
#[cfg(feature = "redis")]
fn over_the_wire(key: Key<'_>, record: &Record) -> Option<Arc<Record>> {
    crate::store::redis::wire::sent(key, record)
}

/// The same without an encoding of whole records: its head alone.
#[cfg(not(feature = "redis"))]
fn over_the_wire(_: Key<'_>, record: &Record) -> Option<Arc<Record>> {
    let head = match &record.head {
        Head::Live(head) => Head::Wire(head.to_wire()?.into()),
        head => head.clone(),
    };
    Some(Arc::new(record.with_times(record.times).with_head(head)))
}

/// The change with its record sent so.
fn sent_op(key: Key<'_>, op: &Op) -> Option<Op> {
    Some(match op {
        Op::Put(record, when) => Op::Put(over_the_wire(key, record)?, *when),
        Op::Count {
            by,
            create: Some(record),
        } => Op::Count {
            by: *by,
            create: Some(over_the_wire(key, record)?),
        },
        other => other.clone(),
    })
}

#[async_trait]
impl<S: Store> Store for Waiting<S> {
    fn about(&self) -> About {
        self.0.about()
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        tokio::task::yield_now().await;
        let found = self.0.get(keys, now).await;
        tokio::task::yield_now().await;
        found
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        tokio::task::yield_now().await;
        let mut all_done = Vec::with_capacity(ops.len());
        for (key, op) in ops {
            let Some(op) = sent_op(*key, op) else {
                all_done.push(Done::TooLarge);
                continue;
            };
            all_done.extend(self.0.apply(&[(*key, op)], now).await?);
        }
        tokio::task::yield_now().await;
        Ok(all_done)
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        tokio::task::yield_now().await;
        let admits = self.0.admits(stamp, marks).await;
        tokio::task::yield_now().await;
        admits
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<crate::store::Struck, PurgeError> {
        tokio::task::yield_now().await;
        let stamp = self.0.purge(purge, now).await;
        tokio::task::yield_now().await;
        stamp
    }

    async fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
        now: Now,
    ) -> Result<Option<Stamp>, PurgeError> {
        tokio::task::yield_now().await;
        self.0.supersede(marks, fill, carried, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.0.scan(prefix, budget)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.0.watch()
    }
}

/// The same with its head made of what that is as bytes.
fn sent(mut found: Found, as_head: impl FnOnce(Bytes) -> Head) -> Found {
    if let Some(record) = &found.record
        && let Head::Live(head) = &record.head
        && let Some(wire) = head.to_wire()
    {
        let head = as_head(wire.into());
        let record = record.with_times(record.times).with_head(head);
        found.record = Some(Arc::new(record));
    }
    found
}

/// What can be asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Get,
    Apply,
    Admits,
    Purge,
}

impl Call {
    pub(crate) const ALL: [Self; 4] = [Self::Get, Self::Apply, Self::Admits, Self::Purge];
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Fails,
    /// Never answers.
    Hangs,
    /// Answers fewer things than it was asked for: none.
    Forgets,
    /// Brings a head that is not ours.
    Foreign,
    /// Brings this in place of what stands behind the head.
    Body(&'static [u8]),
    /// Brings a head that nobody has decoded.
    Wire,
    /// Brings heads in which the one text stands for the other.
    Rewrites(&'static str, &'static str),
    /// Brings an index of variants where a page was put.
    Index,
    /// Carries out no change, and says this.
    Says(Done),
}

/// A store in memory that some calls of have trouble with, for as long as they are said to.
#[derive(Clone)]
pub(crate) struct Troubled {
    store: MemoryStore,
    /// Does it answer at once, where it answers?
    at_once: bool,
    troubles: Arc<Mutex<Vec<(Call, Trouble)>>>,
}

struct Foreign;

impl HeadObject for Foreign {
    fn weight(&self) -> usize {
        0
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Troubled {
    pub(crate) fn new(at_once: bool) -> Self {
        Self {
            store: MemoryStore::new(MIB),
            at_once,
            troubles: Arc::default(),
        }
    }

    /// From now on.
    pub(crate) fn has(&self, troubles: &[(Call, Trouble)]) {
        *self.troubles.lock().unwrap() = troubles.to_vec();
    }

    fn trouble(&self, call: Call) -> Option<Trouble> {
        let troubles = self.troubles.lock().unwrap();
        troubles
            .iter()
            .find(|(of, _)| *of == call)
            .map(|(_, trouble)| *trouble)
    }

    /// Waits and fails as this call has to.
    async fn suffer(&self, call: Call) -> Result<Option<Trouble>, StoreError> {
        match self.trouble(call) {
            Some(Trouble::Fails) => Err(StoreError::new("answer", "the store is down")),
            Some(Trouble::Hangs) => std::future::pending().await,
            other => Ok(other),
        }
    }

    /// The same without waiting; `None` where it has to be waited for.
    fn suffer_now(&self, call: Call) -> Option<Result<Option<Trouble>, StoreError>> {
        self.at_once
            .then(|| self.suffer(call).now_or_never())
            .flatten()
    }

    fn found(&self, trouble: Option<Trouble>, key: Key<'_>, now: Now) -> Found {
        let mut found = match self.store.get_now(key, now) {
            Poll::Ready(found) => found.unwrap(),
            Poll::Pending => unreachable!("memory answers at once"),
        };
        let head = match trouble {
            Some(Trouble::Foreign) => Head::Live(std::sync::Arc::new(Foreign)),
            Some(Trouble::Wire) => Head::Wire(Bytes::from("?")),
            Some(Trouble::Body(body)) => {
                found.record = found.record.map(|record| {
                    let Record { kind, stamp, .. } = *record;
                    let (times, head) = (record.times, record.head.clone());
                    let body = Bytes::from_static(body);
                    Arc::new(Record::new(
                        kind,
                        stamp,
                        times,
                        record.marks.clone(),
                        head,
                        body,
                    ))
                });
                return found;
            }
            Some(Trouble::Rewrites(from, to)) => {
                return sent(found, |wire| Head::Wire(rewritten(&wire, from, to)));
            }
            Some(Trouble::Index) => Head::Live(std::sync::Arc::new(Variants::default())),
            _ => return found,
        };
        let times = Times {
            born: now,
            fresh_until: Now::NEVER,
            keep_until: Now::NEVER,
        };
        let body = Bytes::from("not ours");
        let record = Record::new(Kind::Page, found.stamp, times, Vec::new(), head, body);
        found.record = Some(Arc::new(record));
        found
    }

    fn done(&self, trouble: Option<Trouble>, key: Key<'_>, op: &Op, now: Now) -> Done {
        if let Some(Trouble::Says(done)) = trouble {
            return done;
        }
        match self.store.apply_now(key, op, now) {
            Poll::Ready(done) => done.unwrap(),
            Poll::Pending => unreachable!("memory answers at once"),
        }
    }
}

/// Wherever it stands.
fn rewritten(wire: &[u8], from: &str, to: &str) -> Bytes {
    assert_eq!(from.len(), to.len(), "lengths stay true");
    let mut wire = wire.to_vec();
    let places = 0..wire.len().saturating_sub(from.len() - 1);
    for at in places {
        let place = at..at + from.len();
        if wire[place.clone()] == *from.as_bytes() {
            wire[place].copy_from_slice(to.as_bytes());
        }
    }
    wire.into()
}

#[async_trait]
impl Store for Troubled {
    fn about(&self) -> About {
        self.store.about()
    }

    fn get_now(&self, key: Key<'_>, now: Now) -> Poll<Result<Found, StoreError>> {
        match self.suffer_now(Call::Get) {
            Some(suffered) => Poll::Ready(suffered.map(|trouble| self.found(trouble, key, now))),
            None => Poll::Pending,
        }
    }

    fn apply_now(&self, key: Key<'_>, op: &Op, now: Now) -> Poll<Result<Done, StoreError>> {
        match self.suffer_now(Call::Apply) {
            Some(suffered) => Poll::Ready(suffered.map(|trouble| self.done(trouble, key, op, now))),
            None => Poll::Pending,
        }
    }

    fn admits_now(&self, stamp: Stamp, marks: &[Mark]) -> Poll<Result<bool, StoreError>> {
        match self.suffer_now(Call::Admits) {
            Some(Ok(_)) => self.store.admits_now(stamp, marks),
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        let trouble = self.suffer(Call::Get).await?;
        if trouble == Some(Trouble::Forgets) {
            return Ok(Vec::new());
        }
        Ok(keys
            .iter()
            .map(|key| self.found(trouble, *key, now))
            .collect())
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        let trouble = self.suffer(Call::Apply).await?;
        if trouble == Some(Trouble::Forgets) {
            return Ok(Vec::new());
        }
        Ok(ops
            .iter()
            .map(|(key, op)| self.done(trouble, *key, op, now))
            .collect())
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.suffer(Call::Admits).await?;
        self.store.admits(stamp, marks).await
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<crate::store::Struck, PurgeError> {
        self.suffer(Call::Purge)
            .await
            .map_err(PurgeError::Undelivered)?;
        self.store.purge(purge, now).await
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        self.store.scan(prefix, budget)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        self.store.watch()
    }
}
