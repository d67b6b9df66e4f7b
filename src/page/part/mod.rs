//! What a page depends on besides its address, as the layer declares it.
//!
//! ```text
//! request ─► rewrite: each part brings its field or cookie to the form that is keyed ─► key ─► look-up ─► handler
//! ```
//!
//! A part that knows what values there are brings the request to one of them **before** the key is made, and everything after that sees the
//! request in that form: the key, the look-up, a refresh, and the handler. So the key holds what the handler sees, whatever the client sent,
//! and a million values of a field make no more pages than the site has answers.
//!
//! | part | key and handler see | `Vary` names |
//! |---|---|---|
//! | [`header`](KeyPart::header) | the field as it was sent, or one of a list | the field |
//! | [`cookie`](KeyPart::cookie), [`time_zone`](KeyPart::time_zone) | the cookie's value, or one of a list | `Cookie` |
//! | [`language`](KeyPart::language) | one of the site's languages | `Accept-Language` |
//! | [`encoding`](KeyPart::encoding) | one of the codings offered | `Accept-Encoding` |
//! | [`user_agent`](KeyPart::user_agent) | `mobile`, `tablet`, `desktop` or `bot` | `User-Agent` |
//! | [`classes`](KeyPart::classes) | one of your own classes | the field |
//! | [`query`](KeyPart::query) | these parameters | nothing: it is the address |
//! | [`extension`](KeyPart::extension), [`computed`](KeyPart::computed) | what a closure says; the handler sees the request | nothing: `private` for caches outside |
//!
//! This is so for GET and HEAD, and for QUERY where its content is keyed; other methods reach the handler as they were sent.

mod choice;
mod classes;
mod computed;
mod cookie;
mod encoding;
mod field;
mod language;
#[cfg(test)]
mod tests;
mod time_zone;
mod user_agent;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use self::classes::Classes;
use self::computed::Computed;
pub use self::cookie::CookiePart;
use self::encoding::Codings;
pub use self::field::FieldPart;
use self::language::Languages;
use super::policy::{Policy, PolicyError};
use crate::monitor::Bypass;
use crate::request::RequestHead;

/// Something that pages depend on besides their address, for [`CacheLayer::vary_on`](crate::CacheLayer::vary_on).
///
/// ```
/// use larder::{Cache, KeyPart, NullStore, minutes};
///
/// # let cache = Cache::builder(NullStore).build().unwrap();
/// let page = cache
///     .page(minutes(5))
///     .shared()
///     .vary_on(KeyPart::language(["de", "en", "pt-BR"])?)
///     .vary_on(KeyPart::cookie("currency").one_of(["EUR", "USD"]))
///     .vary_on(KeyPart::user_agent());
/// # Ok::<(), larder::PolicyError>(())
/// ```
///
/// A request of which a part cannot be told passes the cache by: [`Bypass::KeyPart`].
#[derive(Clone)]
pub struct KeyPart(Kind);

#[derive(Clone)]
enum Kind {
    Field(FieldPart),
    Cookie(CookiePart),
    Languages(Languages),
    Codings(Codings),
    Classes(Classes),
    Query(Vec<String>),
    Computed(Computed),
}

impl KeyPart {
    /// The value of this field, all lines of it, as the client sent it. With [`one_of`](FieldPart::one_of), only these values count.
    ///
    /// ```
    /// use http::HeaderName;
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let region = HeaderName::from_static("x-region");
    /// let page = cache.page(minutes(5)).vary_on(KeyPart::header(region).one_of(["eu", "us"]));
    /// ```
    pub fn header(name: HeaderName) -> FieldPart {
        FieldPart::new(name)
    }

    /// The value of this cookie. Names are compared byte by byte.
    ///
    /// On a [`shared`](crate::CacheLayer::shared) route the handler sees the declared cookies and no other, and pages are stored though the
    /// request carries cookies. Elsewhere a request with cookies is one with credentials, whatever is declared: the handler sees them all,
    /// and its answer is stored only if it says `public` or `s-maxage`. The handler sees the value without the quotes round it. Two
    /// different values pass the cache by.
    ///
    /// Anyone can make up a value: name those there are with [`one_of`](CookiePart::one_of), or a client can fill the store.
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let prices = cache
    ///     .page(minutes(5))
    ///     .shared()
    ///     .vary_on(KeyPart::cookie("currency").one_of(["EUR", "USD"]));
    /// ```
    pub fn cookie(name: impl Into<String>) -> CookiePart {
        CookiePart::new(name.into())
    }

