//! What responses and requests say to caches beside lifetimes (RFC 9111 §5.2, §3.5).

use crate::{
    origin::Asked,
    stage::{Row, Stage, assert_reuse, page, tagged, with_status},
};

const FRESH: &str = "Cache-Control: max-age=3600";

#[tokio::test]
async fn what_a_response_forbids_is_not_stored() {
    assert_reuse(&[
        (&["Cache-Control: no-store"], false),
        (&["Cache-Control: No-StoRe"], false),
        (
            &["Cache-Control: no-store, max-age=3600", "Expires: @3600"],
            false,
        ),
        (&["Cache-Control: max-age=3600, no-store"], false),
        (
            &["Cache-Control: max-age=3600", "Cache-Control: no-store"],
            false,
        ),
        (&["Cache-Control: no-store=1, max-age=3600"], false),
        (&["Cache-Control: private, max-age=3600"], false),
        (&["Cache-Control: PRIVATE, max-age=3600"], false),
        (&["Cache-Control: private=\"\", max-age=3600"], false),
        (&["Cache-Control: public, private, max-age=3600"], false),
        (
            &["Cache-Control: no-cache, max-age=3600", "Expires: @3600"],
            false,
        ),
        (&["Cache-Control: max-age=3600, No-CaChE"], false),
        (&["Cache-Control: public"], false),
        (
            &["Cache-Control: must-understand, no-store, max-age=3600"],
            true,
        ),
        (&["Cache-Control: max-age=3600, must-revalidate"], true),
        (&["Cache-Control: max-age=3600, proxy-revalidate"], true),
        (&["Cache-Control: max-age=3600, no-transform"], true),
        (&["Cache-Control: max-age=3600, immutable"], true),
        (&["Cache-Control: max-age=3600", "Pragma: no-cache"], true),
        (&["Cache-Control: max-age=3600", "Pragma: other"], true),
        (
            &[
                "Cache-Control: max-age=3600",
                "Content-Disposition: attachment; filename=a.txt",
            ],
            true,
        ),
        (&["Surrogate-Control: max-age=3600"], false),
        (
            &["Cache-Control: max-age=3600", "Surrogate-Control: no-store"],
            true,
        ),
        (&[], false),
        (&["Set-Cookie: a=b", "Cache-Control: max-age=3600"], false),
        (
            &["Set-Cookie: a=b", "Cache-Control: public, max-age=3600"],
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_a_directive_keeps_back_by_name_is_not_told_to_others() {
    let rows: &'static [&[&str]] = &[
        &["Cache-Control: private=\"x-own\", max-age=3600", "X-Own: 1"],
        &["Cache-Control: private=X-Own, max-age=3600", "X-Own: 1"],
        &["Cache-Control: no-cache=\"x-own\"", FRESH, "X-Own: 1"],
        &[
            "Cache-Control: no-cache=\"a, X-Own\", max-age=3600",
            "X-Own: 1",
        ],
        &[
            "Cache-Control: no-cache=\"X\\-Own\", max-age=3600",
            "X-Own: 1",
        ],
    ];
    let stage = Stage::start(move |asked, _| {
        let row: usize = asked.target[1..].parse().expect("a row");
        page(rows[row], "")
    })
    .await;
    for (row, fields) in rows.iter().enumerate() {
        let target = format!("/{row}");
        assert_eq!(stage.get(&target, &[]).await.get("x-own"), Some("1"));
        let second = stage.get(&target, &[]).await;
        assert!(
            !second.is_hit() || second.get("x-own").is_none(),
            "{fields:?}: {second:?}"
        );
    }
}

#[tokio::test]
async fn a_response_that_must_be_validated_is_stored_and_validated_each_time() {
    let stage = Stage::start(|asked, nth| match asked.target.as_str() {
        "/bare" => tagged(asked, "\"a\"", &["Cache-Control: no-cache"], "stored"),
        "/fresh" => {
            let fields = &["Cache-Control: max-age=3600, no-cache", "Expires: @3600"];
            tagged(asked, "\"a\"", fields, "stored")
        }
        "/stale" => tagged(
            asked,
            "\"a\"",
            &["Cache-Control: max-age=10", "Age: 20"],
            "stored",
        ),
        "/over" => {
            let fields = &["Cache-Control: max-age=10, must-revalidate", "Age: 20"];
            tagged(asked, "\"a\"", fields, "stored")
        }
        _ => tagged(
            asked,
            &format!("\"{nth}\""),
            &["Cache-Control: no-cache"],
            &format!("{nth}"),
        ),
    })
    .await;
    for target in ["/bare", "/fresh", "/stale", "/over"] {
        for _ in 0..3 {
            let reply = stage.get(target, &[]).await;
            assert_eq!((reply.status(), reply.body()), (200, "stored"), "{target}");
        }
        let asked = stage.asked(target);
        let tags: Vec<_> = asked
            .iter()
            .map(|asked| asked.get("if-none-match"))
            .collect();
        assert_eq!(tags, [None, Some("\"a\""), Some("\"a\"")], "{target}");
        let reply = stage.get(target, &[]).await;
        let cache = reply.cache().expect("it says so");
        assert_eq!(
            (cache.get("fwd"), cache.get("fwd-status")),
            (Some("stale"), Some("304")),
            "{target}"
        );
    }
    for body in ["0", "1"] {
        assert_eq!(stage.get("/changes", &[]).await.body(), body);
    }
}

#[tokio::test]
async fn directives_go_through_as_they_are() {
    let said = "max-age=3600, new-one=\"x, y\", No-Transform";
    let stage = Stage::start(move |_, _| {
        page(
            &[
                &format!("Cache-Control: {said}"),
                "Pragma: other",
                "Warning: 199 - x",
            ],
            "",
        )
    })
    .await;
    let asking = "max-age=5000, new-one=1";
    for _ in 0..2 {
        let reply = stage
            .get("/", &[&format!("Cache-Control: {asking}"), "Pragma: x"])
            .await;
        assert_eq!(reply.get("cache-control"), Some(said));
        assert_eq!(reply.get("pragma"), Some("other"));
        assert_eq!(reply.get("warning"), Some("199 - x"));
    }
    let asked = stage.asked("/");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].get("cache-control"), Some(asking));
    assert_eq!(asked[0].get("pragma"), Some("x"));
}

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

/// The response's `Cache-Control`, and whether others get it.
const PERMISSIONS: &[Row] = &[
    (&["Cache-Control: max-age=3600"], false),
    (&["Expires: @3600"], false),
    (&["Last-Modified: @-100000"], false),
    (&["Cache-Control: max-age=3600, public"], true),
    (&["Cache-Control: max-age=3600, must-revalidate"], true),
    (&["Cache-Control: s-maxage=3600"], true),
    (&["Cache-Control: max-age=3600, proxy-revalidate"], false),
    (&["Cache-Control: max-age=3600, x=\"public\""], false),
    (&["Cache-Control: max-age=3600, public=no"], false),
    (&["Cache-Control: public, private, max-age=3600"], false),
];

#[tokio::test]
async fn an_answer_to_credentials_is_for_others_only_if_it_says_so() {
    let answer = |asked: &Asked, nth: usize| {
        let row: usize = asked.target[2..].parse().expect("a row");
        page(PERMISSIONS[row].0, &format!("{nth}"))
    };
    let stage = Stage::start(answer).await;
    for (row, (fields, shared)) in PERMISSIONS.iter().enumerate() {
        for (way, credentials) in [
            ("a", &["Authorization: Basic eDp5"][..]),
            ("b", &["Cookie: a=b"]),
            ("c", &["Authorization: Basic eDp5", "Cookie: a=b"]),
        ] {
            // A duty to validate is a permission for `Authorization` and nothing else.
            let revalidates = fields[0].contains(", must-revalidate");
            let shared = *shared && (way == "a" || !revalidates);
            let target = format!("/{way}{row}");
            stage.get(&target, credentials).await;
            assert_eq!(
                stage.get(&target, &[]).await.is_hit(),
                shared,
                "{way} {fields:?}"
            );
            let asked = stage.asked(&target);
            for field in credentials {
                let (name, value) = field.split_once(": ").expect("a field");
                assert_eq!(asked[0].get(name), Some(value));
            }
        }
    }
}

#[tokio::test]
async fn who_has_credentials_may_get_what_is_for_all() {
    let stage = Stage::start(|_, _| page(&[FRESH], "")).await;
    stage.get("/", &[]).await;
    assert!(stage.get("/", &["Cookie: a=b"]).await.is_hit());
    assert_eq!(stage.count("/"), 1);
}
