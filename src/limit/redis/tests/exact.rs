//! Many nodes at once: exactly what the quotas allow (SPEC 4.4).

use super::*;
use crate::limit::rule::At;
use crate::limit::{Algorithm, Receipt};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

const NODES: usize = 4;
const TASKS: usize = 8;

/// All tasks of all nodes ask for as long as it takes; what was admitted, in the order of the receipts.
async fn hammer(redis: &Redis, quota: &Quota, rounds: Rounds) -> Vec<Standing> {
    let mut tasks = JoinSet::new();
    for _ in 0..NODES {
        let node = node(redis);
        for _ in 0..TASKS {
            let (node, quota) = (node.clone(), quota.clone());
            tasks.spawn(async move {
                let mut admitted = Vec::new();
                let mut round = 0;
                while rounds.has(round) {
                    round += 1;
                    let standing = node.one(Action::Acquire, Ask::new(key("k"), &quota)).await;
                    if standing.admitted {
                        admitted.push(standing);
                    }
                }
                admitted
            });
        }
    }
    let mut admitted: Vec<Standing> = tasks.join_all().await.into_iter().flatten().collect();
    admitted.sort_by_key(|standing| (standing.receipt.value(), u64::MAX - standing.remaining));
    admitted
}

#[derive(Clone, Copy)]
enum Rounds {
    Count(u64),
    Until(Instant),
}

impl Rounds {
    fn has(self, round: u64) -> bool {
        match self {
            Self::Count(count) => round < count,
            Self::Until(end) => Instant::now() < end,
        }
    }

    fn a_while() -> Self {
        Self::Until(Instant::now() + Duration::from_millis(300))
    }
}

