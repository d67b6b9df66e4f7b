//! Filing a complete response in the store, behind its fence.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::asker::{Asker, Read};
use super::flight::Lead;
use super::layer::Page;
use super::search::{Known, SearchKey};
use super::stored::StoredPage;
use super::variants::Variants;
use crate::background::Background;
use crate::header::no_vary_search::NoVarySearch;
use crate::monitor::NotStored;
use crate::store::{
    Done, Head, If, Key, Kind, Mark, Op, Record, RecordId, Stamp, StoreError, Times, When,
};

/// How often an index that others change meanwhile is tried again.
const TRIES: usize = 8;

/// A response that waits for the end of its body.
pub(super) struct Commit {
    pub(super) page: Arc<Page>,
    /// The page's key.
    pub(super) base: Box<[u8]>,
    /// The key under the fields that select it, for where other variants stand.
    pub(super) variant: Vec<u8>,
    pub(super) vary: Vec<HeaderName>,
    /// The fields of the request that it was selected by, among others.
    pub(super) selecting: HeaderMap,
    /// Its `Date`, in seconds since the epoch.
    pub(super) date: u64,
    pub(super) head: StoredPage,
    pub(super) stamp: Stamp,
    pub(super) times: Times,
    pub(super) marks: Arc<[Mark]>,
    /// What is to be known of it, to find it for other targets.
    pub(super) search: Option<(SearchKey, NoVarySearch)>,
    /// What it updates: it is filed only if that still stands, since it says nothing of what came after (DESIGN §5).
    pub(super) over: Option<RecordId>,
}

/// What is owed at the end of a recording: the commit, and word to those who wait.
pub(super) struct Ending {
    pub(super) commit: Commit,
    pub(super) asker: Asker,
    pub(super) read: Read,
    pub(super) lead: Lead,
    pub(super) credentials: bool,
    /// May others be given it as it is?
    pub(super) is_for_all: bool,
    pub(super) background: Background,
}

impl Ending {
    /// The body is complete: store it. In memory that is done when this returns; elsewhere the flight answers until it is.
    pub(super) fn complete(self, body: Bytes, trailers: Option<HeaderMap>) {
        // A body that asks who is asking while it is made is one person's, too. Who followed it by its length may have got it already.
        if !self.read.is_known_to(&self.asker) {
            return self.give_up(NotStored::Identity, false);
        }
        let background = self.background.clone();
        let mut landing: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            let Self {
                commit,
                lead,
                credentials,
                is_for_all,
                ..
            } = self;
            lead.progress();
            let page = commit.page.clone();
            match commit.run(body, trailers).await {
                Ok(()) => {
                    if is_for_all {
                        page.cache.shared.remembered.forget(lead.key(), credentials);
                    }
                    page.cache.shared.unwell.forget(lead.key(), false);
                    lead.land();
                }
                Err(why) => {
                    if why == NotStored::TooLarge || why == NotStored::Variants {
                        let now = page.cache.shared.clock.now();
                        page.cache
                            .shared
                            .remembered
                            .note(lead.key(), credentials, now);
                    }
                    lead.land();
                }
            }
        });
        let mut cx = Context::from_waker(Waker::noop());
        if landing.as_mut().poll(&mut cx) == Poll::Pending {
            // Refused, it is dropped: the flight is abandoned, and nothing was stored.
            background.spawn(landing);
        }
    }

    /// Nothing will be stored. `retry`: it may be different next time, so those who wait elect a new leader.
    pub(super) fn give_up(self, why: NotStored, retry: bool) {
        if retry {
            drop(self.lead);
            return;
        }
        let shared = &self.commit.page.cache.shared;
        if why != NotStored::Budget {
            shared
                .remembered
                .note(self.lead.key(), self.credentials, shared.clock.now());
        }
        self.lead.refuse(why);
    }
}

impl Commit {
    async fn run(self, body: Bytes, trailers: Option<HeaderMap>) -> Result<(), NotStored> {
        let record = self.record(body, trailers);
        self.file_record(&record).await
    }

    /// The record as it will stand in the store.
    pub(super) fn record(&self, body: Bytes, trailers: Option<HeaderMap>) -> Arc<Record> {
        let etag = self.page.policy.etag;
        let head = self.head.completed(&body, trailers, etag);
        Arc::new(Record::new(
            Kind::Page,
            self.stamp,
            self.times,
            self.marks.clone(),
            Head::Live(std::sync::Arc::new(head)),
            body,
        ))
    }

    pub(super) async fn file_record(&self, record: &Arc<Record>) -> Result<(), NotStored> {
        for attempt in 0..TRIES {
            match self.file(record, attempt > 0).await {
                Ok(Some(())) => {
                    self.make_known().await;
                    return Ok(());
                }
                // Another has changed what stands under the key: look again.
                Ok(None) => {}
                Err(why) => return Err(why),
            }
        }
        Err(NotStored::Variants)
    }

