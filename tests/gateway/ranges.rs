//! Parts of what is stored as a whole (RFC 9110 §14).

use crate::stage::{Reply, Stage, page, with_status};

pub(crate) const FRESH: &str = "Cache-Control: max-age=3600";
pub(crate) const TAG: &str = "ETag: \"a\"";
pub(crate) const LETTERS: &str = "abcdefghij";

/// The bytes, and what it says of them.
#[track_caller]
pub(crate) fn assert_part(reply: &Reply, body: &str, range: &str) {
    assert_eq!((reply.status(), reply.body()), (206, body), "{reply:?}");
    assert_eq!(reply.get("content-range"), Some(range), "{reply:?}");
    assert_eq!(reply.head.length(), Some(body.len()), "{reply:?}");
}

#[tokio::test]
async fn a_part_of_what_is_stored_is_cut_from_it() {
    let stage =
        Stage::start(|_, _| page(&[FRESH, TAG, "Content-Type: text/x", "Vary: X-A"], LETTERS))
            .await;
    let full = stage.get("/", &[]).await;
    for (range, body, said) in [
        ("bytes=0-1", "ab", "bytes 0-1/10"),
        ("bytes=0-0", "a", "bytes 0-0/10"),
        ("bytes=1-", "bcdefghij", "bytes 1-9/10"),
        ("bytes=-1", "j", "bytes 9-9/10"),
        ("bytes=9-", "j", "bytes 9-9/10"),
        ("bytes=-100", LETTERS, "bytes 0-9/10"),
        ("bytes=0-99999999999999999999999", LETTERS, "bytes 0-9/10"),
        ("bytes=-99999999999999999999999", LETTERS, "bytes 0-9/10"),
        ("BYTES=0-1", "ab", "bytes 0-1/10"),
        ("bytes=0-1,", "ab", "bytes 0-1/10"),
        ("bytes=0-1, 20-30", "ab", "bytes 0-1/10"),
    ] {
        let reply = stage.get("/", &[&format!("Range: {range}")]).await;
        assert!(reply.is_hit(), "{range}");
        assert_part(&reply, body, said);
        for name in ["date", "cache-control", "etag", "vary", "content-type"] {
            assert_eq!(reply.get(name), full.get(name), "{range}: {name}");
        }
        assert!(reply.age().is_some());
    }
    assert_eq!(stage.count("/"), 1);
}

#[tokio::test]
async fn a_range_that_is_none_is_not_followed() {
    let stage = Stage::start(|_, _| page(&[FRESH, TAG], LETTERS)).await;
    stage.get("/", &[]).await;
    let thousand = (0..1000)
        .map(|n| format!("{n}-{n}"))
        .collect::<Vec<_>>()
        .join(",");
    let overlapping = (0..1000).map(|_| "0-").collect::<Vec<_>>().join(",");
    let blank = ",".repeat(5_000);
    for range in [
        "Range: items=0-1",
        "Range: bytes",
        "Range: bytes=",
        "Range: bytes=-",
        "Range: bytes=5-2",
        "Range: bytes=a-b",
        "Range: bytes=0x0-1",
        "Range: bytes=+0-1",
        "Range: bytes=0 - 1",
        "Range: bytes=--1",
        "Range: bytes=0-1-2",
        "Range: bytes 0-1",
        "Range: bytes=0-1, x",
        "Range: bytes=0-1, 5-2",
        "Range: bytes=0-5, 3-7",
        "Range: bytes=99999999999999999999999-5",
        "Range:",
        &format!("Range: bytes={thousand}"),
        &format!("Range: bytes={overlapping}"),
        &format!("Range: bytes={blank}"),
    ] {
        let reply = stage.get("/", &[range]).await;
        let shown: String = range.chars().take(60).collect();
        assert_eq!((reply.status(), reply.body()), (200, LETTERS), "{shown}");
        assert!(
            reply.is_hit() && reply.get("content-range").is_none(),
            "{shown}"
        );
    }
    let reply = stage
        .get("/", &["Range: bytes=0-1", "Range: bytes=2-3"])
        .await;
    assert_eq!((reply.status(), reply.body()), (200, LETTERS));
    // Only GET has ranges.
    let reply = stage.ask("HEAD", "/", &["Range: bytes=0-1"]).await;
    assert_eq!((reply.status(), reply.head.length()), (200, Some(10)));
}

#[tokio::test]
async fn a_range_behind_the_end_is_told_where_the_end_is() {
    let stage = Stage::start(|_, _| page(&[FRESH, TAG], LETTERS)).await;
    stage.get("/", &[]).await;
    for range in [
        "bytes=10-",
        "bytes=10-20",
        "bytes=-0",
        "bytes=99999999999999999999999-",
        "bytes=20-30, 40-",
    ] {
        let reply = stage.get("/", &[&format!("Range: {range}")]).await;
        assert_eq!(reply.status(), 416, "{range}");
        assert_eq!(reply.get("content-range"), Some("bytes */10"), "{range}");
        assert!(!reply.body().contains("abc"));
    }
}

