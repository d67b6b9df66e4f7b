//! The way in for `fuzz/`, in a build with `--cfg fuzzing` alone. Each takes any bytes, and panics where a decoder does or is not exact.

use bytes::Bytes;

use crate::grpc::{check_kept, check_reading};
use crate::page::decode_head;
use crate::store::redis::{Compression, decode, encode, sealed};
use crate::store::{Head, Key, Kind};

/// Reads bytes as an entry of the shared store: as they are, and with a checksum that holds, so that more than that check is met.
pub fn entry(bytes: &[u8]) {
    for bytes in [Bytes::copy_from_slice(bytes), sealed(bytes.to_vec())] {
        let Some((key, record)) = decode(&bytes) else {
            continue;
        };
        let again = encode(Key::new(&key), &record, Compression::default());
        let again = again.expect("what was read is small enough");
        // What was compressed is written as it is; else there is one way to write it.
        let is_compressed = bytes[4] & 1 != 0;
        assert!(is_compressed || again == bytes);
        if let Head::Wire(wire) = &record.head {
            head_of(record.kind, wire);
        }
    }
}

/// Reads bytes as the head of a page, of an index of variants and of a rule.
pub fn head(bytes: &[u8]) {
    let wire = Bytes::copy_from_slice(bytes);
    for kind in [Kind::Page, Kind::Variants, Kind::Rule] {
        head_of(kind, &wire);
    }
}

/// Reads bytes as what is kept of a call.
pub fn call(bytes: &[u8]) {
    check_kept(bytes);
}

/// Reads bytes as an answer to a call. The first ones say the limit, whether there are trailers, and how the others are cut.
pub fn frames(bytes: &[u8]) {
    let Some(([high, low, trailers, count], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let limit = usize::from(u16::from_be_bytes([*high, *low]));
    let (lengths, content) = rest.split_at(rest.len().min(usize::from(*count)));
    check_reading(content, lengths, trailers % 2 == 1, limit);
}

fn head_of(kind: Kind, wire: &Bytes) {
    if let Some(head) = decode_head(kind, wire) {
        let written = head.to_wire().expect("what was read can be written");
        let again = decode_head(kind, &written.clone().into()).expect("and read");
        assert_eq!(again.to_wire(), Some(written));
    }
}
