//! What is stored: how much, under which paths, for how long. Looked at through the store's own scan, within a budget.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;

use crate::Cache;
use crate::cache::value_name;
use crate::clock::Now;
use crate::page::KeyText;
use crate::store::{BoxStream, Key, Kind, Scanned, StoreError};

/// Above so many bytes, an entry is a large one.
const LARGE: u64 = 10_000;

/// How many prefixes are told apart while counting; the rest is one.
const MOST_PREFIXES: usize = 1_000;

/// Where the bounds are passed.
const OTHER: &str = "(other)";

/// Keys that are neither those of pages nor those of values.
const UNREADABLE: &str = "(unreadable)";

/// The scan lets others on after so many records that were at hand.
const BREATH: u64 = 128;

/// Upper bounds of what is left of a lifetime.
const SPANS: [(&str, Duration); 6] = [
    ("1m", Duration::from_secs(60)),
    ("10m", Duration::from_secs(600)),
    ("1h", Duration::from_secs(3_600)),
    ("1d", Duration::from_secs(86_400)),
    ("30d", Duration::from_secs(30 * 86_400)),
    ("365d", Duration::from_secs(365 * 86_400)),
];

/// How [`Cache::analyse`] looks at what is stored. A number alone is a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Analysis {
    budget: usize,
    largest: usize,
    prefixes: usize,
    queries: bool,
}

impl Analysis {
    /// Looks at no more than `budget` records.
    pub const fn of(budget: usize) -> Self {
        Self {
            budget,
            largest: 20,
            prefixes: 100,
            queries: false,
        }
    }

    /// How many of the largest entries are named. Default: 20.
    pub const fn largest(mut self, most: usize) -> Self {
        self.largest = most;
        self
    }

    /// How many prefixes are named, those with the most bytes first; the others are one. Default: 100, and at most 1,000.
    pub const fn prefixes(mut self, most: usize) -> Self {
        self.prefixes = most;
        self
    }

    /// Names the largest entries with their queries, which can hold secrets. By default a digest stands for the query.
    pub const fn with_queries(mut self) -> Self {
        self.queries = true;
        self
    }
}

/// 1,000 records.
impl Default for Analysis {
    fn default() -> Self {
        Self::of(1_000)
    }
}

impl From<usize> for Analysis {
    fn from(budget: usize) -> Self {
        Self::of(budget)
    }
}

/// A number of records, and their bytes in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// How many there are.
    pub count: u64,
    /// What they take, keys and book-keeping included.
    pub bytes: u64,
}

/// What stands under one prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PrefixTotal {
    /// The first segment of the path, such as `/menu`, or what stands before the first colon of a value's key; `(other)` beyond the bound,
    /// `(unreadable)` for keys that are neither.
    pub prefix: String,
    /// What stands there.
    #[serde(flatten)]
    pub total: Total,
}

/// One entry that takes much.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct LargeEntry {
    /// What it takes.
    pub bytes: u64,
    /// Its key, as people read it: host and path, and digests of all else; a value's as it is.
    pub key: String,
    /// What it is: `page`, `variants`, `rule`, `value` or `number`.
    pub kind: &'static str,
}

/// How long entries may still be used, by how many they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lifetimes {
    /// Past the time that they are kept, and not yet taken away.
    pub over: u64,
    /// Stale, and kept for validation and stale answers.
    pub stale: u64,
    /// Fresh.
    pub fresh: u64,
    /// The fresh ones by what is left of that: each up to its bound (`1m`, `10m`, `1h`, `1d`, `30d`, `365d`) and above the one before;
    /// `longer` for the rest.
    pub fresh_for: Vec<(&'static str, u64)>,
}

/// What an analysis found.
///
/// It names addresses: whom it is shown to is the application's decision. As JSON its fields have the names that they have here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyReport {
    /// Was everything looked at? If not, the numbers are those of a part.
    pub complete: bool,
    /// All that was looked at.
    pub total: Total,
    /// The same by kind: `page`, `variants` (the index of a page's variants), `rule`, `value` and `number`.
    pub kinds: BTreeMap<&'static str, Total>,
    /// The same by the first segment of the path, most bytes first.
    pub prefixes: Vec<PrefixTotal>,
    /// How many entries take more than 10,000 bytes.
    pub large: u64,
    /// The largest entries, largest first.
    pub largest: Vec<LargeEntry>,
    /// How long they may still be used.
    pub lifetimes: Lifetimes,
}

