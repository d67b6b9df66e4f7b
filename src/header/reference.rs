//! References to other targets: what `Location` and `Content-Location` name, relative to the target of the request (RFC 3986 §5.2).

use http::HeaderValue;
use http::Uri;

/// The longest reference that is looked at.
const LONGEST: usize = 8 * 1_024;

/// A target, as far as a reference names it. What is `None` is that of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// In lower case.
    pub(crate) scheme: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

impl Reference {
    /// Reads a reference and resolves its path against that of `base`; the fragment is dropped.
    pub(crate) fn resolve(base: &Uri, value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?.trim_ascii();
        if text.len() > LONGEST || text.bytes().any(|byte| byte == b' ' || byte == b'\\') {
            return None;
        }
        let text = text.split_once('#').map_or(text, |(text, _)| text);
        let (scheme, rest) = match scheme_of(text) {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let (before, query) = match rest.split_once('?') {
            Some((before, query)) => (before, Some(query.to_owned())),
            None => (rest, None),
        };
        let (authority, path) = match before.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(rest[..end].to_owned()), &rest[end..])
            }
            None => (None, before),
        };
        if scheme.is_some() && authority.is_none() {
            return None;
        }
        let has_authority = authority.is_some();
        let (path, query) = match path {
            "" if has_authority => ("/".to_owned(), query),
            "" => (
                base.path().to_owned(),
                query.or_else(|| base.query().map(str::to_owned)),
            ),
            _ if path.starts_with('/') => (without_dots(path), query),
            _ => {
                let base = base.path();
                let directory = &base[..base.rfind('/').map_or(0, |slash| slash + 1)];
                (without_dots(&format!("{directory}{path}")), query)
            }
        };
        Some(Self {
            scheme,
            authority,
            path,
            query,
        })
    }
}

fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.bytes();
    let is_scheme = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    type Resolved = (Option<String>, Option<String>, String, Option<String>);

    fn resolved(reference: &str) -> Option<Resolved> {
        let base: Uri = "/b/c/d?q=1".parse().unwrap();
        let value = HeaderValue::from_str(reference).unwrap();
        Reference::resolve(&base, &value)
            .map(|found| (found.scheme, found.authority, found.path, found.query))
    }

    fn path(reference: &str) -> String {
        let (scheme, authority, path, query) = resolved(reference).unwrap();
        assert_eq!((scheme, authority), (None, None), "{reference}");
        query.map_or(path.clone(), |query| format!("{path}?{query}"))
    }

    #[test]
    fn relative_references_are_resolved_against_the_target() {
        for (reference, expected) in [
            ("/x", "/x"),
            ("x", "/b/c/x"),
            ("./x", "/b/c/x"),
            ("../x", "/b/x"),
            ("../../../x", "/x"),
            ("..", "/b/"),
            (".", "/b/c/"),
            ("/a/./b/../c", "/a/c"),
            ("/a//b", "/a//b"),
            ("x?y=2", "/b/c/x?y=2"),
            ("?y=2", "/b/c/d?y=2"),
            ("", "/b/c/d?q=1"),
            ("#part", "/b/c/d?q=1"),
            ("/x#part?y", "/x"),
            ("x:y/z", "none"),
        ] {
            match expected {
                "none" => assert_eq!(resolved(reference), None, "{reference}"),
                _ => assert_eq!(path(reference), expected, "{reference}"),
            }
        }
    }

    #[test]
    fn absolute_references_name_their_origin() {
        let origin = |reference| {
            resolved(reference).map(|(scheme, authority, path, _)| {
                (
                    scheme.unwrap_or_default(),
                    authority.unwrap_or_default(),
                    path,
                )
            })
        };
        let of = |scheme: &str, authority: &str, path: &str| {
            Some((scheme.to_owned(), authority.to_owned(), path.to_owned()))
        };
        assert_eq!(origin("HTTP://h:80/p"), of("http", "h:80", "/p"));
        assert_eq!(origin("//h/p/../x"), of("", "h", "/x"));
        assert_eq!(origin("https://h"), of("https", "h", "/"));
        assert_eq!(origin("https://h?q"), of("https", "h", "/"));
        assert_eq!(origin("mailto:someone"), None);
        assert_eq!(origin("http:///p"), of("http", "", "/p"));
        assert_eq!(origin("/a b"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(value in arbitrary::value()) {
            let base: Uri = "/b/c".parse().unwrap();
            if let Some(found) = Reference::resolve(&base, &value) {
                prop_assert!(found.path.starts_with('/'));
            }
        }
    }
}
