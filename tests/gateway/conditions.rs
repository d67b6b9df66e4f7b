//! Requests that ask whether what their clients have still holds, and those by which the gateway asks it (RFC 9111 §4.3, RFC 9110 §13).

use crate::{
    origin::head,
    stage::{Stage, bare, page, tagged, with_status},
};

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

/// Stored, and stale at once.
const STALE: [&str; 2] = ["Cache-Control: max-age=10", "Age: 20"];

#[tokio::test]
async fn what_is_stale_is_asked_about_with_its_own_validators() {
    let rows: &'static [(&[&str], Option<&str>, Option<&str>)] = &[
        (&["ETag: \"abc\""], Some("\"abc\""), None),
        (&["ETag: W/\"abc\""], Some("W/\"abc\""), None),
        (&["ETag: \"\""], Some("\"\""), None),
        (&["ETag: \"a,b-c\""], Some("\"a,b-c\""), None),
        (
            &["Last-Modified: Sun, 01 Nov 2026 10:00:00 GMT"],
            None,
            Some("Sun, 01 Nov 2026 10:00:00 GMT"),
        ),
        (
            &["Last-Modified: Sunday, 01-Nov-26 10:00:00 GMT"],
            None,
            Some("Sunday, 01-Nov-26 10:00:00 GMT"),
        ),
        (
            &["ETag: \"abc\"", THEN],
            Some("\"abc\""),
            Some("Sun, 01 Nov 2026 10:00:00 GMT"),
        ),
    ];
    let stage = Stage::start(|asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        match nth {
            0 => page(&[rows[row].0, &STALE].concat(), "body"),
            _ => bare("304 Not Modified", rows[row].0),
        }
    })
    .await;
    for (row, (fields, tag, date)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        stage.get(&target, &[]).await;
        let reply = stage
            .get(&target, &["Range: bytes=0-1", "If-Range: \"x\""])
            .await;
        assert_eq!(reply.status(), 200, "{fields:?}");
        let reply = stage.get(&target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, "body"), "{fields:?}");
        let asked = stage.asked(&target);
        let asked = &asked.last().expect("it was asked");
        assert_eq!(
            (asked.get("if-none-match"), asked.get("if-modified-since")),
            (*tag, *date)
        );
        for name in ["range", "if-range", "if-match", "if-unmodified-since"] {
            assert_eq!(asked.get(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn a_client_with_another_copy_gets_what_holds() {
    let stage = Stage::start(|asked, nth| {
        let tag = match asked.target.as_str() {
            "/client" => "ETag: \"client\"",
            _ => "ETag: \"stored\"",
        };
        match nth {
            0 => page(&[&STALE[..], &["ETag: \"stored\""]].concat(), "stored"),
            1 => bare("304 Not Modified", &[tag, FRESH]),
            _ => page(&[FRESH, tag], "new"),
        }
    })
    .await;
    for (target, condition, status, body, after) in [
        // The origin's 304 is about what is stored, which the client has not.
        (
            "/stored",
            "If-None-Match: \"client\"",
            200,
            "stored",
            "stored",
        ),
        ("/both", "If-None-Match: \"stored\"", 304, "", "stored"),
        ("/none", "X-None: 1", 200, "stored", "stored"),
        // It is about what the client has, and says nothing about what is stored.
        ("/client", "If-None-Match: \"client\"", 304, "", "new"),
    ] {
        stage.get(target, &[]).await;
        let reply = stage.get(target, &[condition]).await;
        assert_eq!((reply.status(), reply.body()), (status, body), "{target}");
        let tags = stage.asked(target)[1]
            .get("if-none-match")
            .map(str::to_owned);
        assert!(tags.is_some_and(|tags| tags.contains("\"stored\"")));
        assert_eq!(stage.get(target, &[]).await.body(), after, "{target}");
    }
}

#[tokio::test]
async fn a_client_with_a_date_is_answered_after_a_validation() {
    let stage = Stage::start(|_, nth| match nth {
        0 => page(&[&STALE[..], &[THEN]].concat(), "body"),
        _ => head("304 Not Modified", &[FRESH, THEN]),
    })
    .await;
    stage.get("/", &[]).await;
    let since = "If-Modified-Since: Sun, 01 Nov 2026 10:00:00 GMT";
    let reply = stage.get("/", &[since]).await;
    assert_eq!((reply.status(), reply.body()), (304, ""));
    assert_eq!(stage.count("/"), 2);
    assert_eq!(stage.get("/", &[]).await.body(), "body");
}

#[tokio::test]
async fn a_whole_answer_to_a_validation_is_the_answer() {
    let stage = Stage::start(|asked, nth| {
        let tag = format!("ETag: \"{nth}\"");
        match (asked.target.as_str(), nth) {
            ("/gone", 1) => with_status("410 Gone", &[FRESH], "gone"),
            ("/moved", 1) => with_status("301 Moved", &[FRESH, "Location: /"], "moved"),
            ("/private", 1) => page(&["Cache-Control: private", &tag], "1"),
            (_, 0) => page(&[&STALE[..], &[tag.as_str()]].concat(), "0"),
            _ => page(&[FRESH, &tag], &format!("{nth}")),
        }
    })
    .await;
    for (target, status, body, hit) in [
        ("/new", 200, "1", true),
        ("/gone", 410, "gone", true),
        ("/moved", 301, "moved", true),
        ("/private", 200, "1", false),
    ] {
        stage.get(target, &[]).await;
        let reply = stage.get(target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (status, body), "{target}");
        let reply = stage.get(target, &[]).await;
        assert_eq!(reply.is_hit(), hit, "{target}");
        assert_eq!(reply.body(), if hit { body } else { "2" }, "{target}");
    }
}
