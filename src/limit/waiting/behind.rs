//! How long those wait who have others ahead of them.

use super::super::decision::{Standing, Wait};
use super::super::rule::{Fixed, Gcra, Log, Rule, SlidingCounter};

/// The cost to look for, and what is beyond it: no quota tells of more than it holds.
pub(super) fn split(rule: &Rule, ahead: u64, cost: u64) -> (u64, u64) {
    let all = ahead.saturating_add(cost);
    let looked = all.min(rule.capacity()).max(cost);
    (looked, all - looked)
}

/// The least wait for `excess` more than what `standing` was looked for: never longer than it will be.
pub(super) fn least(rule: &Rule, standing: &Standing, excess: u64) -> Wait {
    let Wait::Micros(micros) = standing.wait else {
        return standing.wait;
    };
    let excess = u128::from(excess);
    let more = match rule {
        Rule::Gcra(Gcra { rate, period, .. }) => excess * u128::from(*period) / u128::from(*rate),
        // Each window serves no more than its amount.
        Rule::Fixed(Fixed { amount, window, .. }) => {
            excess.div_ceil(u128::from(*amount)) * u128::from(*window)
        }
        Rule::Log(Log { amount, window }) | Rule::Counter(SlidingCounter { amount, window }) => {
            excess / u128::from(*amount) * u128::from(*window)
        }
        Rule::Unlimited | Rule::Denied | Rule::InFlight(_) => 0,
    };
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    Wait::Micros(micros.saturating_add(more))
}

#[cfg(test)]
mod tests {
    use super::super::super::quota::{Algorithm, Quota};
    use super::*;

    fn waits(quota: &str, algorithm: Algorithm, ahead: u64) -> Wait {
        let quota: Quota = quota.parse().unwrap();
        let rule = quota.algorithm(algorithm).rule().unwrap();
        let at = crate::limit::rule::At { now: 0, offset: 0 };
        let mut state = rule.fresh();
        rule.take(&mut state, at, rule.capacity());
        let (looked, excess) = split(&rule, ahead, 1);
        least(&rule, &rule.look(&state, at, looked), excess)
    }

    #[test]
    fn each_one_ahead_takes_its_time() {
        let second = |count: u64| Wait::Micros(count * 1_000_000);
        for (ahead, wait) in [(0, 1), (4, 5), (9, 10), (10, 11), (99, 100)] {
            assert_eq!(waits("10/10s", Algorithm::TokenBucket, ahead), second(wait));
        }
        for (ahead, wait) in [(0, 10), (9, 10), (10, 20), (19, 20), (20, 30)] {
            assert_eq!(waits("10/10s", Algorithm::FixedWindow, ahead), second(wait));
        }
    }
}
