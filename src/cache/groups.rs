//! Cache groups as marks: a name within one origin (RFC 9875 §2.1).

use http::Uri;

use super::address::authority_of;
use super::{Cache, Purged};
use crate::page::{Forwarding, normal_host};
use crate::request::RequestHead;
use crate::store::{Mark, Purge, PurgeError};

/// The most groups that one answer frees: an origin must not push everybody's marks out of the fence.
const MOST_FREED: usize = 1_000;

/// The origin of a request, as far as it shows.
///
/// One that does not say its scheme (any that comes in the origin form, RFC 9112 §3.2.1) may be of either. So a page has a mark for each
/// scheme that its origin may have, and one for whatever scheme it has; and a purge needs one mark for each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    /// The host without the default port of http.
    http: String,
    /// The host without the default port of https.
    https: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Unknown,
}

impl Origin {
    pub(crate) fn of(head: &RequestHead<'_>, forwarding: Forwarding) -> Option<Self> {
        let (host, scheme) = authority_of(head, forwarding);
        Self::new(scheme, host?)
    }

    /// `None` where the scheme is another one, or the host is none.
    fn new(scheme: Option<&str>, host: &str) -> Option<Self> {
        let scheme = match scheme {
            None => Scheme::Unknown,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            Some(_) => return None,
        };
        Some(Self {
            scheme,
            http: normal_host(host, false)?,
            https: normal_host(host, true)?,
        })
    }

    /// As a person writes it: `https://shop.example:8443`, or `shop.example` for both schemes.
    fn parse(origin: &str) -> Option<Self> {
        let (scheme, rest) = match origin.split_once("//") {
            Some(("", rest)) => (None, rest),
            Some((scheme, rest)) => (Some(scheme.strip_suffix(':')?), rest),
            None => (None, origin),
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        // What is not an authority alone is not an origin.
        let uri: Uri = host.parse().ok()?;
        (uri.authority()?.as_str() == host)
            .then(|| Self::new(scheme, host))
            .flatten()
    }

    /// The marks of a page that belongs to these groups.
    pub(crate) fn member<'a>(
        &self,
        space: &[u8],
        names: impl Iterator<Item = &'a str>,
    ) -> Vec<Mark> {
        let schemes: &[_] = match self.scheme {
            Scheme::Http => &[(HTTP, &self.http), (EITHER, &self.http)],
            Scheme::Https => &[(HTTPS, &self.https), (EITHER, &self.https)],
            Scheme::Unknown => &[
                (HTTP, &self.http),
                (HTTPS, &self.https),
                (EITHER, &self.http),
                (EITHER, &self.https),
            ],
        };
        marks(space, schemes, names)
    }

    /// The marks that free these groups, the first thousand of them.
    pub(crate) fn freed<'a>(
        &self,
        space: &[u8],
        names: impl Iterator<Item = &'a str>,
    ) -> Vec<Mark> {
        let schemes: &[_] = match self.scheme {
            Scheme::Http => &[(HTTP, &self.http)],
            Scheme::Https => &[(HTTPS, &self.https)],
            Scheme::Unknown => &[(EITHER, &self.http), (EITHER, &self.https)],
        };
        marks(space, schemes, names.take(MOST_FREED))
    }
}

const HTTP: &str = "http";
const HTTPS: &str = "https";
const EITHER: &str = "";

fn marks<'a>(
    space: &[u8],
    schemes: &[(&str, &String)],
    names: impl Iterator<Item = &'a str>,
) -> Vec<Mark> {
    let mut marks = Vec::new();
    for name in names {
        for (scheme, host) in schemes {
            let parts = [space, scheme.as_bytes(), host.as_bytes(), name.as_bytes()];
            marks.push(Mark::of("group", &parts));
        }
    }
    // Most hosts are the same with both schemes.
    marks.sort_unstable();
    marks.dedup();
    marks
}