impl Cache {
    /// Looks at what is stored for this cache's namespace and version: totals by kind and by prefix, the largest entries, lifetimes.
    ///
    /// It works by [`Store::scan`](crate::Store::scan), on any store, and reads no body. `how` is a budget of records, or an [`Analysis`].
    /// A page's variants are entries of their own.
    ///
    /// # Errors
    ///
    /// When the store is unwell, or takes longer than the store timeout for one step.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use larder::{Cache, MIB, MemoryStore};
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let report = cache.analyse(1_000).await?;
    /// assert!(report.complete && report.prefixes.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn analyse(&self, how: impl Into<Analysis>) -> Result<KeyReport, StoreError> {
        let how = how.into();
        let space = &self.shared.space;
        let now = self.shared.clock.now();
        let mut tally = Tally::new(how);
        // One more than is counted tells whether there is more.
        let mut scanning = self
            .store()
            .scan(Key::new(space), how.budget.saturating_add(1));
        while let Some(scanned) = next(&mut scanning, self.shared.store_timeout).await {
            let scanned = scanned?;
            if tally.report.total.count >= how.budget as u64 {
                return Ok(tally.finish(false));
            }
            tally.note(&scanned, space.len(), now);
            if tally.report.total.count.is_multiple_of(BREATH) {
                tokio::task::yield_now().await;
            }
        }
        Ok(tally.finish(true))
    }
}

/// The next record: at once where it is at hand, else within the timeout.
async fn next(
    scanning: &mut BoxStream<'_, Result<Scanned, StoreError>>,
    timeout: Duration,
) -> Option<Result<Scanned, StoreError>> {
    let at_once = poll_fn(|cx| Poll::Ready(scanning.as_mut().poll_next(cx))).await;
    match at_once {
        Poll::Ready(next) => next,
        Poll::Pending => {
            let next = poll_fn(|cx| scanning.as_mut().poll_next(cx));
            tokio::time::timeout(timeout, next)
                .await
                .unwrap_or_else(|late| Some(Err(StoreError::new("scan", late))))
        }
    }
}

/// A report in the making.
struct Tally {
    how: Analysis,
    report: KeyReport,
    prefixes: BTreeMap<String, Total>,
    /// The least of them first, to make room.
    largest: BTreeSet<LargeEntry>,
    fresh_for: [u64; SPANS.len() + 1],
}

impl Tally {
    fn new(how: Analysis) -> Self {
        Self {
            how,
            report: KeyReport::default(),
            prefixes: BTreeMap::new(),
            largest: BTreeSet::new(),
            fresh_for: [0; SPANS.len() + 1],
        }
    }

    fn note(&mut self, scanned: &Scanned, space: usize, now: Now) {
        let bytes = scanned.weight;
        let kind = name_of(scanned.kind);
        self.report.total.add(bytes);
        self.report.kinds.entry(kind).or_default().add(bytes);
        let text = Text::of(scanned, space);
        self.note_prefix(text.prefix(), bytes);
        self.report.large += u64::from(bytes > LARGE);
        self.note_large(text, bytes, kind);
        self.note_lifetime(scanned, now);
    }

    fn note_prefix(&mut self, prefix: String, bytes: u64) {
        let is_known = self.prefixes.contains_key(&prefix);
        let prefix = match is_known || self.prefixes.len() < MOST_PREFIXES {
            true => prefix,
            false => OTHER.to_owned(),
        };
        self.prefixes.entry(prefix).or_default().add(bytes);
    }

    fn note_large(&mut self, text: Text<'_>, bytes: u64, kind: &'static str) {
        let is_full = self.largest.len() >= self.how.largest;
        if is_full && self.largest.first().is_none_or(|least| bytes < least.bytes) {
            return;
        }
        let key = match text {
            Text::Unreadable => UNREADABLE.to_owned(),
            Text::Value(name) => name.to_owned(),
            Text::Page(text) if self.how.queries => text.with_query(),
            Text::Page(text) => text.without_query(),
        };
        self.largest.insert(LargeEntry { bytes, key, kind });
        if self.largest.len() > self.how.largest {
            self.largest.pop_first();
        }
    }

    fn note_lifetime(&mut self, scanned: &Scanned, now: Now) {
        let lifetimes = &mut self.report.lifetimes;
        let times = &scanned.times;
        if now >= times.keep_until {
            lifetimes.over += 1;
        } else if now >= times.fresh_until {
            lifetimes.stale += 1;
        } else {
            lifetimes.fresh += 1;
            let left = times.fresh_until.since(now);
            let place = SPANS.partition_point(|(_, bound)| *bound < left);
            self.fresh_for[place] += 1;
        }
    }

    fn finish(self, complete: bool) -> KeyReport {
        let mut report = self.report;
        report.complete = complete;
        report.prefixes = most_bytes_first(self.prefixes, self.how.prefixes);
        report.largest = self.largest.into_iter().rev().collect();
        let names = SPANS.iter().map(|(name, _)| *name).chain(["longer"]);
        report.lifetimes.fresh_for = names.zip(self.fresh_for).collect();
        report
    }
}

