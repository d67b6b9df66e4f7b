//! What the tests of the arithmetic share: arrivals that are meant to hurt, and the exact sliding log as the oracle.

use std::num::NonZeroU64;
use std::time::Duration;

use proptest::prelude::*;

use super::{At, Rule, State};
use crate::limit::{Algorithm, Quota};

pub(super) const SECOND: u64 = 1_000_000;
/// Some moment of November 2026, at no boundary of anything.
pub(super) const START: u64 = 1_795_912_345_678_901;
/// That of a key in staggered windows.
pub(super) const OFFSET: u64 = 0x9E37_79B9_7F4A_7C15;

pub(super) const fn at(now: u64) -> At {
    At {
        now,
        offset: OFFSET,
    }
}

pub(super) fn quota(amount: u64, window: u64) -> Quota {
    Quota::new(amount, Duration::from_micros(window)).unwrap()
}

pub(super) fn by(algorithm: Algorithm, amount: u64, window: u64) -> Rule {
    quota(amount, window).algorithm(algorithm).rule().unwrap()
}

pub(super) fn bucket(amount: u64, window: u64, burst: u64) -> Rule {
    let burst = NonZeroU64::new(burst).unwrap();
    quota(amount, window).burst(burst).rule().unwrap()
}

pub(super) fn strict(amount: u64, window: u64, burst: u64) -> Rule {
    let burst = NonZeroU64::new(burst).unwrap();
    quota(amount, window).burst(burst).strict().rule().unwrap()
}

/// Each way to count over time.
pub(super) fn each(amount: u64, window: u64) -> Vec<Rule> {
    vec![
        bucket(amount, window, amount),
        bucket(amount, window, amount.div_ceil(2)),
        bucket(amount, window, amount * 2),
        strict(amount, window, amount.div_ceil(2)),
        by(Algorithm::FixedWindow, amount, window),
        by(Algorithm::FixedWindowFromFirst, amount, window),
        by(Algorithm::FixedWindowStaggered, amount, window),
        by(Algorithm::SlidingCounter, amount, window),
        by(Algorithm::SlidingLog, amount, window),
    ]
}

/// When somebody comes, and with which cost.
pub(super) type Arrivals = Vec<(u64, u64)>;

/// Amounts and windows: few and many, windows that the amount divides and those that it does not.
pub(super) fn limits() -> impl Strategy<Value = (u64, u64)> {
    let windows = prop_oneof![
        Just(SECOND),
        Just(1_000),
        Just(60 * SECOND),
        1_000..10 * SECOND
    ];
    (1..=12_u64, windows)
}

/// Gaps of about a window, of about one unit, of nothing, and of anything between; costs up to more than the capacity.
pub(super) fn arrivals(amount: u64, window: u64) -> impl Strategy<Value = Arrivals> {
    let unit = window / amount;
    let gap = prop_oneof![
        4 => Just(0),
        1 => Just(1),
        2 => unit.saturating_sub(1)..=unit + 1,
        2 => window - 1..=window + 1,
        1 => Just(window / 2),
        3 => 0..=window,
        1 => window..=3 * window,
    ];
    let cost = prop_oneof![6 => Just(1), 3 => 1..=amount, 1 => 0..=amount + 2];
    let gaps = proptest::collection::vec((gap, cost), 1..80);
    (0..=window, gaps).prop_map(|(first, gaps)| {
        let mut now = START + first;
        let step = |(gap, cost)| {
            now += gap;
            (now, cost)
        };
        gaps.into_iter().map(step).collect()
    })
}

/// What is admitted of it.
pub(super) fn admitted(rule: &Rule, arrivals: &Arrivals) -> Arrivals {
    let mut state = rule.fresh();
    let mut is_admitted =
        |(now, cost): &(u64, u64)| rule.acquire(&mut state, at(*now), *cost).admitted;
    arrivals
        .iter()
        .copied()
        .filter(|arrival| is_admitted(arrival))
        .collect()
}

/// The most in any half-open window of this length.
pub(super) fn most_in_any(window: u64, admitted: &Arrivals) -> u64 {
    let starting = |nth: usize| {
        let (first, _) = admitted[nth];
        let within = admitted[nth..]
            .iter()
            .take_while(|(now, _)| *now < first + window);
        within.map(|(_, cost)| cost).sum()
    };
    (0..admitted.len()).map(starting).max().unwrap_or(0)
}

/// The most in any of the windows that begin at multiples of `window` after `offset`.
pub(super) fn most_in_aligned(window: u64, offset: u64, admitted: &Arrivals) -> u64 {
    let mut sums = std::collections::HashMap::new();
    for (now, cost) in admitted {
        *sums.entry((now - offset) / window).or_insert(0) += cost;
    }
    sums.into_values().max().unwrap_or(0)
}

/// By which more is admitted in some closed interval than `burst + ⌊W / T⌋`, T being `period / rate`.
pub(super) fn over_gcra(rate: u64, period: u64, burst: u64, admitted: &Arrivals) -> Option<u64> {
    for (nth, (first, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for (now, cost) in &admitted[nth..] {
            sum += cost;
            let refilled = u128::from(now - first) * u128::from(rate) / u128::from(period);
            let bound = burst + u64::try_from(refilled).unwrap();
            if sum > bound {
                return Some(sum - bound);
            }
        }
    }
    None
}

/// A state that has lived through these arrivals, every third of them charged though it be over; and when that ends.
pub(super) fn lived(rule: &Rule, arrivals: &Arrivals) -> (State, u64) {
    let mut state = rule.fresh();
    for (nth, (now, cost)) in arrivals.iter().enumerate() {
        match nth % 3 {
            2 => {
                rule.take(&mut state, at(*now), *cost);
            }
            _ => {
                rule.acquire(&mut state, at(*now), *cost);
            }
        }
    }
    (state, arrivals.last().map_or(START, |(now, _)| *now))
}
