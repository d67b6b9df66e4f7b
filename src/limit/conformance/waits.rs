//! What time brings back.

use std::time::Duration;

use super::Course;
use super::asking::{each, left, one, take};
use crate::limit::{Action, Limiter};

const SHORT: Duration = Duration::from_millis(400);

/// For one unit, at the first try.
pub async fn who_waits_as_told_is_admitted<L: Limiter>(limiter: L, time: &impl Course) {
    for (name, quota) in each(4, SHORT) {
        // Where time passes by itself a window may end between two asks, but not between many.
        for _ in 0..20 {
            let standing = take(&limiter, name, &quota, 1).await;
            let Some(wait) = standing.wait.duration() else {
                panic!("{name}: it is known how long to wait");
            };
            if !standing.admitted {
                time.advance(wait).await;
                let standing = take(&limiter, name, &quota, 1).await;
                assert!(
                    standing.admitted,
                    "{name}: who waits as told is admitted: {standing:?}"
                );
                break;
            }
        }
    }
}

/// Nobody is shut out longer than the debt says.
pub async fn a_debt_is_worked_off<L: Limiter>(limiter: L, time: &impl Course) {
    let quotas = each(4, SHORT);
    let mut longest = 0;
    for (name, quota) in &quotas {
        one(&limiter, Action::Charge, name, quota, 1_000).await;
        let standing = one(&limiter, Action::Peek, name, quota, 4).await;
        assert!(
            standing.full <= 900_000,
            "{name}: a debt of {} µs",
            standing.full
        );
        longest = longest.max(standing.full);
    }
    time.advance(Duration::from_micros(longest)).await;
    for (name, quota) in &quotas {
        assert_eq!(
            left(&limiter, name, quota).await,
            4,
            "{name}: a debt is worked off"
        );
    }
}

/// All of it, and no more.
pub async fn what_was_used_is_there_again<L: Limiter>(limiter: L, time: &impl Course) {
    let quotas = each(4, SHORT);
    for (name, quota) in &quotas {
        take(&limiter, name, quota, 4).await;
    }
    time.advance(2 * SHORT).await;
    for (name, quota) in &quotas {
        let standing = one(&limiter, Action::Peek, name, quota, 1).await;
        assert_eq!(
            standing.remaining, 4,
            "{name}: what was used is there again, and no more"
        );
        assert_eq!(
            (standing.next, standing.full),
            (0, 0),
            "{name}: nothing is to come"
        );
    }
}
