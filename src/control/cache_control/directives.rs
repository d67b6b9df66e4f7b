//! Directives as plain data, and how each is written.

use std::fmt;

use http::{HeaderName, HeaderValue};

use crate::header::cache_control::MAX_FIELDS;
use crate::header::list::is_tchar;

/// Who may keep the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Public,
    Private,
}

/// What [`CacheControl`](super::CacheControl) says, whichever kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) audience: Option<Audience>,
    pub(super) private_fields: Vec<HeaderName>,
    pub(super) max_age: Option<u64>,
    pub(super) s_maxage: Option<u64>,
    pub(super) stale_while_revalidate: Option<u64>,
    pub(super) stale_if_error: Option<u64>,
    /// The whole response; then `no_cache_fields` no longer matter.
    pub(super) no_cache: bool,
    pub(super) no_cache_fields: Vec<HeaderName>,
    pub(super) no_store: bool,
    pub(super) must_revalidate: bool,
    pub(super) proxy_revalidate: bool,
    pub(super) must_understand: bool,
    pub(super) no_transform: bool,
    pub(super) immutable: bool,
    pub(super) extensions: Vec<Extension>,
}

/// A directive that this crate has no name for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    /// A key of RFC 9651, which is a token too.
    pub(super) name: String,
    /// Visible ASCII and spaces.
    pub(super) argument: Option<String>,
}

/// The argument of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument<'a> {
    None,
    Seconds(u64),
    Fields(&'a [HeaderName]),
    Text(&'a str),
}

/// One directive to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) argument: Argument<'a>,
}

impl Directives {
    pub(super) const NONE: Self = Self {
        audience: None,
        private_fields: Vec::new(),
        max_age: None,
        s_maxage: None,
        stale_while_revalidate: None,
        stale_if_error: None,
        no_cache: false,
        no_cache_fields: Vec::new(),
        no_store: false,
        must_revalidate: false,
        proxy_revalidate: false,
        must_understand: false,
        no_transform: false,
        immutable: false,
        extensions: Vec::new(),
    };

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Nothing here lets a cache keep or share what it would not without; what an extension means is not known.
    pub(super) fn only_restrict(&self) -> bool {
        let gives = |lifetime: Option<u64>| lifetime.is_some_and(|seconds| seconds > 0);
        self.audience != Some(Audience::Public)
            && !gives(self.max_age)
            && !gives(self.s_maxage)
            && !gives(self.stale_while_revalidate)
            && !gives(self.stale_if_error)
            && !self.must_understand
            && !self.immutable
            && self.extensions.is_empty()
    }

    /// No cache may store the response, also none that understands its status code (RFC 9111 §5.2.2.3).
    pub(super) fn forbid(&self) -> bool {
        self.no_store && !self.must_understand
    }

    /// More fields than a reader compares are the whole response, here as in [`Scope`](crate::header::Scope).
    pub(super) fn add_no_cache_fields(&mut self, fields: impl IntoIterator<Item = HeaderName>) {
        add(&mut self.no_cache_fields, fields);
        if self.no_cache_fields.len() > MAX_FIELDS {
            self.no_cache = true;
        }
        if self.no_cache {
            self.no_cache_fields.clear();
        }
    }

    /// As [`add_no_cache_fields`](Self::add_no_cache_fields).
    pub(super) fn add_private_fields(&mut self, fields: impl IntoIterator<Item = HeaderName>) {
        add(&mut self.private_fields, fields);
        if self.private_fields.len() > MAX_FIELDS {
            self.audience = Some(Audience::Private);
        }
        if self.audience == Some(Audience::Private) {
            self.private_fields.clear();
        }
    }

    /// All that is said, each name once.
    ///
    /// `private` comes first as `public` does, but last beside `no-store`, which is how `never_cache` is written everywhere.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let private = self.audience == Some(Audience::Private);
        let flag = |name, said: bool| said.then_some((name, Argument::None));
        let seconds = |name, span: Option<u64>| span.map(|span| (name, Argument::Seconds(span)));
        let known = [
            flag("public", self.audience == Some(Audience::Public)),
            flag("private", private && !self.no_store),
            fields("private", &self.private_fields, private),
            seconds("max-age", self.max_age),
            seconds("s-maxage", self.s_maxage),
            seconds("stale-while-revalidate", self.stale_while_revalidate),
            seconds("stale-if-error", self.stale_if_error),
            flag("no-cache", self.no_cache),
            fields("no-cache", &self.no_cache_fields, self.no_cache),
            flag("must-understand", self.must_understand),
            flag("no-store", self.no_store),
            flag("must-revalidate", self.must_revalidate),
            flag("proxy-revalidate", self.proxy_revalidate),
            flag("no-transform", self.no_transform),
            flag("immutable", self.immutable),
            flag("private", private && self.no_store),
        ];
        let extensions = self.extensions.iter().map(|extension| {
            let argument = extension.argument.as_deref();
            (
                &*extension.name,
                argument.map_or(Argument::None, Argument::Text),
            )
        });
        known
            .into_iter()
            .flatten()
            .chain(extensions)
            .map(|(name, argument)| Entry { name, argument })
    }

    /// The field value, unless there is nothing to say.
    pub(super) fn value(&self) -> Option<HeaderValue> {
        if self.is_empty() {
            return None;
        }
        // Tokens, digits and quoted visible ASCII are a field value.
        HeaderValue::try_from(self.to_string()).ok()
    }
}

/// The directive for these fields, unless the whole response is said to be meant.
fn fields<'a>(
    name: &'static str,
    fields: &'a [HeaderName],
    whole: bool,
) -> Option<(&'static str, Argument<'a>)> {
    (!whole && !fields.is_empty()).then_some((name, Argument::Fields(fields)))
}

fn add(there: &mut Vec<HeaderName>, fields: impl IntoIterator<Item = HeaderName>) {
    for field in fields {
        if there.len() > MAX_FIELDS {
            return;
        }
        if !there.contains(&field) {
            there.push(field);
        }
    }
}

impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, entry) in self.entries().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.argument {
            Argument::None => Ok(()),
            Argument::Seconds(seconds) => write!(f, "={seconds}"),
            // RFC 9111 §5.2.2.4 asks for the quotes, also round one name.
            Argument::Fields(fields) => write!(f, "=\"{}\"", comma_separated(fields)),
            Argument::Text(text) if !text.is_empty() && text.bytes().all(is_tchar) => {
                write!(f, "={text}")
            }
            Argument::Text(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "=\"{escaped}\"")
            }
        }
    }
}

pub(super) fn comma_separated(fields: &[HeaderName]) -> String {
    fields
        .iter()
        .map(HeaderName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
