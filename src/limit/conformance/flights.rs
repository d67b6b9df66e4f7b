//! How many at a time.

use std::num::NonZeroU32;

use super::asking::{give_back, left, one, take};
use crate::limit::{Action, Limiter, Quota, Receipt, Wait};

fn three() -> Quota {
    Quota::in_flight(NonZeroU32::new(3).expect("it is not zero"))
}

/// No time frees them, and no more is freed than was taken.
pub async fn places_in_flight_are_held_until_they_are_given_back<L: Limiter>(limiter: L) {
    let quota = three();
    let mut receipts = Vec::new();
    for remaining in [2, 1, 0] {
        let standing = take(&limiter, "k", &quota, 1).await;
        assert!(
            standing.admitted && standing.remaining == remaining,
            "{standing:?}"
        );
        assert_ne!(
            standing.receipt,
            Receipt::NONE,
            "a place that is held has a receipt"
        );
        receipts.push(standing.receipt);
    }
    let standing = take(&limiter, "k", &quota, 1).await;
    assert!(!standing.admitted, "no more than three at a time");
    assert_eq!(standing.wait, Wait::Unknown, "until somebody is done");
    assert_eq!(
        (standing.next, standing.full),
        (0, 0),
        "no time frees places"
    );
    assert_eq!(
        take(&limiter, "k", &quota, 4).await.wait,
        Wait::Never,
        "four of three"
    );
    assert!(
        take(&limiter, "another", &quota, 3).await.admitted,
        "each key by itself"
    );

    give_back(&limiter, "k", &quota, 1, Receipt::NONE).await;
    assert_eq!(
        left(&limiter, "k", &quota).await,
        0,
        "without a receipt none is freed"
    );
    for (receipt, remaining) in receipts.into_iter().zip(1..) {
        let standing = give_back(&limiter, "k", &quota, 1, receipt).await;
        assert_eq!(
            standing.remaining, remaining,
            "a place that is given back is free"
        );
    }
    assert!(take(&limiter, "k", &quota, 3).await.admitted);
}

/// They are in use, whatever is forgotten.
pub async fn a_reset_frees_no_places_in_flight<L: Limiter>(limiter: L) {
    let quota = three();
    let standing = take(&limiter, "k", &quota, 2).await;
    let reset = one(&limiter, Action::Reset, "k", &quota, 0).await;
    assert_eq!(
        reset.remaining, 1,
        "places in flight are in use, whatever is forgotten"
    );
    give_back(&limiter, "k", &quota, 2, standing.receipt).await;
    assert_eq!(left(&limiter, "k", &quota).await, 3);
}
