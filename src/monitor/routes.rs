//! Counters of each route: raised without a lock, and bounded in number and in memory.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::counts::Counts;
use super::reason::Reason;
use super::shard::{PLACES as SHARDS, Place};

/// How many routes have counters of their own.
pub(crate) const MOST_ROUTES: usize = 1_000;

/// The longest label that is kept; longer ones count as [`OTHER`].
const LONGEST_LABEL: usize = 256;

/// At least twice as many as there are routes, so that an empty place is never far.
const PLACES: usize = 2_048;

/// Where no route is known.
pub(crate) const UNMATCHED: &str = "(unmatched)";

/// Where the bound is passed.
pub(crate) const OTHER: &str = "(other)";

/// Reasons that come in rows are counted in rows, which are made when the first of theirs comes.
const ROW: usize = 16;

type Row = [AtomicU64; ROW];

/// The counters of one route.
///
/// They take 1.5 KiB, and 128 bytes for each sixteen neighbouring reasons that have occurred: about 2 KiB as routes are, and never more than
/// 5 KiB. So a thousand of them stay below 5 MiB whatever is asked.
pub(crate) struct Route {
    label: Box<str>,
    hot: [Hot; SHARDS],
    rows: [OnceLock<Box<Row>>; Reason::COUNT.div_ceil(ROW)],
}

/// What every hit raises, spread so that threads do not meet.
#[derive(Default)]
#[repr(align(64))]
struct Hot {
    hits: AtomicU64,
    bytes: AtomicU64,
    saved_micros: AtomicU64,
}

impl Route {
    pub(crate) fn new(label: &str) -> Self {
        Self {
            label: label.into(),
            hot: Default::default(),
            rows: [const { OnceLock::new() }; Reason::COUNT.div_ceil(ROW)],
        }
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// A plain hit, and what it spared: the bytes that it sent, and how long the handler would have taken.
    #[inline]
    pub(crate) fn hit(&self, bytes: u64, saved_micros: u64) {
        let place = Place::mine();
        let hot = &self.hot[place.index()];
        place.add(&hot.hits, 1);
        place.add(&hot.bytes, bytes);
        place.add(&hot.saved_micros, saved_micros);
    }

    /// What is not a plain hit.
    pub(crate) fn count(&self, reason: Reason) {
        if reason == Reason::Hit {
            return self.hit(0, 0);
        }
        let place = reason.index();
        let row = self.rows[place / ROW].get_or_init(Box::default);
        row[place % ROW].fetch_add(1, Ordering::Relaxed);
    }

    /// The same of any other answer from the store.
    pub(crate) fn served(&self, bytes: u64, saved_micros: u64) {
        let place = Place::mine();
        let hot = &self.hot[place.index()];
        place.add(&hot.bytes, bytes);
        place.add(&hot.saved_micros, saved_micros);
    }

    pub(crate) fn read(&self) -> Counts {
        let sum = |of: fn(&Hot) -> &AtomicU64| {
            self.hot
                .iter()
                .map(|hot| of(hot).load(Ordering::Relaxed))
                .fold(0, u64::wrapping_add)
        };
        let hits = sum(|hot| &hot.hits);
        let counted = |reason: Reason| match reason {
            Reason::Hit => hits,
            _ => {
                let place = reason.index();
                let row = self.rows[place / ROW].get();
                row.map_or(0, |row| row[place % ROW].load(Ordering::Relaxed))
            }
        };
        let reasons = Reason::all().map(|reason| (reason, counted(reason)));
        Counts::new(
            reasons.filter(|(_, count)| *count > 0).collect(),
            sum(|hot| &hot.bytes),
            Duration::from_micros(sum(|hot| &hot.saved_micros)),
        )
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route").field(&self.label).finish()
    }
}

/// All routes of a cache, by their labels.
pub(crate) struct Routes {
    hasher: RandomState,
    /// Filled once and for all, so that nobody waits: a label stands in the first free place from that of its hash on.
    places: Box<[OnceLock<Arc<Route>>]>,
    count: AtomicUsize,
    unmatched: Arc<Route>,
    other: Arc<Route>,
}

impl Routes {
    /// The counters of a label, which are made if they are new and there is room.
    #[inline]
    pub(crate) fn find(&self, label: Option<&str>) -> &Arc<Route> {
        match label {
            None => &self.unmatched,
            Some(label) => self.find_label(label),
        }
    }