#[tokio::test]
async fn several_parts_come_in_one_answer() {
    let stage = Stage::start(|_, _| page(&[FRESH, TAG, "Content-Type: text/x"], LETTERS)).await;
    stage.get("/", &[]).await;
    let reply = stage.get("/", &["Range: bytes=0-1, 8-, 4-5"]).await;
    assert_eq!(reply.status(), 206);
    assert_eq!(reply.get("content-range"), None);
    let kind = reply.get("content-type").expect("it has a type").to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("a multipart");
    assert!(!LETTERS.contains(boundary));
    let parts: Vec<_> = reply.body().split(&format!("--{boundary}")).collect();
    let [_, parts @ .., end] = parts.as_slice() else {
        panic!("no multipart: {reply:?}");
    };
    assert_eq!(end.trim_end(), "--");
    let expected = [
        ("ab", "bytes 0-1/10"),
        ("ij", "bytes 8-9/10"),
        ("ef", "bytes 4-5/10"),
    ];
    assert_eq!(parts.len(), expected.len());
    for (part, (body, said)) in parts.iter().zip(expected) {
        let (fields, content) = part.split_once("\r\n\r\n").expect("a blank line");
        let fields = fields.to_ascii_lowercase();
        assert!(
            fields.contains(&format!("content-range: {said}")),
            "{fields}"
        );
        assert!(fields.contains("content-type: text/x"), "{fields}");
        assert_eq!(content, format!("{body}\r\n"));
    }
}

#[tokio::test]
async fn a_range_is_followed_if_the_client_has_the_same_version() {
    let stage = Stage::start(|asked, _| match asked.target.as_str() {
        "/strong" => page(&[FRESH, TAG, "Content-Language: en"], LETTERS),
        "/weak" => page(&[FRESH, "ETag: W/\"a\""], LETTERS),
        "/dated" => page(
            &[FRESH, "Last-Modified: Sun, 01 Nov 2026 10:00:00 GMT"],
            LETTERS,
        ),
        _ => page(
            &[
                FRESH,
                "Last-Modified: Sun, 01 Nov 2026 10:00:00 GMT",
                "Date: Sun, 01 Nov 2026 10:00:00 GMT",
                "CDN-Cache-Control: max-age=900000000",
            ],
            LETTERS,
        ),
    })
    .await;
    let mut wrong = Vec::new();
    for (target, validator, followed) in [
        ("/strong", "\"a\"", true),
        ("/strong", "\"b\"", false),
        ("/strong", "W/\"a\"", false),
        ("/strong", "a", false),
        ("/strong", "\"b\", \"a\"", false),
        ("/weak", "W/\"a\"", false),
        ("/weak", "\"a\"", false),
        ("/dated", "Sun, 01 Nov 2026 10:00:00 GMT", true),
        ("/dated", "Sunday, 01-Nov-26 10:00:00 GMT", true),
        ("/dated", "Sun, 01 Nov 2026 10:00:01 GMT", false),
        ("/dated", "Sun, 01 Nov 2026 09:59:59 GMT", false),
        ("/dated", "nonsense", false),
        ("/young", "Sun, 01 Nov 2026 10:00:00 GMT", false),
    ] {
        stage.get(target, &[]).await;
        let reply = stage
            .get(
                target,
                &["Range: bytes=0-1", &format!("If-Range: {validator}")],
            )
            .await;
        if !reply.is_hit()
            || (reply.status() == 206) != followed
            || (reply.body() == "ab") != followed
        {
            wrong.push(format!("{target} {validator}: {reply:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Who knows the rest of the version is told no more than the part.
    let reply = stage
        .get("/strong", &["Range: bytes=0-1", "If-Range: \"a\""])
        .await;
    assert_eq!(reply.get("content-language"), None);
    // A condition comes before a range, and without a range there is no condition on it.
    let reply = stage
        .get("/strong", &["Range: bytes=0-1", "If-None-Match: \"a\""])
        .await;
    assert_eq!(reply.status(), 304);
    let reply = stage.get("/strong", &["If-Range: \"b\""]).await;
    assert_eq!((reply.status(), reply.body()), (200, LETTERS));
}

#[tokio::test]
async fn an_error_has_no_parts() {
    let stage = Stage::start(|_, _| with_status("404 Not Found", &[FRESH], LETTERS)).await;
    stage.get("/", &[]).await;
    let reply = stage.get("/", &["Range: bytes=0-1"]).await;
    assert_eq!(
        (reply.status(), reply.body(), reply.is_hit()),
        (404, LETTERS, true)
    );
}
