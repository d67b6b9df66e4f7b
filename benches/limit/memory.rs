//! Checks in memory, for one key and for many, by one thread and by two: beside `governor`, and beside a bare atomic for each key.
//!
//! Its last line is for machines: `memory 1=N 10000=N 1000000=N`, the nanoseconds of one thread for so many keys.

use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use governor::clock::MonotonicClock;
use governor::state::keyed::DashMapStateStore;
use larder::Quota;
use larder::limit::{Action, Ask, LimitKey, Limiter, MemoryLimiter};

const ROUNDS: usize = 31;
const CHECKS: usize = 100_000;

const RATE: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
/// So that all are admitted.
const BURST: NonZeroU32 = NonZeroU32::new(1_000_000_000).unwrap();
/// Of each key before anything is measured, so that its state is kept.
const USED: u64 = 1_000_000;

type Governor = governor::RateLimiter<String, DashMapStateStore<String>, MonotonicClock>;

/// What is measured: a check of the key with this number.
trait Check: Sync {
    fn check(&self, key: usize);
}

struct Ours {
    limiter: MemoryLimiter,
    quota: Quota,
    names: Vec<String>,
}

struct Theirs {
    limiter: Governor,
    names: Vec<String>,
}

struct Bare(Vec<AtomicU64>);

pub(crate) fn measure() {
    println!(
        "{:>9} {:>8} {:>10} {:>10} {:>10} {:>12} {:>10}",
        "keys", "threads", "larder ns", "governor", "atomic", "to governor", "to atomic"
    );
    let mut last = String::from("memory");
    for keys in [1, 10_000, 1_000_000] {
        let checks: [Box<dyn Check>; 3] = [
            Box::new(Ours::new(keys)),
            Box::new(Theirs::new(keys)),
            Box::new(Bare((0..keys).map(|_| AtomicU64::new(0)).collect())),
        ];
        for threads in [1, 2] {
            let [ours, theirs, bare] = medians(&checks, keys, threads);
            println!(
                "{keys:>9} {threads:>8} {ours:>10.1} {theirs:>10.1} {bare:>10.1} {:>12.2} {:>10.2}",
                ours / theirs,
                ours / bare
            );
            if threads == 1 {
                last.push_str(&format!(" {keys}={ours:.0}"));
            }
        }
    }
    println!("{last}");
}

/// In nanoseconds for each check of one thread.
fn medians(checks: &[Box<dyn Check>; 3], keys: usize, threads: usize) -> [f64; 3] {
    let mut rounds = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (check, rounds) in checks.iter().zip(&mut rounds) {
            rounds.push(round(check.as_ref(), keys, threads));
        }
    }
    rounds.map(|mut rounds: Vec<f64>| {
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    })
}

fn round(check: &dyn Check, keys: usize, threads: usize) -> f64 {
    let start = Barrier::new(threads);
    let work = |seed: usize| {
        // Another order in each round and thread.
        let mut state =
            (seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(seed_of_round());
        let chosen: Vec<usize> = (0..CHECKS)
            .map(|_| next(&mut state) as usize % keys)
            .collect();
        start.wait();
        let began = Instant::now();
        for key in chosen {
            check.check(key);
        }
        began.elapsed()
    };
    let took: Duration = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|seed| scope.spawn(move || work(seed)))
            .collect();
        let own = work(0);
        let others = others
            .into_iter()
            .map(|other| other.join().expect("it does not panic"));
        own + others.sum::<Duration>()
    });
    took.as_nanos() as f64 / (CHECKS * threads) as f64
}

fn seed_of_round() -> u32 {
    static ROUND: AtomicU64 = AtomicU64::new(0);
    ROUND.fetch_add(1, Ordering::Relaxed) as u32
}

/// Xorshift.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn names(keys: usize) -> Vec<String> {
    (0..keys).map(|key| format!("user:{key:07}")).collect()
}

impl Ours {
    fn new(keys: usize) -> Self {
        let quota = Quota::per_minute(RATE).burst(NonZeroU64::from(BURST));
        let ours = Self {
            limiter: MemoryLimiter::builder().keys(2_000_000).build(),
            quota,
            names: names(keys),
        };
        for key in 0..keys {
            ours.take(key, USED);
        }
        assert_eq!(ours.limiter.len(), keys);
        ours
    }

    fn take(&self, key: usize, cost: u64) {
        let key = LimitKey::new("search", self.names[key].as_bytes());
        let ask = Ask::new(key, &self.quota).cost(cost);
        let decided = self.limiter.decide_now(Action::Acquire, black_box(&[ask]));
        let Poll::Ready(Ok(decision)) = decided else {
            panic!("it decides at once");
        };
        assert!(black_box(decision).is_admitted());
    }
}

impl Check for Ours {
    fn check(&self, key: usize) {
        self.take(key, 1);
    }
}

impl Theirs {
    fn new(keys: usize) -> Self {
        let quota = governor::Quota::per_minute(RATE).allow_burst(BURST);
        let limiter = Governor::new(quota, DashMapStateStore::default(), MonotonicClock);
        let theirs = Self {
            limiter,
            names: names(keys),
        };
        (0..keys).for_each(|key| theirs.check(key));
        theirs
    }
}

impl Check for Theirs {
    fn check(&self, key: usize) {
        let decided = self.limiter.check_key(black_box(&self.names[key]));
        assert!(black_box(decided).is_ok());
    }
}

impl Check for Bare {
    fn check(&self, key: usize) {
        black_box(self.0[key].fetch_add(1, Ordering::Relaxed));
    }
}
