//! What a scan brings.

use std::collections::BTreeMap;

use super::ask::{fill, get, next};
use crate::store::{Key, Scanned, Store};

const RECORDS: [&str; 6] = ["shop", "shop/a", "shop/b", "shop2", "sho", "other"];

/// Every record under the prefix and no other, each with its lifetimes, its kind and a weight.
pub async fn a_scan_brings_what_starts_with_its_prefix<S: Store>(store: S) {
    for key in RECORDS {
        fill(&store, key, &[], key).await;
    }
    for prefix in ["shop", "shop/", "nothing", ""] {
        let scanned = scan(&store, prefix, 100).await;
        let keys: BTreeMap<&[u8], &Scanned> = scanned
            .iter()
            .map(|scanned| (&*scanned.key, scanned))
            .collect();
        for key in RECORDS {
            assert_eq!(
                keys.contains_key(key.as_bytes()),
                key.starts_with(prefix),
                "a scan of {prefix:?} brings what starts with it and nothing else, not so {key:?}"
            );
        }
        for (key, scanned) in keys {
            let key = String::from_utf8_lossy(key);
            let record = get(&store, &key).await.record.expect("it stands");
            assert!(
                scanned.weight >= record.body.len() as u64 && scanned.weight > 0,
                "what is scanned weighs something"
            );
            assert_eq!(scanned.times, record.times, "a scan brings the times");
            assert_eq!(scanned.kind, record.kind, "a scan brings the kind");
        }
    }
}

/// No more than was asked for.
pub async fn a_scan_keeps_to_its_budget<S: Store>(store: S) {
    for key in RECORDS {
        fill(&store, key, &[], key).await;
    }
    for budget in 0..RECORDS.len() {
        assert!(
            scan(&store, "", budget).await.len() <= budget,
            "a scan keeps to its budget of {budget}"
        );
    }
}

pub(super) async fn scan(store: &impl Store, prefix: &str, budget: usize) -> Vec<Scanned> {
    let mut stream = store.scan(Key::new(prefix.as_bytes()), budget);
    let mut scanned = Vec::new();
    while let Some(next) = next(&mut stream).await {
        scanned.push(next.expect("the store is well, so a scan gives no error"));
    }
    scanned
}
