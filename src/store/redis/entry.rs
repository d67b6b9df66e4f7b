//! A record as bytes. Layout, version 1; numbers are big-endian, so that scripts can read them:
//!
//! ```text
//!  0  2  "Lr"
//!  2  1  version of the layout: 1
//!  3  1  kind: 0 page, 1 variants, 2 rule, 3 value, 4 number
//!  4  1  flags: 1 the body is compressed (zstd), 2 the checksum counts
//!  5  3  zero
//!  8  8  stamp: epoch
//! 16  8  stamp: sequence number
//! 24 16  id of this writing
//! 40  8  born, ms since the Unix epoch
//! 48  8  fresh until
//! 56  8  kept until
//! 64  2  how many marks
//! 66  2  how many bytes are reserved behind the marks: 0; the place of a MAC, for later
//! 68  4  length of the full key
//! 72  4  length of the head
//! 76  4  length of the body, before compression
//! 80  8  checksum: xxh3 of all bytes but 40 to 64 and 80 to 88
//! 88     marks, 16 bytes each; the reserved bytes; the full key; the head; the body, up to the end
//! ```
//!
//! Scripts give a record other times, so these are outside the checksum; and they rewrite the body of a number, so a number has none (the
//! field is zero, and so is the flag). Whatever differs from this in any way is not an entry: it counts as absent, never as an error.

mod compression;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

pub(crate) use self::compression::Compression;
use crate::clock::Now;
use crate::store::{Head, Key, Kind, Mark, Record, RecordId, Stamp, Times};

/// The bytes of a fixed head.
pub(super) const FIXED: usize = 88;

const MAGIC: [u8; 2] = *b"Lr";
const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
const CHECKED: u8 = 2;
const TIMES: std::ops::Range<usize> = 40..64;
const CHECKSUM: std::ops::Range<usize> = 80..FIXED;
const MARK: usize = size_of::<u128>();

/// `record` under `key` as bytes; `None` where its head stays in this process, or it is too large for the format.
pub(crate) fn encode(key: Key<'_>, record: &Record, compression: Compression) -> Option<Vec<u8>> {
    let (head, is_compressible) = match &record.head {
        Head::Wire(bytes) => (bytes.clone(), true),
        Head::Live(object) => (Bytes::from(object.to_wire()?), object.is_compressible()),
    };
    let is_number = record.kind == Kind::Number;
    let compressed = (is_compressible && !is_number)
        .then(|| compression.compress(&record.body))
        .flatten();
    let mut flags = 0;
    if !is_number {
        flags |= CHECKED;
    }
    if compressed.is_some() {
        flags |= COMPRESSED;
    }
    let body = compressed.as_deref().unwrap_or(&record.body);
    let key = key.as_bytes();
    let rest = record.marks.len() * MARK + key.len() + head.len() + body.len();

    let mut entry = Vec::with_capacity(FIXED + rest);
    entry.extend_from_slice(&MAGIC);
    entry.extend_from_slice(&[VERSION, code_of(record.kind), flags, 0, 0, 0]);
    entry.extend_from_slice(&record.stamp.epoch.to_be_bytes());
    entry.extend_from_slice(&record.stamp.seq.to_be_bytes());
    entry.extend_from_slice(&record.id.to_bits().to_be_bytes());
    for moment in [
        record.times.born,
        record.times.fresh_until,
        record.times.keep_until,
    ] {
        entry.extend_from_slice(&moment.as_millis().to_be_bytes());
    }
    entry.extend_from_slice(&u16::try_from(record.marks.len()).ok()?.to_be_bytes());
    entry.extend_from_slice(&[0, 0]);
    for length in [key.len(), head.len(), record.body.len()] {
        entry.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    }
    entry.extend_from_slice(&[0; CHECKSUM.end - CHECKSUM.start]);
    for mark in record.marks.iter() {
        entry.extend_from_slice(&mark.digest().to_be_bytes());
    }
    entry.extend_from_slice(key);
    entry.extend_from_slice(&head);
    entry.extend_from_slice(body);
    if !is_number {
        let checksum = checksum(&entry).to_be_bytes();
        entry[CHECKSUM].copy_from_slice(&checksum);
    }
    Some(entry)
}

