//! The layer, and how it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use http::HeaderName;
use http::uri::Authority;
use tower_layer::Layer;

use super::answer::is_never_kept;
use super::call::is_method_path;
use super::descriptor::{Described, Kind};
use super::error::GrpcCacheError;
use super::method::CallMethod;
use super::policy::{CallPolicy, Whose};
use super::screen::{Known, is_reserved};
use super::service::GrpcCacheService;
use crate::cache::Cache;
use crate::page::normal_host;

/// The most that the fields of an answer add to what is stored of it, in bytes.
const LARGEST_FIELDS: usize = 64 * 1_024;

/// Keeps the answers of unary gRPC calls, on a tonic server, round one service, or under a client's channel. Made by [`Cache::grpc`].
///
/// See the [module](crate::grpc) for the whole story.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct GrpcCacheLayer {
    methods: Arc<Methods>,
}

/// The methods whose answers are kept, by their paths.
pub(super) struct Methods(HashMap<String, Arc<CallMethod>>);

type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

impl Methods {
    pub(super) fn get(&self, path: &str) -> Option<&Arc<CallMethod>> {
        self.0.get(path)
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for GrpcCacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GrpcCacheLayer")
            .field(&self.methods)
            .finish()
    }
}

impl<S> Layer<S> for GrpcCacheLayer {
    type Service = GrpcCacheService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcCacheService::new(inner, self.methods.clone())
    }
}

impl Cache {
    /// A layer that keeps the answers of unary gRPC calls. Nothing is kept until a method is named.
    pub fn grpc(&self) -> GrpcCacheBuilder {
        GrpcCacheBuilder {
            cache: self.clone(),
            methods: Vec::new(),
            safe: None,
            sets: Vec::new(),
            upstream: None,
            tells: false,
        }
    }
}

/// Builds a [`GrpcCacheLayer`]. Made by [`Cache::grpc`].
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct GrpcCacheBuilder {
    cache: Cache,
    methods: Vec<(String, CallPolicy)>,
    safe: Option<CallPolicy>,
    sets: Vec<Vec<u8>>,
    upstream: Option<String>,
    tells: bool,
}

impl fmt::Debug for GrpcCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcCacheBuilder")
            .field("methods", &self.methods)
            .field("safe", &self.safe)
            .finish_non_exhaustive()
    }
}

impl GrpcCacheBuilder {
    /// Keeps the answers of this method, by its path: `/package.Service/Method`. It must be unary, and change nothing.
    pub fn method(mut self, path: impl Into<String>, policy: impl Into<CallPolicy>) -> Self {
        self.methods.push((path.into(), policy.into()));
        self
    }

    /// Keeps the answers of all unary methods whose `idempotency_level` is `NO_SIDE_EFFECTS` and that no [`method`](Self::method) names.
    pub fn safe_methods(mut self, policy: impl Into<CallPolicy>) -> Self {
        self.safe = Some(policy.into());
        self
    }

    /// What the methods are (an encoded `google.protobuf.FileDescriptorSet`): [`build`](Self::build) then refuses what is not there or streams.
    /// Sets add up.
    pub fn descriptor_set(mut self, set: impl Into<Vec<u8>>) -> Self {
        self.sets.push(set.into());
        self
    }

    /// Names the service that is called, where the layer stands under a client: a host and, if need be, a port. It is part of every key.
    ///
    /// The calls of a client carry no address of their own before the channel gives them one, and what is called nobody knows by then: without
    /// this name they pass the cache by ([`Bypass::Authority`](crate::monitor::Bypass::Authority)). Layers of one cache that stand before
    /// different services need different names, or the answers of one are given for those of the other. It says nothing of where the channel
    /// leads, and the service does not see it. Default: none, as is right in a server, whose calls are addressed.
    ///
    /// ```
    /// use larder::{Cache, MIB, MemoryStore, minutes};
    /// use tonic::transport::Endpoint;
    /// use tower::ServiceBuilder;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let layer = cache
    ///     .grpc()
    ///     .authority("catalog.internal:443")
    ///     .method("/catalog.Catalog/GetItem", minutes(5))
    ///     .build()?;
    /// let channel = Endpoint::from_static("https://catalog.internal").connect_lazy();
    /// let service = ServiceBuilder::new().layer(layer).service(channel);
    /// // CatalogClient::new(service), as with a channel alone.
    /// # drop(service);
    /// # Ok(())
    /// # }
    /// ```
    pub fn authority(mut self, host: impl Into<String>) -> Self {
        self.upstream = Some(host.into());
        self
    }

