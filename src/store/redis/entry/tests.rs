use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::store::HeadObject;

const NEVER: Compression = Compression { from: None };
const ALWAYS: Compression = Compression { from: Some(0) };

/// All that a record is, to be compared.
type Parts = (Kind, RecordId, Stamp, Times, Vec<Mark>, Bytes, Bytes);

fn parts(record: &Record) -> Parts {
    let Head::Wire(head) = &record.head else {
        panic!("a head that was read is bytes");
    };
    (
        record.kind,
        record.id,
        record.stamp,
        record.times,
        record.marks.to_vec(),
        head.clone(),
        record.body.clone(),
    )
}

fn encoded(key: &[u8], record: &Record, compression: Compression) -> Bytes {
    encode(Key::new(key), record, compression).unwrap().into()
}

fn times() -> impl Strategy<Value = Times> {
    any::<[u64; 3]>().prop_map(|times| {
        let [born, fresh_until, keep_until] = times.map(Now::from_millis);
        Times {
            born,
            fresh_until,
            keep_until,
        }
    })
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..most),
        // Worth compressing.
        1 => (any::<u8>(), 0..most * 10).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn record(kinds: &'static [Kind]) -> impl Strategy<Value = Record> {
    let stamp = any::<[u64; 2]>().prop_map(|[epoch, seq]| Stamp { epoch, seq });
    let marks = prop::collection::vec(any::<u128>().prop_map(Mark::from_digest), 0..5);
    let kind = prop::sample::select(kinds);
    let written = (stamp, any::<u128>().prop_map(RecordId::from_bits));
    (kind, written, times(), marks, bytes(60), bytes(200)).prop_map(
        |(kind, (stamp, id), times, marks, head, body)| {
            let head = Head::Wire(head.into());
            Record::new(kind, stamp, times, marks, head, body.into()).written_as(id)
        },
    )
}

const CHECKED_KINDS: &[Kind] = &[Kind::Page, Kind::Variants, Kind::Rule, Kind::Value];
const ALL_KINDS: &[Kind] = &[
    Kind::Page,
    Kind::Variants,
    Kind::Rule,
    Kind::Value,
    Kind::Number,
];

