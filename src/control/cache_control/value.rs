//! [`CacheControl`]: what a response says to caches, of a kind that cannot contradict itself.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::directives::{Audience, Directives, Extension};
use super::kind::{Finished, ForShared, Kept, NotStored, Private, Public, Unsaid};
use super::merge::Conflict;
use super::patch;
use crate::header::seconds::MAX_SECONDS;

/// What a response says to caches in `Cache-Control` (RFC 9111 §5.2.2).
///
/// It begins with what it is: [`public`](CacheControl::public), [`private`](CacheControl::private), [`no_store`](CacheControl::no_store),
/// [`no_cache`](CacheControl::no_cache), [`never_cache`](CacheControl::never_cache), or [`new`](CacheControl::new), which says nothing yet.
/// What contradicts that beginning does not compile. Spans are rounded down to whole seconds, at most 2³¹ − 1.
///
/// As a part of an axum response it sets the field, or [adds to it](Self::add_to).
///
/// ```
/// use axum::response::IntoResponse;
/// use larder::{CacheControl, CacheTags, hours, minutes};
///
/// async fn menu() -> impl IntoResponse {
///     (CacheControl::public().max_age(minutes(5)), CacheTags::new(["menu"]), "soup")
/// }
/// # let _ = menu;
///
/// assert_eq!(
///     CacheControl::public().max_age(minutes(5)).s_maxage(hours(1)).to_string(),
///     "public, max-age=300, s-maxage=3600"
/// );
/// assert_eq!(
///     CacheControl::never_cache().to_string(),
///     "max-age=0, no-cache, no-store, must-revalidate, private"
/// );
/// ```
///
/// A private response has nothing to say to shared caches, and what is not stored has no lifetime:
///
/// ```compile_fail
/// larder::CacheControl::private().s_maxage(larder::minutes(5));
/// ```
///
/// ```compile_fail
/// larder::CacheControl::no_store().max_age(larder::minutes(5));
/// ```
///
/// Values of different kinds have different types, until [`finish`](Self::finish) makes them one:
///
/// ```
/// use larder::{CacheControl, minutes};
///
/// fn control(signed_in: bool) -> CacheControl {
///     if signed_in {
///         CacheControl::private().max_age(minutes(1)).finish()
///     } else {
///         CacheControl::public().max_age(minutes(5)).finish()
///     }
/// }
///
/// assert_eq!(control(true).to_string(), "private, max-age=60");
/// ```
pub struct CacheControl<K = Finished> {
    pub(super) said: Directives,
    kind: PhantomData<fn() -> K>,
}

impl CacheControl<Unsaid> {
    /// Says nothing yet, nor ever who may keep the response: shared caches may, unless the request had an `Authorization`.
    pub const fn new() -> Self {
        Self::NOTHING
    }

    /// Caches may keep the response, but ask before they use it (`no-cache`, RFC 9111 §5.2.2.4).
    pub const fn no_cache() -> Self {
        Self::NOTHING.and_no_cache()
    }
}

impl Default for CacheControl<Unsaid> {
    fn default() -> Self {
        Self::new()
    }
}

impl CacheControl<Public> {
    /// Everyone may keep the response, also where the request had an `Authorization` (RFC 9111 §5.2.2.9).
    pub const fn public() -> Self {
        let mut this = Self::NOTHING;
        this.said.audience = Some(Audience::Public);
        this
    }
}

impl CacheControl<Private> {
    /// The response is one person's: their browser may keep it, and no shared cache (RFC 9111 §5.2.2.7).
    pub const fn private() -> Self {
        let mut this = Self::NOTHING;
        this.said.audience = Some(Audience::Private);
        this
    }
}

impl CacheControl<NotStored> {
    /// No cache may store the response (RFC 9111 §5.2.2.5).
    pub const fn no_store() -> Self {
        let mut this = Self::NOTHING;
        this.said.no_store = true;
        this
    }

    /// `max-age=0, no-cache, no-store, must-revalidate, private`: the same, said in each way that some cache knows.
    pub const fn never_cache() -> Self {
        let mut this = Self::no_store();
        this.said.max_age = Some(0);
        this.said.no_cache = true;
        this.said.must_revalidate = true;
        this.said.audience = Some(Audience::Private);
        this
    }
}

