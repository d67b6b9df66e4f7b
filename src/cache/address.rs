//! The marks of a page, by which it is purged without a look at what is stored.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderName, Uri};

use super::Shared;
use crate::page::{Forwarding, RequestHead, normal_host};
use crate::store::Mark;

/// The marks that a page carries: its path, and its host and path; with a query, both with that too.
pub(crate) fn page_marks(
    space: &[u8],
    host: &[u8],
    path: &str,
    query: Option<&str>,
) -> impl Iterator<Item = Mark> {
    let exact = query.map(|query| {
        [
            path_mark(space, path, Some(query)),
            host_mark(space, host, path, Some(query)),
        ]
    });
    [
        path_mark(space, path, None),
        host_mark(space, host, path, None),
    ]
    .into_iter()
    .chain(exact.into_iter().flatten())
}

fn path_mark(space: &[u8], path: &str, query: Option<&str>) -> Mark {
    match query {
        None => Mark::of("path", &[space, path.as_bytes()]),
        Some(query) => Mark::of("path?", &[space, path.as_bytes(), query.as_bytes()]),
    }
}

fn host_mark(space: &[u8], host: &[u8], path: &str, query: Option<&str>) -> Mark {
    match query {
        None => Mark::of("host", &[space, host, path.as_bytes()]),
        Some(query) => Mark::of("host?", &[space, host, path.as_bytes(), query.as_bytes()]),
    }
}

impl Shared {
    /// The marks of the page that a request addresses, under the host that keys hold.
    pub(crate) fn target_marks(&self, head: &RequestHead<'_>, forwarding: Forwarding) -> Vec<Mark> {
        let target = head.target();
        let secure = target.scheme() == Some(&http::uri::Scheme::HTTPS);
        let field = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = match forwarding {
            Forwarding::Trusted => field(HeaderName::from_static("x-forwarded-host")),
            Forwarding::Keyed => None,
        };
        let host = forwarded
            .or(target.authority().map(Authority::as_str))
            .or_else(|| field(HOST));
        let mut marks: Vec<Mark> = host
            .into_iter()
            .flat_map(|host| {
                // Behind a proxy the scheme may be another than this request shows.
                [normal_host(host, secure), normal_host(host, !secure)]
            })
            .flatten()
            .map(|host| host_mark(&self.space, host.as_bytes(), target.path(), None))
            .collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// The mark of an address as a person writes it.
    pub(super) fn address_mark(&self, address: &str) -> Option<Mark> {
        let whole = match address.strip_prefix("//") {
            Some(rest) => format!("http://{rest}"),
            None => address.to_owned(),
        };
        let uri: Uri = whole.parse().ok()?;
        let path = uri.path();
        if !path.starts_with('/') {
            return None;
        }
        let query = uri.query();
        Some(match uri.authority() {
            None => path_mark(&self.space, path, query),
            Some(authority) => {
                let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
                let host = normal_host(authority.as_str(), secure)?;
                host_mark(&self.space, host.as_bytes(), path, query)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn marks(space: &str, host: &str, query: Option<&str>) -> HashSet<Mark> {
        page_marks(space.as_bytes(), host.as_bytes(), "/p", query).collect()
    }

    #[test]
    fn a_page_is_purged_by_its_path_whatever_the_query() {
        let all = path_mark(b"s", "/p", None);
        assert!(marks("s", "h", None).contains(&all));
        assert!(marks("s", "h", Some("a=1")).contains(&all));
        let one = path_mark(b"s", "/p", Some("a=1"));
        assert!(marks("s", "h", Some("a=1")).contains(&one));
        assert!(!marks("s", "h", Some("a=2")).contains(&one));
        assert!(!marks("s", "h", None).contains(&one));
    }

    #[test]
    fn spaces_and_hosts_are_told_apart() {
        assert!(marks("a", "h", None).is_disjoint(&marks("b", "h", None)));
        assert_eq!(
            marks("a", "h", None)
                .intersection(&marks("a", "i", None))
                .count(),
            1
        );
    }
}
