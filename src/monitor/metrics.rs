//! Publishing a cache's statistics through the `metrics` facade, for Prometheus and whatever else records it.
//!
//! | name | kind | labels | |
//! |---|---|---|---|
//! | `larder_requests_total` | counter | `cache`, `route`, `result`, `detail` | requests by what became of them |
//! | `larder_served_bytes_total` | counter | `cache`, `route` | bytes of bodies answered from the store |
//! | `larder_saved_milliseconds_total` | counter | `cache`, `route` | how long handlers would have taken for the hits |
//! | `larder_store_errors_total` | counter | `cache` | calls of the store that failed or took too long |
//! | `larder_foreign_records_total` | counter | `cache` | records that could not be read |
//! | `larder_store_seconds` | histogram | `cache`, `operation` | how long the store was waited for, recorded as it happens |
//! | `larder_store_entries`, `larder_store_bytes`, `larder_store_capacity_bytes` | gauge | `cache` | what the store holds, and may hold |
//! | `larder_store_evictions_total`, `larder_store_expirations_total` | counter | `cache` | what went away |
//! | `larder_server_memory_bytes`, `larder_server_memory_peak_bytes`, `larder_server_clients` | gauge | `cache` | the server behind the store |
//! | `larder_limit_decisions_total` | counter | `limiter`, `group`, `result` | calls by what their limits made of them: `admitted`, `refused`, `would-have-refused` |
//! | `larder_limit_waited_total`, `larder_limit_estimated_total`, `larder_limit_errors_total` | counter | `limiter`, `group` | calls that stood in line, that this node decided alone, for which the limiter could not be asked |
//! | `larder_server_commands_total`, `larder_server_keyspace_hits_total`, `larder_server_keyspace_misses_total` | counter | `cache` | the same |
//!
//! `result` and `detail` are [`Reason::result`](super::Reason::result) and [`Reason::word`](super::Reason::word): a stored miss is
//! `stored` with what the store lacked (`uri-miss`), a miss that was not stored is `refused` with why (`private`), a hit is `hit` with
//! nothing. `operation` is `read`, `write`, `check` or `purge`. `cache` is the cache's [name](crate::cache::CacheBuilder::name): give two
//! caches of one process two names. Labels are bounded as the routes of [`Stats`] are, and hold no key and no address. A fact that the store does not know is not
//! published.
//!
//! What limits have decided is published by a [`LimitExporter`].
//!
//! The example `metrics` serves them to Prometheus.

mod limits;

pub use self::limits::LimitExporter;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use super::counts::Counts;
use super::histogram::Operation;
use super::stats::Stats;
use crate::Cache;
use crate::store::StoreFacts;

/// Publishes one cache's statistics. Install the recorder first: what is made without one goes nowhere.
///
/// ```
/// use larder::monitor::metrics::Exporter;
/// use larder::{Cache, NullStore};
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prometheus = PrometheusBuilder::new().install_recorder()?;
/// let cache = Cache::builder(NullStore).name("shop").build()?;
/// let exporter = Exporter::new(&cache);
///
/// // For each scrape:
/// exporter.publish();
/// assert!(prometheus.render().contains("larder_store_errors_total{cache=\"shop\"} 0"));
/// # Ok(())
/// # }
/// ```
pub struct Exporter {
    cache: Cache,
    handles: Mutex<Handles>,
}

impl Exporter {
    /// An exporter of what `cache` does. From here on the histogram of store latencies is recorded as they happen; that of the first exporter
    /// of a cache, and no other.
    pub fn new(cache: &Cache) -> Self {
        describe();
        let name = cache.shared.name.as_str().to_owned();
        let latencies = Operation::ALL.map(|operation| {
            let cache = name.clone();
            histogram!("larder_store_seconds", "cache" => cache, "operation" => operation.as_str())
        });
        cache
            .shared
            .counters
            .latencies
            .observe(Box::new(move |operation, span| {
                record(&latencies, operation, span.as_secs_f64());
            }));
        Self {
            cache: cache.clone(),
            handles: Mutex::new(Handles::of(name)),
        }
    }

    /// Publishes all that is counted, with what the store says of itself without being waited for. Call it for each scrape, or every few
    /// seconds.
    pub fn publish(&self) {
        self.publish_stats(&self.cache.stats());
    }

