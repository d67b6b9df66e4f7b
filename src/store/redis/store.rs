//! The [`Store`] in Redis: reads decided by the mirror, changes by scripts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use deadpool_redis::redis::{Cmd, Value};

use super::bounds::Bounds;
use super::breaker::Circuit;
use super::change::Change;
use super::connections::Connections;
use super::entry;
use super::fence::{APPLY, DISCARD, FenceState, OnBehalf};
use super::layout::{Layout, entry_name, pattern};
use super::mirror::{Fence, Judgement};
use super::queue::{Strike, Sweep};
use super::{change, facts, reply, scan};
use crate::background::Background;
use crate::clock::Now;
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, Notice, Op, Purge, PurgeError, Record, Removal,
    Scanned, Space, Stamp, Store, StoreError, StoreFacts, Struck, Times,
};

/// How often the server may be found to be another one while it is asked.
const TRIES: usize = 3;

/// How many changes one script carries out, and how many bytes it is given unless one change is larger: a server refuses what is too long.
const OPS_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;

/// What all namespaces of a store share.
pub(super) struct Server {
    pub(super) connections: Arc<Connections>,
    pub(super) bounds: Bounds,
    spaces: Mutex<HashMap<String, Weak<FenceState>>>,
    background: Background,
    /// How many entries could not be read.
    unreadable: AtomicU64,
}

impl Server {
    pub(super) fn new(connections: Arc<Connections>, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            connections,
            bounds,
            spaces: Mutex::default(),
            background: Background::new(64),
            unreadable: AtomicU64::new(0),
        })
    }

    /// The part of one namespace and version. All parts of a namespace have one fence.
    pub(super) fn part(self: &Arc<Self>, namespace: &str, version: u32) -> Part {
        let layout = Layout::new(namespace);
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let known = spaces.get(namespace).and_then(Weak::upgrade);
        let fence = known.unwrap_or_else(|| {
            let fence = Arc::new(FenceState::new(
                self.connections.clone(),
                &layout,
                self.bounds.marks,
                self.bounds.queue,
            ));
            spaces.retain(|_, space| space.strong_count() > 0);
            spaces.insert(namespace.to_owned(), Arc::downgrade(&fence));
            fence
        });
        Part {
            server: self.clone(),
            fence,
            begin: layout.of_version(version).into(),
            is_named: !namespace.is_empty(),
        }
    }
}

/// The part of a store that is for one namespace and version.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) server: Arc<Server>,
    pub(super) fence: Arc<FenceState>,
    begin: Arc<str>,
    /// Are entries called by their names? Not where all namespaces and versions meet, of which names say nothing.
    is_named: bool,
}

impl Part {
    fn name(&self, key: Key<'_>) -> Vec<u8> {
        match self.is_named {
            true => entry_name(&self.begin, key),
            false => entry_name(&self.begin, Key::new(key.as_bytes())),
        }
    }

    /// The pattern of the server that finds all entries whose keys start with this.
    fn pattern(&self, prefix: Key<'_>) -> Vec<u8> {
        pattern(&self.begin, prefix.name().filter(|_| self.is_named))
    }

    /// The values under these names, and the fence as it stood when they were read; the mirror has followed it.
    async fn read(&self, names: &[Vec<u8>], now: Now) -> Result<(Vec<Value>, Fence), StoreError> {
        for _ in 0..TRIES {
            // What is rare is boxed: the room for it would be made for each read.
            if self.fence.is_unsettled() {
                Box::pin(self.fence.settle(now)).await?;
            }
            let before = self.fence.seen();
            let mut mget = Cmd::with_capacity(names.len() + 2, 64 * (names.len() + 2));
            mget.arg("MGET").arg(names).arg(self.fence.key());
            let answer = self.server.connections.send(&mget).await?;
            if self.fence.has_new_server() {
                continue;
            }
            let mut values = reply::array(answer).ok_or_else(|| reply::unexpected("read"))?;
            let fence = values.pop().and_then(reply::bulk);
            if values.len() != names.len() {
                return Err(reply::unexpected("read"));
            }
            let Some(fence) = fence.and_then(|raw| Fence::parse(&raw)) else {
                // Nothing is valid without a fence, and what the mirror knows is of one that is gone.
                let fence = Box::pin(self.fence.create()).await?;
                Box::pin(self.fence.follow(&fence, before)).await?;
                return Ok((vec![Value::Nil; names.len()], fence));
            };
            if !self.fence.has_followed(&fence, before) {
                Box::pin(self.fence.follow(&fence, before)).await?;
            }
            return Ok((values, fence));
        }
        Err(StoreError::new("read", "the server keeps changing"))
    }

