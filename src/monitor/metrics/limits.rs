//! Publishing what limits have decided.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Unit, counter, describe_counter};

use crate::limit::{Event, GroupStats, RateLimiter};

/// Publishes what one [`RateLimiter`] has decided. Install the recorder first: what is made without one goes nowhere.
///
/// ```
/// use larder::monitor::metrics::LimitExporter;
/// use larder::{MemoryLimiter, RateLimiter};
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prometheus = PrometheusBuilder::new().install_recorder()?;
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let exporter = LimitExporter::new(&limiter, "shop");
/// limiter.acquire("k1", &["100/m".parse()?]).group("search").await?;
///
/// // For each scrape:
/// exporter.publish();
/// let line = r#"larder_limit_decisions_total{limiter="shop",group="search",result="admitted"} 1"#;
/// assert!(prometheus.render().contains(line));
/// # Ok(())
/// # }
/// ```
pub struct LimitExporter {
    limiter: RateLimiter,
    name: String,
    groups: Mutex<HashMap<String, Handles>>,
}

/// What was registered with the recorder once, and is only set from then on.
struct Handles {
    counters: [(Event, Counter); Event::ALL.len()],
}

impl LimitExporter {
    /// An exporter of what `limiter` decides, under a name: give two limiters of one process two names.
    pub fn new(limiter: &RateLimiter, name: impl Into<String>) -> Self {
        for (name, text) in [
            (
                "larder_limit_decisions_total",
                "Calls by what the limits made of them.",
            ),
            ("larder_limit_waited_total", "Calls that stood in line."),
            (
                "larder_limit_estimated_total",
                "Calls that this node decided alone.",
            ),
            (
                "larder_limit_errors_total",
                "Calls for which the limiter could not be asked.",
            ),
        ] {
            describe_counter!(name, Unit::Count, text);
        }
        Self {
            limiter: limiter.clone(),
            name: name.into(),
            groups: Mutex::default(),
        }
    }

    /// Publishes all that is counted. Call it for each scrape, or every few seconds.
    pub fn publish(&self) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        for stats in &self.limiter.stats().groups {
            if !groups.contains_key(&stats.group) {
                let handles = Handles::of(&self.name, &stats.group);
                groups.insert(stats.group.clone(), handles);
            }
            if let Some(handles) = groups.get(&stats.group) {
                handles.publish(stats);
            }
        }
    }
}

impl Handles {
    fn of(limiter: &str, group: &str) -> Self {
        let counters = Event::ALL.map(|event| {
            let (limiter, group) = (limiter.to_owned(), group.to_owned());
            let counter = match event {
                Event::Admit | Event::Refuse | Event::WouldRefuse => counter!(
                    "larder_limit_decisions_total",
                    "limiter" => limiter,
                    "group" => group,
                    "result" => event.as_str(),
                ),
                Event::Wait => {
                    counter!("larder_limit_waited_total", "limiter" => limiter, "group" => group)
                }
                Event::Estimate => {
                    counter!("larder_limit_estimated_total", "limiter" => limiter, "group" => group)
                }
                Event::Fail => {
                    counter!("larder_limit_errors_total", "limiter" => limiter, "group" => group)
                }
            };
            (event, counter)
        });
        Self { counters }
    }

    fn publish(&self, stats: &GroupStats) {
        for (event, counter) in &self.counters {
            counter.absolute(stats.count(*event));
        }
    }
}

impl fmt::Debug for LimitExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitExporter").finish_non_exhaustive()
    }
}
