//! How much leases save, and how far they may go over.

use std::num::NonZeroU64;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::testing::{Far, TokioClock, quota};
use super::super::{
    Action, Algorithm, Ask, Decision, LimitKey, Limiter, MemoryLimiter, Quota, conformance,
};
use super::Leased;
use crate::clock::{Clock, ManualClock};

const HOLD: Duration = Duration::from_millis(500);

fn ask<'a>(name: &'a [u8], quota: &'a Quota) -> Ask<'a> {
    Ask::new(LimitKey::new("g", name), quota)
}

/// Where nothing has to be waited for.
fn decided(limiter: &impl Limiter, action: Action, asks: &[Ask<'_>]) -> Decision {
    match limiter.decide_now(action, asks) {
        Poll::Ready(decided) => decided.unwrap(),
        Poll::Pending => limiter
            .decide(action, asks)
            .now_or_never()
            .unwrap()
            .unwrap(),
    }
}

fn acquire(limiter: &impl Limiter, quota: &Quota, cost: u64) -> bool {
    decided(limiter, Action::Acquire, &[ask(b"k1", quota).cost(cost)]).is_admitted()
}

fn batch(most: u64) -> NonZeroU64 {
    NonZeroU64::new(most).unwrap()
}

#[test]
fn a_hot_key_costs_few_round_trips_and_a_cold_one_is_exact() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    let leased = Leased::with_clock(far.clone(), clock);
    let hot = quota("100000/s");
    for _ in 0..20_000 {
        assert!(acquire(&leased, &hot, 1));
    }
    assert!(far.calls() < 40, "{} calls", far.calls());
    let calls = far.calls();
    for name in 0..100_u8 {
        let cold = [ask(std::slice::from_ref(&name), &hot)];
        decided(&leased, Action::Acquire, &cold);
        let standing = decided(&far.inner, Action::Peek, &cold).standings()[0];
        assert_eq!(standing.remaining, 99_999);
    }
    assert_eq!(far.calls() - calls, 100);
}

#[test]
fn one_node_alone_admits_what_the_quota_admits() {
    let clock = ManualClock::new();
    let leased = Leased::with_clock(MemoryLimiter::with_clock(clock.clone()), clock);
    for (text, most) in [("10/m", 10), ("999/m", 999), ("12345/m", 12_345)] {
        let quota = quota(text);
        let admitted = (0..20_000).filter(|_| acquire(&leased, &quota, 1)).count();
        assert_eq!(admitted, most);
    }
}

/// Alone, a node with leases decides as one without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_keeps_the_contract_of_limiters() {
    let clock = ManualClock::new();
    let make = || async { Leased::with_clock(Far::new(clock.clone()), clock.clone()) };
    conformance::run(make, &clock).await;
}

#[test]
fn every_quota_that_refuses_says_so_also_from_memory() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    let leased = Leased::with_clock(far.clone(), clock);
    let (one, two) = (quota("1/h"), quota("2/h"));
    let both = [ask(b"k1", &one), ask(b"k2", &two)];
    assert!(decided(&leased, Action::Acquire, &both).is_admitted());
    let refused = |decision: Decision| {
        let standings = decision.standings().iter();
        standings
            .map(|standing| !standing.admitted)
            .collect::<Vec<_>>()
    };
    for _ in 0..5 {
        assert_eq!(
            refused(decided(&leased, Action::Acquire, &both)),
            [true, false]
        );
    }
    assert!(far.calls() < 5);
    assert!(decided(&leased, Action::Acquire, &both[1..]).is_admitted());
    for _ in 0..5 {
        assert_eq!(
            refused(decided(&leased, Action::Acquire, &both)),
            [true, true]
        );
    }
}

#[test]
fn a_refusal_is_remembered_until_its_wait_is_over() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    let leased = Leased::with_clock(far.clone(), clock.clone());
    let quota = quota("1/s");
    assert!(acquire(&leased, &quota, 1) && !acquire(&leased, &quota, 1));
    let calls = far.calls();
    clock.advance(Duration::from_micros(400_000));
    for _ in 0..100 {
        let refused = decided(&leased, Action::Acquire, &[ask(b"k1", &quota)]);
        assert_eq!(refused.wait().duration(), Some(Duration::from_millis(600)));
    }
    assert_eq!(far.calls(), calls);
    clock.advance(Duration::from_micros(600_000));
    assert!(acquire(&leased, &quota, 1));
    // A reset is seen at once by the node that has made it.
    assert!(!acquire(&leased, &quota, 1));
    decided(&leased, Action::Reset, &[ask(b"k1", &quota)]);
    assert!(acquire(&leased, &quota, 1));
}

