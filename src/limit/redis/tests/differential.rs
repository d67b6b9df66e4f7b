//! The script beside the rules in Rust, step by step.

use super::*;
use crate::limit::redis::names::Names;
use crate::limit::rule::{At, Rule, State};
use crate::limit::{Algorithm, Receipt};
use std::num::NonZeroU64;

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    /// Below `bound`.
    fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

const TEN_YEARS: u64 = 10 * 366 * 86_400 * 1_000_000;
const TRILLION: u64 = 1_000_000_000_000;

fn rate(amount: u64, micros: u64) -> Quota {
    Quota::new(amount, Duration::from_micros(micros)).unwrap()
}

fn quotas() -> Vec<Quota> {
    let burst = |burst| NonZeroU64::new(burst).unwrap();
    let mut quotas = vec![
        quota("100/m").strict().burst(burst(10)),
        rate(7, 1_001).burst(burst(3)),
        rate(1, TEN_YEARS),
        rate(TRILLION, TEN_YEARS),
        rate(TRILLION, 1_000),
        rate(TRILLION - 1, TEN_YEARS).burst(burst(TRILLION)),
        rate(999_999_999_989, TEN_YEARS - 1).burst(burst(1)),
        rate(3, TEN_YEARS).burst(burst(30)),
    ];
    for (amount, window) in [
        (1, 1_000),
        (5, 1_000_000),
        (100, 60_000_000),
        (7, 999_983),
        (TRILLION, TEN_YEARS),
        (999_999_999_989, TEN_YEARS - 1),
        (1, TEN_YEARS),
        (TRILLION, 1_000),
    ] {
        quotas.push(rate(amount, window));
        for algorithm in [
            Algorithm::FixedWindow,
            Algorithm::FixedWindowFromFirst,
            Algorithm::FixedWindowStaggered,
            Algorithm::SlidingCounter,
            Algorithm::SlidingLog,
        ] {
            let quota = rate(amount, window).algorithm(algorithm);
            if quota.check().is_ok() {
                quotas.push(quota);
            }
        }
    }
    quotas
}

/// What the rules say.
fn expected(rule: Rule, state: &mut State, at: At, action: Action, ask: &Ask<'_>) -> Standing {
    let look = rule.look(state, at, ask.cost);
    let receipt = match action {
        Action::Acquire if look.admitted => rule.take(state, at, ask.cost),
        Action::Charge => rule.take(state, at, ask.cost),
        Action::GiveBack => {
            let (mut after, mut idle) = (state.clone(), state.clone());
            rule.give_back(&mut after, at, ask.cost, ask.receipt);
            rule.give_back(&mut idle, at, 0, ask.receipt);
            // What gives nothing back writes nothing.
            if after != idle {
                *state = after;
            }
            Receipt::NONE
        }
        Action::Reset => {
            *state = rule.fresh();
            Receipt::NONE
        }
        Action::Acquire | Action::Peek => return look,
    };
    Standing {
        receipt,
        ..rule.look(state, at, 0)
    }
}

/// A moment later, or, now and then, earlier; often where something changes.
fn step(dice: &mut Dice, now: u64, window: u64, amount: u64) -> u64 {
    let unit = (window / amount).max(1);
    match dice.roll(16) {
        0..4 => now,
        4 => now + 1,
        5..8 => now + dice.roll(2 * unit),
        8 => now + unit,
        9 => now + dice.roll(window),
        10 => now + window,
        11 => now - now % window + window,
        12 => now - now % window + window - 1,
        13 => now + dice.roll(3 * window),
        14 => now.saturating_sub(dice.roll(2 * unit)),
        _ => now.saturating_sub(dice.roll(3 * window) * dice.roll(2)),
    }
}

async fn differs(redis: &Redis, limiter: &RedisLimiter, quota: &Quota, seed: u64) {
    let mut held = redis.hold().await;
    let mut dice = Dice(seed);
    let (rule, name) = (quota.rule().unwrap(), seed.to_string());
    let key = key(&name);
    let offset = Names::new("larder", false).name(&key, &rule).offset;
    let (amount, window) = quota.told().unwrap();
    let (mut state, mut now) = (rule.fresh(), 1_790_000_000_000_000 + dice.roll(window));
    let mut receipts = vec![(1, Receipt::NONE), (1, Receipt::new(7))];
    for nth in 0..60 {
        // 2^53 microseconds are not reached before the year 2255.
        now = step(&mut dice, now, window, amount).min(2_600_000_000_000_000);
        assert_eq!(held.ask(&["SET", "#now", &now.to_string()]).await, "OK");
        let action = match dice.roll(12) {
            0..6 => Action::Acquire,
            6 => Action::Peek,
            7..9 => Action::Charge,
            9..11 => Action::GiveBack,
            _ if dice.roll(4) == 0 => Action::Reset,
            _ => Action::Acquire,
        };
        let capacity = rule.capacity();
        let cost = match dice.roll(12) {
            0..6 => 1,
            6 => 0,
            7 => dice.roll(capacity + 1),
            8 => capacity - dice.roll(3).min(capacity - 1),
            9 => capacity + dice.roll(2),
            10 => dice.roll(2 * capacity),
            _ => u64::MAX - dice.roll(2),
        };
        let mut ask = Ask::new(key, quota).cost(cost);
        if action == Action::GiveBack {
            let (taken, receipt) = receipts[dice.roll(receipts.len() as u64) as usize];
            let cost = if dice.roll(3) > 0 {
                taken
            } else {
                cost.min(2 * capacity)
            };
            ask = ask.cost(cost).receipt(receipt);
        }
        let before = state.clone();
        let expected = expected(rule, &mut state, At { now, offset }, action, &ask);
        let found = limiter.one(action, ask).await;
        assert_eq!(
            found, expected,
            "step {nth} of {seed}: {action:?} of {} at {now}, {rule:?} {before:?}",
            ask.cost
        );
        if expected.receipt != Receipt::NONE {
            receipts.push((ask.cost.min(2 * capacity), expected.receipt));
        }
    }
}

#[tokio::test]
async fn the_script_says_what_the_rules_say() {
    let redis = Redis::start(Options::default()).await;
    let limiter = by_hand(&redis);
    for (nth, quota) in (0..).zip(quotas()) {
        for round in 0..4 {
            differs(&redis, &limiter, &quota, 1_000 * nth + round).await;
        }
    }
}
