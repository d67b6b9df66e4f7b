//! Parts that are stored (RFC 9111 §3.3, §3.4).

use crate::{
    origin::Asked,
    ranges::{FRESH, LETTERS, TAG, assert_part},
    stage::{Stage, bare, page, with_status},
};

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

#[tokio::test]
async fn a_stored_part_is_selected_and_grows_stale_like_any_response() {
    let stage = Stage::start(|asked, nth| match asked.target.as_str() {
        "/vary" => ranged(asked, &[FRESH, TAG, "Vary: X-A"]),
        "/stale" if nth == 0 => ranged(asked, &["Cache-Control: max-age=10", "Age: 20", TAG]),
        "/private" => ranged(asked, &["Cache-Control: private, max-age=60", TAG]),
        _ => ranged(asked, &[FRESH, TAG]),
    })
    .await;
    let range = "Range: bytes=2-5";
    for (target, first, second, hit) in [
        ("/vary", "X-A: 1", "X-A: 1", true),
        ("/vary", "X-A: 1", "X-A: 2", false),
        ("/stale", "X-A: 1", "X-A: 1", false),
        ("/private", "X-A: 1", "X-A: 1", false),
        ("/reload", "X-A: 1", "Cache-Control: no-cache", false),
        ("/young", "X-A: 1", "Cache-Control: max-age=0", false),
        ("/signed", "Authorization: Basic eDp5", "X-A: 1", false),
        ("/unstored", "Cache-Control: no-store", "X-A: 1", false),
        ("/same", "X-A: 1", "If-Range: \"a\"", true),
    ] {
        stage.get(target, &[range, first]).await;
        let reply = stage.get(target, &[range, second]).await;
        assert_eq!(reply.is_hit(), hit, "{target}, {second}: {reply:?}");
        assert_part(&reply, "cdef", "bytes 2-5/10");
    }
    // Another version is asked for: the part is not of it.
    let reply = stage.get("/same", &[range, "If-Range: \"b\""]).await;
    assert!(!reply.is_hit(), "{reply:?}");
}

#[tokio::test]
async fn a_change_frees_the_part_too() {
    let stage = Stage::start(|asked, _| match asked.method.as_str() {
        "GET" => ranged(asked, &[FRESH, TAG]),
        _ => page(&[], ""),
    })
    .await;
    let range = ["Range: bytes=2-5"];
    stage.get("/", &range).await;
    assert!(stage.get("/", &range).await.is_hit());
    stage.ask("DELETE", "/", &[]).await;
    assert!(!stage.get("/", &range).await.is_hit());
}

#[tokio::test]
async fn only_a_beginning_whose_end_is_known_is_completed() {
    let rows: &'static [(&str, &str)] = &[
        ("Content-Range: bytes 4-7/10", "efgh"),
        ("Content-Range: bytes 0-3/*", "abcd"),
    ];
    let stage = Stage::start(|asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        match nth {
            0 => with_status(
                "206 Partial Content",
                &[FRESH, TAG, rows[row].0],
                rows[row].1,
            ),
            _ => ranged(asked, &[FRESH, TAG]),
        }
    })
    .await;
    for (row, (said, _)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        stage.get(&target, &["Range: bytes=0-3"]).await;
        for _ in 0..2 {
            let reply = stage.get(&target, &[]).await;
            assert_eq!((reply.status(), reply.body()), (200, LETTERS), "{said}");
        }
    }
}

#[tokio::test]
async fn a_condition_beside_a_stored_part_is_answered_rightly() {
    let stage = Stage::start(|asked, _| match asked.get("if-none-match") {
        Some("\"a\"") => bare("304 Not Modified", &[FRESH, TAG]),
        _ => ranged(asked, &[FRESH, TAG]),
    })
    .await;
    let range = "Range: bytes=0-3";
    for (target, fields, status, body) in [
        ("/has", &["If-None-Match: \"a\""][..], 304, ""),
        ("/has-not", &["If-None-Match: \"b\""], 200, LETTERS),
        ("/part-has", &["If-None-Match: \"a\"", range], 304, ""),
        (
            "/part-has-not",
            &["If-None-Match: \"b\"", range],
            206,
            "abcd",
        ),
    ] {
        stage.get(target, &[range]).await;
        let reply = stage.get(target, fields).await;
        assert_eq!(
            (reply.status(), reply.body()),
            (status, body),
            "{target}: {reply:?}"
        );
        let reply = stage.get(target, &[]).await;
        assert_eq!((reply.status(), reply.body()), (200, LETTERS), "{target}");
    }
}

#[tokio::test]
async fn a_head_is_not_answered_from_a_part_as_if_it_were_the_whole() {
    let stage = Stage::start(|asked, _| match asked.method.as_str() {
        "HEAD" => bare("200 OK", &[FRESH, TAG, "Content-Length: 10"]),
        _ => ranged(asked, &[FRESH, TAG]),
    })
    .await;
    stage.get("/", &["Range: bytes=0-3"]).await;
    let reply = stage.ask("HEAD", "/", &[]).await;
    assert_eq!(
        (reply.status(), reply.head.length()),
        (200, Some(10)),
        "{reply:?}"
    );
    assert_eq!(reply.get("content-range"), None);
}

#[tokio::test]
async fn the_answer_says_that_a_part_was_there() {
    let stage = Stage::start(|asked, _| ranged(asked, &[FRESH, TAG])).await;
    for target in ["/outside", "/whole"] {
        stage.get(target, &["Range: bytes=0-3"]).await;
    }
    let reply = stage.get("/outside", &["Range: bytes=2-5"]).await;
    assert_eq!(reply.forwarded().as_deref(), Some("partial"));
    let reply = stage.get("/whole", &[]).await;
    assert_eq!(reply.forwarded().as_deref(), Some("partial"));
}
