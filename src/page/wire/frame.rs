//! Writing and reading the parts that heads are made of.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Now;

/// Writes the parts of a head.
#[derive(Debug)]
pub(in crate::page) struct Writer {
    bytes: Vec<u8>,
    /// Was any part longer than its length can say?
    overflows: bool,
}

impl Writer {
    /// A head of this version.
    pub(in crate::page) fn new(version: u8) -> Self {
        Self {
            bytes: vec![version],
            overflows: false,
        }
    }

    pub(in crate::page) fn u8(&mut self, number: u8) {
        self.bytes.push(number);
    }

    pub(in crate::page) fn u16(&mut self, number: u16) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    pub(in crate::page) fn u32(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    pub(in crate::page) fn u64(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    pub(in crate::page) fn moment(&mut self, moment: Now) {
        self.u64(moment.as_millis());
    }

    pub(in crate::page) fn span(&mut self, span: Duration) {
        self.u64(span.as_secs());
        self.u32(span.subsec_nanos());
    }

    /// How many parts of a list follow.
    pub(in crate::page) fn count(&mut self, count: usize) {
        let fits = u32::try_from(count);
        self.overflows |= fits.is_err();
        self.u32(fits.unwrap_or_default());
    }

    /// Bytes that are as long as they are.
    pub(in crate::page) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes after their length.
    pub(in crate::page) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(in crate::page) fn name(&mut self, name: &HeaderName) {
        self.bytes(name.as_str().as_bytes());
    }

    pub(in crate::page) fn field(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.u8(value.is_sensitive().into());
        self.name(name);
        self.bytes(value.as_bytes());
    }

    /// All fields, in the order in which they are sent.
    pub(in crate::page) fn fields(&mut self, fields: &HeaderMap) {
        self.count(fields.len());
        for (name, value) in fields {
            self.field(name, value);
        }
    }

    /// The head; `None` where it is too large for the format.
    pub(in crate::page) fn finish(self) -> Option<Vec<u8>> {
        (!self.overflows).then_some(self.bytes)
    }
}

/// Reads the parts of a head. Each is `None` where it is not there, or is not what it should be.
#[derive(Debug)]
pub(in crate::page) struct Reader<'a> {
    wire: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::page) const fn new(wire: &'a Bytes) -> Self {
        Self { wire, at: 0 }
    }

    /// A head of this version, and no other, begins here.
    pub(in crate::page) fn version(&mut self, version: u8) -> Option<()> {
        (self.u8()? == version).then_some(())
    }

    /// Has everything been read?
    pub(in crate::page) fn end(&self) -> bool {
        self.at == self.wire.len()
    }

    pub(in crate::page) fn u8(&mut self) -> Option<u8> {
        let [number] = self.array()?;
        Some(number)
    }

    pub(in crate::page) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(in crate::page) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(in crate::page) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(in crate::page) fn moment(&mut self) -> Option<Now> {
        self.u64().map(Now::from_millis)
    }

    pub(in crate::page) fn span(&mut self) -> Option<Duration> {
        let (seconds, nanos) = (self.u64()?, self.u32()?);
        (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
    }

    /// How many parts of a list follow, each of `least` bytes at least: never more than there is room for, so that no memory is taken for
    /// what is not there.
    pub(in crate::page) fn count(&mut self, least: usize) -> Option<usize> {
        let count = usize::try_from(self.u32()?).ok()?;
        let room = self.wire.len() - self.at;
        (count <= room / least.max(1)).then_some(count)
    }

    /// Bytes that are as long as they are.
    pub(in crate::page) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.wire.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(array)
    }

    /// Bytes after their length.
    pub(in crate::page) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count(1)?;
        let bytes = self.wire.get(self.at..self.at + length)?;
        self.at += length;
        Some(bytes)
    }

    /// Everything that is left.
    pub(in crate::page) fn rest(&mut self) -> &'a [u8] {
        let rest = self.wire.get(self.at..).unwrap_or_default();
        self.at = self.wire.len();
        rest
    }

    pub(in crate::page) fn name(&mut self) -> Option<HeaderName> {
        HeaderName::from_lowercase(self.bytes()?).ok()
    }

    pub(in crate::page) fn field(&mut self) -> Option<(HeaderName, HeaderValue)> {
        let is_sensitive = match self.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let name = self.name()?;
        let text = self.wire.slice_ref(self.bytes()?);
        let mut value = HeaderValue::from_maybe_shared(text).ok()?;
        value.set_sensitive(is_sensitive);
        Some((name, value))
    }

    /// All fields of a message.
    pub(in crate::page) fn fields(&mut self) -> Option<HeaderMap> {
        let count = self.count(LEAST_FIELD)?;
        let mut fields = HeaderMap::try_with_capacity(count).ok()?;
        for _ in 0..count {
            let (name, value) = self.field()?;
            fields.try_append(name, value).ok()?;
        }
        Some(fields)
    }
}

/// A field has a name, of one byte at least.
pub(in crate::page) const LEAST_FIELD: usize = 1 + 4 + 1 + 4;
