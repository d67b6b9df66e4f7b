//! What a cache has done since it was built, as values to be read.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::counts::Counts;
use super::histogram::{Latencies, StoreLatencies};
use super::request::{self, Event};
use super::routes::{Route, Routes};
use crate::store::StoreFacts;

/// What is counted while requests are answered.
#[derive(Default)]
pub(crate) struct Counters {
    routes: Routes,
    pub(crate) latencies: Latencies,
    store_errors: AtomicU64,
    foreign: AtomicU64,
    values: [AtomicU64; 3],
}

impl Counters {
    pub(crate) fn route(&self, label: Option<&str>) -> &Arc<Route> {
        self.routes.find(label)
    }

    pub(crate) fn store_error(&self) {
        self.store_errors.fetch_add(1, Ordering::Relaxed);
        request::note(Event::Error);
    }

    /// Counts what became of a value: a hit, a miss, or a set.
    pub(crate) fn value(&self, event: Event) {
        let place = match event {
            Event::Hit => 0,
            Event::Miss => 1,
            Event::Set => 2,
            // Counted with the store's.
            Event::Error => return,
        };
        self.values[place].fetch_add(1, Ordering::Relaxed);
        request::note(event);
    }

    pub(crate) fn foreign(&self) {
        self.foreign.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        let routes: Vec<RouteStats> = self
            .routes
            .read()
            .into_iter()
            .map(|(route, counts)| RouteStats { route, counts })
            .collect();
        Stats {
            cache: String::new(),
            counts: Counts::sum(routes.iter().map(|route| &route.counts)),
            store_errors: self.store_errors.load(Ordering::Relaxed),
            foreign: self.foreign.load(Ordering::Relaxed),
            values: ValueCounts {
                hits: self.values[0].load(Ordering::Relaxed),
                misses: self.values[1].load(Ordering::Relaxed),
                sets: self.values[2].load(Ordering::Relaxed),
            },
            store: StoreFacts::default(),
            store_latencies: self.latencies.read(),
            routes,
        }
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

/// What a cache has done since it was built: the [`Counts`] of all its routes together, and of each. Read it with
/// [`Cache::stats`](crate::Cache::stats).
///
/// It holds no key, no address and no body, and at most 1,000 routes by the labels that the application gave them; so it may be shown, also as
/// JSON: `cache` (its name), the fields of [`Counts`], `store_errors`, `foreign`, `values` (see [`ValueCounts`]), `store` (see [`StoreFacts`]), `store_latencies` (`read`,
/// `write`, `check`, `purge`, see [`Latency`](super::Latency)), and `routes`: a list of objects with `route` and the fields of [`Counts`].
///
/// ```
/// use larder::{Cache, NullStore};
///
/// let cache = Cache::builder(NullStore).name("shop").build()?;
/// let stats = cache.stats();
/// assert_eq!((stats.hits(), stats.hit_rate()), (0, None));
/// assert!(stats.to_json().starts_with(r#"{"cache":"shop","requests":0,"#));
/// # Ok::<(), larder::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    pub(crate) cache: String,
    #[serde(flatten)]
    counts: Counts,
    /// Calls of the store that failed or took too long.
    pub store_errors: u64,
    /// Records found in the store that could not be read: foreign, torn, or of another version.
    pub foreign: u64,
    /// What became of values, which no route has.
    pub values: ValueCounts,
    /// What the store says of itself, as far as it says so without being waited for;
    /// [`Cache::stats_with_store`](crate::Cache::stats_with_store) asks it.
    pub store: StoreFacts,
    /// How long the store was waited for.
    pub store_latencies: StoreLatencies,
    /// Each route that was asked for, by label: what [`named`](crate::CacheLayer::named) says, else the path that axum matched, else
    /// `(unmatched)`; beyond a thousand, `(other)`.
    pub routes: Vec<RouteStats>,
}

/// How often values were found, missed and written. Those who waited for the load of another have found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ValueCounts {
    /// Values that were answered, stale ones among them.
    pub hits: u64,
    /// Values that were looked for and not there.
    pub misses: u64,
    /// Values that were written, and numbers that were counted.
    pub sets: u64,
}

