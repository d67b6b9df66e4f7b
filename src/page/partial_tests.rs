//! What a range request gets of a stored body, read back as a client reads it.

use std::time::{Duration, UNIX_EPOCH};

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::header::arbitrary;

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn map(fields: &[(HeaderName, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_132_800)
}

fn whole() -> HeaderMap {
    map(&[
        (CONTENT_TYPE, "text/plain"),
        (ETAG, "\"a\""),
        (LAST_MODIFIED, MODIFIED),
        (DATE, "Sun, 06 Nov 1994 09:00:00 GMT"),
    ])
}

fn body() -> Bytes {
    Bytes::from_static(b"0123456789")
}

fn get(request: &[(HeaderName, &str)]) -> Part {
    Part::of(&Method::GET, &map(request), &whole(), &body(), now())
}

/// The parts of a multipart answer, with their `Content-Type` and `Content-Range`, by the grammar of RFC 2046.
fn read_back(headers: &HeaderMap, chunks: &VecDeque<Bytes>) -> Vec<(String, String, Vec<u8>)> {
    let boundary = headers[CONTENT_TYPE].to_str().unwrap();
    let boundary = boundary
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let bytes: Vec<u8> = chunks.iter().flatten().copied().collect();
    let delimiter = format!("\r\n--{boundary}").into_bytes();

    // The first boundary has no line before it.
    let mut rest = [b"\r\n".as_slice(), &bytes].concat();
    let mut pieces = Vec::new();
    while let Some(at) = find(&rest, &delimiter) {
        pieces.push(rest[..at].to_vec());
        rest.drain(..at + delimiter.len());
    }
    assert_eq!(rest, b"--\r\n");
    assert_eq!(pieces.remove(0), b"");

    pieces
        .into_iter()
        .map(|piece| {
            let end = find(&piece, b"\r\n\r\n").unwrap();
            let head = String::from_utf8(piece[..end].to_vec()).unwrap();
            let field = |name: &str| {
                head.lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    .unwrap_or_default()
                    .to_owned()
            };
            (
                field("content-type"),
                field("content-range"),
                piece[end + 4..].to_vec(),
            )
        })
        .collect()
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len())
        .position(|window| window == needle)
}

fn is_whole(part: &Part) -> bool {
    matches!(part, Part::Whole)
}

#[test]
fn one_range_is_a_slice_of_the_stored_bytes() {
    let stored = body();
    let request = map(&[(RANGE, "bytes=2-4")]);
    let Part::One { headers, body } = Part::of(&Method::GET, &request, &whole(), &stored, now())
    else {
        panic!("not one part");
    };
    assert_eq!(body, "234");
    assert_eq!(headers[CONTENT_RANGE], "bytes 2-4/10");
    assert_eq!(headers[CONTENT_LENGTH], "3");
    assert_eq!(headers[CONTENT_TYPE], "text/plain");
    assert_eq!(body.as_ptr(), stored[2..].as_ptr(), "no copy");
}

#[test]
fn only_get_has_ranges() {
    let request = map(&[(RANGE, "bytes=2-4")]);
    for method in [Method::HEAD, Method::POST] {
        assert!(is_whole(&Part::of(
            &method,
            &request,
            &whole(),
            &body(),
            now()
        )));
    }
    assert!(is_whole(&get(&[])));
}

#[test]
fn several_ranges_come_in_the_order_asked_for() {
    let Part::Many {
        headers,
        chunks,
        length,
    } = get(&[(RANGE, "bytes=-1, 0-1, 4-5")])
    else {
        panic!("not several parts");
    };
    let part = |range: &str, bytes: &str| {
        (
            "text/plain".to_owned(),
            format!("bytes {range}/10"),
            bytes.as_bytes().to_vec(),
        )
    };
    assert_eq!(
        read_back(&headers, &chunks),
        [part("9-9", "9"), part("0-1", "01"), part("4-5", "45")]
    );
    assert!(!headers.contains_key(CONTENT_RANGE));
    assert_eq!(headers[CONTENT_LENGTH], length.to_string());
}

#[test]
fn one_satisfiable_range_of_several_is_no_multipart() {
    let part = get(&[(RANGE, "bytes=2-4, 10-, -0")]);
    assert!(matches!(part, Part::One { body, .. } if body == "234"));
}

#[test]
fn no_satisfiable_range_is_told_the_length() {
    let Part::Unsatisfiable { headers } = get(&[(RANGE, "bytes=10-")]) else {
        panic!("satisfied");
    };
    assert_eq!(headers[CONTENT_RANGE], "bytes */10");
    assert!(!headers.contains_key(ETAG) && !headers.contains_key(CONTENT_TYPE));
}

#[test]
fn what_is_not_followed_is_the_whole() {
    let many: Vec<_> = (0..1_000).map(|part| format!("{part}-{part}")).collect();
    let many = format!("bytes={}", many.join(","));
    for range in ["items=0-1", "bytes=5-2", "bytes=0-5,5-6", &many] {
        assert!(is_whole(&get(&[(RANGE, range)])), "{range}");
    }
}

#[test]
fn if_range_that_does_not_hold_is_the_whole_even_if_unsatisfiable() {
    for validator in [
        "\"b\"",
        "W/\"a\"",
        "a",
        "*",
        "Sun, 06 Nov 1994 08:49:38 GMT",
    ] {
        for range in ["bytes=2-4", "bytes=10-"] {
            let part = get(&[(RANGE, range), (IF_RANGE, validator)]);
            assert!(is_whole(&part), "{validator} {range}");
        }
    }
}

