//! Parts of a stored page (RFC 9110 §14, §15.3.7).

use super::*;
use crate::seconds;

on_every_store! {
    one_range_is_cut_from_the_stored_page
    a_range_that_cannot_be_read_or_is_of_another_unit_is_ignored
    a_range_beyond_the_end_is_416_with_the_length
    range_counts_for_get_alone
    conditions_come_before_ranges_and_only_a_200_has_parts
    if_range_takes_the_same_strong_tag_or_the_same_strong_date
    if_range_is_ignored_without_range
    a_part_carries_the_fields_of_the_page
    with_if_range_a_part_says_nothing_more_of_the_page
    several_ranges_are_one_message_of_parts
    a_single_range_is_never_a_multipart
    many_or_overlapping_ranges_are_ignored
    parts_are_cut_from_the_coded_bytes
    a_part_of_a_page_with_trailers_has_none
    a_miss_with_range_stores_no_part_as_the_page
}

const DIGITS: &str = "0123456789";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATELY: &str = "Wed, 31 Dec 2025 23:59:58 GMT";

async fn stored(world: &World, fields: Fields) -> Site {
    let (origin, site) = world.origin(world.page());
    world.purge_page("/p").await;
    origin.says(200, fields, DIGITS);
    site.get("/p").await;
    world.advance(seconds(7));
    site
}

async fn part(site: &Site, fields: &[(&str, &str)]) -> Answer {
    let answer = site.ask(get_with("/p", fields)).await;
    assert!(answer.is_hit(), "{fields:?}: {answer:?}");
    answer
}

