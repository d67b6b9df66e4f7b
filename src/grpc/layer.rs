//! The layer, and how it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use http::HeaderName;
use http::uri::Authority;
use tower_layer::Layer;

use super::answer::is_never_kept;
use super::descriptor::{Described, Kind};
use super::error::GrpcCacheError;
use super::kept::{Kept, LARGEST_FIELDS, OVERHEAD};
use super::method::CallMethod;
use super::policy::{CallPolicy, Whose};
use super::screen::{Known, is_reserved};
use super::service::GrpcCacheService;
use crate::cache::Cache;
use crate::call::is_method_path;
use crate::page::normal_host;

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
    ///
    /// ```
    /// use larder::grpc::CallPolicy;
    /// use larder::{Cache, MIB, MemoryStore, minutes};
    /// use tonic::transport::Server;
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB)).build()?;
    /// let layer = cache
    ///     .grpc()
    ///     .method("/catalog.Catalog/GetItem", CallPolicy::new(minutes(5)).tag("items"))
    ///     .method("/catalog.Catalog/ListCategory", minutes(1))
    ///     .build()?;
    /// // .add_service(CatalogServer::new(handler)), and so on.
    /// let server = Server::builder().layer(layer);
    /// # drop(server);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
///
/// Which methods there are, which of them stream and which have no side effects, the descriptors of a service say, as protoc and its like
/// write them, and tonic's build scripts for reflection:
///
/// ```
/// use larder::grpc::GrpcCacheError;
/// use larder::{Cache, NullStore, minutes};
///
/// // In a service: tonic::include_file_descriptor_set!("catalog").
/// let set = std::fs::read("examples/catalog/catalog.bin")?;
/// let cache = Cache::builder(NullStore).build()?;
/// let grpc = || cache.grpc().descriptor_set(set.clone());
/// // All of: rpc GetItem(..) returns (..) { option idempotency_level = NO_SIDE_EFFECTS; }
/// assert!(grpc().safe_methods(minutes(5)).build().is_ok());
/// let misspelt = grpc().method("/catalog.Catalog/GetItems", minutes(5)).build();
/// assert!(matches!(misspelt, Err(GrpcCacheError::Unknown(..))));
/// let streaming = grpc().method("/catalog.Catalog/WatchItems", minutes(5)).build();
/// assert!(matches!(streaming, Err(GrpcCacheError::Streaming(..))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// Keeps the answers of this method, by its path: `/package.Service/Method`. It must be unary, and change nothing (SPEC GRPC-04): that
    /// you say by naming it, whatever its descriptor says.
    pub fn method(mut self, path: impl Into<String>, policy: impl Into<CallPolicy>) -> Self {
        self.methods.push((path.into(), policy.into()));
        self
    }

    /// Keeps the answers of all unary methods whose `idempotency_level` is `NO_SIDE_EFFECTS` and that no [`method`](Self::method) names.
    /// [`build`](Self::build) refuses it without a [`descriptor_set`](Self::descriptor_set), and where no method of it is one.
    pub fn safe_methods(mut self, policy: impl Into<CallPolicy>) -> Self {
        self.safe = Some(policy.into());
        self
    }

    /// What the methods are (an encoded `google.protobuf.FileDescriptorSet`): [`build`](Self::build) then refuses what is not there or streams.
    /// Sets add up; of what they say differently of one method, the worst is believed. Default: none, and nothing is refused.
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

    /// Tells in the initial metadata of answers what became of each call (`cache-status`, RFC 9211), to those to whom the cache tells it of
    /// pages: to nobody under [`without_cache_status`](crate::cache::CacheBuilder::without_cache_status). Default: it does not (SPEC GRPC-31).
    ///
    /// Hits then take a longer way: that of what is not fresh.
    pub fn cache_status(mut self) -> Self {
        self.tells = true;
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// When no method is named, one is named twice, streams or is not described, a set of descriptors cannot be read or describes none, the
    /// name of what is called is none, or a policy cannot be.
    pub fn build(self) -> Result<GrpcCacheLayer, GrpcCacheError> {
        let mut described = Described::default();
        for set in &self.sets {
            described
                .add(set)
                .map_err(|error| GrpcCacheError::DescriptorSet(error.to_string()))?;
        }
        if described.is_empty() && !self.sets.is_empty() {
            return Err(GrpcCacheError::NoServices);
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
            if described.safe().next().is_none() {
                return Err(GrpcCacheError::NoSafeMethods);
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
            .legible(Kept::is_legible)
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
            .max_body(max_message.saturating_add(LARGEST_FIELDS + OVERHEAD).min(
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
            default_ttl: self.cache.shared.default_ttl,
            budget: self.cache.shared.budget.clone(),
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
            let near = described.near(path).join(", ");
            Err(GrpcCacheError::Unknown(path.to_owned(), near))
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
