//! What one quota admits while time stands still.

use std::time::Duration;

use super::asking::{AGES, decide, each, give_back, key, left, one, quota, take};
use crate::limit::{Action, Algorithm, Ask, Limiter, Quota, Receipt, Standing, Wait};

/// Before anything is used, everything can be used, and nothing is to be waited for.
pub async fn an_unused_key_has_its_capacity<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        let standing = one(&limiter, Action::Peek, name, &quota, 5).await;
        let full = Standing {
            remaining: 5,
            ..Standing::UNLIMITED
        };
        assert_eq!(standing, full, "{name}: an unused key has its capacity");
    }
}

/// As many as the capacity, one after the other; then none.
pub async fn exactly_the_capacity_is_admitted<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        for remaining in [4, 3, 2, 1, 0] {
            let standing = take(&limiter, name, &quota, 1).await;
            assert!(
                standing.admitted,
                "{name}: what is within the capacity is admitted"
            );
            assert_eq!(
                standing.remaining, remaining,
                "{name}: it says what is left"
            );
            assert_eq!(
                standing.wait,
                Wait::NONE,
                "{name}: who is admitted waits for nothing"
            );
            assert_ne!(
                standing.receipt,
                Receipt::NONE,
                "{name}: what was taken has a receipt"
            );
        }
        for _ in 0..3 {
            let standing = take(&limiter, name, &quota, 1).await;
            assert!(
                !standing.admitted,
                "{name}: beyond the capacity nothing is admitted"
            );
            assert_eq!(standing.receipt, Receipt::NONE, "{name}: nothing was taken");
            let wait = standing.wait.duration();
            let wait = wait.expect("it is known how long to wait");
            let longest = if name == "sliding counter" {
                2 * AGES
            } else {
                AGES
            };
            assert!(
                wait > Duration::ZERO && wait <= longest,
                "{name}: a wait of {wait:?}"
            );
            assert!(
                standing.next > 0 && standing.next <= standing.full,
                "{name}: one unit comes before all of them: {standing:?}"
            );
        }
    }
}

/// However often something is refused, what is smaller still is admitted.
pub async fn what_is_refused_changes_nothing<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        assert!(take(&limiter, name, &quota, 3).await.admitted);
        for _ in 0..5 {
            let refused = take(&limiter, name, &quota, 3).await;
            assert!(
                !refused.admitted && refused.remaining == 2,
                "{name}: {refused:?}"
            );
        }
        let standing = take(&limiter, name, &quota, 2).await;
        assert!(standing.admitted, "{name}: what is refused changes nothing");
        assert_eq!(standing.remaining, 0, "{name}");
    }
}

/// `Peek` says what `Acquire` would, however often.
pub async fn a_look_changes_nothing<L: Limiter>(limiter: L) {
    for (name, quota) in each(3, AGES) {
        for used in 0..=3 {
            for _ in 0..3 {
                let look = one(&limiter, Action::Peek, name, &quota, 1).await;
                assert_eq!(look.admitted, used < 3, "{name}: a look says what would be");
                assert_eq!(look.remaining, 3 - used, "{name}: a look takes nothing");
                assert_eq!(look.receipt, Receipt::NONE, "{name}: a look takes nothing");
            }
            let taken = take(&limiter, name, &quota, 1).await;
            assert_eq!(taken.admitted, used < 3, "{name}: it was as the look said");
        }
    }
}

/// A cost is admitted whole or not at all.
pub async fn a_cost_counts_as_so_many<L: Limiter>(limiter: L) {
    for (name, quota) in each(1_000, AGES) {
        assert_eq!(
            take(&limiter, name, &quota, 400).await.remaining,
            600,
            "{name}"
        );
        assert!(
            !take(&limiter, name, &quota, 601).await.admitted,
            "{name}: 601 of 600"
        );
        assert_eq!(
            take(&limiter, name, &quota, 600).await.remaining,
            0,
            "{name}"
        );
    }
}

/// It is refused at once, and no wait helps.
pub async fn what_costs_more_than_the_capacity_never_is_admitted<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        for cost in [6, 1 << 53, u64::MAX] {
            let standing = take(&limiter, name, &quota, cost).await;
            assert!(!standing.admitted, "{name}: {cost} of 5");
            assert_eq!(standing.wait, Wait::Never, "{name}: no wait helps");
            assert_eq!(standing.remaining, 5, "{name}: nothing was taken");
        }
    }
}

/// A cost of 0 is admitted though nothing is left, and counts nothing.
pub async fn what_costs_nothing_always_is_admitted<L: Limiter>(limiter: L) {
    for (name, quota) in each(2, AGES) {
        for remaining in [2, 0] {
            let free = take(&limiter, name, &quota, 0).await;
            assert!(free.admitted, "{name}: what costs nothing is admitted");
            assert_eq!(free.remaining, remaining, "{name}: it counts nothing");
            assert_eq!(free.receipt, Receipt::NONE, "{name}: it took nothing");
            take(&limiter, name, &quota, 2).await;
        }
    }
}