impl<K: Kept> CacheControl<K> {
    /// How long the response stays fresh (RFC 9111 §5.2.2.1).
    #[must_use]
    pub const fn max_age(mut self, span: Duration) -> Self {
        self.said.max_age = Some(seconds(span));
        self
    }

    /// How long after that a cache may answer with it while it asks for a new one (RFC 5861 §3).
    #[must_use]
    pub const fn stale_while_revalidate(mut self, span: Duration) -> Self {
        self.said.stale_while_revalidate = Some(seconds(span));
        self
    }

    /// How long after that a cache may answer with it in place of an error (RFC 5861 §4).
    #[must_use]
    pub const fn stale_if_error(mut self, span: Duration) -> Self {
        self.said.stale_if_error = Some(seconds(span));
        self
    }

    /// Once stale, the response is never used before the server was asked (RFC 9111 §5.2.2.2). Stronger than the two before.
    #[must_use]
    pub const fn must_revalidate(mut self) -> Self {
        self.said.must_revalidate = true;
        self
    }

    /// Only caches that know what the status code asks of them may store the response (RFC 9111 §5.2.2.3).
    ///
    /// It is written `must-understand, no-store`, as that section asks: who knows the first ignores the second.
    #[must_use]
    pub const fn must_understand(mut self) -> Self {
        self.said.must_understand = true;
        self.said.no_store = true;
        self
    }

    /// The content never changes, so that asking again while it is fresh is a waste (RFC 8246).
    #[must_use]
    pub const fn immutable(mut self) -> Self {
        self.said.immutable = true;
        self
    }

    /// Caches ask before each use, as [`no_cache`](CacheControl::no_cache) says for a response of any kind.
    #[must_use]
    pub const fn and_no_cache(mut self) -> Self {
        self.said.no_cache = true;
        self
    }

    /// Caches ask before each use of these response fields, or leave them out (RFC 9111 §5.2.2.4).
    ///
    /// Nothing where there are none, or where [`no_cache`](CacheControl::no_cache) says it of the whole response already; more than 64
    /// are the whole response.
    #[must_use]
    pub fn no_cache_fields(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        self.said.add_no_cache_fields(fields);
        self
    }
}

impl<K: ForShared> CacheControl<K> {
    /// How long the response stays fresh for shared caches, in place of [`max_age`](Self::max_age) (RFC 9111 §5.2.2.10).
    #[must_use]
    pub const fn s_maxage(mut self, span: Duration) -> Self {
        self.said.s_maxage = Some(seconds(span));
        self
    }

    /// Shared caches [must revalidate](Self::must_revalidate) (RFC 9111 §5.2.2.8).
    #[must_use]
    pub const fn proxy_revalidate(mut self) -> Self {
        self.said.proxy_revalidate = true;
        self
    }

    /// Shared caches store the response without these fields (RFC 9111 §5.2.2.7).
    ///
    /// Nothing where there are none; more than 64 are the whole response, which then is private.
    #[must_use]
    pub fn private_fields(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        self.said.add_private_fields(fields);
        self
    }
}

impl<K> CacheControl<K> {
    const NOTHING: Self = Self {
        said: Directives::NONE,
        kind: PhantomData,
    };

    /// No one on the way may change the content, such as its coding (RFC 9111 §5.2.2.6).
    #[must_use]
    pub const fn no_transform(mut self) -> Self {
        self.said.no_transform = true;
        self
    }

    /// A directive that has no method here, without an argument (RFC 9111 §5.2.3).
    ///
    /// # Errors
    ///
    /// As [`extension_with`](Self::extension_with).
    pub fn extension(self, name: &str) -> Result<Self, DirectiveError> {
        self.extended(name, None)
    }

    /// A directive that has no method here, and its argument, which is quoted where it must be. Said twice, the last one stands.
    ///
    /// ```
    /// use larder::{CacheControl, minutes};
    ///
    /// let control = CacheControl::private().max_age(minutes(5)).extension_with("community", "UCI")?;
    /// assert_eq!(control.to_string(), "private, max-age=300, community=UCI");
    /// # Ok::<(), larder::control::DirectiveError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the name is that of a directive with a method of its own, or cannot stand in `Cache-Control` and in a targeted field (RFC 9213)
    /// alike: letters, digits and `_-.*`, beginning with a letter or `*`. If the argument is more than visible ASCII and spaces.
    pub fn extension_with(self, name: &str, argument: &str) -> Result<Self, DirectiveError> {
        self.extended(name, Some(argument))
    }

