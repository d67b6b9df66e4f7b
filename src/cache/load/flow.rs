//! The way of one call: look up, lead or follow, answer.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::job::{Job, slow};
use super::{Ask, Detach, GetOrSet, Outcome};
use crate::cache::codec::decode;
use crate::cache::error::{CacheError, LoadError};
use crate::cache::flight::{self, Flight, Join, Lead, Phase, ValueFlights};
use crate::cache::get::Standing;
use crate::cache::judge::is_within;
use crate::cache::lifetime::later;
use crate::cache::loader::Load;
use crate::clock::Now;
use crate::monitor::Event;
use crate::store::{KeyBuf, Record, Stamp};

/// The longest that anyone waits for the load of another, without a hard timeout of its own.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How many flights in a row that a purge has outlawed are followed.
const ROUNDS: u8 = 2;

impl<L: Load> GetOrSet<'_, L> {
    pub(super) async fn run(self) -> Outcome<L> {
        let ask = &self.ask;
        let shared = &ask.cache.shared;
        let key = shared.value_key(ask.name)?;
        let since = Instant::now();
        let mut outlawed = 0;
        loop {
            let now = shared.clock.now();
            let ended = shared.value_flights.ended();
            // Without the store there is no stamp, so nobody can tell who may share what is loaded. It has been counted and logged.
            let Ok(found) = shared.look_up(&key, now).await else {
                return self.load_alone(key, None, None).await;
            };
            let refresh = ask.options.refresh;
            let standing = match Standing::of(found.record, now) {
                Standing::Fresh(record) if !refresh => return Ok(ask.hit(&record)?),
                Standing::Fresh(record) | Standing::Stale(record) => Some(record),
                Standing::Absent(_) | Standing::Nothing => None,
            };
            if refresh || outlawed >= ROUNDS {
                return self.load_alone(key, Some(found.stamp), standing).await;
            }
            if let Some(record) = &standing
                && let Some(detach) = self.detach
                && is_within(record.times, ask.options.windows.revalidate, now)
                && let Ok(value) = decode(record, ask.name)
            {
                shared.counters.value(Event::Hit);
                self.refresh_behind(key, found.stamp, detach, now);
                return Ok(value);
            }
            match ValueFlights::join(&shared.value_flights, &key, found.stamp) {
                Join::Lead(lead) => {
                    // A flight that has ended since the look-up may have stored the value.
                    if shared.value_flights.ended() != ended
                        && let Ok(again) = shared.look_up(&key, now).await
                        && let Some(record) = Standing::of(again.record, now).fresh()
                    {
                        drop(lead);
                        return Ok(ask.hit(&record)?);
                    }
                    return self
                        .load(key, Some(found.stamp), standing, Some(lead))
                        .await;
                }
                Join::Follow(flight, phase) => {
                    if flight.stamp != found.stamp && !ask.is_admitted(&flight, &key).await {
                        shared.value_flights.retire(&key, &flight);
                        continue;
                    }
                    match ask
                        .follow::<L>(&key, &flight, phase, standing.as_ref(), since)
                        .await
                    {
                        Followed::Answer(answer) => return answer,
                        Followed::Outlawed => outlawed += 1,
                        Followed::Again => {}
                        Followed::TooLong => {
                            return self.load_alone(key, Some(found.stamp), standing).await;
                        }
                    }
                }
            }
        }
    }

    /// Loads outside of any flight.
    async fn load_alone(
        self,
        key: KeyBuf,
        stamp: Option<Stamp>,
        standing: Option<Arc<Record>>,
    ) -> Outcome<L> {
        self.load(key, stamp, standing, None).await
    }

    async fn load(
        self,
        key: KeyBuf,
        stamp: Option<Stamp>,
        standing: Option<Arc<Record>>,
        lead: Option<Lead>,
    ) -> Outcome<L> {
        let Self {
            ask:
                Ask {
                    cache,
                    name,
                    options,
                },
            loader,
            detach,
        } = self;
        let shared = &cache.shared;
        let (soft, window) = (options.soft, options.windows.error);
        let job = Job {
            cache: cache.clone(),
            name: name.to_owned(),
            key,
            stamp,
            loader,
            options,
            lead,
        };
        let stand_in = |record: &Arc<Record>| {
            let value = decode(record, name).ok();
            value.inspect(|_| shared.counters.value(Event::Hit))
        };
        let loaded = match (soft, detach, &standing) {
            (Some(soft), Some(detach), Some(standing)) => {
                let (tell, told) = oneshot::channel();
                // Refused for want of room, it is dropped, and that is heard.
                shared.background.spawn(detach(job, tell));
                match timeout(soft, told).await {
                    Ok(Ok(loaded)) => loaded,
                    Ok(Err(_)) | Err(_) => match stand_in(standing) {
                        Some(value) => return Ok(value),
                        None => Err(slow(name)),
                    },
                }
            }
            _ => job.run().await,
        };
        let failed = match loaded {
            Ok(value) => {
                shared.counters.value(Event::Miss);
                return Ok(value);
            }
            Err(failed) => failed,
        };
        let now = shared.clock.now();
        // Who refreshes what is fresh asks for the news, unless told otherwise.
        let usable =
            standing.filter(|record| !window.is_zero() && is_within(record.times, window, now));
        if is_of_the_loader(&failed)
            && let Some(value) = usable.as_ref().and_then(stand_in)
        {
            return Ok(value);
        }
        shared.counters.value(Event::Miss);
        Err(failed)
    }

    /// Loads behind the back of a caller that has its answer, unless somebody does already, or has just failed.
    fn refresh_behind(self, key: KeyBuf, stamp: Stamp, detach: Detach<L>, now: Now) {
        let shared = &self.ask.cache.shared;
        if shared.unwell.holds(key.as_key().as_bytes(), false, now) {
            return;
        }
        let Join::Lead(lead) = ValueFlights::join(&shared.value_flights, &key, stamp) else {
            return;
        };
        let job = Job {
            cache: self.ask.cache.clone(),
            name: self.ask.name.to_owned(),
            key,
            stamp: Some(stamp),
            loader: self.loader,
            options: self.ask.options,
            lead: Some(lead),
        };
        let (tell, _) = oneshot::channel();
        shared.background.spawn(detach(job, tell));
    }
}

