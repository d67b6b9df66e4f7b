use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::limit::{Algorithm, LimitKey, Quota, Receipt, Standing, Wait, conformance};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn limiter(keys: usize, clock: &ManualClock) -> MemoryLimiter {
    MemoryLimiter::builder()
        .keys(keys)
        .clock(clock.clone())
        .build()
}

fn each(amount: u64, window: Duration) -> Vec<Quota> {
    let quota = Quota::new(amount, window).unwrap();
    vec![
        quota.clone(),
        quota.clone().algorithm(Algorithm::FixedWindow),
        quota.clone().algorithm(Algorithm::FixedWindowFromFirst),
        quota.clone().algorithm(Algorithm::FixedWindowStaggered),
        quota.clone().algorithm(Algorithm::SlidingCounter),
        quota.clone().algorithm(Algorithm::SlidingLog),
        Quota::in_flight(NonZeroU32::new(u32::try_from(amount).unwrap()).unwrap()),
    ]
}

fn decide(
    limiter: &MemoryLimiter,
    action: Action,
    name: &[u8],
    quota: &Quota,
    receipt: Receipt,
) -> Standing {
    let ask = Ask::new(LimitKey::new("tests", name), quota).receipt(receipt);
    let Poll::Ready(decided) = limiter.decide_now(action, &[ask]) else {
        panic!("it answers at once");
    };
    decided.unwrap().standings()[0]
}

fn take(limiter: &MemoryLimiter, name: impl AsRef<[u8]>, quota: &Quota) -> Standing {
    decide(
        limiter,
        Action::Acquire,
        name.as_ref(),
        quota,
        Receipt::NONE,
    )
}

fn left(limiter: &MemoryLimiter, name: impl AsRef<[u8]>, quota: &Quota) -> u64 {
    decide(limiter, Action::Peek, name.as_ref(), quota, Receipt::NONE).remaining
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limiter_keeps_its_contract() {
    let clock = ManualClock::new();
    let make = || async { MemoryLimiter::with_clock(clock.clone()) };
    conformance::run(make, &clock).await;
}

#[test]
fn of_64_threads_exactly_the_capacity_is_admitted() {
    for quota in each(100, HOUR) {
        for (tries, admitted) in [(3, 100), (1, 64)] {
            let limiter = limiter(1_000, &ManualClock::new());
            let start = Barrier::new(64);
            let race = || {
                start.wait();
                let admits = (0..tries).filter(|_| take(&limiter, "k", &quota).admitted);
                admits.count()
            };
            let all: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..64).map(|_| scope.spawn(race)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .sum()
            });
            assert_eq!(all, admitted, "{quota:?}");
        }
    }
}

