//! Pages that are found by their paths.

use http::uri::Authority;

use super::Shared;
use crate::page::{KeyText, normal_host};
use crate::store::{KeyBuf, Matching, Purge, PurgeError, glob};

/// Which paths are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathRule {
    Prefix(Box<str>),
    Glob(Box<str>),
}

impl PathRule {
    /// Those that start with this, if any can.
    pub(super) fn prefix(path: &str) -> Option<Self> {
        path.starts_with('/').then(|| Self::Prefix(path.into()))
    }

    /// Those that match this, if any can.
    pub(super) fn glob(path: &str) -> Option<Self> {
        let literal = glob::literal_prefix(path.as_bytes());
        let begins = match literal.first() {
            Some(first) => *first == b'/',
            None => !path.is_empty(),
        };
        begins.then(|| Self::Glob(path.into()))
    }

    fn finds(&self, path: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            Self::Glob(glob) => glob::matches(glob.as_bytes(), path),
        }
    }
}

/// The pages of one host, or of all, whose paths are found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pages {
    /// As keys hold it.
    host: Option<String>,
    path: PathRule,
}

impl Pages {
    /// Reads a path, or `//host/path`, or `http://host/path`, whose path is a rule.
    fn read(text: &str, rule: impl FnOnce(&str) -> Option<PathRule>) -> Option<Self> {
        let (rest, secure) = if let Some(rest) = text.strip_prefix("https://") {
            (rest, true)
        } else if let Some(rest) = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("//"))
        {
            (rest, false)
        } else {
            return Some(Self {
                host: None,
                path: rule(text)?,
            });
        };
        let (host, path) = rest.split_at(rest.find('/')?);
        // Whoever writes it means any host, and globs are for paths.
        if host.contains('*') {
            return None;
        }
        let authority: Authority = host.parse().ok()?;
        Some(Self {
            host: Some(normal_host(authority.as_str(), secure)?),
            path: rule(path)?,
        })
    }

    /// Is this the key of one of them, of a variant or an index? The key starts with a space of this length.
    fn find(&self, key: &[u8], space: usize) -> bool {
        let Some(key) = KeyText::of(key, space) else {
            return false;
        };
        let is_of_host = match &self.host {
            Some(host) => key.host() == host.as_bytes(),
            None => true,
        };
        is_of_host && self.path.finds(key.path())
    }
}

impl Shared {
    /// The purge of the pages that `text` names.
    pub(super) fn matching_pages(
        &self,
        text: &str,
        rule: impl FnOnce(&str) -> Option<PathRule>,
    ) -> Result<Purge, PurgeError> {
        let pages = Pages::read(text, rule).ok_or_else(|| PurgeError::Address(text.to_owned()))?;
        let space = self.space.len();
        let within = KeyBuf::new(&*self.space);
        let matching = Matching::by(within, move |key| pages.find(key, space));
        Ok(Purge::Matching(matching))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Option<Pages> {
        Pages::read(text, PathRule::prefix)
    }

    fn glob(text: &str) -> Option<Pages> {
        Pages::read(text, PathRule::glob)
    }

    #[test]
    fn a_host_may_stand_before_the_path() {
        for (text, host, path) in [
            ("/menu/", None, "/menu/"),
            ("//Shop.example:80/menu/", Some("shop.example"), "/menu/"),
            ("http://shop.example/", Some("shop.example"), "/"),
            ("https://shop.example:443/a", Some("shop.example"), "/a"),
            ("https://shop.example:80/a", Some("shop.example:80"), "/a"),
        ] {
            let expected = Pages {
                host: host.map(str::to_owned),
                path: PathRule::Prefix(path.into()),
            };
            assert_eq!(prefix(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_no_path_can_match_is_refused() {
        for text in [
            "",
            "menu",
            "menu/*",
            "*",
            "//",
            "//shop.example",
            "///",
            "//user@shop.example/",
            "ftp://shop.example/",
            "http://",
        ] {
            assert_eq!(prefix(text), None, "{text}");
        }
        for text in ["", "menu/*", "//*/menu", "//shop.example"] {
            assert_eq!(glob(text), None, "{text}");
        }
        for text in ["*", "*.html", "/menu/*", "[/]menu", "\\/menu", "?menu"] {
            assert!(glob(text).is_some(), "{text}");
        }
    }
}
