//! What holds for every algorithm, of any state: RL-X.

use proptest::prelude::*;

use super::arrivals::*;
use super::{Rule, State};
use crate::limit::decision::Standing;
use crate::limit::{Quota, Wait};

fn states() -> impl Strategy<Value = (u64, u64, Arrivals, u64)> {
    limits().prop_flat_map(|(amount, window)| {
        let arrivals = arrivals(amount, window);
        (Just(amount), Just(window), arrivals, 0..=2 * window)
    })
}

fn admits(rule: &Rule, state: &State, now: u64, cost: u64) -> bool {
    rule.look(state, at(now), cost).admitted
}

/// `span` is the least after which `cost` is admitted.
fn is_least(rule: &Rule, state: &State, now: u64, span: u64, cost: u64) -> bool {
    admits(rule, state, now + span, cost)
        && (span == 0 || !admits(rule, state, now + span - 1, cost))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_told_is_exact((amount, window, arrivals, later) in states()) {
        for rule in each(amount, window) {
            let (state, ends) = lived(&rule, &arrivals);
            let now = ends + later;
            let capacity = rule.capacity();
            let look = rule.look(&state, at(now), 1);
            for cost in 0..=capacity + 2 {
                let standing = rule.look(&state, at(now), cost);
                prop_assert_eq!(standing.admitted, cost <= standing.remaining, "{:?} of {:?}", cost, rule);
                let fits = cost <= capacity;
                match standing.wait {
                    Wait::Micros(wait) => prop_assert!(fits && is_least(&rule, &state, now, wait, cost), "{rule:?}: {standing:?}"),
                    wait => prop_assert!(wait == Wait::Never && !fits, "{rule:?}: {standing:?}"),
                }
                let like = Standing { admitted: look.admitted, wait: look.wait, ..standing };
                prop_assert_eq!(like, look, "the rest is the same for any cost");
            }
            if look.remaining < capacity {
                prop_assert!(is_least(&rule, &state, now, look.next, look.remaining + 1), "{rule:?}: {look:?}");
                prop_assert!(look.next > 0 && look.next <= look.full);
            } else {
                prop_assert_eq!(look.next, 0);
            }
            if look.full > 0 {
                prop_assert!(admits(&rule, &state, now + look.full, capacity), "{rule:?}: {look:?}");
            }
            // Nobody is shut out longer than two refills, however much was charged.
            let refill = match rule {
                Rule::Gcra(gcra) => gcra.burst * gcra.period / gcra.rate + 1,
                _ => window,
            };
            prop_assert!(look.full <= 2 * refill, "{rule:?}: {look:?}");
        }
    }

    #[test]
    fn what_is_refused_or_free_leaves_the_state((amount, window, arrivals, later) in states(), cost in 0..30_u64) {
        for rule in each(amount, window) {
            let (mut state, ends) = lived(&rule, &arrivals);
            let before = state.clone();
            let look = rule.look(&state, at(ends + later), cost);
            let standing = rule.acquire(&mut state, at(ends + later), cost);
            if !look.admitted || cost == 0 {
                prop_assert_eq!(&state, &before);
                prop_assert_eq!(standing, look);
            } else {
                prop_assert_eq!(standing.remaining, look.remaining - cost, "{:?}", rule);
            }
        }
    }

    #[test]
    fn a_state_that_is_as_good_as_new_decides_as_a_new_one((amount, window, arrivals, later) in states(), again in arrivals(5, SECOND)) {
        for rule in each(amount, window) {
            let (mut state, _) = lived(&rule, &arrivals);
            let from = rule.fresh_at(&state).max(START) + later;
            let mut fresh = rule.fresh();
            for (now, cost) in &again {
                let now = from + (now - again[0].0);
                let standing = rule.acquire(&mut state, at(now), *cost);
                prop_assert_eq!(standing, rule.acquire(&mut fresh, at(now), *cost), "{:?}", rule);
            }
        }
    }

    #[test]
    fn a_clock_that_steps_back_shuts_nobody_out_for_long((amount, window, arrivals, _) in states(), back in 0..100_u64) {
        for rule in each(amount, window) {
            let (mut state, ends) = lived(&rule, &arrivals);
            // By up to ten windows.
            let now = ends - window / 10 * back;
            let capacity = rule.capacity();
            let span = match rule {
                Rule::Gcra(gcra) => gcra.burst * gcra.period / gcra.rate + 1,
                // A debt of two windows counts in the third.
                Rule::Counter(_) => window * 3 / 2,
                _ => window,
            };
            let standing = rule.look(&state, at(now), 1);
            prop_assert!(standing.full <= 3 * span, "{rule:?}: {standing:?}");
            if let Wait::Micros(wait) = standing.wait {
                // What lies more than a window ahead counts for nobody now, but may when the clock comes near it.
                prop_assert!(back > 10 || is_least(&rule, &state, now, wait, 1), "{rule:?}: {standing:?}");
                prop_assert!(wait <= 2 * span, "{rule:?}: {standing:?}");
            }
            // Nor does it bring anything back: what is used at once is at most the capacity.
            let used: u64 = (0..3 * capacity).map(|_| u64::from(rule.acquire(&mut state, at(now), 1).admitted)).sum();
            prop_assert_eq!(used, standing.remaining, "{:?}", rule);
        }
    }

    #[test]
    fn small_steps_back_bring_nothing_back((amount, window, arrivals, _) in states(), steps in proptest::collection::vec(0..1_000_u64, 1..20)) {
        for rule in each(amount, window) {
            let mut state = rule.fresh();
            for (now, cost) in &arrivals {
                rule.acquire(&mut state, at(*now), *cost);
            }
            let now = arrivals.last().unwrap().0;
            let mut most = rule.look(&state, at(now), 0).remaining;
            // Further and further back: a step forward may end what was not over at the moment before.
            let mut steps = steps.clone();
            steps.sort_unstable();
            for step in steps.iter().take(usize::from(window > 1_000) * 20) {
                let standing = rule.acquire(&mut state, at(now - step), 1);
                prop_assert!(standing.remaining <= most, "{rule:?}: {standing:?}");
                most = standing.remaining;
            }
        }
    }
}

