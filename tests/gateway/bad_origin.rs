//! Origins and clients that say what nobody should.

use crate::{
    origin::{Act, head},
    stage::{Stage, bare, page, with_status},
};

const FRESH: &str = "Cache-Control: max-age=3600";
const TAG: &str = "ETag: \"a\"";
/// Stored, and stale at once.
const STALE: [&str; 2] = ["Cache-Control: max-age=10", "Age: 20"];

fn alive(stage: &Stage) {
    let log = stage.gateway.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_field_that_is_malformed_goes_through_and_breaks_nothing() {
    let rows: &'static [&str] = &[
        "ETag: abc",
        "ETag: \"",
        "ETag: W/",
        "ETag: \"a\" \"b\"",
        "ETag: \"a\", \"b\"",
        "ETag:",
        "Last-Modified: nonsense",
        "Last-Modified: Sun, 99 Nov 2026 99:99:99 GMT",
        "Last-Modified: Sun, 01 Nov 99999 10:00:00 GMT",
        "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT",
        "Last-Modified: Sat, 01 Jan 0000 00:00:00 GMT",
        "Date: nonsense",
        "Date: Fri, 31 Dec 9999 23:59:59 GMT",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "Expires: Fri, 31 Dec 9999 23:59:59 GMT",
        "Vary: ;;;",
        "Content-Range: bytes 0-1/2",
        "Content-Range: nonsense",
        "Accept-Ranges: nonsense",
        "Content-Type: ;",
        "Content-Encoding: ,,",
        "Content-Location: ::",
        "Location: http://[",
        "No-Vary-Search: ((",
        "Cache-Control: stale-while-revalidate=99999999999999999999999, stale-if-error=99999999999999999999999",
        "Cache-Control: =, ==, =a, \"\", ;",
        "Cache-Control: max-age=99999999999999999999999, s-maxage=99999999999999999999999",
        "CDN-Cache-Control: max-age=999999999999999",
        "Age: 99999999999999999999999",
        "Warning: \u{ff}",
        "Cache-Control: \u{ff}=\u{ff}",
        "ETag: \"\u{ff}\"",
        "Vary: \u{ff}",
    ];
    let stage = Stage::start(|asked, _| {
        let row: usize = asked.target[1..]
            .split('?')
            .next()
            .and_then(|row| row.parse().ok())
            .expect("a row");
        page(&[FRESH, rows[row]], "body")
    })
    .await;
    for (row, field) in rows.iter().enumerate() {
        let (name, value) = field.split_once(':').expect("a field");
        let name = name.to_ascii_lowercase();
        for asked in [
            "X-None: 1",
            "X-None: 1",
            "If-None-Match: \"b\"",
            "If-Modified-Since: @-1700000000",
            "Range: bytes=9-",
            "Cache-Control: no-cache",
        ] {
            let reply = stage.get(&format!("/{row}"), &[asked]).await;
            assert!(
                matches!(reply.status(), 200 | 416 | 304),
                "{field}, {asked}: {reply:?}"
            );
            if reply.status() == 200 {
                assert_eq!(reply.body(), "body", "{field}, {asked}");
                let kept = reply.head.all(&name).contains(&value.trim());
                // A date and an age are this cache's to tell, too.
                assert!(
                    kept || matches!(name.as_str(), "date" | "age"),
                    "{field}, {asked}: {reply:?}"
                );
            }
        }
        let reply = stage
            .get(
                &format!("/{row}?x"),
                &["Range: bytes=0-1", "If-Range: \"a\""],
            )
            .await;
        assert!(
            matches!((reply.status(), reply.body()), (200, "body") | (206, "bo")),
            "{field}"
        );
    }
    alive(&stage);
}