    fn find_label(&self, label: &str) -> &Arc<Route> {
        let first = self.hasher.hash_one(label) as usize;
        for step in 0..PLACES {
            let place = &self.places[first.wrapping_add(step) % PLACES];
            match place.get() {
                Some(route) if *route.label == *label => return route,
                Some(_) => {}
                None => match self.settle(place, label) {
                    Some(route) if *route.label == *label => return route,
                    // Another label was first.
                    Some(_) => {}
                    None => return &self.other,
                },
            }
        }
        &self.other
    }

    /// What stands in an empty place from now on; `None` where nothing may.
    fn settle<'a>(&self, place: &'a OnceLock<Arc<Route>>, label: &str) -> Option<&'a Arc<Route>> {
        if label.len() > LONGEST_LABEL || label == OTHER {
            return None;
        }
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < MOST_ROUTES).then_some(count + 1)
            })
            .ok()?;
        if place.set(Arc::new(Route::new(label))).is_err() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        place.get()
    }

    /// Those that have counted anything, by label.
    pub(crate) fn read(&self) -> Vec<(String, Counts)> {
        let mut routes: Vec<(String, Counts)> = self
            .places
            .iter()
            .filter_map(OnceLock::get)
            .chain([&self.unmatched, &self.other])
            .map(|route| (route.label.to_string(), route.read()))
            .filter(|(_, counts)| counts.requests() > 0)
            .collect();
        routes.sort_by(|one, other| one.0.cmp(&other.0));
        routes
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            places: (0..PLACES).map(|_| OnceLock::new()).collect(),
            count: AtomicUsize::new(0),
            unmatched: Arc::new(Route::new(UNMATCHED)),
            other: Arc::new(Route::new(OTHER)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::{Absence, Bypass, NotStored};
    use super::*;

    #[test]
    fn counts_of_all_threads_add_up() {
        let routes = Routes::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..1_000 {
                        let route = routes.find(Some(["/a", "/b"][round % 2]));
                        route.count(Reason::Hit);
                        route.served(10, 3);
                        route.count(Reason::Refused(Absence::Uri, NotStored::Private));
                    }
                    routes.find(None).count(Reason::Bypassed(Bypass::Range));
                });
            }
        });
        let read = routes.read();
        let labels: Vec<_> = read.iter().map(|(label, _)| &**label).collect();
        assert_eq!(labels, ["(unmatched)", "/a", "/b"]);
        assert_eq!(read[0].1.bypassed(), 4);
        for (label, counts) in &read[1..] {
            assert_eq!((counts.hits(), counts.misses()), (2_000, 2_000), "{label}");
            assert_eq!(counts.bytes_served(), 20_000);
            assert_eq!(counts.time_saved(), Duration::from_micros(6_000));
        }
    }

    #[test]
    fn every_reason_is_counted_in_its_own_place() {
        let route = Route::new("/");
        for (place, reason) in Reason::all().enumerate() {
            (0..=place).for_each(|_| route.count(reason));
        }
        let counts = route.read();
        for (place, reason) in Reason::all().enumerate() {
            assert_eq!(counts.count(reason), place as u64 + 1, "{reason:?}");
        }
    }

    #[test]
    fn more_routes_than_the_bound_share_one() {
        let routes = Routes::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let routes = &routes;
                scope.spawn(move || {
                    for n in 0..10_000_usize {
                        let label = format!("/{}", (n + thread * 2_500) % 10_000);
                        routes.find(Some(&label)).count(Reason::Hit);
                    }
                });
            }
        });
        let read = routes.read();
        assert_eq!(read.len(), MOST_ROUTES + 1);
        let total: u64 = read.iter().map(|(_, counts)| counts.hits()).sum();
        assert_eq!(total, 40_000);
        assert!(read.iter().any(|(label, _)| label == OTHER));
    }

    #[test]
    fn a_label_that_looks_like_ours_or_is_too_long_is_no_second_one() {
        let routes = Routes::default();
        routes.find(Some(OTHER)).count(Reason::Hit);
        routes.find(Some(&"/".repeat(300))).count(Reason::Hit);
        let read = routes.read();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].1.hits(), 2);
    }

    #[test]
    fn a_route_takes_no_more_than_it_says() {
        let rows = Reason::COUNT.div_ceil(ROW);
        assert!(size_of::<Route>() <= 1_536, "{}", size_of::<Route>());
        assert!(size_of::<Route>() + rows * size_of::<Row>() <= 5 * 1_024);
    }
}
