//! What a 304 and an answer to HEAD change of what is stored (RFC 9111 §3.2, §4.3.4, §4.3.5).

use crate::{
    origin::{Asked, head},
    stage::{Stage, bare, page},
};

const FRESH: &str = "Cache-Control: max-age=3600";
/// Stored, and stale at once.
const STALE: [&str; 2] = ["Cache-Control: max-age=10", "Age: 20"];
const TAG: &str = "ETag: \"a\"";
const THEN: &str = "Last-Modified: Sun, 01 Nov 2026 10:00:00 GMT";

/// A stale page at first, then a 304 with these fields, and then another page.
async fn updated(first: &'static [&'static str], then: &'static [&'static str]) -> Stage {
    let stage = Stage::start(move |_: &Asked, nth| match nth {
        0 => page(&[&STALE[..], first].concat(), "stored"),
        1 => bare("304 Not Modified", then),
        _ => page(&[FRESH, "ETag: \"new\""], "new"),
    })
    .await;
    stage.get("/", &[]).await;
    stage
}

#[tokio::test]
async fn a_field_of_a_304_replaces_the_stored_one() {
    let fields: &'static [(&str, &str, &str)] = &[
        ("test-field", "a", "b"),
        ("x-test-field", "a", "b"),
        ("content-other", "a", "b"),
        ("x-content-other", "a", "b"),
        ("content-language", "en", "de"),
        ("content-location", "/a", "/b"),
        (
            "content-md5",
            "rL0Y20zC+Fzt72VPzMSk2A==",
            "N7UdGUp1E+RbVvZSTy1R8g==",
        ),
        (
            "content-security-policy",
            "default-src 'self'",
            "default-src 'none'",
        ),
        ("content-type", "text/plain", "text/plain;charset=utf-8"),
        (
            "expires",
            "Fri, 01 Jan 2038 01:01:01 GMT",
            "Mon, 11 Jan 2038 11:11:11 GMT",
        ),
        ("x-frame-options", "deny", "sameorigin"),
        ("x-xss-protection", "1", "1; mode=block"),
        ("strict-transport-security", "max-age=1", "max-age=2"),
        ("link", "</a>; rel=next", "</b>; rel=next"),
        ("date", "@-30", "@-5"),
    ];
    for validator in [TAG, THEN] {
        let stage = Stage::start(move |asked, nth| {
            let row: usize = asked.target[1..].parse().expect("a row");
            let (name, old, new) = fields[row];
            let (old, new) = (format!("{name}: {old}"), format!("{name}: {new}"));
            match nth {
                0 => page(&[STALE[0], STALE[1], validator, "X-Kept: 1", &old], "body"),
                _ => bare("304 Not Modified", &[FRESH, validator, &new]),
            }
        })
        .await;
        let mut wrong = Vec::new();
        for (row, (name, _, new)) in fields.iter().enumerate() {
            let target = format!("/{row}");
            let before = stage.get(&target, &[]).await;
            let told = stage.get(&target, &[]).await;
            let after = stage.get(&target, &[]).await;
            assert!(after.is_hit(), "{name}: {after:?}");
            for reply in [told, after] {
                let is_new = match *name {
                    "date" => reply.get(name).is_some() && reply.get(name) != before.get(name),
                    _ => reply.get(name) == Some(new),
                };
                let is_kept = reply.get("x-kept") == Some("1") && reply.body() == "body";
                if !is_new || !is_kept || reply.get("cache-control") != Some("max-age=3600") {
                    wrong.push(format!("{validator}, {name}: {reply:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[tokio::test]
async fn all_lines_of_a_field_are_replaced_and_other_fields_kept() {
    let stage = updated(
        &[TAG, "X-A: 1", "X-A: 2", "X-B: 1", "X-B: 2"],
        &[FRESH, TAG, "X-A: 3", "X-C: 1", "X-C: 2"],
    )
    .await;
    for _ in 0..2 {
        let reply = stage.get("/", &[]).await;
        assert_eq!(reply.head.all("x-a"), ["3"]);
        assert_eq!(reply.head.all("x-b"), ["1", "2"]);
        assert_eq!(reply.head.all("x-c"), ["1", "2"]);
    }
    assert_eq!(stage.count("/"), 2);
}

#[tokio::test]
async fn what_describes_the_stored_bytes_stays() {
    for other in [
        "Content-Length: 6",
        "Content-Length: 0",
        "Content-Encoding: br",
        "Content-Range: bytes 0-1/9",
        "Connection: x-hop\r\nX-Hop: 1",
        "Keep-Alive: timeout=9",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: close",
        "Upgrade: x",
        "TE: trailers",
    ] {
        let stage = Stage::start(move |_, nth| match nth {
            0 => page(&[STALE[0], STALE[1], TAG, "X-Hop: 0"], "stored"),
            _ => bare("304 Not Modified", &[FRESH, TAG, other]),
        })
        .await;
        for _ in 0..3 {
            let reply = stage.get("/", &[]).await;
            assert_eq!(
                (reply.status(), reply.body()),
                (200, "stored"),
                "{other}: {:?}",
                reply.head
            );
            assert_eq!(reply.head.length(), Some(6), "{other}");
            for name in [
                "content-encoding",
                "content-range",
                "keep-alive",
                "proxy-authenticate",
                "proxy-connection",
                "upgrade",
                "te",
            ] {
                assert_eq!(reply.get(name), None, "{other}");
            }
            assert_ne!(reply.get("x-hop"), Some("1"));
        }
        assert_eq!(stage.count("/"), 2, "{other}");
    }
}

#[tokio::test]
async fn an_updated_response_is_as_old_as_the_update() {
    let stage = updated(&[TAG, "Date: @-500"], &["Cache-Control: max-age=100", TAG]).await;
    let validated = stage.get("/", &[]).await;
    assert_eq!(validated.body(), "stored");
    let hit = stage.get("/", &[]).await;
    assert!(
        hit.is_hit() && hit.age().is_some_and(|age| age < 3),
        "{hit:?}"
    );

    let stage = updated(&[TAG], &["Cache-Control: max-age=100", "Age: 50", TAG]).await;
    stage.get("/", &[]).await;
    let hit = stage.get("/", &[]).await;
    assert!(
        hit.is_hit() && hit.age().is_some_and(|age| (50..53).contains(&age)),
        "{hit:?}"
    );
}

#[tokio::test]
async fn a_304_can_say_that_what_is_stored_is_no_longer_for_caches() {
    let rows: &'static [&[&str]] = &[
        &[TAG, "Cache-Control: no-store"],
        &[TAG, "Cache-Control: private, max-age=60"],
        &[TAG, "Cache-Control: max-age=0"],
        &[TAG, FRESH, "Vary: *"],
    ];
    for said in rows {
        let stage = Stage::start(move |asked, nth| match nth {
            0 => page(&[STALE[0], STALE[1], TAG], "stored"),
            1 => bare("304 Not Modified", said),
            _ if asked.get("if-none-match").is_some() => bare("304 Not Modified", &[FRESH, TAG]),
            _ => page(&[FRESH, TAG], "stored"),
        })
        .await;
        for _ in 0..3 {
            assert_eq!(stage.get("/", &[]).await.body(), "stored", "{said:?}");
        }
        assert_eq!(stage.count("/"), 3, "{said:?}");
    }
}

#[tokio::test]
async fn a_304_that_sets_a_cookie_sets_it_for_nobody_else() {
    let stage = updated(&[TAG], &[FRESH, TAG, "Set-Cookie: a=b"]).await;
    assert_eq!(stage.get("/", &[]).await.body(), "stored");
    for _ in 0..2 {
        assert_eq!(stage.get("/", &[]).await.get("set-cookie"), None);
    }
}

#[tokio::test]
async fn a_304_can_say_what_else_selects_a_response() {
    let stage = Stage::start(|asked, nth| match nth {
        0 => page(&[STALE[0], STALE[1], TAG], "1"),
        1 => bare("304 Not Modified", &[FRESH, TAG, "Vary: X-A"]),
        _ => page(
            &[FRESH, "ETag: \"b\"", "Vary: X-A"],
            asked.get("x-a").unwrap_or("-"),
        ),
    })
    .await;
    stage.get("/", &["X-A: 1"]).await;
    assert_eq!(stage.get("/", &["X-A: 1"]).await.body(), "1");
    assert_eq!(stage.get("/", &["X-A: 2"]).await.body(), "2");
    assert!(stage.get("/", &["X-A: 1"]).await.is_hit());
}

#[tokio::test]
async fn a_304_about_something_else_updates_nothing() {
    let rows: &'static [(&[&str], &[&str])] = &[
        (&[TAG], &[FRESH, "ETag: \"b\"", "X-A: new"]),
        (&["ETag: W/\"a\""], &[FRESH, "ETag: \"a\"", "X-A: new"]),
        (
            &[THEN],
            &[
                FRESH,
                "Last-Modified: Mon, 02 Nov 2026 10:00:00 GMT",
                "X-A: new",
            ],
        ),
        (&[THEN], &[FRESH, "ETag: \"b\"", "X-A: new"]),
        // A length that is not that of what is stored.
        (&[TAG], &[FRESH, TAG, "Content-Length: 5", "X-A: new"]),
    ];
    for (first, then) in rows {
        let stage = updated(first, then).await;
        for _ in 0..2 {
            let reply = stage.get("/", &[]).await;
            // Whoever asks without a condition never gets a 304, nor what the 304 was not about.
            assert!(matches!(reply.status(), 200 | 502), "{then:?}: {reply:?}");
            assert_eq!(reply.get("x-a"), None, "{then:?}: {reply:?}");
        }
        assert_eq!(stage.get("/", &[]).await.body(), "new", "{then:?}");
    }
}

#[tokio::test]
async fn after_a_304_that_cannot_be_trusted_the_next_request_asks_for_all_of_it() {
    // One request of a client makes one at the origin: what is about something else is an error, what has the right tag is still good.
    let rows: &'static [(&[&str], u16)] = &[
        (&[FRESH, "ETag: \"b\""], 502),
        (&[FRESH, TAG, "Content-Length: 5"], 200),
    ];
    for (then, status) in rows {
        let stage = updated(&[TAG], then).await;
        let reply = stage.get("/", &[]).await;
        assert_eq!(reply.status(), *status, "{then:?}");
        let next = stage.get("/", &[]).await;
        assert_eq!((next.status(), next.body()), (200, "new"), "{then:?}");
        let asked = stage.asked("/");
        assert_eq!(asked[2].get("if-none-match"), None, "{then:?}");
    }
}

#[tokio::test]
async fn a_304_without_validators_confirms_the_one_that_was_asked_about() {
    let stage = updated(&[TAG], &[FRESH, "X-A: 1"]).await;
    let reply = stage.get("/", &[]).await;
    assert_eq!((reply.status(), reply.body()), (200, "stored"));
}

#[tokio::test]
async fn a_head_is_asked_through_where_nothing_fresh_is_stored() {
    let stage = Stage::start(
        |asked, nth| match (asked.method.as_str(), asked.target.as_str()) {
            ("HEAD", "/confirms") => head("200 OK", &[FRESH, TAG, "Content-Length: 1", "X-A: 2"]),
            ("HEAD", "/silent") => head("200 OK", &[FRESH, "X-A: 2"]),
            ("HEAD", "/length") => head("200 OK", &[FRESH, TAG, "Content-Length: 9", "X-A: 2"]),
            ("HEAD", "/tag") => head("200 OK", &[FRESH, "ETag: \"b\"", "X-A: 2"]),
            ("HEAD", "/gone") => head("410 Gone", &[FRESH, "X-A: 2", "Content-Length: 0"]),
            ("HEAD", "/wrong") => head("500 Error", &["X-A: 2", "Content-Length: 0"]),
            _ if asked.get("if-none-match").is_some() => bare("304 Not Modified", &[FRESH, TAG]),
            _ => page(
                &[STALE[0], STALE[1], TAG, "X-A: 1", "X-B: 1"],
                &format!("{nth}"),
            ),
        },
    )
    .await;
    let targets = ["/confirms", "/silent", "/length", "/tag", "/gone", "/wrong"];
    for target in targets {
        assert_eq!(stage.get(target, &[]).await.body(), "0");
        let reply = stage.ask("HEAD", target, &[]).await;
        assert_eq!(reply.body(), "", "{target}");
        let status = match target {
            "/gone" => 410,
            "/wrong" => 500,
            _ => 200,
        };
        assert_eq!(reply.status(), status, "{target}");
        assert_eq!(stage.count(target), 2, "{target}");
    }
    for target in targets {
        let reply = stage.get(target, &[]).await;
        let confirmed = matches!(target, "/confirms" | "/silent");
        assert_eq!(reply.status(), 200, "{target}");
        assert_eq!(reply.is_hit(), confirmed, "{target}: {reply:?}");
        if confirmed {
            assert_eq!(
                (reply.get("x-a"), reply.get("x-b")),
                (Some("2"), Some("1")),
                "{target}"
            );
            assert_eq!(
                (reply.body(), reply.get("etag")),
                ("0", Some("\"a\"")),
                "{target}"
            );
        }
    }
}
