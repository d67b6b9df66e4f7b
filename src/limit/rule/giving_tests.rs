//! Giving back admits nobody whom the algorithm does not: what still counts keeps within the bound.

use proptest::prelude::*;

use super::arrivals::*;
use super::{At, Rule};
use crate::limit::Algorithm;
use crate::limit::decision::Receipt;

/// A request that takes, works for a while, and then perhaps gives back what it took.
#[derive(Clone, Debug)]
struct Visit {
    comes: u64,
    cost: u64,
    /// After which it gives back, if at all.
    works: Option<u64>,
    /// Charges this on top, though it be over, and gives that back too.
    charges: Option<u64>,
}

fn visits() -> impl Strategy<Value = (u64, u64, Vec<Visit>)> {
    limits().prop_flat_map(|(amount, window)| {
        let arrivals = arrivals(amount, window);
        let works = prop_oneof![
            Just(None),
            Just(Some(0)),
            (0..=window).prop_map(Some),
            (0..=window / amount).prop_map(Some)
        ];
        let charges = prop_oneof![4 => Just(None), 1 => (0..=3 * amount).prop_map(Some)];
        let manners = proptest::collection::vec((works, charges), 80);
        (Just(amount), Just(window), arrivals, manners).prop_map(
            |(amount, window, arrivals, manners)| {
                let visits = arrivals.into_iter().zip(manners);
                let visits = visits.map(|((comes, cost), (works, charges))| Visit {
                    comes,
                    cost,
                    works,
                    charges,
                });
                (amount, window, visits.collect())
            },
        )
    })
}

/// What was admitted and not given back.
fn kept(rule: &Rule, visits: &[Visit]) -> Arrivals {
    enum Event<'a> {
        Comes(usize, &'a Visit),
        Leaves(usize, &'a Visit),
    }
    let mut events: Vec<(u64, Event<'_>)> = Vec::new();
    for (nth, visit) in visits.iter().enumerate() {
        events.push((visit.comes, Event::Comes(nth, visit)));
        if let Some(works) = visit.works {
            events.push((visit.comes + works, Event::Leaves(nth, visit)));
        }
    }
    events.sort_by_key(|(now, _)| *now);
    let mut state = rule.fresh();
    let mut taken: Vec<Option<(u64, u64, [Receipt; 2])>> = vec![None; visits.len()];
    for (now, event) in events {
        match event {
            Event::Comes(nth, visit) => {
                let standing = rule.acquire(&mut state, at(now), visit.cost);
                if standing.admitted {
                    let charged = visit
                        .charges
                        .map_or(Receipt::NONE, |more| rule.take(&mut state, at(now), more));
                    taken[nth] = Some((now, visit.cost, [standing.receipt, charged]));
                }
            }
            Event::Leaves(nth, visit) => {
                if let Some((_, cost, [receipt, charged])) = taken[nth].take() {
                    rule.give_back(&mut state, at(now), cost, receipt);
                    rule.give_back(&mut state, at(now), visit.charges.unwrap_or(0), charged);
                }
            }
        }
    }
    taken
        .into_iter()
        .flatten()
        .map(|(now, cost, _)| (now, cost))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_given_back_lets_no_more_through((amount, window, visits) in visits()) {
        for rule in each(amount, window) {
            let kept = kept(&rule, &visits);
            let most = most_in_any(window, &kept);
            match rule {
                Rule::Gcra(gcra) => prop_assert_eq!(over_gcra(gcra.rate, gcra.period, gcra.burst, &kept), None, "{:?}", rule),
                Rule::Log(_) => prop_assert!(most <= amount, "{rule:?}: {most}"),
                Rule::Counter(_) => {
                    prop_assert!(most < 2 * amount, "{rule:?}: {most}");
                    prop_assert!(most_in_aligned(window, 0, &kept) <= amount, "{rule:?}");
                }
                _ => prop_assert!(most <= 2 * amount, "{rule:?}: {most}"),
            }
        }
    }

    #[test]
    fn whoever_gives_back_has_what_it_had((amount, window, visits) in visits(), works in 0..2_000_u64) {
        for rule in each(amount, window) {
            let arrivals = visits.iter().map(|visit| (visit.comes, visit.cost)).collect();
            let (mut state, now) = lived(&rule, &arrivals);
            let before = rule.look(&state, at(now), 0).remaining;
            let standing = rule.acquire(&mut state, at(now), 1);
            rule.give_back(&mut state, at(now + works), 1, standing.receipt);
            let after = rule.look(&state, at(now + works), 0).remaining;
            prop_assert!(after >= before, "{rule:?}: {before}, then {after}");
        }
    }
}

#[test]
fn what_no_longer_counts_is_not_given_back() {
    for rule in each(4, SECOND) {
        let mut state = rule.fresh();
        let old = rule.acquire(&mut state, at(START), 1);
        let now = START + 3 * SECOND;
        for _ in 0..20 {
            rule.acquire(&mut state, at(now), 1);
        }
        let before = state.clone();
        rule.give_back(&mut state, at(now), 1, old.receipt);
        assert_eq!(state, before, "{rule:?}");
        rule.give_back(&mut state, at(now), 4, Receipt::NONE);
        assert_eq!(state, before, "{rule:?}");
    }
}

#[test]
fn a_charge_that_is_cut_gives_nothing_back() {
    for rule in each(4, SECOND) {
        let capacity = rule.capacity();
        let mut state = rule.fresh();
        assert!(rule.acquire(&mut state, at(START), capacity).admitted);
        let receipt = rule.take(&mut state, at(START), u64::MAX);
        assert_eq!(receipt, Receipt::NONE, "{rule:?}");
        let debt = state.clone();
        rule.give_back(&mut state, at(START), u64::MAX, receipt);
        rule.take(&mut state, at(START), u64::MAX);
        assert_eq!(state, debt, "{rule:?}: it is no more than the capacity");
    }
}

/// What was given back by others in the meantime was not worked off twice.
#[test]
fn two_that_give_back_do_not_free_a_third() {
    let rule = bucket(2, 2 * SECOND, 2);
    let mut state = rule.fresh();
    let first = rule.acquire(&mut state, at(START), 1);
    let second = rule.acquire(&mut state, at(START), 1);
    rule.give_back(&mut state, at(START), 1, first.receipt);
    let now = START + SECOND;
    assert_eq!(rule.acquire(&mut state, at(now), 1).remaining, 1);
    rule.give_back(&mut state, at(now), 1, second.receipt);
    assert_eq!(rule.look(&state, at(now), 0).remaining, 1);
}

#[test]
fn a_log_stays_short_whatever_is_charged() {
    let rule = by(Algorithm::SlidingLog, 5, SECOND);
    let mut state = rule.fresh();
    for nth in 0..1_000 {
        let now = At {
            now: START + nth,
            offset: 0,
        };
        rule.take(&mut state, now, 1);
        let super::State::Entries(entries) = &state else {
            panic!("it is a log")
        };
        assert!(entries.len() <= 5);
    }
}
