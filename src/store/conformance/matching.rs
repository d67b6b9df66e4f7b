//! What purges by predicate, and of several keys, find and refuse.

use super::ask::{
    admits, body, fill, get, key_mark, now, purge_at, purge_tags, put, record, remove, stamp,
    struck_at, tag,
};
use super::scans::scan;
use crate::store::{Done, If, Key, KeyBuf, Matching, Op, Purge, Store, When};

const RECORDS: [&str; 7] = [
    "shop:a1", "shop:b2", "shop:b3", "shop", "shop2", "other:b4", "sho",
];

fn under(prefix: &str) -> Purge {
    Purge::Matching(Matching::prefix(KeyBuf::new(prefix.as_bytes())))
}

fn with_b() -> Purge {
    let within = KeyBuf::new(b"shop:".as_slice());
    Purge::Matching(Matching::by(within, |key| key.contains(&b'b')))
}

/// It removes what it finds, and says how many that were.
pub async fn a_purge_by_predicate_removes_what_it_finds_alone<S: Store>(store: S) {
    for (purge, found) in [
        (with_b(), &["shop:b2", "shop:b3"][..]),
        (under("shop:"), &["shop:a1", "shop:b2", "shop:b3"]),
        (under("shop2x"), &[]),
        (under(""), &RECORDS),
    ] {
        for key in RECORDS {
            fill(&store, key, &["t"], key).await;
        }
        let struck = struck_at(&store, &purge, now()).await;
        for key in RECORDS {
            assert_eq!(
                body(&store, key).await.is_none(),
                found.contains(&key),
                "a purge by predicate strikes what it finds and nothing else, not so {key:?}"
            );
        }
        let left = scan(&store, "", 100).await;
        assert!(
            left.iter()
                .all(|left| !found.iter().any(|key| *left.key == *key.as_bytes())),
            "a purge by predicate removes what it finds, rather than only hide it"
        );
        assert_eq!(
            struck.removed,
            found.len() as u64,
            "a purge by predicate says how many it has removed"
        );
    }
}

/// Keys that end in a name are found by what their names start with.
pub async fn a_purge_by_predicate_finds_names<S: Store>(store: S) {
    let names: [&[u8]; 5] = [b"menu:a b", b"menu:\xff\x00", b"menu:", b"menu", b"men"];
    let long = [b"menu:".as_slice(), &[b'x'; 300]].concat();
    let keys: Vec<_> = names.into_iter().chain([&*long]).collect();
    let full = |name: &[u8]| [b"space", name].concat();
    let fence = stamp(&store).await;
    for name in &keys {
        let record = record(fence, "named", &[], "text");
        let full = full(name);
        let put = [(Key::named(&full, 5), Op::Put(record, When::Fenced))];
        let done = store.apply(&put, now()).await.expect("the store is well");
        assert_eq!(done, [Done::Stored]);
    }
    let within = KeyBuf::named(full(b"menu:"), 5);
    let purge = Purge::Matching(Matching::prefix(within).narrowed_by(b"menu:*".as_slice()));
    struck_at(&store, &purge, now()).await;
    for name in &keys {
        let full = full(name);
        let found = store.get(&[Key::named(&full, 5)], now()).await;
        let found = found.expect("the store is well");
        assert_eq!(
            found[0].record.is_none(),
            name.starts_with(b"menu:"),
            "a purge by predicate finds what names start with, not so {name:?}"
        );
    }
}

/// Nobody can tell what a fill under way will store, so all are refused; what is stored and not found stays.
pub async fn a_purge_by_predicate_refuses_all_fills_under_way<S: Store>(store: S) {
    let read = fill(&store, "other", &["t"], "stays").await;
    let before = stamp(&store).await;
    let purged = purge_at(&store, &under("shop:"), now()).await;
    assert!(
        purged.epoch == before.epoch && purged.seq > before.seq,
        "a purge by predicate moves the fence on"
    );
    for (key, when) in [
        ("shop:a1", When::Fenced),
        ("shop:a1", When::Absent),
        ("shop:a1", When::Always),
        ("elsewhere", When::Fenced),
        ("other", When::Same(read)),
    ] {
        let slow = record(before, key, &["t"], "slow");
        assert_eq!(
            put(&store, key, &slow, when).await,
            Done::Outlawed,
            "a purge by predicate refuses the fills under way ({key:?}, {when:?})"
        );
    }
    assert!(
        !admits(&store, before, &[tag("t")]).await,
        "a purge by predicate outlaws flights under way"
    );
    assert_eq!(
        body(&store, "other").await.as_deref(),
        Some("stays"),
        "a purge by predicate leaves what it does not find"
    );
    fill(&store, "shop:a1", &["t"], "after").await;
    let again = get(&store, "other").await;
    let merged = record(again.stamp, "other", &["t"], "merged");
    assert_eq!(
        put(&store, "other", &merged, When::Same(read)).await,
        Done::Stored,
        "what is read after a purge by predicate is stored"
    );
    assert!(admits(&store, purged, &[tag("t")]).await);
}

/// All keys of one purge are struck, their fills refused, and what was removed is counted.
pub async fn a_purge_of_many_keys_strikes_each_of_them<S: Store>(store: S) {
    let purge_all = Purge::Keys(
        ["a", "b", "absent", "outlawed"]
            .map(|key| (KeyBuf::new(key.as_bytes()), key_mark(key)))
            .into(),
    );
    fill(&store, "outlawed", &["u"], "outlawed").await;
    purge_tags(&store, &["u"]).await;
    for key in ["a", "b", "c"] {
        fill(&store, key, &["t"], key).await;
    }
    let before = stamp(&store).await;
    let struck = struck_at(&store, &purge_all, now()).await;
    // A remote store may remove what was outlawed without a look at it.
    assert!(
        (2..=3).contains(&struck.removed),
        "a purge of keys says how many records it has removed"
    );
    for key in ["a", "b", "absent"] {
        assert_eq!(body(&store, key).await, None, "each key is struck");
        let slow = record(before, key, &[], "slow");
        assert_eq!(
            put(&store, key, &slow, When::Fenced).await,
            Done::Outlawed,
            "the fills of each key are refused"
        );
    }
    assert_eq!(body(&store, "c").await.as_deref(), Some("c"));
    let nothing = struck_at(&store, &Purge::Keys(Vec::new()), now()).await;
    assert_eq!(nothing.removed, 0);
    assert_eq!(body(&store, "c").await.as_deref(), Some("c"));
    remove(&store, "c", If::Any).await;
}