impl Ask<'_> {
    fn hit<T: DeserializeOwned>(&self, record: &Record) -> Result<T, CacheError> {
        self.cache.shared.counters.value(Event::Hit);
        decode(record, self.name)
    }

    /// Can what this flight brings be given to somebody who comes now, as far as can be known before it is there?
    async fn is_admitted(&self, flight: &Flight, key: &KeyBuf) -> bool {
        let shared = &self.cache.shared;
        let mut marks = shared.own_marks(key).to_vec();
        marks.extend_from_slice(&self.options.tags);
        shared.admits(flight.stamp, &marks).await.unwrap_or(false)
    }

    async fn follow<L: Load>(
        &self,
        key: &KeyBuf,
        flight: &Arc<Flight>,
        phase: watch::Receiver<Phase>,
        standing: Option<&Arc<Record>>,
        since: Instant,
    ) -> Followed<L> {
        let shared = &self.cache.shared;
        let options = &self.options;
        let soft = options.soft.filter(|_| standing.is_some());
        let hard = options.hard.unwrap_or(LONGEST_WAIT);
        let patience = soft.map_or(hard, |soft| soft.min(hard));
        let Ok(ended) = timeout_at(later(since, patience), flight::end(phase)).await else {
            let is_soft = soft.is_some_and(|soft| soft < hard);
            return match self.stand_in(standing, is_soft) {
                Some(value) => Followed::Answer(Ok(value)),
                None if options.hard.is_some() => Followed::Answer(Err(slow(self.name))),
                None => Followed::TooLong,
            };
        };
        match ended {
            Phase::Landed(record) => {
                // Read after the end of the flight: a purge that has returned before is seen.
                let admitted = shared.admits(record.stamp, &record.marks).await;
                if admitted.unwrap_or(false) {
                    return Followed::Answer(self.hit(&record).map_err(LoadError::from));
                }
                shared.value_flights.retire(key, flight);
                Followed::Outlawed
            }
            Phase::Failed(error) => {
                if let Some(value) = self.stand_in(standing, false) {
                    return Followed::Answer(Ok(value));
                }
                match error.downcast::<L::Error>() {
                    Ok(error) => {
                        shared.counters.value(Event::Miss);
                        Followed::Answer(Err(LoadError::Load(error)))
                    }
                    // Another loader of the same key, whose errors are of another type.
                    Err(_) => Followed::Again,
                }
            }
            Phase::Slow => match self.stand_in(standing, false) {
                Some(value) => Followed::Answer(Ok(value)),
                // The patience of another: this caller may have more.
                None => Followed::Again,
            },
            Phase::Open | Phase::Abandoned => Followed::Again,
        }
    }

    /// What stands there, if it may be used in place of a load that fails or, if `is_soft`, is slow.
    fn stand_in<T: DeserializeOwned>(
        &self,
        standing: Option<&Arc<Record>>,
        is_soft: bool,
    ) -> Option<T> {
        let shared = &self.cache.shared;
        let windows = self.options.windows;
        let window = if is_soft {
            windows.longest()
        } else {
            windows.error
        };
        let now = shared.clock.now();
        let usable = standing.filter(|record| is_within(record.times, window, now))?;
        let value = decode(usable, self.name).ok()?;
        shared.counters.value(Event::Hit);
        Some(value)
    }
}

/// What came of waiting for another.
enum Followed<L: Load> {
    Answer(Outcome<L>),
    /// A purge has outlawed it.
    Outlawed,
    Again,
    TooLong,
}

fn is_of_the_loader<E>(error: &LoadError<E>) -> bool {
    matches!(
        error,
        LoadError::Load(_) | LoadError::Cache(CacheError::TimedOut { .. })
    )
}
