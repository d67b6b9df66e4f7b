//! Parts of responses (RFC 9111 §3.3, §3.4, RFC 9110 §14).

use crate::{
    origin::Asked,
    stage::{Reply, Stage, page, with_status},
};

const FRESH: &str = "Cache-Control: max-age=3600";
const TAG: &str = "ETag: \"a\"";
const LETTERS: &str = "abcdefghij";

/// An origin that knows one range, or all of it.
fn ranged(asked: &Asked, fields: &[&str]) -> Vec<u8> {
    let range = asked
        .get("range")
        .and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return page(fields, LETTERS);
    };
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(9)),
        (Ok(first), Err(_)) => (first, 9),
        (Err(_), Ok(length)) => (10 - length, 9),
        (Err(_), Err(_)) => return page(fields, LETTERS),
    };
    let part = format!("Content-Range: bytes {first}-{last}/10");
    with_status(
        "206 Partial Content",
        &[fields, &[part.as_str()]].concat(),
        &LETTERS[first..=last],
    )
}

/// The bytes, and what it says of them.
#[track_caller]
fn assert_part(reply: &Reply, body: &str, range: &str) {
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

#[tokio::test]
async fn a_part_is_stored_and_answers_ranges_within_it() {
    let stage = Stage::start(|asked, _| ranged(asked, &[FRESH, TAG])).await;
    let reply = stage.get("/", &["Range: bytes=-6"]).await;
    assert_part(&reply, "efghij", "bytes 4-9/10");
    assert_eq!(stage.asked("/")[0].get("range"), Some("bytes=-6"));
    for (range, body, said) in [
        ("bytes=-6", "efghij", "bytes 4-9/10"),
        ("bytes=6-8", "ghi", "bytes 6-8/10"),
        ("bytes=6-", "ghij", "bytes 6-9/10"),
        ("bytes=-1", "j", "bytes 9-9/10"),
        ("bytes=4-4", "e", "bytes 4-4/10"),
        ("bytes=8-99", "ij", "bytes 8-9/10"),
    ] {
        let reply = stage.get("/", &[&format!("Range: {range}")]).await;
        assert!(reply.is_hit(), "{range}: {reply:?}");
        assert_part(&reply, body, said);
        assert!(reply.age().is_some(), "{range}");
    }
    assert_eq!(stage.count("/"), 1);
    // What lies outside is asked for, and the whole is never made of a part.
    let reply = stage.get("/", &["Range: bytes=3-5"]).await;
    assert!(!reply.is_hit());
    assert_part(&reply, "def", "bytes 3-5/10");
    let reply = stage.get("/", &[]).await;
    assert_eq!((reply.status(), reply.body()), (200, LETTERS));
}

#[tokio::test]
async fn a_beginning_is_completed_by_the_rest() {
    let stage = Stage::start(|asked, _| ranged(asked, &[FRESH, TAG])).await;
    stage.get("/", &["Range: bytes=0-3"]).await;
    let reply = stage.get("/", &[]).await;
    assert_eq!((reply.status(), reply.body()), (200, LETTERS));
    assert_eq!(reply.get("content-range"), None);
    let asked = &stage.asked("/")[1];
    assert_eq!(
        (asked.get("range"), asked.get("if-range")),
        (Some("bytes=4-"), Some("\"a\""))
    );
    let hit = stage.get("/", &[]).await;
    assert!(hit.is_hit() && hit.body() == LETTERS, "{hit:?}");
}

#[tokio::test]
async fn a_beginning_of_another_version_is_not_completed() {
    let stage = Stage::start(|asked, nth| {
        let part = |fields: &[&str]| ranged(asked, &[&[FRESH], fields].concat());
        match (asked.target.as_str(), nth) {
            (_, 0) if asked.target == "/weak" => part(&["ETag: W/\"a\""]),
            (_, 0) if asked.target == "/plain" => part(&[]),
            (_, 0) => part(&[TAG]),
            // The version has changed: `If-Range` makes it the whole.
            ("/changed", _) => page(&[FRESH, "ETag: \"b\""], "ABCDEFGHIJ"),
            // The origin looks at no `If-Range`.
            ("/careless", _) if asked.get("range").is_some() => with_status(
                "206 Partial Content",
                &[FRESH, "ETag: \"b\"", "Content-Range: bytes 4-9/10"],
                "EFGHIJ",
            ),
            _ => page(&[FRESH, "ETag: \"b\""], "ABCDEFGHIJ"),
        }
    })
    .await;
    for target in ["/changed", "/careless", "/weak", "/plain"] {
        let reply = stage.get(target, &["Range: bytes=0-3"]).await;
        assert_eq!(reply.body(), "abcd", "{target}");
        for _ in 0..2 {
            let reply = stage.get(target, &[]).await;
            if target == "/careless" && reply.status() == 502 {
                continue;
            }
            assert_eq!(
                (reply.status(), reply.body()),
                (200, "ABCDEFGHIJ"),
                "{target}"
            );
        }
        assert_eq!(
            stage.get(target, &[]).await.body(),
            "ABCDEFGHIJ",
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_part_that_contradicts_itself_is_not_stored() {
    let rows: &'static [(&str, &str)] = &[
        ("Content-Range: bytes 0-3/10", "abc"),
        ("Content-Range: bytes 0-3/10", "abcde"),
        ("Content-Range: bytes 3-0/10", "abcd"),
        ("Content-Range: bytes 0-3/2", "abcd"),
        ("Content-Range: bytes 0-3", "abcd"),
        ("Content-Range: bytes */10", "abcd"),
        ("Content-Range: items 0-3/10", "abcd"),
        (
            "Content-Range: bytes 0-99999999999999999999/100000000000000000000",
            "abcd",
        ),
        ("Content-Range: nonsense", "abcd"),
        ("Content-Range:", "abcd"),
        ("X-None: 1", "abcd"),
    ];
    let stage = Stage::start(|asked, _| {
        let row: usize = asked.target[1..].parse().expect("a row");
        match asked.get("range") {
            Some(_) => with_status(
                "206 Partial Content",
                &[FRESH, TAG, rows[row].0],
                rows[row].1,
            ),
            None => page(&[FRESH, TAG], LETTERS),
        }
    })
    .await;
    for (row, (said, _)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        let range = ["Range: bytes=0-3"];
        stage.get(&target, &range).await;
        assert!(!stage.get(&target, &range).await.is_hit(), "{said}");
        let reply = stage.get(&target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, LETTERS), "{said}");
    }
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_not_the_whole() {
    let stage = Stage::start(|_, nth| match nth {
        0 => with_status(
            "206 Partial Content",
            &[FRESH, TAG, "Content-Range: bytes 0-3/10"],
            "abcd",
        ),
        _ => page(&[FRESH, TAG], LETTERS),
    })
    .await;
    let reply = stage.get("/", &[]).await;
    assert_ne!(reply.status(), 200, "{reply:?}");
    for _ in 0..2 {
        let reply = stage.get("/", &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, LETTERS));
    }
}

#[tokio::test]
async fn a_whole_answer_to_a_range_is_stored_as_the_whole() {
    let stage = Stage::start(|_, _| page(&[FRESH, TAG], LETTERS)).await;
    let reply = stage.get("/", &["Range: bytes=0-1"]).await;
    assert!(
        matches!((reply.status(), reply.body()), (200, LETTERS) | (206, "ab")),
        "{reply:?}"
    );
    let reply = stage.get("/", &[]).await;
    assert_eq!(
        (reply.status(), reply.body(), reply.is_hit()),
        (200, LETTERS, true)
    );
}
