//! An origin that serves ranges by the book (RFC 9110 §14).

use super::*;

/// What it serves where nothing else is said: twenty bytes.
pub(super) const TEXT: &str = "0123456789abcdefghij";

/// Answers GET and its one `Range` (RFC 9110 §14.2), `If-Range` included, with these fields.
pub(super) fn ranged(
    request: &Request<Body>,
    tag: &str,
    fields: &[(&str, &str)],
) -> Response<Body> {
    ranged_of(TEXT, request, tag, fields)
}

pub(super) fn ranged_of(
    text: &'static str,
    request: &Request<Body>,
    tag: &str,
    fields: &[(&str, &str)],
) -> Response<Body> {
    let field = |name: &str| {
        let value = request.headers().get(name)?;
        value.to_str().ok()
    };
    let mut said = vec![
        ("cache-control", "max-age=60"),
        ("content-type", "text/plain"),
    ];
    if !tag.is_empty() {
        said.push(("etag", tag));
    }
    said.extend_from_slice(fields);
    let holds = field("if-range").is_none_or(|asked| asked == tag && !tag.starts_with("W/"));
    let Some(range) = field("range")
        .filter(|_| holds)
        .and_then(|range| range.strip_prefix("bytes="))
    else {
        return page(&said, text);
    };
    let (first, last) = range.split_once('-').unwrap();
    let end = text.len() - 1;
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(end)),
        (Ok(first), Err(_)) => (first, end),
        (Err(_), Ok(suffix)) => (text.len() - suffix, end),
        (Err(_), Err(_)) => return page(&said, text),
    };
    let at = format!("bytes {first}-{last}/{}", text.len());
    said.push(("content-range", &at));
    with_status(206, &said, &text[first..=last])
}

/// A GET for this range of a target.
pub(super) fn get_range(target: &str, range: &str) -> Request<Body> {
    get_with(target, &[("range", range)])
}
