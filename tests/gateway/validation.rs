//! How the gateway asks whether what is stored still holds, and what it makes of the answer (RFC 9111 §4.3).

use crate::{
    origin::head,
    stage::{Stage, bare, page, tagged, with_status},
};

const FRESH: &str = "Cache-Control: max-age=3600";
const THEN: &str = "Last-Modified: Sun, 01 Nov 2026 10:00:00 GMT";
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

#[tokio::test]
async fn a_validation_that_is_not_to_be_stored_freshens_nothing() {
    for field in [
        "Cache-Control: no-store",
        "Authorization: Basic eDp5",
        "Cookie: a=b",
    ] {
        let stage = Stage::start(|asked, nth| {
            let fields = if nth == 0 { &STALE[..] } else { &[FRESH] };
            tagged(asked, "\"a\"", fields, "stored")
        })
        .await;
        stage.get("/", &[]).await;
        let reply = stage.get("/", &[field]).await;
        assert_eq!((reply.status(), reply.body()), (200, "stored"), "{field}");
        assert!(!stage.get("/", &[]).await.is_hit(), "{field}");
    }
}

#[tokio::test]
async fn what_a_private_validation_says_is_told_to_nobody_else() {
    let stage = Stage::start(|asked, nth| match nth {
        0 => page(&[&STALE[..], &["ETag: \"a\""]].concat(), "stored"),
        1 => bare("304 Not Modified", &[FRESH, "ETag: \"a\"", "X-Own: 1"]),
        _ => tagged(asked, "\"a\"", &[FRESH], "stored"),
    })
    .await;
    stage.get("/", &[]).await;
    let reply = stage.get("/", &["Authorization: Basic eDp5"]).await;
    assert_eq!((reply.status(), reply.body()), (200, "stored"));
    let reply = stage.get("/", &[]).await;
    assert_eq!(
        (reply.body(), reply.get("x-own"), reply.is_hit()),
        ("stored", None, false),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_head_is_never_told_that_nothing_changed_unless_it_asked() {
    let stage = Stage::start(|asked, nth| match (nth, asked.get("if-none-match")) {
        (0, _) => page(&[&STALE[..], &["ETag: \"a\""]].concat(), "stored"),
        (_, Some(_)) => bare("304 Not Modified", &[FRESH, "ETag: \"a\""]),
        (_, None) => head("200 OK", &[FRESH, "ETag: \"a\"", "Content-Length: 6"]),
    })
    .await;
    for (target, fields, status) in [
        ("/plain", &[][..], 200),
        ("/has", &["If-None-Match: \"a\""], 304),
    ] {
        stage.get(target, &[]).await;
        let reply = stage.ask("HEAD", target, fields).await;
        assert_eq!(reply.status(), status, "{target}: {reply:?}");
        let reply = stage.get(target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, "stored"), "{target}");
    }
}

#[tokio::test]
async fn a_head_that_sets_a_cookie_or_is_for_one_freshens_nothing_for_others() {
    for (field, said) in [
        ("X-None: 1", "Set-Cookie: a=b"),
        ("X-None: 1", "Cache-Control: private"),
        ("X-None: 1", "Cache-Control: no-store"),
        ("Authorization: Basic eDp5", "X-Own: 1"),
        ("Cookie: a=b", "X-Own: 1"),
        ("Cache-Control: no-store", "X-Own: 1"),
    ] {
        let stage = Stage::start(move |asked, _| match asked.method.as_str() {
            "HEAD" => head(
                "200 OK",
                &[
                    "Cache-Control: max-age=60",
                    "ETag: \"a\"",
                    "Content-Length: 6",
                    said,
                ],
            ),
            _ => tagged(asked, "\"a\"", &STALE, "stored"),
        })
        .await;
        stage.get("/", &[]).await;
        assert_eq!(stage.ask("HEAD", "/", &[field]).await.status(), 200);
        let reply = stage.get("/", &[]).await;
        assert_eq!(reply.body(), "stored");
        assert!(!reply.is_hit(), "{field}, {said}: {reply:?}");
        assert_eq!(
            (reply.get("set-cookie"), reply.get("x-own")),
            (None, None),
            "{field}, {said}"
        );
    }
}

#[tokio::test]
async fn a_304_to_a_head_that_asked_for_none_is_no_answer() {
    let stage = Stage::start(|_, _| bare("304 Not Modified", &[FRESH])).await;
    assert_eq!(stage.ask("HEAD", "/", &[]).await.status(), 502);
}