    /// The time zone that this cookie names, of those that the site knows; none for any other. `Europe%2FBerlin` counts as
    /// `Europe/Berlin`, in any case of letters, and the handler sees it as it is spelled here. See [`cookie`](Self::cookie).
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let schedule = cache
    ///     .page(minutes(5))
    ///     .shared()
    ///     .vary_on(KeyPart::time_zone("tz", ["Europe/Berlin", "America/Lima"]));
    /// ```
    pub fn time_zone<Z: Into<String>>(
        cookie: impl Into<String>,
        zones: impl IntoIterator<Item = Z>,
    ) -> Self {
        let zones = zones.into_iter().map(Into::into);
        Self(Kind::Cookie(CookiePart::of_zones(cookie.into(), zones)))
    }

    /// The language that `Accept-Language` wants most, of those that the site is written in; the first of them where it wants none, is absent,
    /// or cannot be read.
    ///
    /// It is found by lookup (RFC 4647 §3.4): `de-AT` gets `de`. Weights count, `q=0` refuses, and of languages wanted alike the first of the
    /// site's is taken, since the order of a field says nothing (RFC 9110 §12.5.4). The handler sees that language alone in
    /// `Accept-Language`, so its page cannot depend on anything else.
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache.page(minutes(5)).vary_on(KeyPart::language(["de", "en", "pt-BR"])?);
    /// # Ok::<(), larder::PolicyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the list is empty, or one of it is no language tag.
    pub fn language<L: AsRef<str>>(
        languages: impl IntoIterator<Item = L>,
    ) -> Result<Self, PolicyError> {
        Languages::new(languages).map(|languages| Self(Kind::Languages(languages)))
    }

    /// The content coding that `Accept-Encoding` wants most, of those offered; `identity` where it wants none, is absent, or cannot be read.
    ///
    /// Weights count, and of codings wanted alike the first is taken. The handler sees that coding alone in `Accept-Encoding`, with
    /// `identity;q=0` beside it where the client refuses to do without (RFC 9110 §12.5.3): offer only what every page can be coded in.
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache.page(minutes(5)).vary_on(KeyPart::encoding(["br", "gzip"])?);
    /// # Ok::<(), larder::PolicyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the list is empty, or one of it is no name of a coding; `identity` is always offered.
    pub fn encoding<C: AsRef<str>>(
        codings: impl IntoIterator<Item = C>,
    ) -> Result<Self, PolicyError> {
        Codings::new(codings).map(|codings| Self(Kind::Codings(codings)))
    }

    /// The class of the client, which the handler sees as its `User-Agent`. The first line whose word is in the field, in any case of letters,
    /// gives it:
    ///
    /// | class | words |
    /// |---|---|
    /// | `bot` | `bot` (but for phones by Cubot), `crawler`, `spider`, `slurp`, `facebookexternalhit`, `mediapartners-google` |
    /// | `tablet` | `ipad`, `tablet`, `kindle`, `silk/`, `playbook`; `android` without `mobile` |
    /// | `mobile` | `mobi`, `iphone`, `ipod`, `android`, `windows phone`, `blackberry`, `opera mini` |
    /// | `desktop` | anything else, and none |
    ///
    /// Newer iPads say that they are desktop computers, and are believed. For classes of your own see [`classes`](Self::classes).
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache.page(minutes(5)).vary_on(KeyPart::user_agent());
    /// ```
    pub fn user_agent() -> Self {
        Self::classes(USER_AGENT, user_agent::class_of)
    }