    /// Publishes what was read before, as by [`Cache::stats_with_store`].
    pub fn publish_stats(&self, stats: &Stats) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.publish(stats);
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

fn record(latencies: &[Histogram], operation: Operation, seconds: f64) {
    if let Some(latency) = latencies.get(operation as usize) {
        latency.record(seconds);
    }
}

/// What was registered with the recorder once, and is only set from then on.
struct Handles {
    cache: String,
    routes: HashMap<String, RouteHandles>,
    store_errors: Counter,
    foreign: Counter,
    counters: BTreeMap<&'static str, Counter>,
    gauges: BTreeMap<&'static str, Gauge>,
}

struct RouteHandles {
    requests: BTreeMap<(&'static str, &'static str), Counter>,
    bytes: Counter,
    saved: Counter,
}

impl Handles {
    fn of(cache: String) -> Self {
        Self {
            routes: HashMap::new(),
            store_errors: counter!("larder_store_errors_total", "cache" => cache.clone()),
            foreign: counter!("larder_foreign_records_total", "cache" => cache.clone()),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            cache,
        }
    }

    fn publish(&mut self, stats: &Stats) {
        self.store_errors.absolute(stats.store_errors);
        self.foreign.absolute(stats.foreign);
        for route in &stats.routes {
            if !self.routes.contains_key(&route.route) {
                let handles = RouteHandles::of(&self.cache, &route.route);
                self.routes.insert(route.route.clone(), handles);
            }
            if let Some(handles) = self.routes.get_mut(&route.route) {
                handles.publish(&self.cache, &route.route, route);
            }
        }
        self.publish_store(&stats.store);
    }

    fn publish_store(&mut self, facts: &StoreFacts) {
        let server = facts.server.unwrap_or_default();
        for (name, value) in [
            ("larder_store_entries", facts.entries),
            ("larder_store_bytes", facts.bytes),
            ("larder_store_capacity_bytes", facts.capacity),
            ("larder_server_memory_bytes", server.memory_used),
            ("larder_server_memory_peak_bytes", server.memory_peak),
            ("larder_server_clients", server.clients),
        ] {
            if let Some(value) = value {
                let cache = &self.cache;
                let gauge = self
                    .gauges
                    .entry(name)
                    .or_insert_with(|| gauge!(name, "cache" => cache.clone()));
                gauge.set(value as f64);
            }
        }
        for (name, value) in [
            ("larder_store_evictions_total", facts.evictions),
            ("larder_store_expirations_total", facts.expirations),
            ("larder_server_commands_total", server.commands),
            ("larder_server_keyspace_hits_total", server.keyspace_hits),
            (
                "larder_server_keyspace_misses_total",
                server.keyspace_misses,
            ),
        ] {
            if let Some(value) = value {
                let cache = &self.cache;
                let counter = self
                    .counters
                    .entry(name)
                    .or_insert_with(|| counter!(name, "cache" => cache.clone()));
                counter.absolute(value);
            }
        }
    }
}

impl RouteHandles {
    fn of(cache: &str, route: &str) -> Self {
        let of = |name: &'static str| counter!(name, "cache" => cache.to_owned(), "route" => route.to_owned());
        Self {
            requests: BTreeMap::new(),
            bytes: of("larder_served_bytes_total"),
            saved: of("larder_saved_milliseconds_total"),
        }
    }