/// A record of a fixed kind with a body that is worth compressing.
fn example(kind: Kind) -> Record {
    let stamp = Stamp { epoch: 1, seq: 2 };
    let times = Times {
        born: Now::from_millis(3),
        fresh_until: Now::from_millis(4),
        keep_until: Now::from_millis(5),
    };
    let marks = [6, 7].map(Mark::from_digest).to_vec();
    let head = Head::Wire(Bytes::from_static(b"head"));
    let body = match kind {
        Kind::Number => Bytes::from_static(b"-12"),
        _ => Bytes::from(b"soup and bread ".repeat(40)),
    };
    Record::new(kind, stamp, times, marks, head, body).written_as(RecordId::from_bits(8))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        key in bytes(60),
        record in record(ALL_KINDS),
        from in prop::sample::select(vec![None, Some(0), Some(100)]),
    ) {
        let compression = Compression { from };
        let entry = encoded(&key, &record, compression);
        if entry[4] & COMPRESSED != 0 && !cfg!(feature = "compression") {
            unreachable!("nothing compresses");
        }
        let (read_key, read) = decode(&entry).unwrap();
        prop_assert_eq!(read_key, key);
        prop_assert_eq!(parts(&read), parts(&record));
    }

    #[test]
    fn an_entry_with_one_bit_flipped_is_refused_or_has_other_times(
        record in record(CHECKED_KINDS),
        compression in prop::sample::select(vec![NEVER, ALWAYS]),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut entry = encoded(b"key", &record, compression).to_vec();
        let bit = bit.index(entry.len() * 8);
        entry[bit / 8] ^= 1 << (bit % 8);
        let read = decode(&entry.into());
        if TIMES.contains(&(bit / 8)) {
            let (key, read) = read.unwrap();
            prop_assert_eq!(&*key, b"key");
            prop_assert_ne!(read.times, record.times);
            prop_assert_eq!(parts(&read.with_times(record.times)), parts(&record));
        } else {
            prop_assert!(read.is_none(), "bit {}", bit);
        }
    }

    #[test]
    fn an_entry_that_is_shorter_or_longer_is_refused(
        record in record(ALL_KINDS),
        compression in prop::sample::select(vec![NEVER, ALWAYS]),
        cut in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let entry = encoded(b"key", &record, compression);
        prop_assert!(decode(&entry.slice(..cut.index(entry.len()))).is_none());
        prop_assert!(decode(&[&*entry, &more].concat().into()).is_none());
    }

    #[test]
    fn garbage_is_refused(garbage in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&garbage.clone().into()).is_none());
        prop_assert!(peek(&garbage).is_none());
    }

    #[test]
    fn what_begins_like_an_entry_is_read_only_if_it_is_one(
        kind in 0u8..6,
        flags in 0u8..5,
        lengths in prop::collection::vec(prop_oneof![0u32..40, any::<u32>()], 3),
        marks in prop_oneof![0u16..4, any::<u16>()],
        is_sealed in any::<bool>(),
        noise in prop::collection::vec(any::<u8>(), FIXED..300),
    ) {
        let mut entry = noise;
        entry[..8].copy_from_slice(&[b'L', b'r', VERSION, kind, flags, 0, 0, 0]);
        entry[64..66].copy_from_slice(&marks.to_be_bytes());
        entry[66..68].fill(0);
        for (at, length) in [68, 72, 76].into_iter().zip(&lengths) {
            entry[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
        entry[CHECKSUM].fill(0);
        let entry = match is_sealed {
            true => sealed(entry),
            false => entry.into(),
        };
        let _ = peek(&entry);
        if let Some((key, record)) = decode(&entry) {
            prop_assert_eq!(encoded(&key, &record, NEVER), entry);
        }
    }

    #[test]
    fn a_beginning_tells_what_the_entry_tells(record in record(ALL_KINDS), key in bytes(60), cut in any::<prop::sample::Index>()) {
        let entry = encoded(&key, &record, NEVER);
        let key_end = FIXED + record.marks.len() * MARK + key.len();
        let whole = Peeked {
            key: &key,
            stamp: record.stamp,
            times: record.times,
            kind: record.kind,
            id: record.id,
        };
        let cut = cut.index(entry.len() + 1);
        prop_assert_eq!(peek(&entry[..cut]), (cut >= key_end).then_some(whole));
    }
}

#[test]
fn fields_stand_where_scripts_read_them() {
    let entry = encoded(b"the key", &example(Kind::Value), NEVER);
    assert_eq!(&entry[..8], b"Lr\x01\x03\x02\0\0\0");
    let number = |at: usize| u64::from_be_bytes(entry[at..at + 8].try_into().unwrap());
    assert_eq!([8, 16, 40, 48, 56].map(number), [1, 2, 3, 4, 5]);
    assert_eq!(&entry[24..40], 8u128.to_be_bytes());
    assert_eq!(&entry[64..68], [0, 2, 0, 0]);
    assert_eq!(&entry[68..80], [0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 2, 88]);
    assert_eq!(number(80), checksum(&entry));
    assert_eq!(&entry[88..104], 6u128.to_be_bytes());
    assert_eq!(&entry[104..120], 7u128.to_be_bytes());
    assert!(entry[120..].starts_with(b"the keyheadsoup and bread"));
    assert_eq!(entry.len(), 120 + 7 + 4 + 600);
    let number = encoded(b"the key", &example(Kind::Number), ALWAYS);
    assert_eq!(&number[..8], b"Lr\x01\x04\0\0\0\0");
    assert_eq!(&number[80..88], [0; 8]);
    assert!(number.ends_with(b"the keyhead-12"));
}

#[test]
fn a_script_may_rewrite_the_body_of_a_number() {
    let mut entry = encoded(b"key", &example(Kind::Number), NEVER).to_vec();
    entry.truncate(entry.len() - 3);
    entry.extend_from_slice(b"1234");
    entry[76..80].copy_from_slice(&4u32.to_be_bytes());
    let (_, read) = decode(&entry.into()).unwrap();
    assert_eq!(read.body, "1234");
}

#[test]
fn heads_and_bodies_are_slices_of_what_was_received() {
    let entry = encoded(b"key", &example(Kind::Page), NEVER);
    let (key, read) = decode(&entry).unwrap();
    let range = entry.as_ptr_range();
    let Head::Wire(head) = &read.head else {
        panic!("a head that was read is bytes");
    };
    for part in [&key, head, &read.body] {
        assert!(range.contains(&part.as_ptr()));
    }
}

#[test]
fn other_versions_and_other_flags_are_refused() {
    let entry = encoded(b"key", &example(Kind::Page), NEVER);
    for (at, value) in [(0, b'l'), (2, 0), (2, 2), (3, 5), (3, 255), (4, 0), (4, 1)]
        .into_iter()
        .chain([(4, 6), (5, 1), (6, 1), (7, 1), (66, 1), (67, 1)])
    {
        let mut other = entry.to_vec();
        other[at] = value;
        assert!(decode(&sealed(other)).is_none(), "{value} at {at}");
    }
    assert!(decode(&sealed(entry.to_vec())).is_some());
}

struct Here;

impl HeadObject for Here {
    fn weight(&self) -> usize {
        0
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn what_stays_in_this_process_or_does_not_fit_is_not_written() {
    let here = example(Kind::Page).with_head(Head::Live(Arc::new(Here)));
    assert!(encode(Key::new(b"key"), &here, NEVER).is_none());
    let mut many = example(Kind::Page);
    many.marks = vec![Mark::from_digest(1); 1 << 16].into();
    assert!(encode(Key::new(b"key"), &many, NEVER).is_none());
    many.marks = vec![Mark::from_digest(1); (1 << 16) - 1].into();
    let entry = encoded(b"key", &many, NEVER);
    assert_eq!(decode(&entry).unwrap().1.marks, many.marks);
}

#[cfg(feature = "compression")]
mod compressed {
    use super::*;

    #[test]
    fn a_body_is_compressed_from_the_size_that_is_said() {
        let record = example(Kind::Value);
        let size = record.body.len();
        let by = |from| encoded(b"key", &record, Compression { from });
        assert_eq!(by(None)[4], CHECKED);
        assert_eq!(by(Some(size + 1))[4], CHECKED);
        assert_eq!(by(Some(size))[4], CHECKED | COMPRESSED);
        assert!(by(Some(size)).len() < by(None).len() / 2);
        assert_eq!(parts(&decode(&by(Some(size))).unwrap().1), parts(&record));
    }

    /// One whose body is `plain` noise and then zeros.
    fn noisy(noise: usize, zeros: usize) -> Vec<u8> {
        let mut body = Vec::new();
        let mut state = 1u64;
        for _ in 0..noise {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            body.push((state >> 56) as u8);
        }
        body.resize(noise + zeros, 0);
        body
    }

    #[test]
    fn a_body_that_saves_less_than_a_tenth_stays_as_it_is() {
        let mut record = example(Kind::Value);
        for (noise, zeros, flags) in [
            (0, 0, CHECKED),
            (0, 1, CHECKED),
            (1_000, 0, CHECKED),
            (1_000, 100, CHECKED),
            (1_000, 150, CHECKED | COMPRESSED),
        ] {
            record.body = noisy(noise, zeros).into();
            assert_eq!(
                encoded(b"key", &record, ALWAYS)[4],
                flags,
                "{noise} {zeros}"
            );
        }
    }

    struct Packed;

    impl HeadObject for Packed {
        fn weight(&self) -> usize {
            0
        }

        fn to_wire(&self) -> Option<Vec<u8>> {
            Some(b"packed".to_vec())
        }

        fn is_compressible(&self) -> bool {
            false
        }

        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }

    #[test]
    fn what_is_compressed_already_stays_as_it_is() {
        let record = example(Kind::Page).with_head(Head::Live(Arc::new(Packed)));
        let entry = encoded(b"key", &record, ALWAYS);
        assert_eq!(entry[4], CHECKED);
        let (_, read) = decode(&entry).unwrap();
        assert!(matches!(&read.head, Head::Wire(head) if head == "packed"));
    }

    #[test]
    fn what_does_not_inflate_to_its_length_is_refused() {
        let entry = encoded(b"key", &example(Kind::Value), ALWAYS).to_vec();
        let frame = FIXED + 2 * MARK + 3 + 4;
        for length in [0, 1, 599, 601, 64 << 20, u32::MAX] {
            let mut lying = entry.clone();
            lying[76..80].copy_from_slice(&length.to_be_bytes());
            assert!(decode(&sealed(lying.clone())).is_none(), "{length}");
            // And its frame lies along: a frame of a single segment, with four bytes of length, and a block of nothing.
            lying.truncate(frame);
            lying.extend_from_slice(b"\x28\xb5\x2f\xfd\xa0");
            lying.extend_from_slice(&length.to_le_bytes());
            lying.extend_from_slice(&[1, 0, 0]);
            let read = decode(&sealed(lying));
            assert_eq!(
                read.map(|(_, read)| read.body.len()),
                (length == 0).then_some(0)
            );
        }
        for cut in frame..entry.len() {
            assert!(decode(&sealed(entry[..cut].to_vec())).is_none(), "{cut}");
        }
        let mut torn = entry.clone();
        torn[frame..].fill(0);
        assert!(decode(&sealed(torn)).is_none());
        assert!(decode(&sealed(entry)).is_some());
    }

    proptest! {
        #[test]
        fn any_frame_is_survived(
            noise in prop::collection::vec(any::<u8>(), 0..60),
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            length in prop_oneof![Just(600), any::<u32>()],
        ) {
            let entry = encoded(b"key", &example(Kind::Value), ALWAYS).to_vec();
            let frame = FIXED + 2 * MARK + 3 + 4;
            let mut broken = entry.clone();
            broken[76..80].copy_from_slice(&length.to_be_bytes());
            for (place, byte) in places {
                let place = frame + place.index(entry.len() - frame);
                broken[place] = byte;
            }
            broken.extend_from_slice(&noise);
            if let Some((_, read)) = decode(&sealed(broken)) {
                prop_assert_eq!(read.body.len(), length as usize);
            }
        }
    }
}
