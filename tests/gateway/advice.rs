//! What requests say to caches (RFC 9111 §5.2.1).

use crate::stage::{Stage, page, with_status};

const FRESH: &str = "Cache-Control: max-age=3600";

/// The response's fields, the second request's `Cache-Control`, and what becomes of it.
type Advice = (&'static [&'static str], &'static str, Outcome);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Hit,
    /// The origin is asked, and says 304.
    Validated,
    /// The origin is asked for all of it.
    Anew,
    /// 504, and the origin is not asked.
    Refused,
}

const ADVICE: &[Advice] = {
    use Outcome::{Anew, Hit, Refused, Validated};
    &[
        (&[FRESH], "max-age=0", Anew),
        (&[FRESH, "Age: 10"], "max-age=5", Anew),
        (&[FRESH, "Age: 1800"], "max-age=600", Anew),
        (&[FRESH, "Age: 1800"], "max-age=2000", Hit),
        (
            &[FRESH, "ETag: \"a\"", "Age: 1800"],
            "max-age=600",
            Validated,
        ),
        (&[FRESH], "min-fresh=3000", Hit),
        (&[FRESH], "min-fresh=4000", Anew),
        (&[FRESH, "Age: 3000"], "min-fresh=1000", Anew),
        (&[FRESH], "no-cache", Anew),
        (&[FRESH], "No-Cache", Anew),
        (&[FRESH, "ETag: \"a\""], "no-cache", Validated),
        (
            &[FRESH, "Last-Modified: Sun, 01 Nov 2026 00:00:00 GMT"],
            "no-cache",
            Validated,
        ),
        (
            &["Cache-Control: max-age=3600, immutable", "ETag: \"a\""],
            "max-age=0",
            Hit,
        ),
        (
            &["Cache-Control: max-age=3600, immutable", "ETag: \"a\""],
            "no-cache",
            Validated,
        ),
        (
            &[
                "Cache-Control: max-age=3600, immutable=0, immutable",
                "ETag: \"a\"",
            ],
            "max-age=0",
            Hit,
        ),
        (
            &[
                "Cache-Control: max-age=10, immutable",
                "ETag: \"a\"",
                "Age: 20",
            ],
            "max-age=100",
            Validated,
        ),
        // What is stored already may be used; what comes now may not be stored.
        (&[FRESH], "no-store", Hit),
        (&[FRESH], "only-if-cached", Hit),
        (&[FRESH], "only-if-cached, max-stale", Hit),
        (&["Cache-Control: no-store"], "only-if-cached", Refused),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "only-if-cached",
            Refused,
        ),
        (
            &["Cache-Control: no-cache", "ETag: \"a\""],
            "only-if-cached",
            Refused,
        ),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "only-if-cached, max-stale=60",
            Hit,
        ),
        // Stale for ten seconds.
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "max-stale=60",
            Hit,
        ),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "max-stale",
            Hit,
        ),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "max-stale=5",
            Validated,
        ),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "max-stale=60, max-age=15",
            Validated,
        ),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "max-stale=60, max-age=100",
            Hit,
        ),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "max-stale=60, no-cache",
            Validated,
        ),
        (
            &["Cache-Control: max-age=10", "ETag: \"a\"", "Age: 20"],
            "max-stale=99999999999999999999",
            Hit,
        ),
        (
            &[
                "Cache-Control: max-age=10, must-revalidate",
                "ETag: \"a\"",
                "Age: 20",
            ],
            "max-stale",
            Validated,
        ),
        (
            &[
                "Cache-Control: max-age=10, proxy-revalidate",
                "ETag: \"a\"",
                "Age: 20",
            ],
            "max-stale",
            Validated,
        ),
        (
            &["Cache-Control: s-maxage=10", "ETag: \"a\"", "Age: 20"],
            "max-stale",
            Validated,
        ),
        (
            &["Cache-Control: no-cache", "ETag: \"a\""],
            "max-stale",
            Validated,
        ),
        // What cannot be read asks for nothing.
        (&[FRESH], "max-age=99999999999999999999999", Hit),
        (&[FRESH], "max-stale=x", Hit),
        (&[FRESH], "other=\"no-cache\"", Hit),
        (
            &[FRESH],
            "immutable, must-revalidate, s-maxage=0, private, public",
            Hit,
        ),
    ]
};

#[tokio::test]
async fn a_request_says_what_it_takes() {
    let stage = Stage::start(|asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        let conditional = ["if-none-match", "if-modified-since"]
            .iter()
            .any(|name| asked.get(name).is_some());
        match conditional {
            true => with_status("304 Not Modified", &[FRESH], ""),
            false => page(ADVICE[row].0, &format!("{nth}")),
        }
    })
    .await;
    let mut wrong = Vec::new();
    for (row, (fields, advice, expected)) in ADVICE.iter().enumerate() {
        let target = format!("/{row}");
        stage.get(&target, &[]).await;
        let advised = format!("Cache-Control: {advice}");
        let reply = stage.get(&target, &[&advised]).await;
        let outcome = match (reply.status(), stage.count(&target)) {
            (504, 1) => Outcome::Refused,
            (200, 1) if reply.is_hit() && reply.body() == "0" => Outcome::Hit,
            (200, 2) if reply.body() == "0" => Outcome::Validated,
            (200, 2) if reply.body() == "1" => Outcome::Anew,
            other => panic!("{fields:?} {advice}: {other:?} {reply:?}"),
        };
        if outcome != *expected {
            wrong.push(format!(
                "{fields:?}, then {advice}: {outcome:?} instead of {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_a_request_asked_not_to_store_is_not_there_for_the_next() {
    let stage = Stage::start(|_, nth| page(&[FRESH], &format!("{nth}"))).await;
    let reply = stage.get("/", &["Cache-Control: no-store"]).await;
    assert_eq!(reply.cache().expect("it says so").get("stored"), None);
    assert_eq!(stage.get("/", &[]).await.body(), "1");
    assert_eq!(stage.get("/", &[]).await.body(), "1");
}

#[tokio::test]
async fn what_a_reload_brought_replaces_what_was_stored() {
    let stage = Stage::start(|_, nth| page(&[FRESH], &format!("{nth}"))).await;
    stage.get("/", &[]).await;
    assert_eq!(
        stage.get("/", &["Cache-Control: no-cache"]).await.body(),
        "1"
    );
    let hit = stage.get("/", &[]).await;
    assert!(hit.is_hit() && hit.body() == "1", "{hit:?}");
}

#[tokio::test]
async fn pragma_asks_for_nothing() {
    let stage = Stage::start(|_, _| page(&[FRESH], "")).await;
    stage.get("/", &[]).await;
    for pragma in ["Pragma: no-cache", "Pragma: other"] {
        let other = ["Cache-Control: max-age=100", pragma];
        assert!(stage.get("/", &other).await.is_hit(), "{pragma}");
        assert!(stage.get("/", &[pragma]).await.is_hit(), "{pragma}");
    }
}
