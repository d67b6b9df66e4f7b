//! One load: the loader within its time, its value behind the fence, and word to those who wait.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Options, Outcome};
use crate::background::Task;
use crate::cache::Cache;
use crate::cache::codec::Encoded;
use crate::cache::error::{CacheError, LoadError};
use crate::cache::flight::{Lead, Phase};
use crate::cache::lifetime;
use crate::cache::loader::Load;
use crate::cache::set::record_of;
use crate::monitor::Event;
use crate::store::{Done, KeyBuf, Op, Stamp, When};

pub(super) fn detach<L: Load + 'static>(job: Job<L>, tell: oneshot::Sender<Outcome<L>>) -> Task {
    Box::pin(async move {
        // Who asked may have its answer already.
        let _ = tell.send(job.run().await);
    })
}

/// A load, with all it needs.
pub(super) struct Job<L: Load> {
    pub(super) cache: Cache,
    pub(super) name: String,
    pub(super) key: KeyBuf,
    /// Taken before anything is read; `None` where nothing can be stored.
    pub(super) stamp: Option<Stamp>,
    pub(super) loader: L,
    pub(super) options: Options,
    pub(super) lead: Option<Lead>,
}

impl<L: Load> Job<L> {
    pub(super) async fn run(self) -> Outcome<L> {
        let Self {
            cache,
            name,
            key,
            stamp,
            loader,
            options,
            lead,
        } = self;
        let shared = &cache.shared;
        let flight = key.as_key().as_bytes();
        let loading = loader.load();
        let loaded = match options.hard {
            None => loading.await,
            Some(hard) => match timeout(hard, loading).await {
                Ok(loaded) => loaded,
                Err(_) => {
                    shared.unwell.note(flight, false, shared.clock.now());
                    if let Some(lead) = lead {
                        lead.end(Phase::Slow);
                    }
                    return Err(slow(&name));
                }
            },
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                shared.unwell.note(flight, false, shared.clock.now());
                let error = Arc::new(error);
                if let Some(lead) = lead {
                    lead.end(Phase::Failed(error.clone()));
                }
                return Err(LoadError::Load(error));
            }
        };
        shared.unwell.forget(flight, false);
        let encoded = Encoded::of(&loaded.value, shared.codec, &name)?;
        let Some(stamp) = stamp else {
            return Ok(loaded.value);
        };
        let mut marks = shared.own_marks(&key).to_vec();
        marks.extend_from_slice(&options.tags);
        marks.extend(loaded.tags.iter().map(|tag| shared.tag_mark(tag)));
        let now = shared.clock.now();
        let end = lifetime::end(loaded.ttl.unwrap_or(options.ttl), shared.default_ttl, now);
        let times = lifetime::times(now, end.unwrap_or(now), options.windows.longest());
        let record = record_of(encoded.kind, encoded.body, stamp, times, marks);
        if end.is_some() {
            let when = if options.refresh {
                When::Always
            } else {
                When::Fenced
            };
            let op = Op::Put(record.clone(), when);
            // What the store does not take is answered all the same; where it is unwell, that was counted and logged.
            if let Ok(Done::Stored) = shared.apply(key.as_key(), op, now).await {
                shared.counters.value(Event::Set);
            }
        }
        if let Some(lead) = lead {
            lead.end(Phase::Landed(record));
        }
        Ok(loaded.value)
    }
}

pub(super) fn slow<E>(name: &str) -> LoadError<E> {
    LoadError::Cache(CacheError::TimedOut {
        key: name.to_owned(),
    })
}