#[test]
fn extremes_neither_overflow_nor_panic() {
    let ten_years = 10 * 366 * 86_400 * SECOND;
    let amounts = [1, 7, 10_000, u64::from(u32::MAX), 1_000_000_000_000];
    let mut rules = vec![Rule::Denied, Rule::Unlimited];
    for amount in amounts {
        for window in [1_000, 999_983, ten_years] {
            let with = [
                quota(amount, window),
                quota(amount, window).algorithm(crate::limit::Algorithm::FixedWindow),
                quota(amount, window).algorithm(crate::limit::Algorithm::FixedWindowFromFirst),
                quota(amount, window).algorithm(crate::limit::Algorithm::FixedWindowStaggered),
                quota(amount, window).algorithm(crate::limit::Algorithm::SlidingCounter),
                quota(amount, window).algorithm(crate::limit::Algorithm::SlidingLog),
                quota(amount, window).burst(std::num::NonZeroU64::new(1_000_000_000_000).unwrap()),
                quota(amount, window)
                    .burst(std::num::NonZeroU64::MIN)
                    .strict(),
            ];
            rules.extend(with.iter().filter_map(|quota| quota.rule().ok()));
        }
    }
    rules.push(Quota::in_flight(std::num::NonZeroU32::MAX).rule().unwrap());
    assert!(rules.len() > 80);
    let moments = [
        0,
        1,
        999,
        START,
        START + 1,
        u64::MAX / 2,
        u64::MAX - 1,
        u64::MAX,
        0,
        START,
    ];
    for rule in rules {
        let mut state = rule.fresh();
        for now in moments {
            for offset in [0, 1, OFFSET, u64::MAX] {
                let at = super::At { now, offset };
                for cost in [0, 1, 1_000_000_000_000, u64::MAX] {
                    rule.look(&state, at, cost);
                    let standing = rule.acquire(&mut state, at, cost);
                    rule.give_back(&mut state, at, cost, standing.receipt);
                    let receipt = rule.take(&mut state, at, cost);
                    rule.look(&state, at, 1);
                    rule.give_back(&mut state, at, cost / 2, receipt);
                    rule.fresh_at(&state);
                }
            }
        }
    }
}

/// Seven billion units of a seventh of a second, which is no whole number of microseconds.
#[test]
fn nothing_drifts_over_billions_of_units() {
    let rule = bucket(7, SECOND, 7_000_000);
    let mut state = rule.fresh();
    for step in 0..1_000 {
        let now = START + step * 1_000_000 * SECOND;
        let standing = rule.acquire(&mut state, at(now), 7_000_000);
        assert!(standing.admitted, "after {step} million seconds");
        assert_eq!(standing.full, 1_000_000 * SECOND);
        assert!(!rule.acquire(&mut state, at(now), 1).admitted);
    }
    let worked_off = u128::from(START + 1_000 * 1_000_000 * SECOND) * 7;
    assert_eq!(state, State::Arrival(worked_off));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn divisions_are_exact(shift in 0..63_u32, a: u64, b: u64) {
        let b = (b >> shift).max(1);
        // Near a multiple, where rounding would show.
        let near = (a >> shift.min(40)) / b * b;
        for a in [a, a >> 12, near.saturating_sub(1), near, near.saturating_add(1)] {
            prop_assert_eq!(super::divided(u128::from(a), b), u128::from(a) / u128::from(b));
            prop_assert_eq!(super::divided_up(u128::from(a), b), u128::from(a).div_ceil(u128::from(b)));
        }
    }
}

#[test]
fn in_flight_counts_what_is_held() {
    let rule = Quota::in_flight(std::num::NonZeroU32::new(3).unwrap())
        .rule()
        .unwrap();
    let mut state = rule.fresh();
    let held = rule.acquire(&mut state, at(START), 2);
    assert_eq!((held.admitted, held.remaining), (true, 1));
    let refused = rule.acquire(&mut state, at(START), 2);
    assert_eq!((refused.admitted, refused.wait), (false, Wait::Unknown));
    assert_eq!(rule.look(&state, at(START), 4).wait, Wait::Never);
    assert_eq!(rule.fresh_at(&state), u64::MAX);
    rule.give_back(&mut state, at(u64::MAX), 2, held.receipt);
    assert_eq!(state, rule.fresh());
    assert_eq!(rule.fresh_at(&state), 0);
}