#[test]
fn what_is_refused_by_one_quota_is_spent_of_none() {
    let clock = ManualClock::new();
    let far = MemoryLimiter::with_clock(clock.clone());
    let leased = Leased::with_clock(far.clone(), clock);
    let (wide, narrow) = (quota("1000/h"), quota("7/h"));
    let both = [ask(b"k1", &wide), ask(b"k2", &narrow)];
    let admitted = (0..50).filter(|_| decided(&leased, Action::Acquire, &both).is_admitted());
    assert_eq!(admitted.count(), 7);
    let admitted = (0..2_000).filter(|_| acquire(&leased, &wide, 1)).count();
    assert_eq!(admitted, 993);
}

#[test]
fn what_is_given_back_is_spent_again() {
    let clock = ManualClock::new();
    let leased = Leased::with_clock(MemoryLimiter::with_clock(clock.clone()), clock);
    let quota = quota("100/h");
    for _ in 0..1_000 {
        let taken = decided(&leased, Action::Acquire, &[ask(b"k1", &quota)]);
        assert!(taken.is_admitted());
        let receipt = taken.standings()[0].receipt;
        let back = ask(b"k1", &quota).receipt(receipt);
        decided(&leased, Action::GiveBack, &[back]);
    }
    let admitted = (0..200).filter(|_| acquire(&leased, &quota, 1)).count();
    assert!((90..=100).contains(&admitted), "{admitted}");
}

#[test]
fn what_lies_unused_is_no_more_than_a_batch() {
    let clock = ManualClock::new();
    let far = MemoryLimiter::with_clock(clock.clone());
    let node = || Leased::with_clock(far.clone(), clock.clone()).batch(batch(50));
    let (first, second) = (node(), node());
    let quota = quota("1000/h");
    assert_eq!((0..300).filter(|_| acquire(&first, &quota, 1)).count(), 300);
    let admitted = (0..2_000).filter(|_| acquire(&second, &quota, 1)).count();
    assert!((650..=700).contains(&admitted), "{admitted}");
    // What the first has left, it can still use while it holds it, and no more.
    let rest = (0..100).filter(|_| acquire(&first, &quota, 1)).count();
    assert_eq!(admitted + rest, 700);
}

#[test]
fn tokens_of_a_window_are_spent_in_that_window() {
    let clock = ManualClock::new();
    let far = MemoryLimiter::with_clock(clock.clone());
    let leased = Leased::with_clock(far.clone(), clock.clone());
    let quota = quota("100/s").algorithm(Algorithm::FixedWindow);
    clock.advance(Duration::from_micros(999_000));
    assert_eq!((0..45).filter(|_| acquire(&leased, &quota, 1)).count(), 45);
    clock.advance(Duration::from_micros(1_000));
    let admitted = (0..300).filter(|_| acquire(&leased, &quota, 1)).count();
    assert_eq!(admitted, 100);
}

