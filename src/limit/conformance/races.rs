//! Many who ask at once.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::asking::{AGES, decide, each, key, left, quota};
use crate::limit::{Action, Ask, Limiter, Quota};

const TASKS: usize = 16;
const TRIES: usize = 8;

/// How many of all tries were admitted.
async fn race<L: Limiter>(limiter: &Arc<L>, quotas: Vec<(String, Quota)>) -> usize {
    let quotas = Arc::new(quotas);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (limiter, quotas) = (limiter.clone(), quotas.clone());
            tokio::spawn(async move {
                let mut admitted = 0;
                for _ in 0..TRIES {
                    let asks = quotas
                        .iter()
                        .map(|(name, quota)| Ask::new(key(name.as_bytes()), quota));
                    let asks: Vec<_> = asks.collect();
                    let decision = decide(&*limiter, Action::Acquire, &asks).await;
                    admitted += usize::from(decision.is_admitted());
                    tokio::task::yield_now().await;
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.expect("it does not panic");
    }
    admitted
}

/// No more and no fewer, by each way to count.
pub async fn of_many_at_once_exactly_the_capacity_is_admitted<L: Limiter>(limiter: L) {
    let limiter = Arc::new(limiter);
    let mut quotas = each(50, AGES);
    quotas.push((
        "in flight",
        Quota::in_flight(NonZeroU32::new(50).expect("it is not zero")),
    ));
    for (name, quota) in quotas {
        let admitted = race(&limiter, vec![(name.to_owned(), quota)]).await;
        assert_eq!(
            admitted, 50,
            "{name}: of many at once exactly the capacity is admitted"
        );
    }
}

/// The tightest quota decides, and the others have taken as much as it.
pub async fn of_many_with_several_quotas_none_takes_a_part<L: Limiter>(limiter: L) {
    let limiter = Arc::new(limiter);
    let quotas: Vec<_> = [60, 40, 50]
        .map(|amount| (format!("of {amount}"), quota(amount)))
        .into();
    assert_eq!(
        race(&limiter, quotas.clone()).await,
        40,
        "the tightest quota decides"
    );
    for ((name, quota), remaining) in quotas.iter().zip([20, 0, 10]) {
        assert_eq!(
            left(&*limiter, name, quota).await,
            remaining,
            "{name}: all or none"
        );
    }
}
