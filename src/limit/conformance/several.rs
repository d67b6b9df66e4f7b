//! Several quotas in one call.

use std::task::Poll;

use super::asking::{AGES, decide, each, key, left, quota};
use super::counts::all_but_a_moment;
use crate::limit::{Action, Ask, Decision, Limiter, Quota, Receipt, Wait};

fn asks<'a>(names: &'a [String], quotas: &'a [(&str, Quota)]) -> Vec<Ask<'a>> {
    let each = names.iter().zip(quotas);
    each.map(|(name, (_, quota))| Ask::new(key(name.as_bytes()), quota))
        .collect()
}

/// One quota after the other refuses; the others have taken nothing then.
pub async fn all_quotas_are_taken_or_none<L: Limiter>(limiter: L) {
    let quotas = each(3, AGES);
    for refusing in 0..quotas.len() {
        let names: Vec<_> = (0..quotas.len())
            .map(|nth| format!("{refusing}/{nth}"))
            .collect();
        let asks = asks(&names, &quotas);
        let full = asks[refusing].cost(3);
        assert!(
            decide(&limiter, Action::Acquire, &[full])
                .await
                .is_admitted()
        );
        for _ in 0..2 {
            let decision = decide(&limiter, Action::Acquire, &asks).await;
            assert!(!decision.is_admitted());
            for (nth, standing) in decision.standings().iter().enumerate() {
                assert_eq!(standing.admitted, nth != refusing, "only that one refuses");
                assert_eq!(standing.receipt, Receipt::NONE, "none is taken");
                let remaining = if nth == refusing { 0 } else { 3 };
                assert_eq!(
                    standing.remaining, remaining,
                    "none is taken, of {}",
                    quotas[nth].0
                );
            }
        }
    }
    let names: Vec<_> = (0..quotas.len()).map(|nth| format!("all/{nth}")).collect();
    let decision = decide(&limiter, Action::Acquire, &asks(&names, &quotas)).await;
    assert!(decision.is_admitted());
    for standing in decision.standings() {
        assert_eq!(standing.remaining, 2, "all are taken");
    }
}

/// In the order of the asks; the longest wait is that of the call.
pub async fn every_quota_that_refuses_says_so<L: Limiter>(limiter: L) {
    let quotas = [quota(1), quota(2), quota(3), quota(4)];
    let asks: Vec<_> = quotas
        .iter()
        .map(|quota| Ask::new(key(b"k"), quota))
        .collect();
    for refusing in 1..=4 {
        assert_eq!(
            decide(
                &limiter,
                Action::Acquire,
                &[asks[refusing - 1].cost(refusing as u64)]
            )
            .await
            .standings()[0]
                .remaining,
            0
        );
        let decision = decide(&limiter, Action::Acquire, &asks).await;
        let admitted: Vec<_> = decision
            .standings()
            .iter()
            .map(|standing| standing.admitted)
            .collect();
        let expected: Vec<_> = (1..=4).map(|nth| nth > refusing).collect();
        assert_eq!(admitted, expected, "every quota that refuses says so");
        let longest = decision
            .standings()
            .iter()
            .map(|standing| standing.wait)
            .max();
        assert_eq!(Some(decision.wait()), longest, "the longest wait is told");
        assert!(decision.wait() > Wait::NONE);
    }
}

/// Asks of one call that have the same key and the same arithmetic count together.
pub async fn the_same_quota_twice_counts_together<L: Limiter>(limiter: L) {
    for (name, quota) in each(5, AGES) {
        let ask = Ask::new(key(name.as_bytes()), &quota);
        let decision = decide(&limiter, Action::Acquire, &[ask.cost(3), ask.cost(3)]).await;
        assert!(!decision.is_admitted(), "{name}: six of five");
        assert_eq!(
            left(&limiter, name, &quota).await,
            5,
            "{name}: none is taken"
        );
        let decision = decide(&limiter, Action::Acquire, &[ask.cost(3), ask.cost(2)]).await;
        assert!(decision.is_admitted(), "{name}: five of five");
        assert_eq!(
            left(&limiter, name, &quota).await,
            0,
            "{name}: all are taken"
        );
        let [first, second] = decision.standings() else {
            panic!("there is one standing for each ask");
        };
        let back = [
            ask.cost(3).receipt(first.receipt),
            ask.cost(2).receipt(second.receipt),
        ];
        decide(&limiter, Action::GiveBack, &back).await;
        let left = left(&limiter, name, &quota).await;
        assert!(all_but_a_moment(left), "{name}: each gives back its own");
    }
}

/// A call without quotas is admitted.
pub async fn no_quotas_refuse_nothing<L: Limiter>(limiter: L) {
    for action in [
        Action::Acquire,
        Action::Peek,
        Action::Charge,
        Action::GiveBack,
        Action::Reset,
    ] {
        assert!(
            decide(&limiter, action, &[]).await.is_admitted(),
            "{action:?} of nothing"
        );
    }
}

/// Two keys live through the same, one asked at once where the limiter can, one by waiting.
pub async fn what_is_answered_at_once_is_the_same_answer<L: Limiter>(limiter: L) {
    let quotas = each(3, AGES);
    for (name, quota) in &quotas {
        for action in [
            Action::Peek,
            Action::Acquire,
            Action::Acquire,
            Action::Charge,
            Action::Acquire,
            Action::Reset,
        ] {
            let waiting = format!("{name}, waiting");
            let waiting = Ask::new(key(waiting.as_bytes()), quota).cost(2);
            let waiting = decide(&limiter, action, &[waiting]).await;
            let at_once = format!("{name}, at once");
            let at_once = [Ask::new(key(at_once.as_bytes()), quota).cost(2)];
            let at_once = match limiter.decide_now(action, &at_once) {
                Poll::Ready(decided) => decided.expect("the limiter is well"),
                Poll::Pending => decide(&limiter, action, &at_once).await,
            };
            let told = |decision: &Decision| {
                let standing = decision.standings()[0];
                (standing.admitted, standing.remaining)
            };
            assert_eq!(told(&waiting), told(&at_once), "{name}: {action:?}");
        }
    }
}