#[tokio::test(start_paused = true)]
async fn of_a_crowd_one_borrows_and_the_others_wait() {
    let far = Far::new(TokioClock::new());
    let leased = Leased::with_clock(far.clone(), TokioClock::new());
    far.delay(20);
    let quota = quota("100000/s");
    let asks = [ask(b"k1", &quota)];
    let crowd = (0..500).map(|_| leased.decide(Action::Acquire, &asks));
    let decided = join_all(crowd).await;
    assert!(
        decided
            .iter()
            .all(|decided| decided.as_ref().unwrap().is_admitted())
    );
    assert!(far.calls() <= 4, "{} calls", far.calls());
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_borrowing_stops_nobody() {
    let far = Far::new(TokioClock::new());
    let leased = Leased::with_clock(far.clone(), TokioClock::new());
    far.delay(20);
    let (quota, other) = (quota("1000/s"), quota("500/s"));
    let asks = [ask(b"k1", &quota), ask(b"k2", &other)];
    let gone = leased.decide(Action::Acquire, &asks);
    let gone = tokio::time::timeout(Duration::from_millis(10), gone);
    let stays = leased.decide(Action::Acquire, &asks);
    let (gone, stays) = tokio::join!(gone, stays);
    assert!(gone.is_err() && stays.unwrap().is_admitted());
}

#[tokio::test]
async fn while_the_limiter_is_away_only_what_was_borrowed_is_spent() {
    let clock = ManualClock::new();
    let far = Far::new(clock.clone());
    let leased = Leased::with_clock(far.clone(), clock.clone()).batch(batch(8));
    let quota = quota("1000/h");
    for _ in 0..8 {
        assert!(acquire(&leased, &quota, 1));
    }
    far.lose(true);
    let asks = [ask(b"k1", &quota)];
    let mut spent = 0;
    while leased.decide(Action::Acquire, &asks).await.is_ok() {
        spent += 1;
    }
    assert!(spent < 8);
    far.lose(false);
    assert!(acquire(&leased, &quota, 1));
}

#[test]
fn a_flood_of_keys_takes_bounded_memory() {
    let clock = ManualClock::new();
    let leased = Leased::with_clock(MemoryLimiter::with_clock(clock.clone()), clock);
    let quota = quota("1000/h");
    for name in 0..100_000_u32 {
        decided(
            &leased,
            Action::Acquire,
            &[ask(&name.to_be_bytes(), &quota)],
        );
    }
    assert!(leased.shared.table.len() <= super::MOST_LEASES);
    // Long names are not kept at all.
    let before = leased.shared.table.len();
    let long = vec![7; 1 << 20];
    assert!(decided(&leased, Action::Acquire, &[ask(&long, &quota)]).is_admitted());
    assert_eq!(leased.shared.table.len(), before);
}

/// What several nodes have admitted: when, and how much.
fn simulated(
    quota: &Quota,
    nodes: usize,
    most: u64,
    calls: &[(usize, u64, u64, bool)],
) -> Vec<(u64, u64)> {
    let clock = ManualClock::new();
    let far = MemoryLimiter::with_clock(clock.clone());
    let node = || {
        Leased::with_clock(far.clone(), clock.clone())
            .batch(batch(most))
            .hold(HOLD)
    };
    let nodes: Vec<_> = (0..nodes).map(|_| node()).collect();
    let mut admitted = Vec::new();
    for (node, micros, cost, give_back) in calls {
        clock.advance(Duration::from_micros(*micros));
        let node = &nodes[node % nodes.len()];
        let decision = decided(node, Action::Acquire, &[ask(b"k1", quota).cost(*cost)]);
        if !decision.is_admitted() {
            continue;
        }
        if *give_back {
            let back = ask(b"k1", quota).cost(*cost);
            let back = back.receipt(decision.standings()[0].receipt);
            decided(node, Action::GiveBack, &[back]);
        } else {
            admitted.push((clock.micros(), *cost));
        }
    }
    admitted
}

/// The most that was admitted beyond `allowed`, which is told the length of an interval, over all of them.
fn check(admitted: &[(u64, u64)], allowed: impl Fn(u64) -> u64) -> Result<(), TestCaseError> {
    for (first, (begins, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for (ends, cost) in &admitted[first..] {
            sum += cost;
            let most = allowed(ends - begins);
            prop_assert!(sum <= most, "{sum} > {most} in {} µs", ends - begins);
        }
    }
    Ok(())
}

fn calls() -> impl Strategy<Value = Vec<(usize, u64, u64, bool)>> {
    let pause = prop_oneof![6 => Just(0), 3 => 0..5_000_u64, 1 => 0..700_000_u64];
    let cost = prop_oneof![5 => Just(1), 1 => 1..6_u64];
    vec(
        (0..4_usize, pause, cost, proptest::bool::weighted(0.1)),
        1..400,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_leased_bucket_is_over_by_no_more_than_its_leases(calls in calls(), nodes in 1..4_usize) {
        // One each 10 ms, and 100 at once.
        let (burst, each, most) = (100, 10_000, 10);
        let admitted = simulated(&quota("100/s"), nodes, most, &calls);
        let hold = u64::try_from(HOLD.as_micros()).unwrap();
        check(&admitted, |length| burst + (length + hold) / each)?;
        // A batch has at least what one call costs.
        check(&admitted, |length| burst + length / each + nodes as u64 * most)?;
    }

    #[test]
    fn a_leased_window_is_exact(calls in calls(), nodes in 1..4_usize) {
        let quota = quota("50/s").algorithm(Algorithm::FixedWindow);
        let admitted = simulated(&quota, nodes, 5, &calls);
        for window in admitted.chunk_by(|a, b| a.0 / 1_000_000 == b.0 / 1_000_000) {
            prop_assert!(window.iter().map(|(_, cost)| cost).sum::<u64>() <= 50);
        }
    }

    #[test]
    fn a_leased_log_is_over_by_no_more_than_its_leases(calls in calls(), nodes in 1..4_usize) {
        let admitted = simulated(&quota("50/s").strict(), nodes, 5, &calls);
        let over = nodes as u64 * 5;
        check(&admitted, |length| if length < 1_000_000 { 50 + over } else { u64::MAX })?;
    }
}