    /// Tells in the metadata of answers what became of each call (`cache-status`, RFC 9211). Default: it does not.
    pub fn cache_status(mut self) -> Self {
        self.tells = true;
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// When no method is named, one is named twice or streams, or a policy cannot be.
    pub fn build(self) -> Result<GrpcCacheLayer, GrpcCacheError> {
        let mut described = Described::default();
        for set in &self.sets {
            described
                .add(set)
                .map_err(|error| GrpcCacheError::DescriptorSet(error.to_string()))?;
        }
        let upstream = self.upstream.as_deref().map(authority_of).transpose()?;
        let mut methods = HashMap::default();
        for (path, policy) in &self.methods {
            check_path(path, &described)?;
            let method = self.method_of(path, policy, upstream.as_ref())?;
            if methods.insert(path.clone(), Arc::new(method)).is_some() {
                return Err(GrpcCacheError::Twice(path.clone()));
            }
        }
        if let Some(policy) = &self.safe {
            if described.is_empty() {
                return Err(GrpcCacheError::NoDescriptorSet);
            }
            for path in described.safe() {
                if !methods.contains_key(path) {
                    let method = self.method_of(path, policy, upstream.as_ref())?;
                    methods.insert(path.to_owned(), Arc::new(method));
                }
            }
        }
        match methods.is_empty() {
            true => Err(GrpcCacheError::NoMethods),
            false => Ok(GrpcCacheLayer {
                methods: Arc::new(Methods(methods)),
            }),
        }
    }

    fn method_of(
        &self,
        path: &str,
        policy: &CallPolicy,
        upstream: Option<&Authority>,
    ) -> Result<CallMethod, GrpcCacheError> {
        let of = |error| GrpcCacheError::Policy(path.to_owned(), error);
        check(path, policy)?;
        let ttl = policy.ttl.resolve(self.cache.shared.default_ttl);
        let mut page = self
            .cache
            .page(policy.ttl)
            .named(path)
            .tags(&policy.tags)
            .cache_groups(false)
            .stale_while_revalidate(policy.while_revalidate)
            .stale_if_error(policy.if_error)
            // What an answer says itself can only be less.
            .max_ttl(ttl)
            .map_err(of)?;
        if let Some(timeout) = policy.soft_timeout {
            page = page.soft_timeout(timeout).map_err(of)?;
        }
        let mut identity = self.cache.shared.identity_fields.clone();
        page = match &policy.whose {
            Whose::Everyone => page,
            Whose::Shared => page.shared(),
            Whose::User => page.vary_on_user().map_err(of)?,
            Whose::Identity(by) => {
                identity.extend(by.fields());
                page.vary_on_identity(by.clone()).map_err(of)?
            }
        };
        let largest = self.cache.store().about().largest;
        let fitting = largest.map_or(usize::MAX, |largest| {
            usize::try_from(largest / 2).unwrap_or(usize::MAX)
        });
        let max_message = policy.max_message.min(fitting);
        page = page
            .max_body(max_message.saturating_add(LARGEST_FIELDS).min(
                largest.map_or(usize::MAX, |most| {
                    usize::try_from(most).unwrap_or(usize::MAX)
                }),
            ))
            .map_err(of)?;
        Ok(CallMethod {
            page,
            known: Known {
                keyed: policy.keyed.clone(),
                inert: policy.inert.clone(),
                identity,
                lenient: policy.lenient,
            },
            codes: policy.codes.clone(),
            max_request: policy.max_request,
            max_message,
            fill_timeout: policy.fill_timeout,
            upstream: upstream.cloned(),
            tells: self.tells,
        })
    }
}

/// The name of an upstream as keys hold it.
fn authority_of(host: &str) -> Result<Authority, GrpcCacheError> {
    let error = || GrpcCacheError::Authority(host.to_owned());
    let host = normal_host(host, false).ok_or_else(error)?;
    host.parse().map_err(|_| error())
}

/// Can the answers of this method be kept at all?
fn check_path(path: &str, described: &Described) -> Result<(), GrpcCacheError> {
    if !is_method_path(path) {
        return Err(GrpcCacheError::Path(path.to_owned()));
    }
    match described.kind(path) {
        Some(Kind::Streaming) => Err(GrpcCacheError::Streaming(path.to_owned())),
        None if !described.is_empty() => {
            let known: Vec<&str> = described.paths().collect();
            Err(GrpcCacheError::Unknown(path.to_owned(), known.join(", ")))
        }
        _ => Ok(()),
    }
}

/// Is the policy one that can be?
fn check(path: &str, policy: &CallPolicy) -> Result<(), GrpcCacheError> {
    let names = policy.keyed.iter().chain(&policy.inert);
    if let Some(name) = names.into_iter().find(|name| is_reserved(name)) {
        return Err(GrpcCacheError::Metadata(
            path.to_owned(),
            HeaderName::clone(name),
        ));
    }
    if let Some((code, _)) = policy
        .codes
        .iter()
        .find(|(code, _)| *code == tonic::Code::Ok || is_never_kept(*code))
    {
        return Err(GrpcCacheError::Code(path.to_owned(), *code));
    }
    let zero = [
        (policy.max_request == 0, "a request limit"),
        (policy.max_message == 0, "a message limit"),
        (policy.fill_timeout.is_zero(), "a fill timeout"),
        (
            policy
                .codes
                .iter()
                .any(|(_, ttl)| *ttl < Duration::from_secs(1)),
            "a lifetime of an error",
        ),
    ];
    match zero.into_iter().find(|(is_zero, _)| *is_zero) {
        Some((_, what)) => Err(GrpcCacheError::Zero(path.to_owned(), what)),
        None => Ok(()),
    }
}