/// The record that `bytes` hold, and the full key that it was filed under; its head is [`Head::Wire`](crate::store::Head::Wire), its head
/// and body are slices of `bytes` unless they were compressed. `None` for whatever is not exactly what `encode` writes.
pub(crate) fn decode(bytes: &Bytes) -> Option<(Bytes, Record)> {
    let fixed = Fixed::read(bytes)?;
    let marks_end = FIXED + fixed.marks * MARK;
    let key_end = marks_end.checked_add(fixed.key)?;
    let head_end = key_end.checked_add(fixed.head)?;
    let marks = bytes.get(FIXED..marks_end)?;
    let written = bytes.get(head_end..)?;
    if !fixed.is_compressed && written.len() != fixed.body {
        return None;
    }
    if fixed.is_checked() && checksum(bytes) != fixed.checksum {
        return None;
    }
    // After the checksum: an inflater is not asked to read what a fault of the network has made.
    let body = match fixed.is_compressed {
        true => compression::inflate(written, fixed.body)?.into(),
        false => bytes.slice(head_end..),
    };
    let (marks, _) = marks.as_chunks::<MARK>();
    let marks: std::sync::Arc<[Mark]> = marks
        .iter()
        .map(|mark| Mark::from_digest(u128::from_be_bytes(*mark)))
        .collect();
    let head = Head::Wire(bytes.slice(key_end..head_end));
    let record = Record::new(fixed.kind, fixed.stamp, fixed.times, marks, head, body);
    Some((bytes.slice(marks_end..key_end), record.written_as(fixed.id)))
}

/// What the beginning of an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peeked<'a> {
    /// The full key.
    pub(super) key: &'a [u8],
    pub(super) stamp: Stamp,
    pub(super) times: Times,
    pub(super) kind: Kind,
    pub(super) id: RecordId,
}

/// Reads the beginning of an entry, of which `bytes` may be a part: `None` where the key does not lie within it. What follows the key is
/// not looked at, and no checksum can be; a record is only ever answered with after [`decode`].
pub(super) fn peek(bytes: &[u8]) -> Option<Peeked<'_>> {
    let fixed = Fixed::read(bytes)?;
    let start = FIXED + fixed.marks * MARK;
    Some(Peeked {
        key: bytes.get(start..start.checked_add(fixed.key)?)?,
        stamp: fixed.stamp,
        times: fixed.times,
        kind: fixed.kind,
        id: fixed.id,
    })
}

/// What stands at fixed places.
struct Fixed {
    kind: Kind,
    is_compressed: bool,
    stamp: Stamp,
    id: RecordId,
    times: Times,
    marks: usize,
    key: usize,
    head: usize,
    body: usize,
    checksum: u64,
}

impl Fixed {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[magic, r, VERSION, kind, flags, 0, 0, 0] = bytes.first_chunk()? else {
            return None;
        };
        let moment = |at| Some(Now::from_millis(u64::from_be_bytes(bytes_at(bytes, at)?)));
        let length = |at| usize::try_from(u32::from_be_bytes(bytes_at(bytes, at)?)).ok();
        let fixed = Self {
            kind: kind_of(kind)?,
            is_compressed: flags & COMPRESSED != 0,
            stamp: Stamp {
                epoch: u64::from_be_bytes(bytes_at(bytes, 8)?),
                seq: u64::from_be_bytes(bytes_at(bytes, 16)?),
            },
            id: RecordId::from_bits(u128::from_be_bytes(bytes_at(bytes, 24)?)),
            times: Times {
                born: moment(40)?,
                fresh_until: moment(48)?,
                keep_until: moment(56)?,
            },
            marks: u16::from_be_bytes(bytes_at(bytes, 64)?).into(),
            key: length(68)?,
            head: length(72)?,
            body: length(76)?,
            checksum: u64::from_be_bytes(bytes_at(bytes, CHECKSUM.start)?),
        };
        let reserved = u16::from_be_bytes(bytes_at(bytes, 66)?);
        let flags_of_kind = match fixed.is_checked() {
            true => matches!(flags, CHECKED | 3),
            false => flags == 0 && fixed.checksum == 0,
        };
        ([magic, r] == MAGIC && reserved == 0 && flags_of_kind).then_some(fixed)
    }

    fn is_checked(&self) -> bool {
        self.kind != Kind::Number
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// That of an entry; of no more than its fixed head, at least.
fn checksum(entry: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in [
        0..TIMES.start,
        TIMES.end..CHECKSUM.start,
        FIXED..entry.len(),
    ] {
        hasher.update(entry.get(part).unwrap_or_default());
    }
    hasher.digest()
}

/// `entry` with a checksum that holds, whatever it is: for what lies behind that check.
#[cfg(any(test, fuzzing))]
pub(crate) fn sealed(mut entry: Vec<u8>) -> Bytes {
    let checksum = checksum(&entry).to_be_bytes();
    if let Some(place) = entry.get_mut(CHECKSUM) {
        place.copy_from_slice(&checksum);
    }
    entry.into()
}

const fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Page => 0,
        Kind::Variants => 1,
        Kind::Rule => 2,
        Kind::Value => 3,
        Kind::Number => 4,
    }
}

const fn kind_of(code: u8) -> Option<Kind> {
    Some(match code {
        0 => Kind::Page,
        1 => Kind::Variants,
        2 => Kind::Rule,
        3 => Kind::Value,
        4 => Kind::Number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
