//! What each algorithm admits at most, whoever comes when: RL-FW, RL-SL, RL-SC, RL-TB and RL-GC.

use proptest::prelude::*;

use super::arrivals::*;
use super::{Gcra, Rule};
use crate::limit::Algorithm;

fn limits_and_arrivals() -> impl Strategy<Value = (u64, u64, Arrivals)> {
    limits().prop_flat_map(|(amount, window)| {
        let arrivals = arrivals(amount, window);
        (Just(amount), Just(window), arrivals)
    })
}

fn gcra(rule: Rule) -> Gcra {
    match rule {
        Rule::Gcra(gcra) => gcra,
        other => panic!("it is {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_fixed_window_admits_the_amount_in_each_and_twice_that_in_any((amount, window, arrivals) in limits_and_arrivals()) {
        let aligned = admitted(&by(Algorithm::FixedWindow, amount, window), &arrivals);
        prop_assert!(most_in_aligned(window, 0, &aligned) <= amount);
        prop_assert!(most_in_any(window, &aligned) <= 2 * amount);

        let staggered = admitted(&by(Algorithm::FixedWindowStaggered, amount, window), &arrivals);
        prop_assert!(most_in_aligned(window, OFFSET % window, &staggered) <= amount);
        prop_assert!(most_in_any(window, &staggered) <= 2 * amount);

        let from_first = admitted(&by(Algorithm::FixedWindowFromFirst, amount, window), &arrivals);
        prop_assert!(most_in_any(window, &from_first) <= 2 * amount);
        // Windows follow from the admissions: each begins with the first that is outside the last.
        let (mut begins, mut used) = (0, 0);
        for (now, cost) in from_first.iter().filter(|(_, cost)| *cost > 0) {
            if *now >= begins + window {
                (begins, used) = (*now, 0);
            }
            used += cost;
            prop_assert!(used <= amount);
        }
    }

    #[test]
    fn a_sliding_log_decides_as_the_definition_does((amount, window, arrivals) in limits_and_arrivals()) {
        let rule = by(Algorithm::SlidingLog, amount, window);
        let mut state = rule.fresh();
        let mut log = Arrivals::new();
        for (now, cost) in &arrivals {
            log.retain(|(then, _)| *then + window > *now);
            let sum: u64 = log.iter().map(|(_, cost)| cost).sum();
            let standing = rule.acquire(&mut state, at(*now), *cost);
            prop_assert_eq!(standing.admitted, sum + cost <= amount || *cost == 0);
            if standing.admitted {
                log.push((*now, *cost));
            }
            let super::State::Entries(entries) = &state else { panic!("it is a log") };
            prop_assert!(entries.len() as u64 <= amount, "no more entries than the amount");
        }
        prop_assert!(most_in_any(window, &admitted(&rule, &arrivals)) <= amount);
    }

    #[test]
    fn a_sliding_counter_admits_the_amount_in_each_and_fewer_than_twice_that_in_any((amount, window, arrivals) in limits_and_arrivals()) {
        let rule = by(Algorithm::SlidingCounter, amount, window);
        let admitted = admitted(&rule, &arrivals);
        prop_assert!(most_in_aligned(window, 0, &admitted) <= amount);
        prop_assert!(most_in_any(window, &admitted) < 2 * amount);
        // As the definition says, in rational numbers: the estimate is within the amount after each admission.
        for (nth, (now, _)) in admitted.iter().enumerate() {
            let (index, into) = (now / window, now % window);
            let count = |index: u64| -> u128 {
                let counted = admitted[..=nth].iter().filter(|(then, _)| then / window == index);
                counted.map(|(_, cost)| u128::from(*cost)).sum()
            };
            let estimate = count(index) * u128::from(window) + count(index - 1) * u128::from(window - into);
            prop_assert!(estimate <= u128::from(amount) * u128::from(window));
        }
    }

    #[test]
    fn gcra_admits_the_burst_and_one_for_each_interval((amount, window, arrivals) in limits_and_arrivals(), burst in 1..20_u64) {
        let rule = bucket(amount, window, burst);
        let admitted = admitted(&rule, &arrivals);
        prop_assert_eq!(over_gcra(amount, window, burst, &admitted), None);
        let whole = bucket(amount, window, amount);
        let whole = super::arrivals::admitted(&whole, &arrivals);
        prop_assert!(most_in_any(window, &whole) < 2 * amount);
    }

    #[test]
    fn strict_admits_the_amount_in_any_window((amount, window, arrivals) in limits_and_arrivals(), burst in 1..12_u64) {
        let rule = strict(amount, window, burst.min(amount));
        prop_assert!(most_in_any(window, &admitted(&rule, &arrivals)) <= amount);
        let rule = quota(amount, window).strict().rule().unwrap();
        prop_assert!(most_in_any(window, &admitted(&rule, &arrivals)) <= amount);
    }

    #[test]
    fn gcra_decides_as_a_token_bucket((amount, window, arrivals) in limits_and_arrivals(), burst in 1..20_u64) {
        let rule = bucket(amount, window, burst);
        let mut state = rule.fresh();
        // Tokens, times the window, so that they are whole.
        let most = u128::from(burst) * u128::from(window);
        let (mut tokens, mut last) = (most, START);
        for (now, cost) in arrivals {
            tokens = most.min(tokens + u128::from(now - last) * u128::from(amount));
            last = now;
            let price = u128::from(cost) * u128::from(window);
            let standing = rule.acquire(&mut state, at(now), cost);
            prop_assert_eq!(standing.admitted, tokens >= price);
            if tokens >= price {
                tokens -= price;
            }
            prop_assert_eq!(u128::from(standing.remaining), tokens / u128::from(window));
            // RL-GC-04: no further ahead than the capacity.
            let super::State::Arrival(tat) = state else { panic!("it is one") };
            prop_assert!(tat <= u128::from(now) * u128::from(amount) + most);
        }
    }
}

fn flood(rule: &Rule, moments: &[u64]) -> Vec<u64> {
    let arrivals = moments.iter().flat_map(|now| (0..1_000).map(|_| (*now, 1)));
    let admitted = admitted(rule, &arrivals.collect());
    let at = |moment: &u64| admitted.iter().filter(|(now, _)| now == moment).count() as u64;
    moments.iter().map(at).collect()
}

#[test]
fn a_fixed_window_reaches_twice_the_amount() {
    let ends = START - START % SECOND + SECOND;
    let rule = by(Algorithm::FixedWindow, 10, SECOND);
    assert_eq!(flood(&rule, &[ends - 1, ends, ends + 1]), [10, 10, 0]);
}

#[test]
fn a_staggered_window_ends_where_the_offset_says() {
    let ends = START - START % SECOND + SECOND + OFFSET % SECOND;
    let rule = by(Algorithm::FixedWindowStaggered, 10, SECOND);
    assert_eq!(
        flood(&rule, &[ends - 1, ends, ends + SECOND - 1, ends + SECOND]),
        [10, 10, 0, 10]
    );
}

#[test]
fn a_window_from_the_first_begins_with_it() {
    let rule = by(Algorithm::FixedWindowFromFirst, 10, SECOND);
    let moments = [
        START,
        START + SECOND - 1,
        START + SECOND,
        START + 3 * SECOND + 5,
    ];
    assert_eq!(flood(&rule, &moments), [10, 0, 10, 10]);
}

#[test]
fn a_sliding_log_forgets_after_exactly_a_window() {
    let rule = by(Algorithm::SlidingLog, 10, SECOND);
    assert_eq!(
        flood(&rule, &[START, START + SECOND - 1, START + SECOND]),
        [10, 0, 10]
    );
}

/// RL-SC-01: ten at 999 ms, then a flood.
#[test]
fn a_sliding_counter_reaches_one_less_than_twice_the_amount() {
    let rule = by(Algorithm::SlidingCounter, 10, SECOND);
    let begins = START - START % SECOND;
    let mut moments = vec![begins + 999_000];
    moments.extend((1_000..1_999).map(|millis| begins + millis * 1_000));
    let admitted = flood(&rule, &moments);
    assert_eq!(admitted[0], 10);
    assert_eq!(admitted.iter().sum::<u64>(), 19);
}

#[test]
fn gcra_with_a_burst_of_the_amount_reaches_one_less_than_twice_it() {
    let rule = bucket(10, SECOND, 10);
    let moments: Vec<_> = (0..10).map(|nth| START + nth * SECOND / 10).collect();
    assert_eq!(flood(&rule, &moments).iter().sum::<u64>(), 19);
}

#[test]
fn strict_with_a_burst_reaches_the_amount() {
    let rule = strict(10, SECOND, 4);
    let moments: Vec<_> = (0..100_000).map(|nth| START + nth * 10).collect();
    let one_each: Arrivals = moments.iter().map(|now| (*now, 1)).collect();
    assert_eq!(most_in_any(SECOND, &admitted(&rule, &one_each)), 10);
    assert_eq!(
        gcra(rule),
        Gcra {
            rate: 7,
            period: SECOND,
            burst: 4
        }
    );
}

/// RL-GC-05: B = 5, T = 12 s.
#[test]
fn the_golden_vector_of_gcra() {
    let rule = bucket(5, 60 * SECOND, 5);
    let mut state = rule.fresh();
    let mut ask = |seconds: u64| {
        let standing = rule.acquire(&mut state, at(START + seconds * SECOND), 1);
        let wait = standing.wait.duration().unwrap().as_micros() as u64;
        (standing.admitted, standing.remaining, wait)
    };
    for remaining in [4, 3, 2, 1, 0] {
        assert_eq!(ask(0), (true, remaining, 0));
    }
    for (seconds, wait) in [(0, 12), (5, 7), (11, 1)] {
        assert_eq!(ask(seconds), (false, 0, wait * SECOND));
    }
    assert_eq!(ask(12), (true, 0, 0));
    assert_eq!(ask(12), (false, 0, 12 * SECOND));
    assert_eq!(ask(24), (true, 0, 0));
    assert_eq!(ask(60), (true, 2, 0));
    assert_eq!(ask(200), (true, 4, 0));
}
