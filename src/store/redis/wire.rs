//! Records as another node reads them, for tests of what is kept in them.

use std::sync::Arc;

use bytes::Bytes;

use super::entry::{self, Compression};
use crate::store::{Key, Record};

/// The record as it comes back from a server; `None` where it cannot be written there.
pub(crate) fn sent(key: Key<'_>, record: &Record) -> Option<Arc<Record>> {
    let from = cfg!(feature = "compression").then_some(64);
    let bytes = entry::encode(key, record, Compression { from })?;
    let (full, record) = entry::decode(&Bytes::from(bytes)).expect("what is encoded is an entry");
    assert_eq!(full, key.as_bytes());
    Some(Arc::new(record))
}