    fn extended(mut self, name: &str, argument: Option<&str>) -> Result<Self, DirectiveError> {
        let extension = Extension {
            name: extension_name(name)?,
            argument: argument.map(extension_argument).transpose()?,
        };
        self.said
            .extensions
            .retain(|there| there.name != extension.name);
        self.said.extensions.push(extension);
        Ok(self)
    }

    /// Says no more, so that values that began differently are of one type.
    pub fn finish(self) -> CacheControl {
        CacheControl {
            said: self.said,
            kind: PhantomData,
        }
    }

    /// The field value; `None` if nothing was said, since an empty field says nothing either.
    pub fn to_value(&self) -> Option<HeaderValue> {
        self.said.value()
    }

    /// Sets `Cache-Control`, or adds to what stands there. Nothing becomes looser by that:
    ///
    /// * of two lifetimes the lesser counts,
    /// * `private` wins over `public`, and `no-store` over `must-understand`,
    /// * the fields of `no-cache` and of `private` add up, and the whole response is more than some of its fields,
    /// * what cannot be read becomes `no-store`, for which caches have to take it,
    /// * all else stays, in its order.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use larder::{CacheControl, hours, minutes};
    ///
    /// let mut headers = HeaderMap::new();
    /// CacheControl::private().max_age(minutes(5)).add_to(&mut headers);
    /// CacheControl::public().max_age(hours(1)).immutable().add_to(&mut headers);
    /// assert_eq!(headers["cache-control"], "private, max-age=300, immutable");
    /// ```
    pub fn add_to(&self, headers: &mut HeaderMap) {
        patch::patch(headers, &self.said, Conflict::PrivateWins);
    }
}

/// Whole seconds, at most the largest number that every recipient can hold (RFC 9111 §1.2.2).
const fn seconds(span: Duration) -> u64 {
    let seconds = span.as_secs();
    if seconds < MAX_SECONDS {
        seconds
    } else {
        MAX_SECONDS - 1
    }
}

const KNOWN: [&str; 13] = [
    "public",
    "private",
    "max-age",
    "s-maxage",
    "stale-while-revalidate",
    "stale-if-error",
    "no-cache",
    "no-store",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "no-transform",
    "immutable",
];

fn extension_name(name: &str) -> Result<String, DirectiveError> {
    let name = name.to_ascii_lowercase();
    if KNOWN.contains(&&*name) {
        return Err(DirectiveError::Known(name));
    }
    match sfv::KeyRef::from_str(&name) {
        Ok(_) => Ok(name),
        Err(_) => Err(DirectiveError::Name(name)),
    }
}

fn extension_argument(text: &str) -> Result<String, DirectiveError> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        Ok(text.to_owned())
    } else {
        Err(DirectiveError::Argument)
    }
}

/// Why a directive cannot be said with [`CacheControl::extension`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectiveError {
    /// It has a method of its own, which knows what it may stand beside.
    #[error("the directive `{0}` has a method of its own")]
    Known(String),
    /// It cannot be the name of a directive.
    #[error("`{0}` cannot be the name of a directive")]
    Name(String),
    /// The argument is more than visible ASCII and spaces.
    #[error("the argument of a directive is visible ASCII and spaces")]
    Argument,
}

impl<K> Clone for CacheControl<K> {
    fn clone(&self) -> Self {
        Self {
            said: self.said.clone(),
            kind: PhantomData,
        }
    }
}

/// Kinds do not matter to what is said.
impl<K, L> PartialEq<CacheControl<L>> for CacheControl<K> {
    fn eq(&self, other: &CacheControl<L>) -> bool {
        self.said == other.said
    }
}

impl<K> Eq for CacheControl<K> {}

/// The field value; empty if nothing was said.
impl<K> fmt::Display for CacheControl<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said.fmt(f)
    }
}

impl<K> fmt::Debug for CacheControl<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CacheControl")
            .field(&format_args!("{self}"))
            .finish()
    }
}

/// Adds to the response as [`CacheControl::add_to`] does.
#[cfg(feature = "axum")]
impl<K> axum_core::response::IntoResponseParts for CacheControl<K> {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum_core::response::ResponseParts,
    ) -> Result<axum_core::response::ResponseParts, Self::Error> {
        self.add_to(parts.headers_mut());
        Ok(parts)
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