impl Cache {
    /// Frees everything of `origin` that belongs to this group: pages whose [`CacheGroups`](crate::CacheGroups) name it (RFC 9875).
    ///
    /// `origin` is a scheme, a host and a port that is not the default one: `https://shop.example`, `http://shop.example:8080`; or without a
    /// scheme, `shop.example:8443`, for both. Pages of requests that did not show their scheme, as behind a proxy that is not
    /// [trusted](crate::Forwarding::Trusted), count as of both.
    ///
    /// ```
    /// # use larder::{Cache, NullStore};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::builder(NullStore).build()?;
    /// cache.purge_group("https://shop.example", "scores").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When `origin` is none, or the store did not take the purge.
    pub async fn purge_group(&self, origin: &str, name: &str) -> Result<Purged, PurgeError> {
        let marks = self.group_marks(origin, name)?;
        self.purge(Purge::Marks(marks)).await
    }

    pub(crate) fn group_marks(&self, origin: &str, name: &str) -> Result<Vec<Mark>, PurgeError> {
        let origin = Origin::parse(origin).ok_or_else(|| PurgeError::Origin(origin.to_owned()))?;
        let names = std::iter::once(name);
        Ok(origin.freed(&self.shared.space, names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frees(freeing: &Origin, page: &Origin) -> bool {
        let freed = freeing.freed(b"s", ["a"].into_iter());
        let marks = page.member(b"s", ["a"].into_iter());
        marks.iter().any(|mark| freed.contains(mark))
    }

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap_or_else(|| panic!("{text} is an origin"))
    }

    #[test]
    fn a_group_is_of_one_scheme_host_and_port() {
        let all = [
            "http://shop.example",
            "https://shop.example",
            "http://shop.example:8080",
            "https://shop.example:8080",
            "http://other.example",
            "http://[::1]",
        ];
        for freeing in all {
            for page in all {
                let same = freeing == page;
                assert_eq!(
                    frees(&origin(freeing), &origin(page)),
                    same,
                    "{freeing} {page}"
                );
            }
        }
        for same in ["HTTP://SHOP.example:80/", "http://shop.example:"] {
            assert!(
                frees(&origin("http://shop.example"), &origin(same)),
                "{same}"
            );
            assert!(
                frees(&origin(same), &origin("http://shop.example")),
                "{same}"
            );
        }
    }

    #[test]
    fn what_does_not_show_its_scheme_may_be_of_either() {
        for shown in [
            "http://shop.example",
            "https://shop.example",
            "https://shop.example:443",
        ] {
            for unknown in ["shop.example", "//shop.example/"] {
                assert!(frees(&origin(shown), &origin(unknown)), "{shown} {unknown}");
                assert!(frees(&origin(unknown), &origin(shown)), "{shown} {unknown}");
            }
            assert!(!frees(&origin(shown), &origin("shop.example:8080")));
            assert!(!frees(&origin("other.example"), &origin(shown)));
        }
        // A default port says what the scheme does not.
        assert!(frees(
            &origin("shop.example:443"),
            &origin("https://shop.example")
        ));
        assert!(frees(
            &origin("https://shop.example"),
            &origin("shop.example:443")
        ));
        assert!(!frees(
            &origin("http://shop.example"),
            &origin("shop.example:443")
        ));
    }

    #[test]
    fn names_are_compared_byte_by_byte_within_a_space() {
        let here = origin("http://shop.example");
        let page = here.member(b"s", ["a", "b"].into_iter());
        let struck = |space: &[u8], name| {
            let freed = here.freed(space, [name].into_iter());
            freed.iter().any(|mark| page.contains(mark))
        };
        assert!(struck(b"s", "a") && struck(b"s", "b"));
        for name in ["A", "a ", "", "ab"] {
            assert!(!struck(b"s", name), "{name:?}");
        }
        assert!(!struck(b"t", "a"));
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "",
            "/",
            "//",
            "http://",
            "https:///",
            "/menu",
            "http://shop.example/menu",
            "http://shop.example?x",
            "http://user@shop.example",
            "ftp://shop.example",
            "http//shop.example",
            "shop example",
            "https://shop.example//",
        ] {
            assert_eq!(Origin::parse(text), None, "{text:?}");
        }
    }
}