/// `Quota::unlimited()` and `Quota::deny_all()`.
pub async fn nothing_and_everything_need_no_counts<L: Limiter>(limiter: L) {
    let standing = take(&limiter, "u", &Quota::unlimited(), u64::MAX).await;
    assert_eq!(
        standing,
        Standing::UNLIMITED,
        "an unlimited quota admits everything"
    );
    let standing = take(&limiter, "d", &Quota::deny_all(), 1).await;
    assert_eq!(
        standing,
        Standing::DENIED,
        "a denied quota admits nothing, ever"
    );
    let standing = take(&limiter, "d", &Quota::deny_all(), 0).await;
    assert!(
        standing.admitted,
        "what costs nothing is admitted even there"
    );
}

/// It is a debt of no more than the capacity, however much was charged.
pub async fn a_charge_is_taken_though_it_be_over<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        take(&limiter, name, &quota, 4).await;
        let charged = one(&limiter, Action::Charge, name, &quota, 3).await;
        assert_eq!(
            charged.remaining, 0,
            "{name}: it is charged though it be over"
        );
        let standing = take(&limiter, name, &quota, 1).await;
        assert!(!standing.admitted, "{name}: who is in debt is refused");
        for _ in 0..3 {
            one(&limiter, Action::Charge, name, &quota, u64::MAX).await;
        }
        let full = one(&limiter, Action::Peek, name, &quota, 1).await.full;
        let most = 2 * u64::try_from(AGES.as_micros()).expect("it fits");
        assert!(
            full <= most,
            "{name}: a debt is no larger than the capacity: {full}"
        );
    }
}

/// As far as it still counts, and no more.
pub async fn what_is_given_back_can_be_used_again<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        let first = take(&limiter, name, &quota, 2).await;
        let left = give_back(&limiter, name, &quota, 2, first.receipt).await;
        assert_eq!(
            left.remaining, 5,
            "{name}: what is given back is there again"
        );
        let second = take(&limiter, name, &quota, 3).await;
        let left = give_back(&limiter, name, &quota, 1, second.receipt).await;
        assert_eq!(left.remaining, 3, "{name}: a part of it");
        let charged = one(&limiter, Action::Charge, name, &quota, 3).await;
        assert_eq!(charged.remaining, 0, "{name}");
        let left = give_back(&limiter, name, &quota, 3, charged.receipt).await;
        assert_eq!(left.remaining, 3, "{name}: a charge too");
        let third = take(&limiter, name, &quota, 3).await;
        assert!(third.admitted, "{name}: it can be used again");
        assert!(
            !take(&limiter, name, &quota, 1).await.admitted,
            "{name}: and no more"
        );
        give_back(&limiter, name, &quota, 2, second.receipt).await;
        let left = give_back(&limiter, name, &quota, 3, third.receipt).await;
        assert!(all_but_a_moment(left.remaining), "{name}: {left:?}");
    }
}

/// All of five; or four, where the moments between two calls were not given back.
pub(super) const fn all_but_a_moment(remaining: u64) -> bool {
    remaining == 4 || remaining == 5
}

/// A charge beyond what can be owed did not count in full: to give it back in full would free what others have used.
pub async fn a_charge_that_was_cut_gives_nothing_back<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        assert!(take(&limiter, name, &quota, 5).await.admitted);
        let charged = one(&limiter, Action::Charge, name, &quota, 1_000).await;
        give_back(&limiter, name, &quota, 1_000, charged.receipt).await;
        let standing = take(&limiter, name, &quota, 1).await;
        assert!(
            !standing.admitted,
            "{name}: what others have used still counts"
        );
    }
}

/// What took nothing gives nothing back.
pub async fn without_a_receipt_nothing_is_given_back<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        take(&limiter, name, &quota, 5).await;
        let left = give_back(&limiter, name, &quota, 5, Receipt::NONE).await;
        assert_eq!(
            left.remaining, 0,
            "{name}: without a receipt nothing is given back"
        );
        let left = give_back(&limiter, "nobody", &quota, 5, Receipt::NONE).await;
        assert_eq!(left.remaining, 5, "{name}: nobody gets more than there is");
    }
}

/// The key is as one that was never used.
pub async fn a_reset_forgets_what_was_used<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        take(&limiter, name, &quota, 5).await;
        take(&limiter, "another", &quota, 5).await;
        let standing = one(&limiter, Action::Reset, name, &quota, 0).await;
        assert_eq!(
            standing.remaining, 5,
            "{name}: a reset forgets what was used"
        );
        assert_eq!(
            left(&limiter, "another", &quota).await,
            0,
            "{name}: of this key alone"
        );
        assert_eq!(take(&limiter, name, &quota, 1).await.remaining, 4, "{name}");
        one(&limiter, Action::Reset, "another", &quota, 0).await;
    }
}

/// It is told, and the other quotas of the call take nothing.
pub async fn a_quota_that_cannot_be_is_an_error<L: Limiter>(limiter: L) {
    let good = quota(5);
    let bad = quota(5).algorithm(Algorithm::FixedWindow).strict();
    let asks = [Ask::new(key(b"a"), &good), Ask::new(key(b"a"), &bad)];
    let error = limiter.decide(Action::Acquire, &asks).await;
    assert!(error.is_err(), "a quota that cannot be is an error");
    let standing = decide(&limiter, Action::Peek, &asks[..1]).await;
    assert_eq!(standing.standings()[0].remaining, 5, "nothing was taken");
}