#[tokio::test]
async fn a_request_that_says_too_much_is_answered_all_the_same() {
    let stage =
        Stage::start(|_, _| page(&[FRESH, TAG, "Vary: Accept-Language, X-A"], "body")).await;
    stage.get("/", &[]).await;
    let many = |part: &str, joint: &str| vec![part; 5_000].join(joint);
    for field in [
        format!("If-None-Match: {}", many("\"b\"", ", ")),
        format!("If-None-Match: {}", many(",", "")),
        format!("If-None-Match: \"{}", many("\\\"", "")),
        format!("If-Range: {}", many("\"b\"", ", ")),
        format!("Cache-Control: {}", many("x=1", ", ")),
        format!("Cache-Control: max-age=1{}", many("0", "")),
        format!(
            "Cache-Control: max-stale={}, min-fresh={}",
            "9".repeat(500),
            "0".repeat(500)
        ),
        format!("Cache-Control: x=\"{}", many("\\\"", "")),
        format!("Accept-Language: {}", many("de;q=0.5", ", ")),
        format!("Accept-Encoding: {}", many("x;q=0.1", ", ")),
        format!("Accept-Encoding: {}", many(";q=9", ",")),
        format!("X-A: {}", many(",", "")),
        format!("Cookie: {}", many("a=b", "; ")),
    ] {
        let reply = stage.get("/", &[&field]).await;
        assert_eq!(
            (reply.status(), reply.body()),
            (200, "body"),
            "{}",
            &field[..40]
        );
    }
    alive(&stage);
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_no_answer() {
    let rows: &'static [&[&str]] = &[
        &[],
        &[FRESH],
        &[FRESH, TAG],
        &[FRESH, "Content-Length: 4"],
        &["Last-Modified: @-100000"],
    ];
    let stage = Stage::start(|asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        match nth {
            0 => bare("304 Not Modified", rows[row]),
            _ => page(&[FRESH, TAG], "body"),
        }
    })
    .await;
    for (row, fields) in rows.iter().enumerate() {
        let target = format!("/{row}");
        let reply = stage.get(&target, &[]).await;
        assert_eq!(reply.status(), 502, "{fields:?}");
        for hit in [false, true] {
            let reply = stage.get(&target, &[]).await;
            assert_eq!(
                (reply.status(), reply.body(), reply.is_hit()),
                (200, "body", hit),
                "{fields:?}"
            );
        }
    }
    alive(&stage);
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_take_the_place_of_a_good_one() {
    let stage = Stage::acting(&[], |asked, nth| {
        let broken = match asked.target.as_str() {
            "/length" => [
                head("200 OK", &[FRESH, "ETag: \"b\"", "Content-Length: 10"]),
                b"1234".to_vec(),
            ],
            _ => [
                head(
                    "200 OK",
                    &[FRESH, "ETag: \"b\"", "Transfer-Encoding: chunked"],
                ),
                b"4\r\n1234\r\n".to_vec(),
            ],
        };
        match nth {
            0 => vec![Act::Send(page(&[STALE[0], STALE[1], TAG], "good"))],
            1 => vec![Act::Send(broken.concat()), Act::Close],
            2 => vec![Act::Close],
            _ if asked.get("if-none-match") == Some("\"a\"") => {
                vec![Act::Send(bare("304 Not Modified", &[FRESH, TAG]))]
            }
            _ => vec![Act::Send(page(&[FRESH, TAG], "another"))],
        }
    })
    .await;
    for target in ["/length", "/chunks"] {
        stage.get(target, &[]).await;
        let mut client = crate::raw::Connection::get(stage.gateway.address, target).await;
        // Its head may be on its way already; what comes is not passed off as a whole.
        if let Some(head) = client.head_if_any().await {
            let body = client.body(&head).await;
            assert!(
                body.is_none() || body.as_deref() == Some(b"good"),
                "{target}: {head:?}"
            );
        }
        let reply = stage.get(target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, "good"), "{target}");
        let reply = stage.get(target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, "good"), "{target}");
        assert_eq!(stage.count(target), 4, "{target}");
    }
    alive(&stage);
}

#[tokio::test]
async fn a_head_that_is_too_large_to_store_is_passed_on_each_time() {
    let stage = Stage::start(|asked, nth| {
        let body = format!("{nth}");
        match asked.target.as_str() {
            "/long" => page(
                &[FRESH, &format!("X-Long: {}", "x".repeat(100 << 10))],
                &body,
            ),
            "/vary" => page(
                &[FRESH, &format!("Vary: {}", vec!["x-a"; 5_000].join(", "))],
                &body,
            ),
            "/names" => page(
                &[
                    FRESH,
                    &format!(
                        "Vary: {}",
                        (0..1_000)
                            .map(|n| format!("x-{n}"))
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                ],
                &body,
            ),
            "/commas" => page(
                &[FRESH, &format!("Cache-Control: {}", ",".repeat(50_000))],
                &body,
            ),
            _ => page(
                &[
                    FRESH,
                    &format!("Cache-Control: {}", vec!["x=\"a,b\""; 5_000].join(", ")),
                ],
                &body,
            ),
        }
    })
    .await;
    for target in ["/long", "/vary", "/names", "/commas", "/directives"] {
        for nth in 0..2 {
            let reply = stage.get(target, &[]).await;
            assert_eq!(reply.status(), 200, "{target}");
            let expected = if reply.is_hit() { 0 } else { nth };
            assert_eq!(reply.body(), format!("{expected}"), "{target}");
        }
    }
    assert_eq!(stage.count("/long"), 2);
    assert_eq!(stage.count("/names"), 2);
    alive(&stage);
}

#[tokio::test]
async fn an_answer_that_is_about_the_range_of_one_request_is_for_nobody_else() {
    let rows: &'static [(&str, &str)] = &[
        ("416 Range Not Satisfiable", "Range: bytes=20-"),
        ("412 Precondition Failed", "If-Match: \"b\""),
        ("417 Expectation Failed", "Expect: other"),
    ];
    let stage = Stage::start(|asked, _| {
        let row: usize = asked.target[1..].parse().expect("a row");
        let (status, field) = rows[row];
        let (name, _) = field.split_once(':').expect("a field");
        match asked.get(name) {
            Some(_) => with_status(status, &[FRESH], "failed"),
            None => page(&[FRESH], "body"),
        }
    })
    .await;
    for (row, (status, field)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        stage.get(&target, &[field]).await;
        let reply = stage.get(&target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, "body"), "{status}");
    }
}