impl ValueCounts {
    /// The share of hits in all look-ups; `None` of nothing.
    pub fn hit_rate(&self) -> Option<f64> {
        let looked = self.hits.saturating_add(self.misses);
        (looked > 0).then(|| self.hits as f64 / looked as f64)
    }
}

/// What a cache has done for one route. It reads as the [`Counts`] of that route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RouteStats {
    /// The route's label.
    pub route: String,
    #[serde(flatten)]
    counts: Counts,
}

impl Stats {
    /// The cache's name.
    pub fn cache(&self) -> &str {
        &self.cache
    }

    /// What was counted under this label, if anything was.
    pub fn route(&self, label: &str) -> Option<&RouteStats> {
        self.routes.iter().find(|route| route.route == label)
    }

    /// All of it as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are always JSON")
    }
}

impl Deref for Stats {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.counts
    }
}

impl Deref for RouteStats {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::{Absence, Bypass, NotStored, Reason};
    use super::*;

    #[test]
    fn the_whole_is_the_sum_of_its_routes() {
        let counters = Counters::default();
        counters.route(Some("/menu")).count(Reason::Hit);
        counters.route(Some("/menu")).served(200, 1_500);
        counters.route(Some("/news")).count(Reason::Hit);
        let refused = Reason::Refused(Absence::Uri, NotStored::Private);
        counters.route(None).count(refused);
        counters.route(None).count(Reason::Bypassed(Bypass::Method));
        counters.store_error();
        let stats = counters.read();
        assert_eq!((stats.requests(), stats.hits(), stats.misses()), (4, 2, 1));
        assert_eq!(stats.hit_rate(), Some(2.0 / 3.0));
        assert_eq!(stats.bytes_served(), 200);
        assert_eq!(stats.store_errors, 1);
        assert_eq!(stats.route("/menu").unwrap().hits(), 1);
        assert_eq!(stats.route("(unmatched)").unwrap().bypassed(), 1);
        assert!(stats.route("/other").is_none());
    }

    #[test]
    fn the_fields_of_the_json_are_these() {
        let counters = Counters::default();
        counters.route(Some("/\"menu\"")).count(Reason::Hit);
        counters.route(Some("/\"menu\"")).served(200, 1_500);
        counters.value(Event::Hit);
        counters.latencies.record(super::super::Operation::Read, 70);
        let mut stats = counters.read();
        stats.cache = "shop".to_owned();
        stats.store_latencies = StoreLatencies::default();
        let counts = r#""requests":1,"hits":1,"hit_rate":1.0,"misses":0,"misses_by":{},"stored":0,"refused_by":{},"stale":0,"stale_by":{},"validated":0,"collapsed":0,"stale_on_error":0,"bypassed":0,"bypassed_by":{},"unanswered":0,"unanswered_by":{},"bytes_served":200,"seconds_saved":0.0015"#;
        let store = r#"{"entries":null,"bytes":null,"capacity":null,"evictions":null,"expirations":null,"asked":null,"undelivered":null,"unreadable":null,"server":null}"#;
        let json = stats.to_json();
        let (before, after) = json.split_once(r#","store_latencies":"#).unwrap();
        assert_eq!(
            before,
            format!(
                r#"{{"cache":"shop",{counts},"store_errors":0,"foreign":0,"values":{{"hits":1,"misses":0,"sets":0}},"store":{store}"#
            )
        );
        let (latencies, routes) = after.split_once(r#","routes":"#).unwrap();
        assert_eq!(routes, format!(r#"[{{"route":"/\"menu\"",{counts}}}]}}"#));
        let latencies: serde_json::Value = serde_json::from_str(latencies).unwrap();
        for operation in ["read", "write", "check", "purge"] {
            assert_eq!(latencies[operation]["count"], 0, "{operation}");
        }
    }
}
