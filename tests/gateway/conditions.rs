//! Requests that ask whether what their clients have still holds (RFC 9111 §4.3.2, RFC 9110 §13).

use crate::stage::{Stage, page, tagged, with_status};

const FRESH: &str = "Cache-Control: max-age=3600";
const THEN: &str = "Last-Modified: Sun, 01 Nov 2026 10:00:00 GMT";

/// What is stored, what is asked, and whether the client has it.
type Condition = (&'static [&'static str], &'static [&'static str], bool);

/// No row asks the origin a second time.
async fn assert_conditions(rows: &'static [Condition]) {
    let stage = Stage::start(|asked, _| {
        let row: usize = asked.target[1..].parse().expect("a row");
        page(&[rows[row].0, &[FRESH]].concat(), "body")
    })
    .await;
    let mut wrong = Vec::new();
    for (row, (stored, asked, has)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        let first = stage.get(&target, &[]).await;
        for method in ["GET", "HEAD"] {
            let reply = stage.ask(method, &target, asked).await;
            let status = if *has { 304 } else { 200 };
            let body = if *has || method == "HEAD" { "" } else { "body" };
            let tag = reply.get("etag") == first.get("etag");
            if reply.status() != status || reply.body() != body || !reply.is_hit() || !tag {
                wrong.push(format!("{stored:?}, {method} {asked:?}: {reply:?}"));
            }
        }
        assert_eq!(stage.count(&target), 1, "{stored:?}, {asked:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn tags_are_compared_by_what_is_in_them() {
    assert_conditions(&[
        (&["ETag: \"abc\""], &["If-None-Match: \"abc\""], true),
        (&["ETag: W/\"abc\""], &["If-None-Match: W/\"abc\""], true),
        (&["ETag: W/\"abc\""], &["If-None-Match: \"abc\""], true),
        (&["ETag: \"abc\""], &["If-None-Match: W/\"abc\""], true),
        (
            &["ETag: \"abc\""],
            &["If-None-Match: \"abc\", \"1\", \"2\""],
            true,
        ),
        (
            &["ETag: \"abc\""],
            &["If-None-Match: \"1\", \"abc\", \"2\""],
            true,
        ),
        (
            &["ETag: \"abc\""],
            &["If-None-Match: \"1\",\"2\",W/\"abc\""],
            true,
        ),
        (
            &["ETag: \"abc\""],
            &["If-None-Match: \"1\"", "If-None-Match: \"abc\""],
            true,
        ),
        (&["ETag: \"abc\""], &["If-None-Match: ,, \"abc\" ,"], true),
        (&["ETag: \"abc\""], &["If-None-Match: *"], true),
        (&["X-None: 1"], &["If-None-Match: *"], true),
        (&["ETag: \"a,b\""], &["If-None-Match: \"a,b\""], true),
        (&["ETag: \"\""], &["If-None-Match: \"\""], true),
        (
            &["ETag: \"ab\u{fc}\""],
            &["If-None-Match: \"ab\u{fc}\""],
            true,
        ),
        (&["ETag: \"a\\\"b\""], &["If-None-Match: \"a\\\""], false),
        (&["ETag: \"abc\""], &["If-None-Match: \"ABC\""], false),
        (&["ETag: \"abc\""], &["If-None-Match: \"ab\""], false),
        (&["ETag: \"a\""], &["If-None-Match: \"b,\\\"a\\\"\""], false),
        (&["X-None: 1"], &["If-None-Match: \"abc\""], false),
    ])
    .await;
}

#[tokio::test]
async fn a_tag_that_is_none_equals_none() {
    assert_conditions(&[
        (&["ETag: \"abc\""], &["If-None-Match: abc"], false),
        (&["ETag: \"abc\""], &["If-None-Match: 'abc'"], false),
        (&["ETag: \"abc\""], &["If-None-Match: \"abc"], false),
        (&["ETag: \"abc\""], &["If-None-Match: w/\"abc\""], false),
        (&["ETag: \"abc\""], &["If-None-Match: W\\\"abc\""], false),
        (&["ETag: \"abc\""], &["If-None-Match: W\"abc\""], false),
        (&["ETag: \"abc\""], &["If-None-Match: W/abc"], false),
        (&["ETag: \"abc\""], &["If-None-Match: \"1\" \"abc\""], false),
        (&["ETag: \"abc\""], &["If-None-Match: *, \"abc\""], false),
        (&["ETag: \"abc\""], &["If-None-Match:"], false),
        (&["ETag: abc"], &["If-None-Match: abc"], false),
        (&["ETag: abc"], &["If-None-Match: \"abc\""], false),
        (&["ETag: w/\"abc\""], &["If-None-Match: w/\"abc\""], false),
        (&["ETag: w/\"abc\""], &["If-None-Match: \"abc\""], false),
        (&["ETag: W\"abc\""], &["If-None-Match: W\"abc\""], false),
    ])
    .await;
}

#[tokio::test]
async fn dates_are_compared_where_there_is_no_tag() {
    assert_conditions(&[
        (
            &[THEN],
            &["If-Modified-Since: Sun, 01 Nov 2026 10:00:00 GMT"],
            true,
        ),
        (
            &[THEN],
            &["If-Modified-Since: Sun, 01 Nov 2026 10:00:01 GMT"],
            true,
        ),
        (
            &[THEN],
            &["If-Modified-Since: Sunday, 01-Nov-26 10:00:00 GMT"],
            true,
        ),
        (
            &[THEN],
            &["If-Modified-Since: Sun Nov  1 10:00:00 2026"],
            true,
        ),
        (
            &[THEN, "ETag: \"a\""],
            &["If-Modified-Since: Sun, 01 Nov 2026 10:00:00 GMT"],
            true,
        ),
        (&["Date: @-100"], &["If-Modified-Since: @-50"], true),
        (&["X-None: 1"], &["If-Modified-Since: @60"], true),
        (
            &[THEN],
            &["If-Modified-Since: Sun, 01 Nov 2026 09:59:59 GMT"],
            false,
        ),
        (&["Date: @-100"], &["If-Modified-Since: @-150"], false),
        (&[THEN], &["If-Modified-Since: nonsense"], false),
        (&[THEN], &["If-Modified-Since: 2026-11-02T00:00:00Z"], false),
        (
            &[THEN],
            &["If-Modified-Since: Mon, 02 Nov 2026 10:00:00 UTC"],
            false,
        ),
        (
            &[THEN],
            &["If-Modified-Since: @0", "If-Modified-Since: @0"],
            false,
        ),
        (&[THEN], &["If-Modified-Since:"], false),
        // A tag says more.
        (
            &[THEN, "ETag: \"a\""],
            &["If-None-Match: \"b\"", "If-Modified-Since: @0"],
            false,
        ),
        (
            &[THEN, "ETag: \"a\""],
            &["If-None-Match: \"a\"", "If-Modified-Since: @-90000000"],
            true,
        ),
        (
            &[THEN],
            &["If-None-Match: \"a\"", "If-Modified-Since: @0"],
            false,
        ),
        (
            &[THEN, "ETag: \"a\""],
            &["If-None-Match: a", "If-Modified-Since: @0"],
            false,
        ),
    ])
    .await;
}

#[tokio::test]
async fn who_has_it_is_told_what_may_have_changed_and_nothing_more() {
    let stage = Stage::start(|_, _| {
        let fields = [
            FRESH,
            "ETag: \"a\"",
            THEN,
            "Expires: @3600",
            "Content-Location: /there",
            "Vary: X-A",
            "Content-Type: text/plain",
            "Content-Language: en",
            "Date: @-10",
        ];
        page(&fields, "body")
    })
    .await;
    let full = stage.get("/", &[]).await;
    let reply = stage.get("/", &["If-None-Match: \"a\""]).await;
    assert_eq!(reply.status(), 304);
    for name in [
        "cache-control",
        "content-location",
        "date",
        "etag",
        "expires",
        "vary",
    ] {
        assert_eq!(reply.get(name), full.get(name), "{name}");
    }
    for name in [
        "content-type",
        "content-language",
        "content-encoding",
        "transfer-encoding",
    ] {
        assert_eq!(reply.get(name), None, "{name}");
    }
    assert!(matches!(reply.get("content-length"), None | Some("4")));
    assert!(reply.age().is_some_and(|age| age >= 10));
}

#[tokio::test]
async fn conditions_are_about_successes_alone() {
    let stage = Stage::start(|asked, _| {
        let status = format!("{} Text", &asked.target[1..]);
        with_status(&status, &[FRESH, "ETag: \"a\"", THEN], "body")
    })
    .await;
    for status in [301, 404, 410, 500] {
        let target = format!("/{status}");
        stage.get(&target, &[]).await;
        for condition in [
            "If-None-Match: \"a\"",
            "If-None-Match: *",
            "If-Modified-Since: @0",
        ] {
            let reply = stage.get(&target, &[condition]).await;
            assert_eq!(
                (reply.status(), reply.body()),
                (status, "body"),
                "{condition}"
            );
            assert!(reply.is_hit());
        }
    }
}

#[tokio::test]
async fn conditions_for_the_origin_go_there() {
    let stage =
        Stage::start(
            |asked, _| match asked.get("if-match").or(asked.get("if-unmodified-since")) {
                Some(_) => with_status("412 Precondition Failed", &[FRESH], ""),
                None => page(&[FRESH, "ETag: \"a\"", THEN], "body"),
            },
        )
        .await;
    stage.get("/", &[]).await;
    for condition in [
        "If-Match: \"b\"",
        "If-Match: \"a\"",
        "If-Match: *",
        "If-Unmodified-Since: Sun, 01 Nov 2020 10:00:00 GMT",
    ] {
        let reply = stage.get("/", &[condition]).await;
        assert_eq!(reply.status(), 412, "{condition}");
        let asked = stage.asked("/");
        let (name, value) = condition.split_once(": ").expect("a field");
        assert_eq!(asked.last().expect("it was asked").get(name), Some(value));
        // It was no answer to anybody else.
        assert!(stage.get("/", &[]).await.is_hit());
    }
}

#[tokio::test]
async fn a_condition_where_nothing_is_stored_is_answered_rightly() {
    let stage = Stage::start(|asked, _| tagged(asked, "\"a\"", &[FRESH], "body")).await;
    for (target, condition, status) in [
        ("/has", "If-None-Match: \"a\"", 304),
        ("/has-not", "If-None-Match: \"b\"", 200),
        ("/unquoted", "If-None-Match: b", 200),
    ] {
        let reply = stage.get(target, &[condition]).await;
        assert_eq!(reply.status(), status, "{condition}");
        // Who asks without a condition gets the page, whatever came before.
        let reply = stage.get(target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, "body"), "{condition}");
    }
}
