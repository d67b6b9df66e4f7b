//! The marks of a page, by which it is purged without a look at what is stored.

use http::header::{CONTENT_LOCATION, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Shared;
use super::groups::Origin;
use crate::header::{CacheGroupInvalidation, Reference};
use crate::page::{Forwarding, normal_host};
use crate::request::RequestHead;
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

/// The host and the scheme that the client addressed, as far as a request says so.
pub(super) fn authority_of<'a>(
    head: &RequestHead<'a>,
    forwarding: Forwarding,
) -> (Option<&'a str>, Option<&'a str>) {
    let target = head.target();
    let field = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let trusted = |name: &'static str| match forwarding {
        Forwarding::Trusted => field(HeaderName::from_static(name)),
        Forwarding::Keyed => None,
    };
    let host = trusted("x-forwarded-host")
        .or(target.authority().map(Authority::as_str))
        .or_else(|| field(HOST));
    let scheme = trusted("x-forwarded-proto").or(target.scheme_str());
    (host, scheme)
}

/// What a request addresses, as far as purging needs it: its own page, and those that its answer refers to.
#[derive(Clone, Debug)]
pub(crate) struct Addressed {
    /// The host as keys hold it; twice, where the default port of one scheme is not that of the other.
    hosts: Vec<String>,
    /// A request that does not say so is not secured, as far as can be told.
    secure: bool,
    /// Whose groups it may free.
    origin: Option<Origin>,
    target: Uri,
}

impl Addressed {
    pub(crate) fn of(head: &RequestHead<'_>, forwarding: Forwarding) -> Self {
        let (host, scheme) = authority_of(head, forwarding);
        let mut hosts: Vec<String> = host
            .into_iter()
            .flat_map(|host| [normal_host(host, false), normal_host(host, true)])
            .flatten()
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        Self {
            hosts,
            secure: scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
            origin: Origin::of(head, forwarding),
            target: head.target().clone(),
        }
    }

    /// The marks of its own page, with all queries.
    pub(crate) fn marks(&self, space: &[u8]) -> Vec<Mark> {
        self.marks_of(space, self.target.path())
    }

    fn marks_of(&self, space: &[u8], path: &str) -> Vec<Mark> {
        let hosts = self.hosts.iter();
        hosts
            .map(|host| host_mark(space, host.as_bytes(), path, None))
            .collect()
    }

    /// The marks of the pages of this origin that an answer with these fields refers to (RFC 9111 §4.4).
    pub(crate) fn referred_marks(&self, space: &[u8], answer: &HeaderMap) -> Vec<Mark> {
        let fields = [LOCATION, CONTENT_LOCATION];
        let values = fields.iter().flat_map(|name| answer.get_all(name));
        values
            .filter_map(|value| self.same_origin(value))
            .flat_map(|reference| self.marks_of(space, &reference.path))
            .collect()
    }

    /// The marks of the groups of this origin that an answer with these fields has changed (RFC 9875 §3).
    pub(crate) fn group_marks(&self, space: &[u8], answer: &HeaderMap) -> Vec<Mark> {
        let changed = CacheGroupInvalidation::of(answer);
        self.origin
            .iter()
            .flat_map(|origin| origin.freed(space, changed.iter()))
            .collect()
    }

    /// The target that a field names, if it is of the same origin.
    fn same_origin(&self, value: &HeaderValue) -> Option<Reference> {
        let reference = Reference::resolve(&self.target, value)?;
        let secure = match reference.scheme.as_deref() {
            None => self.secure,
            Some("http") => false,
            Some("https") => true,
            Some(_) => return None,
        };
        if secure != self.secure {
            return None;
        }
        if let Some(authority) = &reference.authority {
            let host = normal_host(authority, secure)?;
            if !self.hosts.contains(&host) {
                return None;
            }
        }
        Some(reference)
    }

    /// Does this field name the very target of the request?
    pub(crate) fn is_target(&self, value: &HeaderValue) -> bool {
        self.same_origin(value).is_some_and(|reference| {
            reference.path == self.target.path()
                && reference.query.as_deref() == self.target.query()
        })
    }
}

impl Shared {
    /// The mark of an address as a person writes it.
    pub(crate) fn address_mark(&self, address: &str) -> Option<Mark> {
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

    fn addressed(request: http::request::Builder) -> Addressed {
        let request = request.body(()).unwrap();
        Addressed::of(&RequestHead::of(&request), Forwarding::Keyed)
    }

    #[test]
    fn only_what_is_of_the_same_origin_is_referred_to() {
        let posted = addressed(http::Request::post("http://shop.example/orders?x=1"));
        let refers = |value: &'static str| {
            let mut answer = HeaderMap::new();
            answer.insert(LOCATION, HeaderValue::from_static(value));
            posted.referred_marks(b"s", &answer)
        };
        let page = |path| vec![host_mark(b"s", b"shop.example", path, None)];
        for (value, path) in [
            ("/orders/1", "/orders/1"),
            ("orders/1?y", "/orders/1"),
            ("//shop.example/a", "/a"),
            ("http://SHOP.example:80/a", "/a"),
        ] {
            assert_eq!(refers(value), page(path), "{value}");
        }
        for value in [
            "https://shop.example/a",
            "http://shop.example:8080/a",
            "//other.example/a",
            "http://shop.example.other/a",
            "http://user@shop.example/a",
            "ftp://shop.example/a",
        ] {
            assert_eq!(refers(value), [], "{value}");
        }
    }

    #[test]
    fn what_does_not_say_its_scheme_is_not_secured() {
        let posted = addressed(http::Request::post("/orders").header("host", "shop.example"));
        for value in ["http://shop.example/orders", "/orders"] {
            assert!(
                posted.is_target(&HeaderValue::from_static(value)),
                "{value}"
            );
        }
        for value in ["/orders?x", "/orders/", "https://shop.example:8443/orders"] {
            assert!(
                !posted.is_target(&HeaderValue::from_static(value)),
                "{value}"
            );
        }
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
