//! Entries that earlier versions have written, in `tests/golden`, are still read as what they were.
//!
//! A layout that changes gets a new version and files of its own beside the old ones, which are never written again. The files of a new
//! layout are written by the test itself, and looked at before they are committed:
//! `LARDER_GOLDEN=write cargo test --all-features --lib -- entries_of_every_version_are_still_read`

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::super::asker::Owner;
use super::super::complete::{ClientTtl, Completed};
use super::super::search::wire_tests::rule;
use super::super::stored::StoredPage;
use super::super::terms::Terms;
use super::super::variants::Variants;
use super::*;
use crate::clock::Now;
use crate::identity::IdentityDigest;
use crate::store::redis::{Compression, decode, encode};
use crate::store::{Head, Key, Mark, Record, RecordId, Stamp, Times};
use crate::ttl::seconds;

const KEY: &[u8] = b"\x01space\x00the full key";

fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

fn page() -> StoredPage {
    let sent = fields(&[
        ("content-type", "text/html; charset=utf-8"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("link", "</a>; rel=next"),
        ("link", "</b>; rel=prev"),
        ("x-latin", "caf\u{e9}"),
    ]);
    let completed = Completed {
        client: Some(ClientTtl {
            before: "public".to_owned(),
            seconds: 60,
        }),
        said: None,
    };
    let terms = Terms {
        while_revalidate: seconds(30),
        if_error: std::time::Duration::from_millis(1_500),
        says_stale: true,
        ..Terms::default()
    };
    StoredPage::new(StatusCode::OK, &sent, 1_800, terms, completed)
        .asked_at(Now::from_millis(1_767_225_599_000))
        .made_in(12_345)
        .completed(body().as_ref(), None, true)
}

/// One person's, with trailers, and all that the other has not.
fn private_page() -> StoredPage {
    let mut sent = fields(&[("cache-status", "inner; hit"), ("x-a", "")]);
    let mut secret = HeaderValue::from_static("s3cr3t");
    secret.set_sensitive(true);
    sent.insert("x-secret", secret);
    let completed = Completed {
        client: None,
        said: Some(vec![(VARY, HeaderValue::from_static("x-a"))].into()),
    };
    let terms = Terms {
        no_cache: true,
        must_revalidate: true,
        no_stale: true,
        immutable: true,
        ..Terms::default()
    };
    StoredPage::new(StatusCode::NOT_FOUND, &sent, u64::MAX, terms, completed)
        .of(Owner::Person(IdentityDigest(*b"sixteen bytes ok")))
        .made_in(u64::MAX)
        .completed(b"", Some(fields(&[("grpc-status", "5")])), false)
}

fn variants() -> Variants {
    let request = fields(&[("accept-language", "de, en;q=0.5"), ("x-a", "1")]);
    let answer = HeaderMap::from_iter([
        (CONTENT_LANGUAGE, HeaderValue::from_static("de")),
        (CONTENT_ENCODING, HeaderValue::from_static("br")),
    ]);
    let names = [
        ACCEPT_ENCODING,
        ACCEPT_LANGUAGE,
        HeaderName::from_static("x-a"),
    ];
    let (now, later) = (Now::from_millis(5), Now::from_millis(1_767_225_600_000));
    let variants = Variants::none();
    let (variants, _) = variants.with(&names, b"a variant", 1_767_225_600, later, now, 8);
    let (mut variants, _) = variants.with(&[], b"a plain one", 1_767_225_599, Now::NEVER, now, 8);
    variants.note(KEY, b"a variant", &request, &answer);
    variants
}

fn body() -> Bytes {
    "soup of the day, and bread. ".repeat(20).into()
}

fn record(kind: Kind, head: Head, body: Bytes) -> Record {
    let stamp = Stamp {
        epoch: 0x0123_4567_89ab_cdef,
        seq: 42,
    };
    let times = Times {
        born: Now::from_millis(1_767_225_600_000),
        fresh_until: Now::from_millis(1_767_227_400_000),
        keep_until: Now::NEVER,
    };
    let marks = [1, u128::MAX - 1].map(Mark::from_digest).to_vec();
    let id = RecordId::from_bits(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    Record::new(kind, stamp, times, marks, head, body).written_as(id)
}

/// What was written, by the name of its file.
fn written() -> Vec<(&'static str, Record)> {
    let live = |head: Arc<dyn HeadObject>| Head::Live(head);
    let wire = || Head::Wire(Bytes::from_static(b"\x00a head\xff"));
    let none = Bytes::new;
    let pages = || record(Kind::Page, live(Arc::new(page())), body());
    let values = || record(Kind::Value, wire(), body());
    let known = rule("key-order, params, except=(\"q\" \"a b\")", 1_767_225_600);
    vec![
        ("page", pages()),
        ("page.compressed", pages()),
        (
            "page.private",
            record(Kind::Page, live(Arc::new(private_page())), none()),
        ),
        (
            "variants",
            record(Kind::Variants, live(Arc::new(variants())), none()),
        ),
        ("rule", record(Kind::Rule, live(Arc::new(known)), none())),
        ("value", values()),
        ("value.compressed", values()),
        (
            "number",
            record(Kind::Number, wire(), Bytes::from_static(b"-42")),
        ),
    ]
}

fn file(name: &str) -> PathBuf {
    let root = env!("CARGO_MANIFEST_DIR");
    [root, "tests/golden/v1", name].iter().collect()
}

/// What a record is, and what its head is, by whichever way it came.
fn told(record: &Record) -> (String, Vec<u8>) {
    let head = match &record.head {
        Head::Wire(wire) => match decode_head(record.kind, wire) {
            Some(head) => head.to_wire().unwrap(),
            None => {
                assert!(
                    matches!(record.kind, Kind::Value | Kind::Number),
                    "the head of a page is read: {record:?}"
                );
                wire.to_vec()
            }
        },
        Head::Live(head) => head.to_wire().unwrap(),
    };
    let Record {
        id,
        stamp,
        times,
        marks,
        body,
        kind,
        ..
    } = record;
    let rest = format!("{id:?} {stamp:?} {times:?} {marks:?} {body:?} {kind:?}");
    (rest, head)
}

fn is_compressed(name: &str) -> bool {
    name.ends_with(".compressed")
}

fn encoded(name: &str, record: &Record) -> Vec<u8> {
    let from = is_compressed(name).then_some(0);
    encode(Key::new(KEY), record, Compression { from }).unwrap()
}

#[test]
fn entries_of_every_version_are_still_read() {
    let is_written = std::env::var("LARDER_GOLDEN").as_deref() == Ok("write");
    for (name, expected) in written() {
        if is_written {
            std::fs::write(file(name), encoded(name, &expected)).unwrap();
        }
        let entry = Bytes::from(std::fs::read(file(name)).unwrap());
        let read = decode(&entry);
        if is_compressed(name) && !cfg!(feature = "compression") {
            assert!(read.is_none(), "{name}: who cannot inflate has nothing");
            continue;
        }
        let (key, read) = read.unwrap_or_else(|| panic!("{name} is not read"));
        assert_eq!(key, KEY, "{name}");
        assert_eq!(told(&read), told(&expected), "{name}");
    }
}

/// Else the version would have to be another. How small a compressed one gets is the compressor's to say.
#[test]
fn entries_are_still_written_so() {
    for (name, record) in written() {
        if !is_compressed(name) {
            let entry = std::fs::read(file(name)).unwrap();
            assert_eq!(encoded(name, &record), entry, "{name}");
        }
    }
}

#[test]
fn a_page_of_an_earlier_version_answers_as_it_did() {
    let entry = Bytes::from(std::fs::read(file("page")).unwrap());
    let (_, record) = decode(&entry).unwrap();
    let Head::Wire(wire) = &record.head else {
        panic!("a head that was read is bytes");
    };
    let head = decode_head(Kind::Page, wire).unwrap();
    let page = head.as_any().downcast_ref::<StoredPage>().unwrap();
    let name = crate::header::CacheName::new("larder").unwrap();
    let answered = page.hit_headers(7, &name, true);
    let lines: Vec<String> = answered
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let length = format!("content-length: {}", body().len());
    assert_eq!(
        lines,
        [
            "content-type: text/html; charset=utf-8",
            "date: Thu, 01 Jan 2026 00:00:00 GMT",
            "link: </a>; rel=next",
            "link: </b>; rel=prev",
            "x-latin: caf\u{e9}",
            "age: 7",
            "cache-status: larder; hit; ttl=1793",
            &length,
            "etag: \"571b9584162a05e84836a619ec1eccd5\"",
            "cache-control: public, max-age=67",
        ]
    );
}
