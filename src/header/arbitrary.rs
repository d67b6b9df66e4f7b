//! Header fields no one would write: the input of the properties "any bytes never panic".

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

/// Bytes that carry meaning somewhere, mixed with all the others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        6 => prop::sample::select(b",,\"\"\\= \t;*:?()%@-+.0159aZxGMT".as_slice()),
        1 => any::<u8>(),
    ]
}

/// Text that some parser gets far with.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(
        [
            "max-age=60",
            "private=\"a, b\"",
            "no-cache",
            "no-store",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "99999999999999999999",
            "accept-language",
            "keep-alive",
            "other; hit; ttl=5",
        ]
        .as_slice(),
    )
    .prop_map(|text| text.as_bytes().to_vec())
}

/// Bytes as the parsers of plain slices may meet them.
pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![prop::collection::vec(byte(), 0..24), fragment()];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// One field value of any bytes that a field value may have.
pub(crate) fn value() -> impl Strategy<Value = HeaderValue> {
    bytes().prop_map(|mut bytes| {
        bytes.retain(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
        HeaderValue::from_bytes(&bytes).unwrap()
    })
}

/// A map with up to four such lines of one field.
pub(crate) fn lines(field: HeaderName) -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec(value(), 0..4).prop_map(move |values| {
        values
            .into_iter()
            .map(|value| (field.clone(), value))
            .collect()
    })
}

/// A map with the given lines of one field.
pub(crate) fn map<'a>(
    field: &HeaderName,
    lines: impl IntoIterator<Item = impl AsRef<[u8]> + 'a>,
) -> HeaderMap {
    lines
        .into_iter()
        .map(|line| {
            let value = HeaderValue::from_bytes(line.as_ref()).unwrap();
            (field.clone(), value)
        })
        .collect()
}
