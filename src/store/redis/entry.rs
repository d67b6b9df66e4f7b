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

use bytes::Bytes;

use crate::store::{Key, Record};

/// The bytes of a fixed head.
pub(super) const FIXED: usize = 88;

/// `record` under `key` as bytes; `None` where its head stays in this process, or it is too large for the format.
pub(super) fn encode(key: Key<'_>, record: &Record, compression: Compression) -> Option<Vec<u8>> {
    let _ = (key, record, compression);
    None
}

/// The record that `bytes` hold, and the full key that it was filed under; its head is [`Head::Wire`](crate::store::Head::Wire), its head
/// and body are slices of `bytes` unless they were compressed. `None` for whatever is not exactly what `encode` writes.
pub(super) fn decode(bytes: &Bytes) -> Option<(Bytes, Record)> {
    let _ = bytes;
    None
}

/// From which size on bodies are compressed; `None` never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Compression {
    pub(super) from: Option<usize>,
}

pub(super) struct Peeked<'a> {
    pub(super) key: &'a [u8],
    pub(super) times: crate::store::Times,
    pub(super) kind: crate::store::Kind,
}
pub(super) fn peek(bytes: &[u8]) -> Option<Peeked<'_>> {
    let _ = bytes;
    None
}
