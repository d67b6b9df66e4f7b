//! How long an answer of the origin says it is (RFC 9112 §6.3).

use axum::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    response::Parts,
};

/// What is wrong with an answer's head.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the origin switched to a protocol that nobody asked for")]
    Switched,
    #[error("the origin's Transfer-Encoding is not understood")]
    Coding,
    #[error("the origin's Content-Length is none")]
    Length,
}

/// May another request follow on the connection?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum After {
    Reuse,
    Close,
}

/// Refuses a head that could be read in two ways, and leaves at most one length in it. Asked before the fields of the hop are stripped.
///
/// hyper has refused some of this already; not for answers without a body, such as one to HEAD.
pub(crate) fn settle(head: &mut Parts) -> Result<After, Malformed> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Malformed::Switched);
    }
    let length = one_length(&head.headers)?;
    head.headers.remove(CONTENT_LENGTH);
    if is_chunked(&head.headers)? {
        // RFC 9112 §6.3: the length is not forwarded, and who sent both may be up to something.
        return Ok(match length {
            Some(_) => After::Close,
            None => After::Reuse,
        });
    }
    if let Some(length) = length
        && head.status != StatusCode::NO_CONTENT
    {
        head.headers.insert(CONTENT_LENGTH, length);
    }
    Ok(After::Reuse)
}

/// Equal lengths are folded (RFC 9110 §8.6).
fn one_length(headers: &HeaderMap) -> Result<Option<HeaderValue>, Malformed> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for member in value.as_bytes().split(|byte| *byte == b',') {
            let member = member.trim_ascii();
            let is_number = !member.is_empty() && member.iter().all(u8::is_ascii_digit);
            if !is_number || *length.get_or_insert(member) != member {
                return Err(Malformed::Length);
            }
        }
    }
    length
        .map(|digits| HeaderValue::from_bytes(digits).map_err(|_| Malformed::Length))
        .transpose()
}

/// No coding but `chunked` was asked for, and none can be passed on.
fn is_chunked(headers: &HeaderMap) -> Result<bool, Malformed> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(Malformed::Coding),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Response;

    use super::*;

    fn settled(status: u16, fields: &[(&str, &str)]) -> (Result<After, Malformed>, Vec<String>) {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut head = response.body(()).expect("a response").into_parts().0;
        let outcome = settle(&mut head);
        let lengths = head.headers.get_all(CONTENT_LENGTH).iter();
        let lengths = lengths.map(|value| value.to_str().expect("text").to_owned());
        (outcome, lengths.collect())
    }

    #[test]
    fn equal_lengths_are_one() {
        for fields in [
            &[("content-length", "5")][..],
            &[("content-length", "5, 5")],
            &[("content-length", "5"), ("content-length", "5")],
        ] {
            let expected = (Ok(After::Reuse), vec!["5".to_owned()]);
            assert_eq!(settled(200, fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for fields in [
            &[("content-length", "5, 6")][..],
            &[("content-length", "5"), ("content-length", "6")],
            &[("content-length", "+5")],
            &[("content-length", "5,")],
            &[("content-length", "")],
            &[("content-length", "x")],
        ] {
            assert_eq!(settled(304, fields).0, Err(Malformed::Length), "{fields:?}");
        }
    }

    #[test]
    fn chunks_have_no_length() {
        let both = [("content-length", "5"), ("transfer-encoding", "Chunked")];
        assert_eq!(settled(200, &both), (Ok(After::Close), vec![]));
        assert_eq!(settled(200, &both[1..]), (Ok(After::Reuse), vec![]));
    }

    #[test]
    fn other_codings_and_protocols_are_refused() {
        for coding in ["gzip", "gzip, chunked", "chunked, chunked", "identity"] {
            let fields = [("transfer-encoding", coding)];
            assert_eq!(settled(200, &fields).0, Err(Malformed::Coding), "{coding}");
        }
        assert_eq!(settled(101, &[]).0, Err(Malformed::Switched));
    }

    #[test]
    fn what_has_no_content_has_no_length() {
        assert_eq!(
            settled(204, &[("content-length", "0")]),
            (Ok(After::Reuse), vec![])
        );
    }
}
