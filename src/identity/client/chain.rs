//! What a field says of who passed the request on: one address per member, the rightmost first.
//!
//! Several lines are one list (RFC 9110 §5.3). A member without a readable address is `None`; empty ones are left out (§5.6.1.2). Nothing is
//! allocated for what is not read.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};

use super::forwarded::{address, elements_from_right};
use super::node::loose;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

pub(super) fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    lines_from_below(headers, &FORWARDED)
        .flat_map(elements_from_right)
        .filter(|element| !element.is_empty())
        .map(address)
}

pub(super) fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    plain(headers, &X_FORWARDED_FOR)
}

/// A list of addresses without quotes.
pub(super) fn plain<'a>(
    headers: &'a HeaderMap,
    field: &HeaderName,
) -> impl Iterator<Item = Option<IpAddr>> + use<'a> {
    lines_from_below(headers, field)
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .map(loose)
}

fn lines_from_below<'a>(
    headers: &'a HeaderMap,
    field: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers
        .get_all(field)
        .iter()
        .rev()
        .map(HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::arbitrary;

    fn read(
        chain: impl Fn(&HeaderMap) -> Vec<Option<IpAddr>>,
        field: &HeaderName,
        lines: &[&str],
    ) -> Vec<String> {
        chain(&arbitrary::map(field, lines))
            .into_iter()
            .map(|addr| addr.map_or_else(|| "none".to_owned(), |addr| addr.to_string()))
            .collect()
    }

    #[test]
    fn all_lines_are_one_list_read_from_its_end() {
        let x_forwarded_for = |lines: &[&str]| {
            read(
                |headers| x_forwarded_for(headers).collect(),
                &X_FORWARDED_FOR,
                lines,
            )
        };
        assert_eq!(
            x_forwarded_for(&["192.0.2.1, 192.0.2.2", "192.0.2.3", "x ,\t::1"]),
            ["::1", "none", "192.0.2.3", "192.0.2.2", "192.0.2.1"]
        );
        assert_eq!(x_forwarded_for(&[]), [""; 0]);

        let forwarded =
            |lines: &[&str]| read(|headers| forwarded(headers).collect(), &FORWARDED, lines);
        assert_eq!(
            forwarded(&[
                "for=192.0.2.1,for=192.0.2.2",
                "for=_x;proto=http",
                "for=\"[::1]\""
            ]),
            ["::1", "none", "192.0.2.2", "192.0.2.1"]
        );
    }

    #[test]
    fn empty_members_say_nothing() {
        let headers = arbitrary::map(&X_FORWARDED_FOR, ["", ",192.0.2.1, ,", " ", ","]);
        assert_eq!(x_forwarded_for(&headers).count(), 1);
        let headers = arbitrary::map(&FORWARDED, ["", ",for=192.0.2.1, ,", " ", ","]);
        assert_eq!(forwarded(&headers).count(), 1);
    }
}
