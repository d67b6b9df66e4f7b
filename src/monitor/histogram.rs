//! How long things took, in buckets that never move.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// The upper bounds of all buckets but the last, in microseconds: 1, 2 and 5 of each power of ten.
const BOUNDS: [u64; 17] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

const BUCKETS: usize = BOUNDS.len() + 1;

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Looking keys up.
    Read,
    /// Changing a key.
    Write,
    /// Asking whether a fill is still admitted.
    Check,
    /// Outlawing what a purge names.
    Purge,
}

impl Operation {
    /// Every one of them, in a fixed order.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Check, Self::Purge];

    /// Its name in counters and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Check => "check",
            Self::Purge => "purge",
        }
    }
}

/// Counts of durations, raised without a lock.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, micros: u64) {
        let place = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Latency {
        Latency {
            buckets: std::array::from_fn(|place| self.buckets[place].load(Ordering::Relaxed)),
            micros: self.micros.load(Ordering::Relaxed),
        }
    }
}

type Observer = Box<dyn Fn(Operation, Duration) + Send + Sync>;

/// How long the calls of a store took that had to be waited for.
#[derive(Default)]
pub(crate) struct Latencies {
    operations: [Histogram; Operation::ALL.len()],
    observer: OnceLock<Observer>,
}

impl Latencies {
    pub(crate) fn record(&self, operation: Operation, micros: u64) {
        self.operations[operation as usize].record(micros);
        if let Some(observe) = self.observer.get() {
            observe(operation, Duration::from_micros(micros));
        }
    }

    /// Tells `observer` of every call from now on; the first to come is told, and no other.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code))]
    pub(crate) fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    pub(crate) fn read(&self) -> StoreLatencies {
        let of = |operation| self.operations[operation as usize].read();
        StoreLatencies {
            read: of(Operation::Read),
            write: of(Operation::Write),
            check: of(Operation::Check),
            purge: of(Operation::Purge),
        }
    }
}

/// How long the calls of a store took, by what it was asked. Calls that are answered at once, as those of a
/// [`MemoryStore`](crate::MemoryStore), are not measured; those that ran into the store timeout are, with the time they were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct StoreLatencies {
    /// Looking keys up.
    pub read: Latency,
    /// Changing a key.
    pub write: Latency,
    /// Asking whether a fill is still admitted.
    pub check: Latency,
    /// Outlawing what a purge names.
    pub purge: Latency,
}

impl StoreLatencies {
    /// Those of one operation.
    pub const fn of(&self, operation: Operation) -> &Latency {
        match operation {
            Operation::Read => &self.read,
            Operation::Write => &self.write,
            Operation::Check => &self.check,
            Operation::Purge => &self.purge,
        }
    }
}

/// A histogram of durations: buckets up to 50 µs, 100 µs, 200 µs, 500 µs, and so on up to 10 s, and one for what took longer.
///
/// As JSON it is `{"count": 3, "sum_seconds": 0.0042, "buckets": [{"le": 0.00005, "count": 0}, …, {"le": null, "count": 3}]}`, with the
/// counts of all that took no longer than `le` seconds, as Prometheus has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    buckets: [u64; BUCKETS],
    micros: u64,
}

impl Latency {
    /// How many durations were measured.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All of them together.
    pub const fn sum(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// Their mean; `None` of nothing.
    pub fn mean(&self) -> Option<Duration> {
        self.micros
            .checked_div(self.count())
            .map(Duration::from_micros)
    }

    /// The upper bound of the bucket in which this share of all durations has ended (`0.5` for the median); `None` of nothing, and
    /// where it lies above 10 s.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        // Rounded up, and at least the first.
        let wanted = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).max(1);
        self.cumulative()
            .find(|(_, up_to)| *up_to >= wanted)
            .and_then(|(bound, _)| bound)
    }

    /// Each bucket's upper bound (inclusive; `None` for the last) and how many durations fell into it alone.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        Self::bounds()
            .map(Some)
            .chain([None])
            .zip(self.buckets.iter().copied())
    }

    /// The upper bounds of all buckets but the last.
    pub fn bounds() -> impl Iterator<Item = Duration> {
        BOUNDS.into_iter().map(Duration::from_micros)
    }

    fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        self.buckets().scan(0, |total, (bound, count)| {
            *total += count;
            Some((bound, *total))
        })
    }
}

