use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::clock::Now;
use crate::header::CacheName;
use crate::header::arbitrary::value;
use crate::page::decode_head;
use crate::store::{HeadObject, Kind};

fn read_back(wire: impl Into<Bytes>) -> Option<Arc<dyn HeadObject>> {
    decode_head(Kind::Page, &wire.into())
}

fn page(head: &Arc<dyn HeadObject>) -> &StoredPage {
    head.as_any().downcast_ref().unwrap()
}

fn name() -> impl Strategy<Value = HeaderName> {
    prop_oneof![
        prop::sample::select(vec![CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, VARY]),
        prop::sample::select(vec!["age", "cache-status", "x-a", "x-b", "ratelimit"])
            .prop_map(HeaderName::from_static),
        "[!#$%&'*+.^_`|~a-z0-9-]{1,80}".prop_map(|name| HeaderName::try_from(name).unwrap()),
    ]
}

fn field() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    (name(), value(), prop::bool::weighted(0.2)).prop_map(|(name, mut value, is_sensitive)| {
        value.set_sensitive(is_sensitive);
        (name, value)
    })
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec(field(), 0..8).prop_map(|fields| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name, value);
        }
        map
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    (any::<[bool; 5]>(), any::<[Duration; 2]>()).prop_map(
        |([no_cache, must_revalidate, no_stale, immutable, says_stale], spans)| Terms {
            no_cache,
            must_revalidate,
            no_stale,
            while_revalidate: spans[0],
            if_error: spans[1],
            immutable,
            says_stale,
        },
    )
}

fn completed() -> impl Strategy<Value = Completed> {
    let client = ("[ -~]{0,30}", any::<u64>());
    let said = prop::collection::vec(field(), 0..4);
    (prop::option::of(client), prop::option::of(said)).prop_map(|(client, said)| Completed {
        client: client.map(|(before, seconds)| ClientTtl { before, seconds }),
        said: said.map(Into::into),
    })
}

fn owner() -> impl Strategy<Value = Owner> {
    let digest = any::<[u8; 16]>().prop_map(IdentityDigest);
    prop_oneof![
        Just(Owner::Everyone),
        digest.clone().prop_map(Owner::Some),
        digest.prop_map(Owner::Person),
    ]
}

fn stored() -> impl Strategy<Value = StoredPage> {
    let head = (200u16..1000, fields(), any::<u64>(), terms(), completed());
    let end = prop::option::of((
        prop::collection::vec(any::<u8>(), 0..9),
        prop::option::of(fields()),
    ));
    (head, end, any::<u64>(), owner(), any::<u64>()).prop_map(
        |((status, fields, lifetime, terms, completed), end, asked, owner, took)| {
            let status = StatusCode::from_u16(status).unwrap();
            let page = StoredPage::new(status, &fields, lifetime, terms, completed)
                .asked_at(Now::from_millis(asked))
                .of(owner)
                .made_in(took);
            match end {
                Some((body, trailers)) => page.completed(&body, trailers, true),
                None => page,
            }
        },
    )
}

/// Fields in the order in which they are sent.
fn lines(fields: &HeaderMap) -> Vec<(&HeaderName, &HeaderValue, bool)> {
    let lines = fields.iter();
    lines
        .map(|(name, value)| (name, value, value.is_sensitive()))
        .collect()
}