    fn publish(&mut self, cache: &str, route: &str, counts: &Counts) {
        // Several reasons share their words.
        let mut sums = BTreeMap::new();
        for (reason, count) in counts.reasons() {
            *sums.entry((reason.result(), reason.word())).or_insert(0) += count;
        }
        for ((result, detail), sum) in sums {
            let requests = self.requests.entry((result, detail)).or_insert_with(|| {
                counter!(
                    "larder_requests_total",
                    "cache" => cache.to_owned(),
                    "route" => route.to_owned(),
                    "result" => result,
                    "detail" => detail,
                )
            });
            requests.absolute(sum);
        }
        self.bytes.absolute(counts.bytes_served());
        let saved = u64::try_from(counts.time_saved().as_millis()).unwrap_or(u64::MAX);
        self.saved.absolute(saved);
    }
}

fn describe() {
    let counters = [
        (
            "larder_requests_total",
            Unit::Count,
            "Requests by what became of them.",
        ),
        (
            "larder_served_bytes_total",
            Unit::Bytes,
            "Bytes of bodies answered from the store.",
        ),
        (
            "larder_saved_milliseconds_total",
            Unit::Milliseconds,
            "How long handlers would have taken for the hits.",
        ),
        (
            "larder_store_errors_total",
            Unit::Count,
            "Calls of the store that failed or took too long.",
        ),
        (
            "larder_foreign_records_total",
            Unit::Count,
            "Records that could not be read.",
        ),
        (
            "larder_store_evictions_total",
            Unit::Count,
            "Records that were taken away to make room.",
        ),
        (
            "larder_store_expirations_total",
            Unit::Count,
            "Records that were taken away since their time was over.",
        ),
    ];
    for (name, unit, text) in counters {
        describe_counter!(name, unit, text);
    }
    describe_gauge!(
        "larder_store_entries",
        Unit::Count,
        "Records that the store holds."
    );
    describe_gauge!(
        "larder_store_bytes",
        Unit::Bytes,
        "The bytes that they take."
    );
    describe_gauge!(
        "larder_store_capacity_bytes",
        Unit::Bytes,
        "The bytes that the store holds at most."
    );
    describe_histogram!(
        "larder_store_seconds",
        Unit::Seconds,
        "How long the store was waited for."
    );
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::NullStore;
    use crate::monitor::{Absence, Latency, NotStored, Reason};
    use crate::store::ServerFacts;

    fn cache() -> Cache {
        Cache::builder(NullStore).name("shop").build().unwrap()
    }

    #[test]
    fn prometheus_reads_what_was_counted() {
        let bounds: Vec<f64> = Latency::bounds().map(|bound| bound.as_secs_f64()).collect();
        let recorder = PrometheusBuilder::new()
            .set_buckets(&bounds)
            .unwrap()
            .build_recorder();
        let scrape = recorder.handle();
        let cache = cache();
        let counters = &cache.shared.counters;
        let menu = counters.route(Some("/menu/{\"id\"}"));
        metrics::with_local_recorder(&recorder, || {
            let exporter = Exporter::new(&cache);
            menu.count(Reason::Hit);
            menu.served(200, 1_500);
            for absence in [Absence::Uri, Absence::Stale] {
                menu.count(Reason::Refused(absence, NotStored::Private));
                menu.count(Reason::RefusedAlone(absence, NotStored::Private));
            }
            menu.count(Reason::StoredAlone(Absence::Uri));
            counters.latencies.record(Operation::Read, 70);
            exporter.publish();
            // What is published again is not counted again.
            menu.count(Reason::Hit);
            exporter.publish();
        });
        let text = scrape.render();
        let route = r#"cache="shop",route="/menu/{\"id\"}""#;
        for line in [
            format!(r#"larder_requests_total{{{route},result="hit",detail=""}} 2"#),
            format!(r#"larder_requests_total{{{route},result="refused",detail="private"}} 4"#),
            format!(r#"larder_requests_total{{{route},result="stored",detail="uri-miss"}} 1"#),
            format!(r#"larder_served_bytes_total{{{route}}} 200"#),
            format!(r#"larder_saved_milliseconds_total{{{route}}} 1"#),
            r#"larder_store_errors_total{cache="shop"} 0"#.to_owned(),
            r#"larder_store_entries{cache="shop"} 0"#.to_owned(),
            r#"larder_store_seconds_bucket{cache="shop",operation="read",le="0.00005"} 0"#
                .to_owned(),
            r#"larder_store_seconds_bucket{cache="shop",operation="read",le="0.0001"} 1"#
                .to_owned(),
            r#"larder_store_seconds_count{cache="shop",operation="read"} 1"#.to_owned(),
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(!text.contains("larder_server"), "{text}");
    }

    #[test]
    fn what_a_server_says_is_published_where_it_says_it() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let scrape = recorder.handle();
        let cache = cache();
        metrics::with_local_recorder(&recorder, || {
            let mut stats = cache.stats();
            stats.store.server = Some(ServerFacts {
                clients: Some(3),
                keyspace_misses: Some(7),
                ..ServerFacts::default()
            });
            Exporter::new(&cache).publish_stats(&stats);
        });
        let text = scrape.render();
        assert!(text.contains("larder_server_clients{cache=\"shop\"} 3"));
        assert!(text.contains("larder_server_keyspace_misses_total{cache=\"shop\"} 7"));
        assert!(!text.contains("larder_server_commands_total{"));
    }
}