fn rate(amount: u64, window: Duration) -> Quota {
    Quota::new(amount, window).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_aligned_window_admits_its_amount() {
    let redis = Redis::start(Options::default()).await;
    let quota = rate(100, Duration::from_secs(3600)).algorithm(Algorithm::FixedWindow);
    let admitted = hammer(&redis, &quota, Rounds::Count(20)).await;
    let windows = admitted.chunk_by(|one, other| one.receipt == other.receipt);
    let counts: Vec<usize> = windows.map(<[Standing]>::len).collect();
    // An hour may end in between.
    assert!(counts.iter().all(|count| *count <= 100), "{counts:?}");
    assert_eq!(counts.first(), Some(&100));

    let quota = rate(20, Duration::from_millis(100)).algorithm(Algorithm::FixedWindow);
    let admitted = hammer(&redis, &quota, Rounds::a_while()).await;
    for window in admitted.chunk_by(|one, other| one.receipt == other.receipt) {
        assert!(window.len() <= 20, "{}", window.len());
        let last = window.iter().map(|standing| standing.remaining).min();
        assert_eq!(last, Some(20 - window.len() as u64), "each counts once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_window_of_a_log_holds_more_than_the_amount() {
    let redis = Redis::start(Options::default()).await;
    let quota = rate(10, Duration::from_millis(50)).strict();
    let admitted = hammer(&redis, &quota, Rounds::a_while()).await;
    let moments: Vec<u64> = admitted
        .iter()
        .map(|standing| standing.receipt.value())
        .collect();
    assert!(moments.len() >= 10);
    for ends in moments.windows(11) {
        assert!(ends[10] - ends[0] >= 50_000, "{ends:?}");
    }
    let quota = rate(100, Duration::from_secs(86_400)).strict();
    let admitted = hammer(&redis, &quota, Rounds::Count(20)).await;
    assert_eq!(admitted.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gcra_admits_the_burst_and_what_comes_in_the_meantime() {
    let redis = Redis::start(Options::default()).await;
    for (amount, burst) in [(1_000, 50), (333, 1), (700, 7)] {
        let quota = rate(amount, Duration::from_secs(1)).burst(NonZeroU64::new(burst).unwrap());
        let admitted = hammer(&redis, &quota, Rounds::a_while()).await;
        // A receipt is the moment of the decision, by the clock of the server.
        let moments = admitted.iter().map(|standing| standing.receipt.value());
        let between = moments.clone().max().unwrap() - moments.min().unwrap();
        let (count, most) = (admitted.len() as u64, burst + between * amount / 1_000_000);
        assert!((burst..=most).contains(&count), "{count} of {most}");
        // Each left what it would have left, had they come one after the other.
        let rule = quota.rule().unwrap();
        let mut state = rule.fresh();
        for standing in admitted {
            let now = standing.receipt.value();
            let expected = rule.acquire(&mut state, At { now, offset: 0 }, 1);
            assert_eq!(standing, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_are_in_flight_than_there_are_places() {
    let redis = Redis::start(Options::default()).await;
    let quota = Quota::in_flight(NonZeroU32::new(5).unwrap());
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..NODES {
        let node = node(&redis);
        for _ in 0..TASKS {
            let (node, quota) = (node.clone(), quota.clone());
            let (now, most) = (now.clone(), most.clone());
            tasks.spawn(async move {
                for _ in 0..30 {
                    let ask = Ask::new(key("k"), &quota);
                    let standing = node.one(Action::Acquire, ask).await;
                    if !standing.admitted {
                        continue;
                    }
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    node.one(Action::GiveBack, ask.receipt(standing.receipt))
                        .await;
                }
            });
        }
    }
    tasks.join_all().await;
    let most = most.load(Ordering::SeqCst);
    assert!((1..=5).contains(&most), "{most} at a time");
    let last = node(&redis)
        .one(Action::Peek, Ask::new(key("k"), &quota))
        .await;
    assert_eq!(last.remaining, 5, "all come back");
    assert_eq!(redis.ask(&["DBSIZE"]).await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_quotas_all_are_taken_or_none() {
    let redis = Redis::start(Options::default()).await;
    let day = Duration::from_secs(86_400);
    let quotas = [
        rate(1_000, day),
        rate(150, day).strict(),
        rate(90, 10 * 366 * day).algorithm(Algorithm::FixedWindow),
        rate(200, 366 * day).algorithm(Algorithm::SlidingCounter),
        Quota::in_flight(NonZeroU32::new(120).unwrap()),
    ];
    let mut tasks = JoinSet::new();
    for _ in 0..NODES {
        let node = node(&redis);
        for _ in 0..TASKS {
            let (node, quotas) = (node.clone(), quotas.clone());
            tasks.spawn(async move {
                let asks = quotas.each_ref().map(|quota| Ask::new(key("k"), quota));
                let mut admitted = 0;
                for _ in 0..5 {
                    let decision = node.acts(Action::Acquire, &asks).await;
                    admitted += u64::from(decision.is_admitted());
                }
                admitted
            });
        }
    }
    let admitted: u64 = tasks.join_all().await.into_iter().sum();
    assert_eq!(admitted, 90);
    let asks = quotas.each_ref().map(|quota| Ask::new(key("k"), quota));
    let standings = node(&redis).acts(Action::Peek, &asks).await;
    let left: Vec<u64> = standings
        .standings()
        .iter()
        .map(|standing| standing.remaining)
        .collect();
    // The bucket may have won one back by now.
    assert!((910..=911).contains(&left[0]), "{left:?}");
    assert_eq!(left[1..4], [60, 0, 110], "{left:?}");
    assert!(left[4] == 30 || left[4] == 120, "{left:?}");
}

#[tokio::test]
async fn a_receipt_gives_back_once_what_it_took() {
    let redis = Redis::start(Options::default()).await;
    let (node, other) = (node(&redis), node(&redis));
    let quota = Quota::in_flight(NonZeroU32::new(3).unwrap());
    let ask = Ask::new(key("k"), &quota);
    let first = node.one(Action::Acquire, ask).await;
    let second = node.one(Action::Acquire, ask).await;
    assert_ne!(first.receipt, second.receipt);
    for _ in 0..3 {
        let back = ask.receipt(first.receipt);
        assert_eq!(node.one(Action::GiveBack, back).await.remaining, 2);
    }
    let back = ask.receipt(Receipt::new(second.receipt.value().wrapping_add(9)));
    assert_eq!(node.one(Action::GiveBack, back).await.remaining, 2);
    let back = ask.receipt(second.receipt);
    assert_eq!(other.one(Action::GiveBack, back).await.remaining, 3);
}