/// All that is answered from a page is the same, and all that is decided by it.
fn assert_same(one: &StoredPage, other: &StoredPage) {
    let cache = CacheName::new("larder").unwrap();
    assert_eq!(one.status(), other.status());
    assert_eq!(one.terms(), other.terms());
    assert_eq!(one.completed, other.completed);
    assert_eq!(one.lifetime, other.lifetime);
    assert_eq!(one.inner_status, other.inner_status);
    assert_eq!(one.asked(), other.asked());
    assert_eq!(one.owner(), other.owner());
    assert_eq!(one.took_micros(), other.took_micros());
    assert_eq!(lines(one.headers()), lines(other.headers()));
    assert_eq!(one.trailers().map(lines), other.trailers().map(lines));
    assert_eq!(one.is_compressible(), other.is_compressible());
    assert_eq!(
        lines(&one.original_headers()),
        lines(&other.original_headers())
    );
    for age in [0, 1, 1_000, u64::MAX] {
        assert_eq!(one.ttl(age), other.ttl(age));
        for shows in [true, false] {
            assert_eq!(
                lines(&one.hit_headers(age, &cache, shows)),
                lines(&other.hit_headers(age, &cache, shows))
            );
            for age in [None, Some(age)] {
                let status = HeaderValue::from_static("larder; fwd=miss");
                assert_eq!(
                    lines(&one.shared_headers(age, status.clone(), shows)),
                    lines(&other.shared_headers(age, status, shows))
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn a_page_that_was_read_answers_as_the_one_that_was_written(stored in stored()) {
        let read = read_back(stored.to_wire().unwrap()).unwrap();
        assert_same(page(&read), &stored);
        prop_assert_eq!(read.to_wire(), stored.to_wire());
    }

    #[test]
    fn a_page_that_was_cut_or_continued_is_refused(
        stored in stored(),
        cut in any::<prop::sample::Index>(),
        more in any::<u8>(),
    ) {
        let wire = stored.to_wire().unwrap();
        prop_assert!(read_back(wire[..cut.index(wire.len())].to_vec()).is_none());
        prop_assert!(read_back([&*wire, &[more]].concat()).is_none());
    }

    #[test]
    fn a_page_with_other_bytes_in_it_is_a_page_or_refused(
        stored in stored(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut wire = stored.to_wire().unwrap();
        for (place, byte) in places {
            let place = place.index(wire.len());
            wire[place] = byte;
        }
        if let Some(read) = read_back(wire) {
            let read = page(&read);
            for (_, value) in read.headers() {
                prop_assert!(HeaderValue::from_bytes(value.as_bytes()).is_ok());
            }
            let again = read_back(read.to_wire().unwrap()).unwrap();
            assert_same(page(&again), read);
        }
    }
}

fn example() -> StoredPage {
    let fields = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html")),
        (
            HeaderName::from_static("x-a"),
            HeaderValue::from_static("soup of the day"),
        ),
    ]);
    let completed = Completed::default();
    StoredPage::new(StatusCode::OK, &fields, 60, Terms::default(), completed)
}

#[test]
fn values_are_slices_of_what_was_read() {
    let wire = Bytes::from(example().to_wire().unwrap());
    let read = read_back(wire.clone()).unwrap();
    let value = &page(&read).headers()["x-a"];
    assert!(wire.as_ptr_range().contains(&value.as_bytes().as_ptr()));
}

#[test]
fn what_a_field_cannot_hold_is_refused() {
    let wire = example().to_wire().unwrap();
    let at = |text: &[u8]| {
        wire.windows(text.len())
            .position(|part| part == text)
            .unwrap()
    };
    let value = at(b"soup of the day");
    let name = at(b"x-a");
    for byte in (0..=u8::MAX).filter(|byte| *byte < b' ' && *byte != b'\t' || *byte == 0x7f) {
        let mut broken = wire.clone();
        broken[value + 5] = byte;
        assert!(read_back(broken).is_none(), "{byte} in a value");
    }
    for byte in (0..=u8::MAX).filter(|byte| HeaderName::from_lowercase(&[b'x', *byte]).is_err()) {
        let mut broken = wire.clone();
        broken[name + 1] = byte;
        assert!(read_back(broken).is_none(), "{byte} in a name");
    }
    // A field without a name.
    let mut broken = wire[..name].to_vec();
    broken.extend_from_slice(&wire[name + 3..]);
    broken[name - 1] = 0;
    assert!(read_back(broken).is_none());
}

#[test]
fn what_the_layer_would_tell_clients_is_a_field_too() {
    let mut stored = example();
    let by = |before: &str| ClientTtl {
        before: before.to_owned(),
        seconds: 5,
    };
    stored.completed.client = Some(by("public"));
    assert!(read_back(stored.to_wire().unwrap()).is_some());
    stored.completed.client = Some(by("public\r\nx-a: b"));
    assert!(read_back(stored.to_wire().unwrap()).is_none());
}

#[test]
fn other_versions_statuses_and_flags_are_refused() {
    let wire = example().to_wire().unwrap();
    for (at, bytes) in [
        (0, &[0][..]),
        (0, &[2]),
        (1, &[0, 99]),
        (1, &[0, 101]),
        (1, &[3, 232]),
        (3, &[64]),
        (3, &[128]),
    ] {
        let mut other = wire.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        assert!(read_back(other).is_none(), "{bytes:?} at {at}");
    }
}

#[test]
fn spans_of_more_nanoseconds_than_a_second_has_are_refused() {
    let mut stored = example();
    stored.terms.while_revalidate = Duration::new(u64::MAX, 999_999_999);
    let mut wire = stored.to_wire().unwrap();
    assert!(read_back(wire.clone()).is_some());
    let nanos = 1 + 2 + 1 + 8 + 8;
    wire[nanos..nanos + 4].copy_from_slice(&1_000_000_000u32.to_be_bytes());
    assert!(read_back(wire).is_none());
}

#[test]
fn counts_that_cannot_be_true_take_no_memory() {
    let wire = example().to_wire().unwrap();
    let count = 1 + 2 + 1 + 8 + 12 + 12 + 8 + 4 + 1;
    for said in [u32::MAX, 1 << 20, 5] {
        let mut lying = wire.clone();
        lying[count..count + 4].copy_from_slice(&said.to_be_bytes());
        assert!(read_back(lying).is_none(), "{said}");
    }
}

#[test]
fn a_page_that_is_compressed_already_says_so() {
    assert!(example().is_compressible());
    let mut packed = example();
    packed
        .headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    assert!(!packed.is_compressible());
}
