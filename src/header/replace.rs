//! One line in place of all that a field had.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Sets a field, whatever stood there.
///
/// A map that has no room for one more field is too large to be sent, and `insert` would panic: there the field is left out.
pub(crate) fn replace(headers: &mut HeaderMap, field: &HeaderName, value: HeaderValue) {
    headers.remove(field);
    let _ = headers.try_insert(field.clone(), value);
}

#[cfg(test)]
mod tests {
    use http::header::VARY;

    use super::*;
    use crate::header::arbitrary;

    #[test]
    fn one_line_stands_where_several_did() {
        let mut headers = arbitrary::map(&VARY, ["a", "b"]);
        replace(&mut headers, &VARY, HeaderValue::from_static("c"));
        assert_eq!(headers, arbitrary::map(&VARY, ["c"]));
    }

    #[test]
    fn a_full_map_does_not_panic() {
        let mut headers = HeaderMap::new();
        let mut n = 0;
        while headers
            .try_insert(
                HeaderName::try_from(format!("x-{n}")).unwrap(),
                HeaderValue::from_static(""),
            )
            .is_ok()
        {
            n += 1;
        }
        replace(&mut headers, &VARY, HeaderValue::from_static("a"));
        assert!(!headers.contains_key(VARY));
    }
}
