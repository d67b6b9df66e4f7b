//! Where it stands who is asking.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use http::HeaderName;

use super::IdentityType;
use super::identify::Identify;
use super::value::Identity;
use crate::header::{Cookie, cookie as find_cookie};
use crate::request::RequestHead;

/// Who the application's own authentication says it is: an extension of type `T`, and what in it tells one person from another. `name` says
/// what that is, and is the kind of the [`Identity`].
///
/// The type is registered as with [`CacheBuilder::identity`](crate::cache::CacheBuilder::identity). A request without it is anonymous.
///
/// ```
/// use larder::{Cache, NullStore, identity};
///
/// #[derive(Clone)]
/// struct CurrentUser {
///     id: u64,
/// }
///
/// let cache = Cache::builder(NullStore)
///     .user(identity::extension("user", |user: &CurrentUser| user.id.to_be_bytes()))
///     .build()?;
/// # Ok::<(), larder::BuildError>(())
/// ```
pub fn extension<T, V>(
    name: impl Into<Cow<'static, str>>,
    tell: impl Fn(&T) -> V + Send + Sync + 'static,
) -> Extension<T, impl Fn(&T) -> V + Send + Sync + 'static>
where
    T: Clone + Send + Sync + 'static,
    V: AsRef<[u8]> + 'static,
{
    Extension {
        name: name.into(),
        tell,
        marker: PhantomData,
    }
}

/// See [`extension`].
pub struct Extension<T, F> {
    name: Cow<'static, str>,
    tell: F,
    marker: PhantomData<fn(&T)>,
}

impl<T, F, V> Identify for Extension<T, F>
where
    T: Clone + Send + Sync + 'static,
    F: Fn(&T) -> V + Send + Sync + 'static,
    V: AsRef<[u8]> + 'static,
{
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let kind = self.name.clone();
        match request.extensions.get::<T>() {
            Some(user) => Identity::known(kind, (self.tell)(user)),
            None => Identity::anonymous(kind),
        }
    }

    fn name(&self) -> String {
        format!("extension {} of {}", self.name, type_name::<T>())
    }

    fn types(&self) -> Vec<IdentityType> {
        vec![IdentityType::of::<T>()]
    }
}

impl<T, F> fmt::Debug for Extension<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "extension {} of {}", self.name, type_name::<T>())
    }
}

/// Whoever holds this cookie: a session. Without it, or with an empty one, a request is anonymous; two of that name are
/// [unclear](Identity::unclear).
///
/// The value is not verified here. Whoever invents one gets pages of a visitor of his own; but while a page is fresh, a session that has
/// been ended on the server is still answered with it, so free its pages with
/// [`Cache::purge_identity`](crate::Cache::purge_identity) when it ends.
pub fn cookie(name: impl Into<String>) -> NamedCookie {
    NamedCookie { name: name.into() }
}

/// See [`cookie`].
#[derive(Clone, Debug)]
pub struct NamedCookie {
    name: String,
}

impl Identify for NamedCookie {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let kind = self.name();
        match find_cookie(request.headers, &self.name) {
            Cookie::Absent | Cookie::Value(b"") => Identity::anonymous(kind),
            Cookie::Value(value) => Identity::known(kind, value),
            Cookie::Ambiguous => Identity::unclear(kind),
        }
    }

    fn name(&self) -> String {
        format!("cookie {}", self.name)
    }
}

/// Whoever sends this field: an API key. A guard outside of the page layer must have found it good, since anyone can send one. Without it, or with an empty one, a request is anonymous; two lines of it are
/// [unclear](Identity::unclear).
pub fn header(name: HeaderName) -> Field {
    Field { name }
}

/// See [`header`].
#[derive(Clone, Debug)]
pub struct Field {
    name: HeaderName,
}

impl Identify for Field {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let kind = self.name();
        let mut lines = request.headers.get_all(&self.name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Identity::anonymous(kind),
            (Some(value), None) if value.is_empty() => Identity::anonymous(kind),
            (Some(value), None) => Identity::known(kind, value.as_bytes()),
            (Some(_), Some(_)) => Identity::unclear(kind),
        }
    }

    fn name(&self) -> String {
        format!("field {}", self.name)
    }

    fn fields(&self) -> Vec<HeaderName> {
        vec![self.name.clone()]
    }
}

/// Whoever `tell` says it is: the subject of a token, for example. Verify the token first: whoever can make up a subject gets what is stored
/// for it. `None` is nobody in particular. `name` says what it tells, and is the kind of the [`Identity`].
///
/// ```
/// use larder::identity;
///
/// let by_subject = identity::closure("subject", |request| {
///     let token = request.headers.get("authorization")?.to_str().ok()?;
///     verified_subject(token)
/// });
/// # fn verified_subject(_: &str) -> Option<String> { None }
/// # let _ = by_subject;
/// ```
pub fn closure<V>(
    name: impl Into<Cow<'static, str>>,
    tell: impl Fn(&RequestHead<'_>) -> Option<V> + Send + Sync + 'static,
) -> Closure<impl Fn(&RequestHead<'_>) -> Option<V> + Send + Sync + 'static>
where
    V: AsRef<[u8]> + 'static,
{
    Closure {
        name: name.into(),
        tell,
    }
}

/// See [`closure`].
pub struct Closure<F> {
    name: Cow<'static, str>,
    tell: F,
}

impl<F, V> Identify for Closure<F>
where
    F: Fn(&RequestHead<'_>) -> Option<V> + Send + Sync + 'static,
    V: AsRef<[u8]> + 'static,
{
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let kind = self.name.clone();
        match (self.tell)(request) {
            Some(value) => Identity::known(kind, value),
            None => Identity::anonymous(kind),
        }
    }

    fn name(&self) -> String {
        format!("closure {}", self.name)
    }
}

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "closure {}", self.name)
    }
}
