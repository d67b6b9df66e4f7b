//! Whose quota it is.

use super::asking::{decide, key, left, quota, take};
use crate::limit::{Action, Algorithm, Ask, LimitKey, Limiter};

/// Groups and names of any bytes and any length, and no two pairs taken for one another.
pub async fn keys_are_compared_in_full<L: Limiter>(limiter: L) {
    let quota = quota(1);
    let long = vec![b'x'; 1 << 20];
    let mut other = long.clone();
    other[(1 << 20) - 1] = b'y';
    let names: [&[u8]; 14] = [
        b"",
        b"\0",
        b"\0\0",
        b"a",
        b"A",
        b"a\0",
        b"ab",
        b"{a}",
        b"a:b",
        b"\xff\xfe\r\n*?[]",
        "grüße".as_bytes(),
        &long[..64],
        &long,
        &other,
    ];
    let mut pairs: Vec<(&str, &[u8])> = names.iter().map(|name| ("group", *name)).collect();
    pairs.extend([
        ("", &b"groupa"[..]),
        ("groupa", b""),
        ("grou", b"pa"),
        ("a:b", b"c"),
        ("a", b"b:c"),
    ]);
    for (group, name) in &pairs {
        let ask = Ask::new(LimitKey::new(group, name), &quota);
        let decision = decide(&limiter, Action::Acquire, &[ask]).await;
        assert!(
            decision.is_admitted(),
            "a key of its own: {group:?} and {} bytes",
            name.len()
        );
    }
    for (group, name) in &pairs {
        let ask = Ask::new(LimitKey::new(group, name), &quota);
        let decision = decide(&limiter, Action::Acquire, &[ask]).await;
        assert!(
            !decision.is_admitted(),
            "the same key: {group:?} and {} bytes",
            name.len()
        );
    }
}

/// The same key under another amount, window, burst or algorithm counts anew, and the old one goes on.
pub async fn another_quota_counts_anew<L: Limiter>(limiter: L) {
    let first = quota(3);
    take(&limiter, "k", &first, 3).await;
    let burst = std::num::NonZeroU64::new(2).expect("it is not zero");
    let window = super::asking::AGES - std::time::Duration::from_secs(1);
    let shorter = crate::limit::Quota::new(3, window).expect("it makes sense");
    for (other, capacity) in [
        (quota(4), 4),
        (shorter, 3),
        (quota(3).burst(burst), 2),
        (quota(3).strict(), 3),
        (quota(3).algorithm(Algorithm::FixedWindow), 3),
        (quota(3).algorithm(Algorithm::FixedWindowStaggered), 3),
        (quota(3).algorithm(Algorithm::FixedWindowFromFirst), 3),
        (quota(3).algorithm(Algorithm::SlidingCounter), 3),
    ] {
        assert_eq!(
            left(&limiter, "k", &other).await,
            capacity,
            "{other:?} counts anew"
        );
        take(&limiter, "k", &other, capacity).await;
        assert_eq!(left(&limiter, "k", &other).await, 0, "{other:?} counts");
    }
    assert_eq!(
        left(&limiter, "k", &first).await,
        0,
        "and the first quota goes on"
    );
    // What a quota is called, and what it does while the limiter is away, counts nothing.
    let renamed = quota(3)
        .name("another")
        .outage(crate::limit::Outage::Closed);
    assert_eq!(
        left(&limiter, "k", &renamed).await,
        0,
        "a name is no other arithmetic"
    );
    let decision = decide(&limiter, Action::Peek, &[Ask::new(key(b"k"), &first)]).await;
    assert!(!decision.is_admitted());
}