/// Calls over the same keys in any order neither wait for each other for ever nor take a part.
#[test]
fn threads_that_ask_for_several_keys_take_all_or_none() {
    let limiter = limiter(100_000, &ManualClock::new());
    let quota = Quota::new(1_000, HOUR).unwrap();
    let names: Vec<String> = (0..8).map(|nth| format!("key {nth}")).collect();
    let calls = |thread: usize| {
        let mut admitted = 0;
        for call in 0..300 {
            let asks: Vec<_> = (0..8)
                .map(|nth| (nth * (2 * thread + 1) + call) % 8)
                .map(|nth| Ask::new(LimitKey::new("tests", names[nth].as_bytes()), &quota))
                .collect();
            let Poll::Ready(Ok(decision)) = limiter.decide_now(Action::Acquire, &asks) else {
                panic!("it decides at once");
            };
            admitted += usize::from(decision.is_admitted());
        }
        admitted
    };
    let all: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| scope.spawn(move || calls(thread)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(all, 1_000);
    for name in &names {
        assert_eq!(left(&limiter, name, &quota), 0);
    }
}

#[test]
fn keys_of_a_mebibyte_are_not_kept() {
    let limiter = limiter(1_000, &ManualClock::new());
    let quota = Quota::new(1, HOUR).unwrap();
    let mut name = vec![b'x'; 1 << 20];
    for nth in 0..2 {
        name[1 << 19] = nth;
        assert!(take(&limiter, &name, &quota).admitted);
        assert!(!take(&limiter, &name, &quota).admitted);
    }
    assert_eq!(limiter.len(), 2);
}

#[test]
fn a_known_key_allocates_nothing() {
    let limiter = limiter(1_000, &ManualClock::new());
    for quota in each(100, HOUR) {
        let ask = Ask::new(LimitKey::new("tests", b"k"), &quota);
        let other = Ask::new(LimitKey::new("tests", b"another"), &quota);
        for asks in [&[ask][..], &[ask, other]] {
            let _ = limiter.decide_now(Action::Acquire, asks);
            for action in [Action::Acquire, Action::Peek, Action::Charge] {
                let counted = allocation_counter::measure(|| {
                    let Poll::Ready(Ok(decision)) = limiter.decide_now(action, asks) else {
                        panic!("it decides at once");
                    };
                    assert!(decision.is_admitted());
                });
                assert_eq!(counted.count_total, 0, "{action:?} {quota:?}");
            }
        }
    }
}

#[test]
fn newcomers_share_one_state_when_there_is_no_room() {
    for quota in each(5, HOUR) {
        let clock = ManualClock::new();
        let limiter = limiter(3, &clock);
        for name in ["a", "b", "victim"] {
            assert!(take(&limiter, name, &quota).admitted);
        }
        let admitted =
            (0..1_000).filter(|nth| take(&limiter, format!("random {nth}"), &quota).admitted);
        assert_eq!(admitted.count(), 5, "{quota:?}: they share one quota");
        assert_eq!(left(&limiter, "another", &quota), 0, "{quota:?}");
        assert_eq!(limiter.len(), 3);
        assert_eq!(
            left(&limiter, "victim", &quota),
            4,
            "{quota:?}: who was there keeps its state"
        );
        assert_eq!(take(&limiter, "victim", &quota).remaining, 3, "{quota:?}");
        // Another quota and another group have states of their own.
        let other = Quota::new(7, HOUR).unwrap();
        assert_eq!(left(&limiter, "random 1", &other), 7);
    }
}

#[test]
fn what_newcomers_share_is_bounded_whatever_the_quotas_and_groups() {
    let clock = ManualClock::new();
    let limiter = limiter(16, &clock);
    let mut admitted = 0;
    for nth in 1..=1_000 {
        let group = format!("group {nth}");
        let quota = Quota::new(1 + nth % 500, HOUR).unwrap();
        let ask = Ask::new(LimitKey::new(&group, b"alice"), &quota);
        let Poll::Ready(decided) = limiter.decide_now(Action::Acquire, &[ask]) else {
            panic!("it answers at once");
        };
        let standing = decided.unwrap().standings()[0];
        admitted += usize::from(standing.admitted);
        // Who is refused can tell until when.
        assert!(standing.admitted || standing.wait > Wait::NONE);
    }
    // A key each, and some that share.
    assert_eq!(admitted, 16 + 65);
    assert_eq!(limiter.shared.overflow.len(), 65);
    clock.advance(2 * HOUR);
    assert_eq!(limiter.sweep(), 16);
    assert!(take(&limiter, "bob", &Quota::new(1, HOUR).unwrap()).admitted);
}

#[test]
fn room_comes_back_with_time_and_nobody_gains_by_it() {
    let clock = ManualClock::new();
    let limiter = limiter(2, &clock);
    let quota = Quota::new(60, 60 * SECOND).unwrap();
    take(&limiter, "a", &quota);
    take(&limiter, "b", &quota);
    for _ in 0..60 {
        assert!(take(&limiter, "late", &quota).admitted);
    }
    assert!(
        !take(&limiter, "late", &quota).admitted,
        "it shares with nobody, and has no more"
    );
    clock.advance(SECOND);
    // The first two are as good as new: there is room, and what the newcomer has used goes with it.
    let standing = take(&limiter, "late", &quota);
    assert_eq!((standing.admitted, standing.remaining), (true, 0));
    assert!(!take(&limiter, "late", &quota).admitted);
    assert_eq!(limiter.len(), 1);
    clock.advance(60 * SECOND);
    assert_eq!(left(&limiter, "later", &quota), 60);
}

#[test]
fn places_in_flight_go_back_where_they_were_taken() {
    let limiter = limiter(1, &ManualClock::new());
    let quota = Quota::in_flight(NonZeroU32::new(2).unwrap());
    let own = take(&limiter, "own", &quota);
    let shared = take(&limiter, "late", &quota);
    assert!(own.admitted && shared.admitted);
    assert_ne!(own.receipt, shared.receipt);
    assert_eq!(left(&limiter, "later", &quota), 1, "newcomers share");
    decide(&limiter, Action::GiveBack, b"own", &quota, own.receipt);
    // There is room now, but what this key holds is held in common still.
    let second = take(&limiter, "late", &quota);
    assert_eq!((second.admitted, second.remaining), (true, 0));
    let third = take(&limiter, "late", &quota);
    assert_eq!((third.admitted, third.wait), (false, Wait::Unknown));
    for receipt in [shared.receipt, second.receipt] {
        decide(&limiter, Action::GiveBack, b"late", &quota, receipt);
    }
    assert_eq!(left(&limiter, "late", &quota), 2);
    assert_eq!(
        take(&limiter, "late", &quota).receipt,
        own.receipt,
        "it has one of its own now"
    );
    assert_eq!(left(&limiter, "later", &quota), 2);
}

#[test]
fn idle_keys_are_dropped_by_and_by() {
    let clock = ManualClock::new();
    let limiter = limiter(1_000_000, &clock);
    let quota = Quota::new(10, SECOND).unwrap();
    let mut most = 0;
    for nth in 0..20_000 {
        take(&limiter, format!("{nth}"), &quota);
        // Each key is as good as new after 100 ms, in which 100 others come.
        clock.advance(Duration::from_millis(1));
        most = most.max(limiter.len());
    }
    assert!(most < 200 * limiter.shared.shards.len(), "{most} were kept");
    clock.advance(SECOND);
    let kept = limiter.len();
    assert_eq!(limiter.sweep(), kept);
    assert!(limiter.is_empty());
    for shard in &limiter.shared.shards {
        assert!(shard.lock().room() < 200, "memory is given back");
    }
}

#[test]
fn what_is_refused_or_looked_at_is_not_kept() {
    let limiter = limiter(10, &ManualClock::new());
    for quota in each(5, HOUR) {
        assert_eq!(left(&limiter, "k", &quota), 5);
        let ask = Ask::new(LimitKey::new("tests", b"k"), &quota);
        let other = Quota::deny_all();
        let denied = Ask::new(LimitKey::new("tests", b"k"), &other);
        for asks in [&[ask.cost(6)][..], &[ask.cost(0)], &[ask, denied]] {
            let _ = limiter.decide_now(Action::Acquire, asks);
        }
        decide(&limiter, Action::Reset, b"k", &quota, Receipt::NONE);
        decide(&limiter, Action::GiveBack, b"k", &quota, Receipt::new(1));
        assert!(limiter.is_empty(), "{quota:?}");
    }
}

/// Steps of time in milliseconds, who comes then, and by which quota.
fn visits() -> impl Strategy<Value = Vec<(u64, u8, usize)>> {
    let gap = prop_oneof![3 => Just(0), 2 => 0..300_u64, 1 => 1_000..3_000_u64];
    proptest::collection::vec((gap, 0..6_u8, 0..6_usize), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// RL-X-07: with room for every key, a limiter that drops whatever it can decides as one that drops nothing.
    #[test]
    fn what_is_dropped_is_not_missed(visits in visits()) {
        let clock = ManualClock::new();
        let (dropping, keeping) = (limiter(36, &clock), limiter(1_000, &clock));
        let quotas = each(3, SECOND);
        for (gap, name, nth) in visits {
            clock.advance(Duration::from_millis(gap));
            dropping.sweep();
            let (dropped, kept) = (take(&dropping, [name], &quotas[nth]), take(&keeping, [name], &quotas[nth]));
            // Each limiter has its own offsets of staggered windows.
            if nth != 3 {
                prop_assert_eq!(dropped, kept);
            }
        }
    }

    /// However little room there is, no key gets more than its quota allows.
    #[test]
    fn without_room_nobody_gets_more(visits in visits(), keys in 0..5_usize) {
        let clock = ManualClock::new();
        let limiter = limiter(keys, &clock);
        let quotas = each(3, SECOND);
        let mut admitted: HashMap<(u8, usize), Vec<u64>> = HashMap::new();
        for (gap, name, nth) in visits {
            clock.advance(Duration::from_millis(gap));
            if take(&limiter, [name], &quotas[nth]).admitted {
                admitted.entry((name, nth)).or_default().push(clock.micros());
            }
        }
        for ((_, nth), moments) in admitted {
            // Staggered windows change their offset once, when the key gets a state of its own.
            let most = [5, 6, 6, 9, 5, 3][nth];
            for first in &moments {
                let window = *first..first + 1_000_000;
                let within = moments.iter().filter(|now| window.contains(now)).count();
                prop_assert!(within <= most, "{within} of {most}: {:?}", quotas[nth]);
            }
        }
        prop_assert!(limiter.len() <= keys);
    }
}