#[test]
fn if_range_that_holds_is_the_part_without_what_the_client_knows() {
    for validator in ["\"a\"", MODIFIED] {
        let Part::One { headers, body } = get(&[(RANGE, "bytes=2-4"), (IF_RANGE, validator)])
        else {
            panic!("{validator}: not one part");
        };
        assert_eq!(body, "234");
        assert!(headers.contains_key(ETAG) && headers.contains_key(DATE));
        assert!(!headers.contains_key(CONTENT_TYPE) && !headers.contains_key(LAST_MODIFIED));
    }
    // Within the parts, the type tells what they are (§15.3.7.2), whoever asks.
    let several = [(RANGE, "bytes=0-0,2-2"), (IF_RANGE, "\"a\"")];
    let Part::Many {
        headers, chunks, ..
    } = get(&several)
    else {
        panic!("not several parts");
    };
    assert!(
        read_back(&headers, &chunks)
            .iter()
            .all(|part| part.0 == "text/plain")
    );
}

#[test]
fn coded_bytes_are_sent_in_one_part_or_whole() {
    let mut coded = whole();
    coded.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let part = |range| {
        let request = map(&[(RANGE, range)]);
        Part::of(&Method::GET, &request, &coded, &body(), now())
    };
    assert!(
        matches!(part("bytes=2-4"), Part::One { headers, body } if body == "234" && headers[CONTENT_ENCODING] == "gzip")
    );
    assert!(is_whole(&part("bytes=0-0, 2-4")));
}

#[test]
fn several_parts_are_hardly_more_than_the_whole() {
    let stored = Bytes::from(vec![b'x'; 1_000]);
    let mut headers = whole();
    let kind = "text/plain; x=".to_owned() + &"y".repeat(1_000);
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(&kind).unwrap());
    let request = map(&[(
        RANGE,
        "bytes=0-124,125-249,250-374,375-499,500-624,625-749,750-874,875-999",
    )]);
    let Part::Many { length, chunks, .. } =
        Part::of(&Method::GET, &request, &headers, &stored, now())
    else {
        panic!("not several parts");
    };
    let per_part = kind.len() + 150;
    assert!(length <= (stored.len() + 9 * per_part) as u64, "{length}");
    assert_eq!(chunks.len(), 2 * 8 + 1);
}

#[test]
fn an_outer_range_is_an_empty_slice() {
    for range in [10..12, 20..u64::MAX, u64::MAX..u64::MAX] {
        assert_eq!(slice(&body(), &range), "");
    }
    assert_eq!(slice(&body(), &(8..u64::MAX)), "89");
}

proptest! {
    #[test]
    fn a_single_range_is_exactly_its_bytes(
        stored in prop::collection::vec(any::<u8>(), 1..300),
        first in 0_usize..300,
        more in 0_usize..300,
    ) {
        let range = format!("bytes={first}-{}", first + more);
        let request = map(&[(RANGE, &range)]);
        let bytes = Bytes::from(stored.clone());
        match Part::of(&Method::GET, &request, &whole(), &bytes, now()) {
            Part::One { headers, body } => {
                let end = (first + more + 1).min(stored.len());
                prop_assert_eq!(&body[..], &stored[first..end]);
                let place = ContentRange::parse(&headers).unwrap();
                prop_assert_eq!((place.first, place.last), (first as u64, end as u64 - 1));
                prop_assert_eq!(place.complete, Some(stored.len() as u64));
                prop_assert_eq!(&headers[CONTENT_LENGTH], &body.len().to_string());
            }
            Part::Unsatisfiable { .. } => prop_assert!(first >= stored.len()),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_multipart_read_back_is_the_slices(
        stored in prop::collection::vec(prop::sample::select(b"\r\n-ab0".as_slice()), 40..300),
        cuts in prop::collection::btree_set(0_usize..40, 4..16),
        rotation in 0_usize..8,
    ) {
        let cuts: Vec<_> = cuts.into_iter().collect();
        let mut ranges: Vec<_> = cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect();
        let rotation = rotation % ranges.len();
        ranges.rotate_left(rotation);
        let texts: Vec<_> = ranges.iter().map(|range| format!("{}-{}", range.start, range.end - 1)).collect();
        let request = map(&[(RANGE, &format!("bytes={}", texts.join(", ")))]);
        let part = Part::of(&Method::GET, &request, &whole(), &Bytes::from(stored.clone()), now());
        let Part::Many { headers, chunks, length } = part else {
            return Err(TestCaseError::fail("not several parts"));
        };
        prop_assert_eq!(chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>(), length);
        let expected: Vec<_> = ranges.iter().zip(&texts).map(|(range, text)| {
            ("text/plain".to_owned(), format!("bytes {text}/{}", stored.len()), stored[range.clone()].to_vec())
        }).collect();
        prop_assert_eq!(read_back(&headers, &chunks), expected);
    }

    #[test]
    fn any_bytes_never_panic(
        range in arbitrary::lines(RANGE),
        if_range in arbitrary::lines(IF_RANGE),
        kind in arbitrary::value(),
        stored in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let request: HeaderMap = range.iter().chain(&if_range)
            .map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut headers = whole();
        headers.insert(CONTENT_TYPE, kind);
        let _ = Part::of(&Method::GET, &request, &headers, &Bytes::from(stored), now());
    }
}