    /// The class that `classify` gives to the value of this field; `None` is a field that is absent, sent more than once, or no text. The
    /// handler sees the name of the class instead of the value.
    ///
    /// A layer within this one that declares the same classifies what it sees, the class: let each class be its own.
    ///
    /// ```
    /// use http::HeaderName;
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let saves_data = KeyPart::classes(HeaderName::from_static("save-data"), |value| match value {
    ///     Some("on") => "on",
    ///     _ => "off",
    /// });
    /// let page = cache.page(minutes(5)).vary_on(saves_data);
    /// ```
    pub fn classes(
        name: HeaderName,
        classify: impl Fn(Option<&str>) -> &'static str + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Classes(Classes::new(name, classify)))
    }

    /// These parameters of the query; the handler sees no others. Those of several such parts add up.
    ///
    /// The whole query is keyed without any. So this is a [`QueryRule::only`](crate::QueryRule::only), and takes the place of any other
    /// [rule](crate::CacheLayer::query) that was set before it.
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache.page(minutes(5)).vary_on(KeyPart::query(["page", "sort"]));
    /// ```
    pub fn query<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self(Kind::Query(names.into_iter().map(Into::into).collect()))
    }

    /// What `tell` says of an extension of type `T`, which a layer outside has put into the request; its absence is a value of its own. The
    /// name stays the same as long as the meaning does.
    ///
    /// The handler sees the whole extension, so let its page depend on nothing else of it. A type that says who is asking is
    /// [registered](crate::cache::CacheBuilder::identity), and then a `shared` route withholds it.
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// #[derive(Clone)]
    /// struct Tenant {
    ///     id: u32,
    /// }
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache
    ///     .page(minutes(5))
    ///     .vary_on(KeyPart::extension("tenant", |tenant: &Tenant| tenant.id.to_be_bytes()));
    /// ```
    pub fn extension<T, V>(
        name: impl Into<String>,
        tell: impl Fn(&T) -> V + Send + Sync + 'static,
    ) -> Self
    where
        T: Send + Sync + 'static,
        V: AsRef<[u8]>,
    {
        let compute = move |head: &RequestHead<'_>| {
            let value = head.extensions.get::<T>()?;
            Some(tell(value).as_ref().to_vec())
        };
        Self(Kind::Computed(Computed::extension(name.into(), compute)))
    }

