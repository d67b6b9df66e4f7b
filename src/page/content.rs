//! Requests whose content belongs to the key (QUERY, RFC 10008), byte for byte.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE};

use super::key::KeyBuf;

/// Begins the content in a key. No part of a page's key begins so.
const CONTENT: u8 = u8::MAX - 4;

/// Adds the content of a request to its key, with what says how it is to be read (RFC 10008 §2.7).
pub(super) fn add_to_key(key: &mut KeyBuf, headers: &HeaderMap, content: &[u8]) {
    key.push(&[CONTENT]);
    for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
        match crate::header::selecting_value(headers, &name) {
            None => key.push(&[0]),
            Some(value) => {
                key.push(&[1]);
                push(key, &value);
            }
        }
    }
    push(key, content);
}

/// Adds content that says of itself how it is to be read.
#[cfg(feature = "tonic")]
pub(super) fn add_plain_to_key(key: &mut KeyBuf, content: &[u8]) {
    key.push(&[CONTENT, 0, 0, 0]);
    push(key, content);
}

fn push(key: &mut KeyBuf, part: &[u8]) {
    key.push(&(part.len() as u64).to_be_bytes());
    key.push(part);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn contents_of_another_kind_have_another_key() {
        let key = |fields: &[(http::HeaderName, &'static str)], content: &[u8]| {
            let fields = fields.iter().cloned();
            let headers = fields
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .collect();
            let mut key = KeyBuf::new();
            add_to_key(&mut key, &headers, content);
            key.as_bytes().to_vec()
        };
        let keys = [
            key(&[], b""),
            key(&[], b"a"),
            key(&[], b"b"),
            key(&[(CONTENT_TYPE, "")], b"a"),
            key(&[(CONTENT_TYPE, "a/b")], b"a"),
            key(&[(CONTENT_ENCODING, "a/b")], b"a"),
            key(&[(CONTENT_LANGUAGE, "a/b")], b"a"),
        ];
        for (place, one) in keys.iter().enumerate() {
            assert!(!keys[place + 1..].contains(one), "{place}");
        }
    }
}
