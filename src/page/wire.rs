//! The heads of records as bytes, for stores elsewhere, and the way back.
//!
//! Each begins with the version of its layout. Numbers are big-endian, texts and lists begin with their length, and nothing may follow. What is
//! read is checked as if it came from the network: names and values of fields by the types that hold them (RFC 9110 §5.5), counts by what is
//! there to be counted. Header values are slices of the bytes that were read.

mod frame;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::frame::{LEAST_FIELD, Reader, Writer};
use super::search::Rule;
use super::stored::StoredPage;
use super::variants::Variants;
use crate::store::{HeadObject, Kind};

/// The head that a record of this kind has on the wire; `None` where it is not exactly what [`HeadObject::to_wire`] wrote, and for kinds whose
/// heads are not of pages.
pub(crate) fn decode_head(kind: Kind, wire: &Bytes) -> Option<Arc<dyn HeadObject>> {
    let mut reader = Reader::new(wire);
    let head: Arc<dyn HeadObject> = match kind {
        Kind::Page => Arc::new(StoredPage::read(&mut reader)?),
        Kind::Variants => Arc::new(Variants::read(&mut reader)?),
        Kind::Rule => Arc::new(Rule::read(&mut reader)?),
        Kind::Value | Kind::Number => return None,
    };
    reader.end().then_some(head)
}

#[cfg(all(test, feature = "redis"))]
mod golden;