    /// What `compute` says of a request, under a name that stays the same as long as its meaning does. `None` is a value of its own, apart
    /// from an empty one. A closure that panics lets the request pass the cache by.
    ///
    /// It sees the request as the other parts have left it. The handler sees all of that, and not what was computed: let its page depend on
    /// nothing else of what was read.
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache.page(minutes(5)).vary_on(KeyPart::computed("tenant", |request| {
    ///     let host = request.headers.get("host")?.to_str().ok()?;
    ///     Some(host.split('.').next()?.as_bytes().to_vec())
    /// }));
    /// ```
    pub fn computed(
        name: impl Into<String>,
        compute: impl Fn(&RequestHead<'_>) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Computed(Computed::new(name.into(), compute)))
    }
}

impl KeyPart {
    /// Writes the part into a policy.
    pub(super) fn declare(self, policy: &mut Policy) {
        match self.0 {
            Kind::Query(names) => policy.query.keep_also(names),
            _ => policy.parts.push(self),
        }
    }

    /// What the key holds of a request that was [rewritten](rewrite).
    pub(super) fn value<'a>(
        &self,
        head: &RequestHead<'a>,
    ) -> Result<Option<Cow<'a, [u8]>>, Bypass> {
        match &self.0 {
            Kind::Cookie(part) => part.value(head.headers).map(|value| value.map(Cow::from)),
            Kind::Computed(part) => part.value(head).map(|value| value.map(Cow::from)),
            Kind::Query(_) => Ok(None),
            Kind::Field(_) | Kind::Languages(_) | Kind::Codings(_) | Kind::Classes(_) => Ok(self
                .field()
                .and_then(|name| field::lines(head.headers, name))),
        }
    }

    /// Brings a request to the form that is keyed.
    fn rewrite(&self, headers: &mut HeaderMap) -> Result<(), Bypass> {
        let normal = match &self.0 {
            Kind::Field(part) => return part.rewrite(headers),
            Kind::Cookie(part) => return part.rewrite(headers),
            Kind::Languages(languages) => (ACCEPT_LANGUAGE, languages.normal(headers)),
            Kind::Codings(codings) => (ACCEPT_ENCODING, codings.normal(headers)),
            Kind::Classes(classes) => (classes.name.clone(), classes.normal(headers)?),
            Kind::Query(_) | Kind::Computed(_) => return Ok(()),
        };
        insert(headers, normal)
    }

    /// The field that `Vary` names.
    pub(super) fn field(&self) -> Option<&HeaderName> {
        match &self.0 {
            Kind::Field(part) => Some(&part.name),
            Kind::Classes(classes) => Some(&classes.name),
            Kind::Cookie(_) => Some(&COOKIE),
            Kind::Languages(_) => Some(&ACCEPT_LANGUAGE),
            Kind::Codings(_) => Some(&ACCEPT_ENCODING),
            Kind::Query(_) | Kind::Computed(_) => None,
        }
    }

    /// Is it what no `Vary` can say?
    pub(super) fn is_computed(&self) -> bool {
        matches!(self.0, Kind::Computed(_))
    }

    /// Whatever decides which requests share a key.
    pub(super) fn digest(&self, hasher: &mut impl Hasher) {
        std::mem::discriminant(&self.0).hash(hasher);
        match &self.0 {
            Kind::Field(part) => part.hash(hasher),
            Kind::Cookie(part) => part.hash(hasher),
            Kind::Languages(languages) => languages.hash(hasher),
            Kind::Codings(codings) => codings.hash(hasher),
            Kind::Classes(classes) => classes.name.hash(hasher),
            Kind::Query(names) => names.hash(hasher),
            Kind::Computed(part) => part.digest(hasher),
        }
    }

    fn as_cookie(&self) -> Option<&CookiePart> {
        match &self.0 {
            Kind::Cookie(part) => Some(part),
            _ => None,
        }
    }
}

/// Brings a request to the form that is keyed, before anything else looks at it.
pub(super) fn rewrite(parts: &[KeyPart], headers: &mut HeaderMap) -> Result<(), Bypass> {
    parts.iter().try_for_each(|part| part.rewrite(headers))
}

/// Is a request in that form already?
pub(super) fn is_rewritten(parts: &[KeyPart], headers: &HeaderMap) -> bool {
    let mut rewritten = headers.clone();
    rewrite(parts, &mut rewritten).is_ok() && rewritten == *headers
}

/// Does the key hold all that the handler sees of this field, so that `Vary` selects nothing more by it?
pub(super) fn holds(parts: &[KeyPart], name: &HeaderName) -> bool {
    let mut fields = parts.iter().filter(|part| part.as_cookie().is_none());
    fields.any(|part| part.field() == Some(name))
}

/// Are there cookies in the key?
pub(super) fn have_cookies(parts: &[KeyPart]) -> bool {
    parts.iter().any(|part| part.as_cookie().is_some())
}

/// Takes all cookies away but for those in the key.
pub(super) fn keep_cookies(parts: &[KeyPart], headers: &mut HeaderMap) {
    let declared: Vec<_> = parts.iter().filter_map(KeyPart::as_cookie).collect();
    cookie::keep(&declared, headers);
}

fn insert(headers: &mut HeaderMap, (name, value): (HeaderName, HeaderValue)) -> Result<(), Bypass> {
    let inserted = headers.try_insert(name, value);
    inserted.map(drop).map_err(|_| Bypass::Fields)
}

impl From<FieldPart> for KeyPart {
    fn from(part: FieldPart) -> Self {
        Self(Kind::Field(part))
    }
}

impl From<CookiePart> for KeyPart {
    fn from(part: CookiePart) -> Self {
        Self(Kind::Cookie(part))
    }
}

impl fmt::Debug for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Field(part) => part.fmt(f),
            Kind::Cookie(part) => part.fmt(f),
            Kind::Languages(languages) => languages.fmt(f),
            Kind::Codings(codings) => codings.fmt(f),
            Kind::Classes(classes) => write!(f, "classes of {}", classes.name),
            Kind::Query(names) => write!(f, "query {names:?}"),
            Kind::Computed(part) => part.fmt(f),
        }
    }
}