    fn found(&self, key: Key<'_>, full: &[u8], record: Record, now: Now) -> Option<Arc<Record>> {
        if full != key.as_bytes() || record.times.keep_until <= now {
            return None;
        }
        match self.fence.mirror().judge(record.stamp, &record.marks) {
            Judgement::Valid => Some(Arc::new(record)),
            Judgement::Stale(at) if at < record.times.fresh_until => {
                let times = Times {
                    fresh_until: at,
                    ..record.times
                };
                Some(Arc::new(record.with_times(times)))
            }
            Judgement::Stale(_) => Some(Arc::new(record)),
            Judgement::Outlawed => None,
        }
    }

    /// Takes away what cannot be read: scripts look at the beginning of an entry alone, and might take it for a valid one.
    async fn discard(&self, name: &[u8], bytes: &[u8]) {
        self.server.unreadable.fetch_add(1, Ordering::Relaxed);
        let beginning = &bytes[..bytes.len().min(entry::FIXED)];
        // What is left there is met again by the next read.
        let _ = self.fence.run(&DISCARD, &[name], &[beginning]).await;
    }

    async fn change(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        let mut asked: Vec<Asked> = Vec::with_capacity(ops.len());
        let mut done = vec![Done::TooLarge; ops.len()];
        for (place, (key, op)) in ops.iter().enumerate() {
            if let Some(change) = Change::of(*key, op, self.server.bounds.compression, now) {
                asked.push((place, self.name(*key), change));
            }
        }
        let time = now.as_millis().to_be_bytes();
        for asked in asked.chunk_by(batches()) {
            let names: Vec<&[u8]> = asked.iter().map(|(_, name, _)| name.as_slice()).collect();
            let arguments = asked.iter().flat_map(|(_, _, change)| change.arguments());
            let arguments: Vec<&[u8]> = std::iter::once(&time[..]).chain(arguments).collect();
            let answers = reply::array(self.fence.run(&APPLY, &names, &arguments).await?);
            let answers = answers.filter(|answers| answers.len() == asked.len());
            let answers = answers.ok_or_else(|| reply::unexpected("write"))?;
            for ((place, ..), answer) in asked.iter().zip(answers) {
                done[*place] = change::done(answer).ok_or_else(|| reply::unexpected("write"))?;
                match (done[*place], &ops[*place]) {
                    (Done::Removed, (key, _)) => self.tell(*key, Removal::Removed),
                    (Done::Stored, (key, Op::Put(record, _))) if record.times.keep_until <= now => {
                        self.tell(*key, Removal::Expired);
                    }
                    _ => {}
                }
            }
        }
        Ok(done)
    }

    /// Tells those of this process who watch. What other nodes remove, and what the server lets expire, they do not hear of.
    fn tell(&self, key: Key<'_>, why: Removal) {
        self.fence.watchers.removed(key.as_bytes(), why);
    }

    fn strike(&self, purge: &Purge) -> Strike {
        match purge {
            Purge::Keys(keys) => {
                let keys = keys.iter();
                Strike::Keys(
                    keys.map(|(key, mark)| (self.name(key.as_key()), *mark))
                        .collect(),
                )
            }
            Purge::Marks(marks) => Strike::Marks(marks.clone()),
            Purge::Soft(marks, at) => Strike::Soft(marks.clone(), *at),
            Purge::Matching(matching) => Strike::Matching(Sweep {
                pattern: self.pattern(matching.within.as_key()),
                matching: matching.clone(),
            }),
        }
    }

    /// What is owed is tried again until it has arrived.
    fn keep_trying(&self, now: Now) {
        let Some(mut trying) = Trying::begin(&self.fence) else {
            return;
        };
        self.server.background.spawn(Box::pin(async move {
            let mut pause = Duration::from_millis(100);
            loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
                let Some(fence) = trying.0.upgrade() else {
                    return;
                };
                if fence.settle(now).await.is_err() {
                    continue;
                }
                drop(trying);
                // Whoever owes something since may still have seen this task at work.
                if fence.queue.len() == 0 {
                    return;
                }
                let Some(again) = Trying::begin(&fence) else {
                    return;
                };
                trying = again;
            }
        }));
    }
}

#[async_trait]
impl Store for Part {
    fn about(&self) -> About {
        About::remote()
    }

