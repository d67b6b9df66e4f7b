//! What makes a value where there is none.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{CacheError, LoadError};
use crate::ttl::Ttl;

/// A value with what its loader knows of it.
///
/// ```
/// use larder::cache::Loaded;
/// use larder::{Ttl, hours};
///
/// # let (is_over, total) = (true, 5);
/// // A day that is over does not change any more.
/// let day = Loaded::new(total).ttl(if is_over { Ttl::Forever } else { hours(1).into() });
/// # let _ = day;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    pub(super) value: T,
    pub(super) ttl: Option<Ttl>,
    pub(super) tags: Vec<String>,
}

impl<T> Loaded<T> {
    /// The value, with the lifetime that the caller gives it.
    pub const fn new(value: T) -> Self {
        Self {
            value,
            ttl: None,
            tags: Vec::new(),
        }
    }

    /// Gives it a lifetime of its own.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = Some(ttl.into());
        self
    }

    /// Tags it, beside what the caller says. Tags add up.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

impl<T> From<T> for Loaded<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// What [`GetOrSet`](super::GetOrSet) loads with; implemented by the closures that the methods of [`Cache`](crate::Cache) take.
pub trait Load: Send + sealed::Sealed {
    /// What it loads.
    type Value: Serialize + DeserializeOwned + Send;
    /// How it fails.
    type Error: Send + Sync + 'static;
    /// What the caller is told of that.
    type Failure: From<LoadError<Self::Error>>;

    /// Loads.
    fn load(self) -> impl Future<Output = Result<Loaded<Self::Value>, Self::Error>> + Send;
}

mod sealed {
    pub trait Sealed {}
}

/// A closure, and what it answers.
pub struct Loader<F, Answer> {
    load: F,
    answer: PhantomData<fn() -> Answer>,
}

/// The value itself.
pub enum Plain {}

/// The value with what is known of it.
pub enum Known {}

/// The value or an error.
pub enum Trying {}

/// The value with what is known of it, or an error.
pub enum TryingKnown {}

impl<F, Answer> Loader<F, Answer> {
    pub(super) const fn new(load: F) -> Self {
        Self {
            load,
            answer: PhantomData,
        }
    }
}

impl<F, Answer> sealed::Sealed for Loader<F, Answer> {}

impl<F, Fut, V> Load for Loader<F, Plain>
where
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = V> + Send,
    V: Serialize + DeserializeOwned + Send,
{
    type Value = V;
    type Error = Infallible;
    type Failure = CacheError;

    async fn load(self) -> Result<Loaded<V>, Infallible> {
        Ok(Loaded::new((self.load)().await))
    }
}

impl<F, Fut, V> Load for Loader<F, Known>
where
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Loaded<V>> + Send,
    V: Serialize + DeserializeOwned + Send,
{
    type Value = V;
    type Error = Infallible;
    type Failure = CacheError;

    async fn load(self) -> Result<Loaded<V>, Infallible> {
        Ok((self.load)().await)
    }
}

impl<F, Fut, V, E> Load for Loader<F, Trying>
where
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<V, E>> + Send,
    V: Serialize + DeserializeOwned + Send,
    E: Send + Sync + 'static,
{
    type Value = V;
    type Error = E;
    type Failure = LoadError<E>;

    async fn load(self) -> Result<Loaded<V>, E> {
        Ok(Loaded::new((self.load)().await?))
    }
}

impl<F, Fut, V, E> Load for Loader<F, TryingKnown>
where
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<Loaded<V>, E>> + Send,
    V: Serialize + DeserializeOwned + Send,
    E: Send + Sync + 'static,
{
    type Value = V;
    type Error = E;
    type Failure = LoadError<E>;

    async fn load(self) -> Result<Loaded<V>, E> {
        (self.load)().await
    }
}