    /// Stamps tell only what a purge lies between. Without one it is the later question that has the newer answer.
    fn is_older_than(&self, standing: &Record) -> bool {
        standing.stamp.seq > self.stamp.seq
            || standing
                .head
                .downcast::<StoredPage>()
                .is_some_and(|standing| standing.asked() > self.head.asked())
    }

    async fn make_known(&self) {
        if let Some((search, rule)) = &self.search {
            let known = Known {
                rule: rule.clone(),
                date: self.date,
                stamp: self.stamp,
                keep_until: self.times.keep_until,
            };
            search.know(&self.page.cache.shared, known).await;
        }
    }

    /// One try; `None` when what stands under the key has changed meanwhile. Where it was refused before, and nothing is seen again, what
    /// refuses is over by this node's clock, but not by the store's: it need not stay.
    async fn file(&self, record: &Arc<Record>, was_refused: bool) -> Result<Option<()>, NotStored> {
        let over_nothing = match was_refused {
            true => When::Fenced,
            false => When::Absent,
        };
        let shared = &self.page.cache.shared;
        let now = shared.clock.now();
        let base = Key::new(&self.base);
        let found = shared.get(&[base], now).await.map_err(unwell)?;
        let standing = found.into_iter().next().and_then(|found| found.record);
        let index = standing
            .as_deref()
            .and_then(|standing| standing.head.downcast::<Variants>());
        let when = standing
            .as_deref()
            .map_or(over_nothing, |standing| When::Same(standing.id));
        let index = match (&standing, index) {
            (_, Some(index)) => index.clone(),
            // An update of what is gone, or was replaced, updates nothing.
            (standing, None)
                if self.over.is_some()
                    && self.over != standing.as_ref().map(|standing| standing.id) =>
            {
                return Ok(Some(()));
            }
            // A slow old fill must not replace what a younger one has stored.
            (Some(standing), None) if self.is_older_than(standing) => return Ok(Some(())),
            (_, None) if self.vary.is_empty() => return self.put(base, record.clone(), when).await,
            // A page that stood there was made without `Vary`, and is not used blindly any more.
            (_, None) => Variants::default(),
        };
        // Under other selecting fields than before, it stands under another key.
        let standing_variant = index.keeps(&self.variant);
        let keep = self.times.keep_until;
        let most = self.page.policy.max_variants;
        let (mut next, dropped) = index.with(&self.vary, &self.variant, self.date, keep, now, most);
        let answer = self.head.headers();
        next.note(&self.base, &self.variant, &self.selecting, answer);
        if standing_variant && self.over.is_none() {
            let found = shared.get(&[Key::new(&self.variant)], now).await;
            let found = found.map_err(unwell)?.into_iter().next();
            let standing = found.and_then(|found| found.record);
            if standing.is_some_and(|standing| self.is_older_than(&standing)) {
                return Ok(Some(()));
            }
        }
        let over = match (self.over, standing_variant) {
            (Some(over), true) => When::Same(over),
            _ => When::Fenced,
        };
        if self
            .put(Key::new(&self.variant), record.clone(), over)
            .await?
            .is_none()
        {
            return Ok(Some(()));
        }
        let until = next.keep_until();
        let times = Times {
            born: now,
            fresh_until: until,
            keep_until: until,
        };
        let index = Record::new(
            Kind::Variants,
            self.stamp,
            times,
            self.marks.clone(),
            Head::Live(std::sync::Arc::new(next)),
            Bytes::new(),
        );
        let index = Arc::new(index);
        let filed = self.put(base, index.clone(), when).await?;
        if filed.is_some() {
            // A store in memory needs no guess, and this keeps the index alive.
            if shared.is_elsewhere() {
                shared.guesses.note(base.as_bytes(), &index);
            }
            for key in dropped {
                let removal = shared.apply(Key::new(&key), Op::Remove(If::Any), now);
                removal.await.map_err(unwell)?;
            }
        }
        Ok(filed)
    }

    async fn put(
        &self,
        key: Key<'_>,
        record: Arc<Record>,
        when: When,
    ) -> Result<Option<()>, NotStored> {
        let shared = &self.page.cache.shared;
        let done = shared
            .apply(key, Op::Put(record, when), shared.clock.now())
            .await
            .map_err(unwell)?;
        match done {
            Done::Stored => Ok(Some(())),
            Done::Outlawed => Err(NotStored::Outlawed),
            Done::TooLarge => Err(NotStored::TooLarge),
            // For a fenced put this means that a younger one stands there, which is as good.
            Done::Refused if when == When::Fenced => Ok(Some(())),
            _ => Ok(None),
        }
    }
}

/// The call has been counted and logged where it was made.
fn unwell(_: StoreError) -> NotStored {
    NotStored::Store
}