/// What people read of a key.
#[derive(Clone, Copy)]
enum Text<'a> {
    Page(KeyText<'a>),
    /// The name of a value.
    Value(&'a str),
    Unreadable,
}

impl<'a> Text<'a> {
    fn of(scanned: &'a Scanned, space: usize) -> Self {
        let text = match scanned.kind {
            Kind::Value | Kind::Number => value_name(&scanned.key, space).map(Self::Value),
            _ => KeyText::of(&scanned.key, space).map(Self::Page),
        };
        text.unwrap_or(Self::Unreadable)
    }

    /// The first segment of a path, or what stands before the first colon of a name.
    fn prefix(self) -> String {
        match self {
            Self::Page(text) => text.prefix(),
            Self::Value(name) => name
                .split_once(':')
                .map_or(name, |(prefix, _)| prefix)
                .to_owned(),
            Self::Unreadable => UNREADABLE.to_owned(),
        }
    }
}

fn most_bytes_first(prefixes: BTreeMap<String, Total>, most: usize) -> Vec<PrefixTotal> {
    let (mut named, others): (Vec<_>, Vec<_>) = prefixes
        .into_iter()
        .map(|(prefix, total)| PrefixTotal { prefix, total })
        .partition(|total| total.prefix != OTHER);
    named.sort_by_key(|total| std::cmp::Reverse(total.total.bytes));
    let beyond = named.split_off(most.min(named.len()));
    let mut rest = Total::default();
    for PrefixTotal { total, .. } in others.into_iter().chain(beyond) {
        rest.count += total.count;
        rest.bytes += total.bytes;
    }
    if rest.count > 0 {
        named.push(PrefixTotal {
            prefix: OTHER.to_owned(),
            total: rest,
        });
    }
    named
}

impl Total {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Page => "page",
        Kind::Variants => "variants",
        Kind::Rule => "rule",
        Kind::Value => "value",
        Kind::Number => "number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Times;

    const NOW: Now = Now::from_millis(1_000_000);

    fn scanned(key: &str, weight: u64, fresh: Duration) -> Scanned {
        let times = Times {
            born: NOW,
            fresh_until: NOW + fresh,
            keep_until: NOW + fresh + Duration::from_secs(10),
        };
        Scanned::new(key.as_bytes().into(), weight, times, Kind::Page)
    }

    /// A key with no space before it: a fingerprint, a host and a path.
    fn key(path: &str) -> String {
        let part = |kind: char, bytes: &str| {
            let length = char::from(u8::try_from(bytes.len()).unwrap());
            format!("{kind}\0\0\0{length}{bytes}")
        };
        format!(
            "12345678\u{1}{}{}",
            part('\u{3}', "shop"),
            part('\u{4}', path)
        )
    }

    fn tallied(how: Analysis, all: &[Scanned]) -> KeyReport {
        let mut tally = Tally::new(how);
        all.iter().for_each(|scanned| tally.note(scanned, 0, NOW));
        tally.finish(true)
    }

    #[test]
    fn the_largest_are_kept_largest_first() {
        let all: Vec<_> = [3, 9, 1, 20_000, 9, 5]
            .into_iter()
            .enumerate()
            .map(|(place, weight)| scanned(&key(&format!("/{place}")), weight, Duration::ZERO))
            .collect();
        let report = tallied(Analysis::of(10).largest(3), &all);
        let largest: Vec<_> = report
            .largest
            .iter()
            .map(|large| (large.bytes, &*large.key))
            .collect();
        assert_eq!(largest, [(20_000, "shop/3"), (9, "shop/4"), (9, "shop/1")]);
        assert_eq!(report.large, 1);
        assert!(
            tallied(Analysis::of(10).largest(0), &all)
                .largest
                .is_empty()
        );
    }

    #[test]
    fn prefixes_beyond_the_bound_are_one() {
        let all: Vec<_> = (0..1_500)
            .map(|n| scanned(&key(&format!("/{n}/x")), n + 1, Duration::ZERO))
            .chain([scanned("?", 5, Duration::ZERO)])
            .collect();
        let report = tallied(Analysis::of(10_000).prefixes(2), &all);
        let names: Vec<_> = report.prefixes.iter().map(|of| &*of.prefix).collect();
        assert_eq!(names, ["/999", "/998", OTHER]);
        let count: u64 = report.prefixes.iter().map(|of| of.total.count).sum();
        assert_eq!((count, report.total.count), (1_501, 1_501));
        let bytes: u64 = report.prefixes.iter().map(|of| of.total.bytes).sum();
        assert_eq!(bytes, report.total.bytes);
    }

    #[test]
    fn lifetimes_are_told_by_what_is_left_of_them() {
        let seconds = Duration::from_secs;
        let mut over = scanned("", 1, Duration::ZERO);
        over.times.keep_until = NOW;
        let mut forever = scanned("", 1, Duration::ZERO);
        (forever.times.fresh_until, forever.times.keep_until) = (Now::NEVER, Now::NEVER);
        let report = tallied(
            Analysis::default(),
            &[
                over,
                forever,
                scanned("", 1, Duration::ZERO),
                scanned("", 1, seconds(60)),
                scanned("", 1, seconds(61)),
                scanned("", 1, seconds(86_400)),
            ],
        );
        let lifetimes = report.lifetimes;
        assert_eq!(
            (lifetimes.over, lifetimes.stale, lifetimes.fresh),
            (1, 1, 4)
        );
        assert_eq!(
            lifetimes.fresh_for,
            [
                ("1m", 1),
                ("10m", 1),
                ("1h", 0),
                ("1d", 1),
                ("30d", 0),
                ("365d", 0),
                ("longer", 1)
            ]
        );
    }
}
