//! What responses say to caches beside lifetimes (RFC 9111 §5.2.2, §3.5).

use crate::{
    origin::Asked,
    stage::{Row, Stage, assert_reuse, page, tagged},
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
