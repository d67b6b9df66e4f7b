//! The caches that a handler can ask for.

use std::fmt;
use std::task::{Context, Poll};

use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::Cache;

/// The caches in a request's extensions: the first is the default, the others go by their names.
#[derive(Clone)]
pub(crate) struct Provided {
    cache: Cache,
    others: Vec<(&'static str, Cache)>,
}

impl Provided {
    /// Provides `cache`, unless another is provided already.
    pub(crate) fn add(extensions: &mut Extensions, cache: &Cache) {
        if extensions.get::<Self>().is_none() {
            extensions.insert(Self {
                cache: cache.clone(),
                others: Vec::new(),
            });
        }
    }

    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    pub(crate) fn default(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn named(&self, name: &str) -> Result<&Cache, UnknownCache> {
        let found = self.others.iter().find(|(other, _)| *other == name);
        found.map(|(_, cache)| cache).ok_or_else(|| UnknownCache {
            name: name.to_owned(),
            known: self.others.iter().map(|(name, _)| *name).collect(),
        })
    }

    #[cfg(feature = "axum")]
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Cache)> {
        self.others.iter().map(|(name, cache)| (*name, cache))
    }
}

/// No cache is handed on by that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no cache is named {name:?}: hand it on with CachesLayer::new(…).and({name:?}, …); there are {known:?}"
)]
pub struct UnknownCache {
    name: String,
    known: Vec<&'static str>,
}

impl UnknownCache {
    pub(super) fn without_layer(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            known: Vec::new(),
        }
    }

    /// The name that was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Hands caches to the handlers within: the default one to the extractor [`Cache`], and named ones to
/// [`Caches`](crate::extract::Caches).
///
/// A page layer and a monitor layer hand on their own cache where no other is provided.
///
/// ```
/// use axum::{Router, routing::post};
/// use larder::{Cache, CachesLayer, MIB, MemoryStore};
///
/// async fn change_menu(cache: Cache) -> &'static str {
///     match cache.purge_tag("menu").await {
///         Ok(_) => "changed",
///         Err(_) => "changed, but old pages may be seen for a while",
///     }
/// }
///
/// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
/// let reports = Cache::builder(MemoryStore::new(8 * MIB)).namespace("reports").build()?;
/// let app: Router = Router::new()
///     .route("/menu", post(change_menu))
///     .layer(CachesLayer::new(&cache).and("reports", &reports));
/// # drop(app);
/// # Ok::<(), larder::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct CachesLayer(Provided);

impl CachesLayer {
    /// Hands on this cache.
    pub fn new(cache: &Cache) -> Self {
        Self(Provided {
            cache: cache.clone(),
            others: Vec::new(),
        })
    }

    /// And this one, by a name. Of two of one name, the first counts.
    pub fn and(mut self, name: &'static str, cache: &Cache) -> Self {
        self.0.others.push((name, cache.clone()));
        self
    }
}

impl fmt::Debug for CachesLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.others.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl<S> Layer<S> for CachesLayer {
    type Service = CachesService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CachesService {
            inner,
            provided: self.0.clone(),
        }
    }
}

/// The service of a [`CachesLayer`].
#[derive(Clone)]
pub struct CachesService<S> {
    inner: S,
    provided: Provided,
}

impl<S> fmt::Debug for CachesService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachesService").finish_non_exhaustive()
    }
}

impl<S, B> Service<Request<B>> for CachesService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.provided.clone());
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NullStore;

    fn cache(namespace: &str) -> Cache {
        Cache::builder(NullStore)
            .namespace(namespace)
            .build()
            .unwrap()
    }

    #[test]
    fn a_name_stands_for_one_cache_and_an_unknown_one_is_named() {
        let (shop, reports) = (cache("shop"), cache("reports"));
        let layer = CachesLayer::new(&shop).and("reports", &reports);
        let mut extensions = Extensions::new();
        extensions.insert(layer.0);
        for _ in 0..2 {
            let named = Cache::named("reports", &extensions).unwrap();
            assert!(std::sync::Arc::ptr_eq(&named.shared, &reports.shared));
        }
        let unknown = Cache::named("sessions", &extensions).unwrap_err();
        assert_eq!(unknown.name(), "sessions");
        let text = unknown.to_string();
        assert!(
            text.contains("\"sessions\"") && text.contains("\"reports\""),
            "{text}"
        );
        assert!(Cache::named("reports", &Extensions::new()).is_err());
    }
}