    fn within(&self, space: &Space<'_>) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.server.part(space.namespace, space.version)))
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        let names: Vec<Vec<u8>> = keys.iter().map(|key| self.name(*key)).collect();
        let (values, fence) = self.read(&names, now).await?;
        let mut found = Vec::with_capacity(keys.len());
        for ((key, name), value) in keys.iter().zip(&names).zip(values) {
            let record = match reply::bulk(value).map(Bytes::from) {
                None => None,
                Some(bytes) => match entry::decode(&bytes) {
                    Some((full, record)) => self.found(*key, &full, record, now),
                    None => {
                        Box::pin(self.discard(name, &bytes)).await;
                        None
                    }
                },
            };
            found.push(Found {
                record,
                stamp: fence.stamp,
            });
        }
        Ok(found)
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        self.change(ops, now).await
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        self.read(&[], Now::from_millis(0)).await?;
        Ok(self.fence.mirror().admits_fill(stamp, marks))
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError> {
        let strike = self.strike(purge);
        let owed = Owed(self, now);
        let delivered = self.fence.purge(strike, now).await;
        drop(owed);
        let delivered = delivered.map_err(PurgeError::Undelivered)?;
        if let Purge::Keys(keys) = purge {
            let removed = keys.iter().zip(delivered.removed);
            for ((key, _), _) in removed.filter(|(_, gone)| *gone) {
                self.tell(key.as_key(), Removal::Purged);
            }
        }
        Ok(delivered.struck)
    }

    async fn supersede(
        &self,
        marks: &[Mark],
        fill: Stamp,
        carried: &[Mark],
        now: Now,
    ) -> Result<Option<Stamp>, PurgeError> {
        let strike = Strike::Marks(marks.to_vec());
        let owed = Owed(self, now);
        let debt = super::queue::Debt::new(&self.fence.queue, strike.clone(), now);
        let on_behalf = OnBehalf {
            stamp: fill,
            carried,
        };
        let purged = self.fence.strike(&strike, Some(on_behalf)).await;
        if purged.is_ok() {
            debt.arrived(now);
            self.fence.repeat(now).await;
        } else {
            drop(debt);
        }
        drop(owed);
        let step = purged.map_err(PurgeError::Undelivered)?;
        Ok(step.was_admitted.then_some(step.stamp))
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        Box::pin(scan::Scanning::new(
            self.fence.clone(),
            self.pattern(prefix),
            prefix.as_bytes(),
            budget,
        ))
    }

    /// What this node knows by itself.
    fn facts_now(&self) -> Poll<Result<StoreFacts, StoreError>> {
        Poll::Ready(Ok(StoreFacts {
            asked: Some(self.server.connections.state() != Circuit::Open),
            undelivered: Some(self.fence.queue.len() as u64),
            unreadable: Some(self.server.unreadable.load(Ordering::Relaxed)),
            ..StoreFacts::default()
        }))
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        let mut facts = facts::ask(&self.server.connections).await?;
        if let Poll::Ready(Ok(own)) = self.facts_now() {
            facts.asked = own.asked;
            facts.undelivered = own.undelivered;
            facts.unreadable = own.unreadable;
        }
        Ok(facts)
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        Box::pin(self.fence.watchers.watch())
    }
}

/// Does the second of two changes go with the first?
fn batches() -> impl FnMut(&Asked, &Asked) -> bool {
    let (mut count, mut bytes) = (1, 0);
    move |one, next| {
        if count == 1 {
            bytes = one.2.weight();
        }
        count += 1;
        bytes += next.2.weight();
        let goes = count <= OPS_AT_ONCE && bytes <= BYTES_AT_ONCE;
        if !goes {
            count = 1;
        }
        goes
    }
}

/// A change, its place among those that were asked for, and the name of its entry.
type Asked = (usize, Vec<u8>, Change);

/// The one task of a namespace that tries again; it ends with the store.
struct Trying(Weak<FenceState>);

impl Trying {
    fn begin(fence: &Arc<FenceState>) -> Option<Self> {
        let is_first = !fence.is_trying.swap(true, Ordering::AcqRel);
        is_first.then(|| Self(Arc::downgrade(fence)))
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        if let Some(fence) = self.0.upgrade() {
            fence.is_trying.store(false, Ordering::Release);
        }
    }
}

/// Sees to it that what did not arrive is tried again, also where the caller has stopped waiting.
struct Owed<'a>(&'a Part, Now);

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if self.0.fence.queue.len() > 0 {
            self.0.keep_trying(self.1);
        }
    }
}