async fn one_range_is_cut_from_the_stored_page(world: World) {
    let site = stored(&world, &[]).await;
    let table = [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=0-", DIGITS, "bytes 0-9/10"),
        ("bytes=9-", "9", "bytes 9-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
        ("bytes=-99", DIGITS, "bytes 0-9/10"),
        ("bytes=5-99999999999999999999", "56789", "bytes 5-9/10"),
        ("bytes=-99999999999999999999", DIGITS, "bytes 0-9/10"),
        ("BYTES=1-2", "12", "bytes 1-2/10"),
        ("bytes=8-9, 20-30", "89", "bytes 8-9/10"),
    ];
    for (range, body, content_range) in table {
        let answer = part(&site, &[("range", range)]).await;
        assert!(answer.is(206, body), "{range}: {answer:?}");
        assert_eq!(answer.field("content-range"), Some(content_range));
        let length = body.len().to_string();
        assert_eq!(answer.field("content-length"), Some(&*length));
        assert_eq!(answer.field("age"), Some("7"));
        assert_eq!(answer.said(), "hit; ttl=1793");
    }
    assert_eq!(site.runs(), 1);
}

async fn a_range_that_cannot_be_read_or_is_of_another_unit_is_ignored(world: World) {
    let site = stored(&world, &[]).await;
    for range in [
        "items=0-1",
        "bytes=5-2",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=-",
        "bytes=1",
        "0-1",
        "bytes=0-1;2-3",
        "bytes=0x1-2",
        "bytes=+1-2",
    ] {
        let answer = part(&site, &[("range", range)]).await;
        assert!(answer.is(200, DIGITS), "{range}: {answer:?}");
        assert_eq!(answer.field("content-range"), None);
    }
    let twice = [("range", "bytes=0-1"), ("range", "bytes=3-4")];
    assert!(part(&site, &twice).await.is(200, DIGITS));
}

async fn a_range_beyond_the_end_is_416_with_the_length(world: World) {
    let site = stored(&world, &[("etag", "\"a\"")]).await;
    for range in [
        "bytes=10-",
        "bytes=10-11",
        "bytes=-0",
        "bytes=99999999999999999999-",
    ] {
        let answer = part(&site, &[("range", range)]).await;
        assert!(answer.is(416, ""), "{range}: {answer:?}");
        assert_eq!(answer.field("content-range"), Some("bytes */10"));
        assert_eq!(answer.field("etag"), None, "it is not about the page");
    }
}

async fn range_counts_for_get_alone(world: World) {
    let site = stored(&world, &[]).await;
    let fields = [("range", "bytes=0-1")];
    let answer = site.ask(request(Method::HEAD, "/p", &fields)).await;
    assert!(answer.is(200, "") && answer.is_hit(), "{answer:?}");
    assert_eq!(answer.field("content-length"), Some("10"));
    assert_eq!(answer.field("content-range"), None);
}

async fn conditions_come_before_ranges_and_only_a_200_has_parts(world: World) {
    let site = stored(&world, &[("etag", "\"a\"")]).await;
    let range = ("range", "bytes=0-1");
    let answer = part(&site, &[range, ("if-none-match", "\"a\"")]).await;
    assert!(answer.is(304, ""), "{answer:?}");
    assert_eq!(answer.field("content-range"), None);
    let answer = part(&site, &[range, ("if-none-match", "\"b\"")]).await;
    assert!(answer.is(206, "01"), "{answer:?}");
    let answer = part(&site, &[("range", "bytes=99-"), ("if-none-match", "\"a\"")]).await;
    assert!(answer.is(304, ""), "{answer:?}");

    let (origin, site) = world.origin(world.page());
    for status in [203, 404] {
        let target = format!("/{status}");
        origin.says(status, &[("cache-control", "max-age=60")], DIGITS);
        site.get(&target).await;
        let answer = site.ask(get_with(&target, &[range])).await;
        assert!(answer.is(status, DIGITS) && answer.is_hit(), "{answer:?}");
    }
}

async fn if_range_takes_the_same_strong_tag_or_the_same_strong_date(world: World) {
    let range = ("range", "bytes=0-1");
    let table: [(Fields, &str, u16); 9] = [
        (&[("etag", "\"a\"")], "\"a\"", 206),
        (&[("etag", "\"a\"")], "\"b\"", 200),
        (&[("etag", "\"a\"")], "W/\"a\"", 200),
        (&[("etag", "W/\"a\"")], "W/\"a\"", 200),
        (&[("etag", "W/\"a\"")], "\"a\"", 200),
        (&[("last-modified", MODIFIED)], MODIFIED, 206),
        (
            &[("last-modified", MODIFIED)],
            "Sun, 06 Nov 1994 08:49:38 GMT",
            200,
        ),
        (&[("last-modified", LATELY), ("date", LATELY)], LATELY, 200),
        (&[("etag", "\"a\"")], "nonsense", 200),
    ];
    for (fields, if_range, status) in table {
        let site = stored(&world, fields).await;
        let answer = part(&site, &[range, ("if-range", if_range)]).await;
        assert_eq!(answer.code(), status, "{fields:?}, {if_range}");
        let body = if status == 206 { "01" } else { DIGITS };
        assert_eq!(answer.body, body);
    }
}

async fn if_range_is_ignored_without_range(world: World) {
    let site = stored(&world, &[("etag", "\"a\"")]).await;
    for tag in ["\"a\"", "\"b\""] {
        let answer = part(&site, &[("if-range", tag)]).await;
        assert!(answer.is(200, DIGITS), "{answer:?}");
    }
}

const OF_THE_PAGE: Fields = &[
    ("cache-control", "public, max-age=1800"),
    ("content-language", "en"),
    ("content-location", "/p.en"),
    ("content-type", "text/plain"),
    ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("etag", "\"a\""),
    ("expires", "Thu, 01 Jan 2026 00:30:00 GMT"),
    ("last-modified", MODIFIED),
    ("repr-digest", "sha-256=:AAAA:"),
    ("x-own", "1"),
];
const DIGEST: (&str, &str) = ("content-digest", "sha-256=:AAAA:");

async fn a_part_carries_the_fields_of_the_page(world: World) {
    let (origin, site) = world.origin(world.page());
    origin.answers(|_| page(&[OF_THE_PAGE, &[DIGEST, ("vary", "x-l")]].concat(), DIGITS));
    site.get("/p").await;
    let whole = site.get("/p").await;
    assert_eq!(whole.field(DIGEST.0), Some(DIGEST.1));
    let answer = part(&site, &[("range", "bytes=0-1")]).await;
    assert!(answer.is(206, "01"));
    for (name, value) in OF_THE_PAGE {
        assert_eq!(answer.field(name), Some(*value));
    }
    assert_eq!(answer.lines("vary"), whole.lines("vary"));
    assert_eq!(answer.field(DIGEST.0), None, "it is of the whole content");
}

async fn with_if_range_a_part_says_nothing_more_of_the_page(world: World) {
    let (origin, site) = world.origin(world.page());
    origin.answers(|_| page(OF_THE_PAGE, DIGITS));
    site.get("/p").await;
    let answer = part(&site, &[("range", "bytes=0-1"), ("if-range", "\"a\"")]).await;
    assert!(answer.is(206, "01"));
    for name in ["content-language", "content-type", "last-modified"] {
        assert_eq!(answer.field(name), None, "{name}");
    }
    for name in [
        "cache-control",
        "content-location",
        "date",
        "etag",
        "expires",
    ] {
        assert!(answer.field(name).is_some(), "{name}");
    }
}

async fn several_ranges_are_one_message_of_parts(world: World) {
    let site = stored(&world, &[("content-type", "text/x-digits")]).await;
    let answer = part(&site, &[("range", "bytes=7-8, 0-1, -1")]).await;
    assert_eq!(answer.code(), 206, "{answer:?}");
    assert_eq!(answer.field("content-range"), None);
    let kind = answer.field("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    assert!(!boundary.contains('"') && !DIGITS.contains(boundary));
    let length = answer.body.len().to_string();
    assert_eq!(answer.field("content-length"), Some(&*length));
    let delimiter = format!("--{boundary}");
    let mut pieces: Vec<&str> = answer.body.split(&*delimiter).collect();
    assert_eq!(pieces.pop().unwrap().trim_end(), "--");
    assert_eq!(pieces.remove(0).trim(), "");
    let wanted = [
        ("bytes 7-8/10", "78"),
        ("bytes 0-1/10", "01"),
        ("bytes 9-9/10", "9"),
    ];
    assert_eq!(pieces.len(), wanted.len());
    for (piece, (range, bytes)) in pieces.into_iter().zip(wanted) {
        let (head, body) = piece.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-range: {range}")), "{head}");
        assert!(head.contains("content-type: text/x-digits"), "{head}");
        assert_eq!(body.strip_suffix("\r\n"), Some(bytes));
    }
}

async fn a_single_range_is_never_a_multipart(world: World) {
    let site = stored(&world, &[("content-type", "text/x-digits")]).await;
    for range in ["bytes=2-3", "bytes=2-3,", "bytes=2-3, 50-60"] {
        let answer = part(&site, &[("range", range)]).await;
        assert!(answer.is(206, "23"), "{range}: {answer:?}");
        assert_eq!(answer.field("content-type"), Some("text/x-digits"));
    }
}

async fn many_or_overlapping_ranges_are_ignored(world: World) {
    let site = stored(&world, &[]).await;
    let thousand = format!("bytes={}", vec!["0-0"; 1_000].join(","));
    let nine = format!(
        "bytes={}",
        (0..9)
            .map(|n| format!("{n}-{n}"))
            .collect::<Vec<_>>()
            .join(",")
    );
    for range in [
        &*thousand,
        &nine,
        "bytes=0-5,5-9",
        "bytes=5-9,0-5",
        "bytes=0-,0-,0-",
    ] {
        let answer = part(&site, &[("range", range)]).await;
        assert!(answer.is(200, DIGITS), "{range}: {answer:?}");
    }
    // As many as there may be cost no more than a constant for each.
    let eight = "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7";
    let answer = part(&site, &[("range", eight)]).await;
    assert!(answer.body.len() < 2_048, "{}", answer.body.len());
}

async fn parts_are_cut_from_the_coded_bytes(world: World) {
    let site = stored(&world, &[("content-encoding", "x-digits")]).await;
    let answer = part(&site, &[("range", "bytes=3-5")]).await;
    assert!(answer.is(206, "345"));
    assert_eq!(answer.field("content-encoding"), Some("x-digits"));
    // A multipart is not coded, whatever its parts are.
    let several = part(&site, &[("range", "bytes=0-1, 8-9")]).await;
    assert!(several.is(200, DIGITS), "{several:?}");
}

async fn a_part_of_a_page_with_trailers_has_none(world: World) {
    let (origin, site) = world.origin(world.page());
    origin.answers(|_| {
        let body = trailing(&["01234", "56789"], &[("x-t", "1")]);
        page(&[("trailer", "x-t")], body)
    });
    site.get("/p").await;
    let answer = part(&site, &[("range", "bytes=4-5")]).await;
    assert!(answer.is(206, "45"), "{answer:?}");
    assert_eq!(answer.field("content-length"), Some("2"));
    assert_eq!(answer.field("trailer"), None);
    assert!(answer.trailers.is_none());
    assert!(part(&site, &[]).await.trailers.is_some());
}

async fn a_miss_with_range_stores_no_part_as_the_page(world: World) {
    for layer in [world.page(), world.cache.gateway()] {
        let (origin, site) = world.origin(layer);
        world.purge_page("/p").await;
        let fields: Fields = &[
            ("content-range", "bytes 0-1/10"),
            ("cache-control", "max-age=60"),
            ("etag", "\"a\""),
        ];
        origin.says(206, fields, "01");
        let answer = site.ask(get_with("/p", &[("range", "bytes=0-1")])).await;
        assert!(answer.is(206, "01"), "{answer:?}");
        origin.says(200, &[("cache-control", "max-age=60")], DIGITS);
        let whole = site.get("/p").await;
        assert!(whole.is(200, DIGITS), "{whole:?}");
    }
}
