//! How long a client waits for its answer, as far as it says so.

use std::time::Duration;

use http::HeaderMap;

use super::limit::Limit;
use crate::request::RequestHead;

impl Limit {
    /// How long its client waits for a request: the least of what the application tells and what `grpc-timeout` says.
    pub(super) fn time_left(&self, head: &RequestHead<'_>) -> Option<Duration> {
        let told = self.deadline.as_ref().and_then(|left| left(head));
        [told, grpc_timeout(head.headers)]
            .into_iter()
            .flatten()
            .min()
    }
}

/// What `grpc-timeout` says (gRPC over HTTP/2: at most 8 digits and a unit). None without the field, or where it is not of that form.
///
/// It can be forged, but nobody gains by waiting less.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let mut values = headers.get_all("grpc-timeout").iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (unit, digits) = value.as_bytes().split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits
        .iter()
        .fold(0, |count, digit| 10 * count + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(3_600 * count),
        b'M' => Duration::from_secs(60 * count),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn told(values: &[&[u8]]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("grpc-timeout", HeaderValue::from_bytes(value).unwrap());
        }
        grpc_timeout(&headers)
    }

    #[test]
    fn every_unit_is_read() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3_600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("250m", Duration::from_millis(250)),
            ("7u", Duration::from_micros(7)),
            ("007n", Duration::from_nanos(7)),
            ("0S", Duration::ZERO),
            ("99999999H", Duration::from_secs(99_999_999 * 3_600)),
        ] {
            assert_eq!(told(&[text.as_bytes()]), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_of_that_form_is_no_deadline() {
        for value in [
            &b""[..],
            b"S",
            b"1",
            b"1s",
            b"1h",
            b"-1S",
            b"+1S",
            b"1.5S",
            b" 1S",
            b"1 S",
            b"1SS",
            b"123456789S",
            b"1\xff",
            b"\xd9\xa1S",
        ] {
            assert_eq!(told(&[value]), None, "{value:?}");
        }
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[b"1S", b"1S"]), None);
    }
}
