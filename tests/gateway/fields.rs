//! Which fields of an answer are stored with it (RFC 9111 §3.1).

use crate::{
    origin::{Act, head},
    stage::{Stage, page, with_status},
};

const FRESH: &str = "Cache-Control: max-age=3600";

#[tokio::test]
async fn what_is_not_of_the_hop_is_stored_as_it_came() {
    let fields: &'static [&str] = &[
        "test-field: a",
        "x-test-field: b",
        "content-type: text/plain",
        "content-language: en",
        "content-disposition: attachment",
        "x-frame-options: deny",
        "x-xss-protection: 1",
        "public-key-pins: x",
        "set-cookie2: a=b",
        "strict-transport-security: max-age=1",
        "www-authenticate: Basic",
        "x-empty:",
        "x-quoted: \"a, b\"",
        "x-text: caf\u{e9}",
        "link: </a>; rel=next",
        "via: 1.1 other",
        "server: origin",
        "allow: GET",
        "x-twice: 1",
        "x-twice: 2, 3",
        "x-other: 4",
        "x-twice: 1",
    ];
    let stage = Stage::start(move |_, _| page(&[&[FRESH], fields].concat(), "")).await;
    for hit in [false, true] {
        let reply = stage.get("/", &[]).await;
        assert_eq!(reply.is_hit(), hit);
        for field in fields {
            let (name, value) = field.split_once(':').expect("a field");
            let lines = reply.head.all(name);
            match name {
                "x-twice" => assert_eq!(lines, ["1", "2, 3", "1"]),
                "via" => assert!(lines.join(",").contains("1.1 other")),
                _ => assert_eq!(lines, [value.trim()], "{name}"),
            }
        }
    }
    assert_eq!(stage.count("/"), 1);
}

#[tokio::test]
async fn a_stored_answer_keeps_what_it_says_of_trying_again() {
    // §3.1 knows no exception for it.
    let stage = Stage::start(|_, _| with_status("503 Text", &[FRESH, "Retry-After: 10"], "")).await;
    for hit in [false, true] {
        let reply = stage.get("/", &[]).await;
        assert_eq!(
            (reply.is_hit(), reply.get("retry-after")),
            (hit, Some("10"))
        );
    }
}

#[tokio::test]
async fn what_is_of_the_hop_is_not() {
    let fields: &'static [&str] = &[
        "Connection: X-A, x-b, keep-alive",
        "X-A: 1",
        "X-B: 2",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "Proxy-Authentication-Info: x",
        "Proxy-Authorization: x",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Trailer: x-t",
        "X-C: 3",
    ];
    let stage = Stage::start(move |_, _| page(&[&[FRESH], fields].concat(), "")).await;
    stage.get("/", &[]).await;
    let hit = stage.get("/", &[]).await;
    assert!(hit.is_hit());
    assert_eq!(hit.get("x-c"), Some("3"));
    for name in [
        "x-a",
        "x-b",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "upgrade",
    ] {
        assert_eq!(hit.get(name), None, "{name}");
    }
    assert!(
        !hit.get("connection")
            .unwrap_or_default()
            .to_ascii_lowercase()
            .contains("x-a")
    );
}

#[tokio::test]
async fn trailers_are_no_fields_of_the_head() {
    let stage = Stage::acting(&[], |_, _| {
        let mut answer = head(
            "200 OK",
            &[FRESH, "Transfer-Encoding: chunked", "Trailer: X-T"],
        );
        answer.extend(
            b"4\r\nbody\r\n0\r\nX-T: 1\r\nCache-Control: no-store\r\nContent-Type: text/x\r\n\r\n",
        );
        vec![Act::Send(answer)]
    })
    .await;
    for hit in [false, true] {
        let reply = stage.get("/", &[]).await;
        assert_eq!((reply.body(), reply.is_hit()), ("body", hit));
        assert_eq!((reply.get("x-t"), reply.get("content-type")), (None, None));
        assert_eq!(reply.get("cache-control"), Some("max-age=3600"));
    }
}

#[tokio::test]
async fn what_other_caches_said_stays_before_what_this_one_says() {
    let rows: &'static [(&[&str], &str)] = &[
        (&["Cache-Status: inner; hit"], "inner; hit, larder; "),
        (
            &["Cache-Status: \"a, b\";fwd=miss", "Cache-Status: inner;hit"],
            "\"a, b\";fwd=miss, inner;hit, larder; ",
        ),
        (&["Cache-Status: (("], "larder; "),
        (&["Cache-Status:"], "larder; "),
    ];
    let stage = Stage::start(|asked, _| {
        let row: usize = asked.target[1..].parse().expect("a row");
        page(&[&[FRESH], rows[row].0].concat(), "")
    })
    .await;
    for (row, (fields, before)) in rows.iter().enumerate() {
        for says in ["fwd=uri-miss", "hit; ttl="] {
            let reply = stage.get(&format!("/{row}"), &[]).await;
            let lines = reply.head.all("cache-status").join(", ");
            assert!(
                lines.starts_with(&format!("{before}{says}")),
                "{fields:?}: {lines}"
            );
        }
    }
}

#[tokio::test]
async fn the_answer_says_why_the_origin_was_asked() {
    let stage = Stage::start(|asked, _| match asked.target.as_str() {
        "/vary" => page(&[FRESH, "Vary: X-A"], ""),
        "/stale" => page(&["Cache-Control: max-age=10", "Age: 20", "ETag: \"a\""], ""),
        _ => page(&[FRESH], ""),
    })
    .await;
    for target in ["/", "/vary", "/stale"] {
        let reply = stage.get(target, &[]).await;
        assert_eq!(reply.forwarded().as_deref(), Some("uri-miss"), "{target}");
        assert_eq!(
            reply.cache().expect("it says so").get("stored"),
            Some("?1"),
            "{target}"
        );
    }
    for (method, target, field, why) in [
        ("GET", "/vary", "X-A: 1", "vary-miss"),
        ("GET", "/stale", "X-A: 1", "stale"),
        ("GET", "/", "Cache-Control: no-cache", "request"),
        ("GET", "/", "Cache-Control: max-age=0", "request"),
        ("GET", "/", "If-Match: \"a\"", "bypass"),
        ("POST", "/", "X-A: 1", "method"),
    ] {
        let reply = stage.ask(method, target, &[field]).await;
        assert_eq!(
            reply.forwarded().as_deref(),
            Some(why),
            "{method} {target} {field}"
        );
        assert_eq!(reply.cache().expect("it says so").get("hit"), None);
        assert_eq!(
            reply.age().filter(|age| *age < 20),
            None,
            "what is new has no age of its own"
        );
    }
}
