use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::clock::Now;
use crate::page::decode_head;
use crate::store::{HeadObject, Kind};

fn read_back(wire: &[u8]) -> Option<Variants> {
    let head = decode_head(Kind::Variants, &Bytes::copy_from_slice(wire))?;
    head.as_any().downcast_ref::<Variants>().cloned()
}

fn negotiated() -> impl Strategy<Value = Option<Box<Negotiated>>> {
    let tags = prop::sample::select(vec!["de", "en, fr", "zh-Hant"]);
    (any::<bool>(), tags).prop_map(|(by_coding, tags)| {
        let answer = HeaderMap::from_iter([
            (CONTENT_LANGUAGE, HeaderValue::from_static(tags)),
            (CONTENT_ENCODING, HeaderValue::from_static("br")),
        ]);
        let names = match by_coding {
            true => vec![ACCEPT_LANGUAGE, ACCEPT_ENCODING],
            false => vec![ACCEPT_LANGUAGE],
        };
        Negotiated::of(b"base", &names, &HeaderMap::new(), &answer).map(Box::new)
    })
}

fn kept() -> impl Strategy<Value = Kept> {
    let key = prop::collection::vec(any::<u8>(), 0..40);
    let negotiated = prop_oneof![Just(None), negotiated()];
    (key, any::<u64>(), negotiated).prop_map(|(key, until, negotiated)| Kept {
        key: key.into(),
        until: Now::from_millis(until),
        negotiated,
    })
}

fn selection() -> impl Strategy<Value = Selection> {
    let names = prop::collection::vec("[a-z][a-z0-9-]{0,20}", 0..4);
    let kept = prop::collection::vec(kept(), 0..4);
    (names, any::<u64>(), kept).prop_map(|(names, date, kept)| Selection {
        names: names
            .iter()
            .map(|name| HeaderName::try_from(name).unwrap())
            .collect(),
        date,
        kept,
    })
}

pub(in crate::page) fn variants() -> impl Strategy<Value = Variants> {
    prop::collection::vec(selection(), 0..4).prop_map(|selections| Variants { selections })
}

proptest! {
    #[test]
    fn an_index_is_read_as_it_was_written(variants in variants()) {
        prop_assert_eq!(read_back(&variants.to_wire().unwrap()), Some(variants));
    }

    #[test]
    fn an_index_that_was_cut_or_continued_is_refused(
        variants in variants(),
        cut in any::<prop::sample::Index>(),
        more in any::<u8>(),
    ) {
        let wire = variants.to_wire().unwrap();
        prop_assert_eq!(read_back(&wire[..cut.index(wire.len())]), None);
        prop_assert_eq!(read_back(&[&*wire, &[more]].concat()), None);
    }

    #[test]
    fn an_index_with_other_bytes_in_it_is_read_in_one_way_or_refused(
        variants in variants(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut wire = variants.to_wire().unwrap();
        for (place, byte) in places {
            let place = place.index(wire.len());
            wire[place] = byte;
        }
        if let Some(read) = read_back(&wire) {
            read.candidates(b"base", &HeaderMap::new());
            read.with(&[], b"key", u64::MAX, Now::NEVER, Now::from_millis(5), 2);
            prop_assert_eq!(read_back(&read.to_wire().unwrap()), Some(read));
        }
    }

    #[test]
    fn garbage_is_survived(garbage in prop::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..200)) {
        for kind in [Kind::Page, Kind::Variants, Kind::Rule, Kind::Value, Kind::Number] {
            let versioned = [&[VERSION], &*garbage].concat();
            for wire in [&versioned, &garbage] {
                let _ = decode_head(kind, &Bytes::copy_from_slice(wire));
            }
        }
    }
}

#[test]
fn counts_that_cannot_be_true_take_no_memory() {
    for at in [1, 5, 9, 21] {
        let mut wire = vec![VERSION];
        wire.extend_from_slice(&[0; 40]);
        wire[4] = 1;
        wire[at..at + 4].fill(0xff);
        assert_eq!(read_back(&wire), None, "{at}");
    }
}