#[derive(serde::Serialize)]
struct Bucket {
    le: Option<f64>,
    count: u64,
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets: Vec<Bucket> = self
            .cumulative()
            .map(|(bound, count)| Bucket {
                le: bound.map(|bound| bound.as_secs_f64()),
                count,
            })
            .collect();
        let mut form = serializer.serialize_struct("Latency", 3)?;
        form.serialize_field("count", &self.count())?;
        form.serialize_field("sum_seconds", &self.sum().as_secs_f64())?;
        form.serialize_field("buckets", &buckets)?;
        form.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(micros: &[u64]) -> Latency {
        let histogram = Histogram::default();
        micros.iter().for_each(|micros| histogram.record(*micros));
        histogram.read()
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let table = [
            (0, Some(50)),
            (50, Some(50)),
            (51, Some(100)),
            (1_000, Some(1_000)),
            (1_001, Some(2_000)),
            (10_000_000, Some(10_000_000)),
            (10_000_001, None),
            (u64::MAX, None),
        ];
        for (micros, bound) in table {
            let latency = of(&[micros]);
            let (found, _) = latency.buckets().find(|(_, count)| *count == 1).unwrap();
            assert_eq!(found, bound.map(Duration::from_micros), "{micros}");
        }
    }

    #[test]
    fn nothing_has_no_mean_and_no_quantile() {
        let nothing = of(&[]);
        assert_eq!((nothing.mean(), nothing.quantile(0.5)), (None, None));
        let some = of(&[10, 20, 90, 300, 20_000_000]);
        assert_eq!(some.mean(), Some(Duration::from_micros(4_000_084)));
        let quantile = |share| some.quantile(share).map(|bound| bound.as_micros());
        assert_eq!(quantile(0.0), Some(50));
        assert_eq!(quantile(0.5), Some(100));
        assert_eq!(quantile(0.8), Some(500));
        assert_eq!(quantile(1.0), None);
    }

    #[test]
    fn counts_in_json_add_up_as_they_do_for_prometheus() {
        let json = serde_json::to_value(of(&[10, 60, 70, 20_000_000])).unwrap();
        assert_eq!(json["count"], 4);
        assert_eq!(json["sum_seconds"], 20.00014);
        assert_eq!(
            json["buckets"][0],
            serde_json::json!({"le": 0.00005, "count": 1})
        );
        assert_eq!(
            json["buckets"][1],
            serde_json::json!({"le": 0.0001, "count": 3})
        );
        assert_eq!(json["buckets"][16]["count"], 3);
        assert_eq!(
            json["buckets"][17],
            serde_json::json!({"le": null, "count": 4})
        );
    }

    proptest! {
        #[test]
        fn what_goes_in_is_counted_once_and_summed(micros in prop::collection::vec(0_u64..20_000_000, 0..200)) {
            let latency = of(&micros);
            prop_assert_eq!(latency.count(), micros.len() as u64);
            prop_assert_eq!(latency.sum(), Duration::from_micros(micros.iter().sum()));
            prop_assert_eq!(latency.buckets().map(|(_, count)| count).sum::<u64>(), latency.count());
            let mut lower = 0;
            for (bound, count) in latency.buckets() {
                let upper = bound.map_or(u64::MAX, |bound| u64::try_from(bound.as_micros()).unwrap());
                let first = lower == 0;
                let within = micros.iter().filter(|one| (first || **one > lower) && **one <= upper).count();
                prop_assert_eq!(count, within as u64);
                lower = upper;
            }
        }
    }
}
