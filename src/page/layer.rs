//! The layer that a route gets, and its options.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderName;
use tower_layer::Layer;

use super::asker::Asker;
use super::key::{KeyBuf, PageKey, key_of, normal_host};
use super::part::{self, KeyPart};
use super::policy::{Anonymous, Forwarding, Policy, PolicyError, TtlOrder};
use super::preset::Rules;
use super::query::QueryRule;
use super::screen::{Content, screen};
use super::service::CacheService;
use crate::cache::Cache;
use crate::monitor::{Bypass, Route};
use crate::request::RequestHead;
use crate::ttl::{LONGEST, MIB, Ttl, days};

/// The largest body that is stored, unless set.
const DEFAULT_MAX_BODY: usize = MIB;

/// Caches the pages of what it wraps: a route, a method router, a nested router, a whole application, or any
/// `tower::Service<Request<B>>`. Made by [`Cache::page`].
///
/// The defaults are safe for any page: nothing is stored that says `no-store`, `private` or `no-cache`, that sets a cookie, or that answers a
/// request with credentials without saying `public` or `s-maxage`. See the [module](crate::page) for the whole story.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct CacheLayer {
    /// Made whole by every setter, so that putting it round a service is one count up: axum does that for each request of a router whose
    /// state has not been given yet.
    page: Arc<Page>,
}

/// A layer as its services share it.
pub(super) struct Page {
    pub(super) cache: Cache,
    pub(super) policy: Policy,
    /// What every key of this layer starts with.
    pub(super) prefix: Box<[u8]>,
    /// The first route that was asked for.
    pub(super) first_route: OnceLock<Arc<Route>>,
    pub(super) warned_credentials: AtomicBool,
    pub(super) warned_identity: AtomicBool,
}

impl CacheLayer {
    pub(crate) fn new(cache: Cache, ttl: Ttl) -> Self {
        let ttl = ttl.resolve(cache.shared.default_ttl);
        Self::with(cache, Some(ttl), Rules::origin())
    }

    pub(crate) fn gateway(cache: Cache) -> Self {
        // The name of a cache need not be one of a field.
        let own = format!("{}-cache-control", cache.shared.name.as_str());
        let rules = Rules::gateway(own.to_ascii_lowercase().parse().ok());
        Self::with(cache, None, rules)
    }

    fn with(cache: Cache, ttl: Option<Duration>, rules: Rules) -> Self {
        let largest = cache.store().about().largest;
        // Room for the head, the key and the book-keeping beside the body.
        let fitting = largest.map_or(usize::MAX, |largest| {
            usize::try_from(largest / 2).unwrap_or(usize::MAX)
        });
        let policy = Policy {
            ttl,
            order: TtlOrder::default(),
            max_ttl: days(365),
            keep: None,
            client_ttl: None,
            tags: Vec::new(),
            groups: true,
            shared: false,
            query: QueryRule::default(),
            parts: Vec::new(),
            identity: None,
            anonymous: Anonymous::default(),
            forwarding: Forwarding::default(),
            hosts: None,
            max_body: DEFAULT_MAX_BODY.min(fitting),
            max_variants: 16,
            x_cache: false,
            label: None,
            rules,
            statuses: Vec::new(),
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
            soft_timeout: None,
            hard_timeout: None,
            etag: false,
            says_query_rule: false,
            content: None,
            legible: None,
        };
        Self {
            page: Arc::new(Page::new(cache, policy)),
        }
    }

    #[cfg(test)]
    pub(super) fn policy(&self) -> &Policy {
        &self.page.policy
    }

    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    #[cfg(test)]
    pub(super) fn key_at(
        &self,
        head: &RequestHead<'_>,
        seen: &super::screen::Seen<'_>,
        depth: u8,
    ) -> Result<KeyBuf, Bypass> {
        let mut key = KeyBuf::new();
        key_of(
            &mut key,
            &self.page.prefix,
            &self.page.policy,
            head,
            seen,
            super::asker::Owner::Everyone,
            depth,
        )?;
        Ok(key)
    }

    pub(super) fn set(self, set: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = self.page.policy.clone();
        set(&mut policy);
        Self {
            page: Arc::new(Page::new(self.page.cache.clone(), policy)),
        }
    }

    /// Says which bodies can be read by whoever made them. Others are foreign, and replaced.
    #[cfg(feature = "tonic")]
    pub(crate) fn legible(self, is_legible: fn(&[u8]) -> bool) -> Self {
        self.set(|policy| policy.legible = Some(is_legible))
    }

    /// Gives every page this tag; [`Cache::purge_tag`] frees them all. Tags add up, and with those of the handler
    /// ([`CacheTags`](crate::CacheTags)).
    pub fn tag(self, tag: impl AsRef<str>) -> Self {
        self.tags([tag])
    }

    /// Gives every page these tags. See [`tag`](Self::tag).
    pub fn tags<T: AsRef<str>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        let cache = self.page.cache.clone();
        let marks = tags
            .into_iter()
            .map(|tag| cache.shared.tag_mark(tag.as_ref()));
        self.set(|policy| policy.tags.extend(marks))
    }

    /// Whether the groups count that responses name in `Cache-Groups` (RFC 9875), and those that an answer to a POST says it has changed.
    /// Default: they do.
    ///
    /// Turn it off where several parties that do not trust each other write pages of one origin (§5), here and on the
    /// [`InvalidationLayer`](crate::InvalidationLayer::cache_groups).
    pub fn cache_groups(self, count: bool) -> Self {
        self.set(|policy| policy.groups = count)
    }

    /// Declares that the pages are the same for everyone, and makes sure of it: the handler sees neither `Authorization`, `Cookie` nor the
    /// registered identity types, so that a page that would depend on them fails loudly instead of leaking. It does see the cookies that are
    /// [declared](KeyPart::cookie) to be in the key.
    ///
    /// It takes back [`vary_on_user`](Self::vary_on_user). Fields that name the user are withheld too, where the cache was told of them; what a
    /// closure finds elsewhere keeps the answer from being stored. What layers outside put into the request of who is asking, such as a session,
    /// must be [registered](crate::cache::CacheBuilder::identity).
    ///
    /// Without this, what answers a request with credentials is stored only if the response says `public` or `s-maxage`.
    pub fn shared(self) -> Self {
        self.set(|policy| {
            policy.shared = true;
            policy.identity = None;
        })
    }

    /// Makes the value of this request field a part of the key, and adds the field to the `Vary` of the answers. Short for
    /// [`vary_on`](Self::vary_on) with [`KeyPart::header`].
    pub fn vary_on_header(self, name: HeaderName) -> Self {
        self.vary_on(KeyPart::header(name))
    }

    /// Declares something that the pages depend on besides their address, and makes it a part of the key. Parts add up; each kind says what
    /// the handler sees of it.
    ///
    /// ```
    /// use larder::{Cache, KeyPart, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache
    ///     .page(minutes(5))
    ///     .vary_on(KeyPart::language(["de", "en"])?)
    ///     .vary_on(KeyPart::computed("tenant", |request| {
    ///         Some(request.headers.get("x-tenant")?.as_bytes().to_vec())
    ///     }));
    /// # Ok::<(), larder::PolicyError>(())
    /// ```
    pub fn vary_on(self, part: impl Into<KeyPart>) -> Self {
        let part = part.into();
        self.set(|policy| part.declare(policy))
    }

    /// Which part of the query tells pages apart. Default: all of it, as sent.
    pub fn query(self, rule: QueryRule) -> Self {
        self.set(|policy| policy.query = rule)
    }

    /// What `X-Forwarded-Host`, `Forwarded` and their like mean. Default: [`Forwarding::Keyed`].
    pub fn forwarding(self, forwarding: Forwarding) -> Self {
        self.set(|policy| policy.forwarding = forwarding)
    }

    /// Whose lifetime comes first. Default: [`TtlOrder::ResponseFirst`].
    pub fn ttl_order(self, order: TtlOrder) -> Self {
        self.set(|policy| policy.order = order)
    }

    /// Lets clients keep a page for `ttl` after each answer. By default they are told `no-cache`, to ask each time: the copy in a browser
    /// cannot be purged.
    pub fn client_ttl(self, ttl: Duration) -> Self {
        self.set(|policy| policy.client_ttl = Some(ttl.min(LONGEST)))
    }

    /// Writes `X-Cache: HIT`, `MISS`, `EXPIRED` or `BYPASS`, for tools that know no `Cache-Status`.
    pub fn x_cache(self) -> Self {
        self.set(|policy| policy.x_cache = true)
    }

    /// The route's name in warnings, where axum's `MatchedPath` is not at hand.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.set(|policy| policy.label = Some(name.into()))
    }

    /// Keeps pages for this long after the response, also when they have become stale. Default: as long as they are fresh, or may be answered
    /// stale; an hour longer if they can be validated.
    ///
    /// # Errors
    ///
    /// When that is shorter than the lifetime.
    pub fn keep(self, keep: Duration) -> Result<Self, PolicyError> {
        if let Some(ttl) = self.page.policy.ttl
            && keep < ttl
        {
            return Err(PolicyError::KeepShorterThanTtl { keep, ttl });
        }
        Ok(self.set(|policy| policy.keep = Some(keep.min(LONGEST))))
    }

    /// The longest lifetime that a response's own directives can give (SEC-POI-09). Default: 365 days.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn max_ttl(self, most: Duration) -> Result<Self, PolicyError> {
        if most.is_zero() {
            return Err(PolicyError::ZeroMaxTtl);
        }
        Ok(self.set(|policy| policy.max_ttl = most))
    }

    /// The largest body that is stored, in bytes; larger ones stream through. Default: 1 MiB, or half the store's largest entry.
    ///
    /// # Errors
    ///
    /// When it is zero, or more than the store takes.
    pub fn max_body(self, bytes: usize) -> Result<Self, PolicyError> {
        if bytes == 0 {
            return Err(PolicyError::ZeroBody);
        }
        if let Some(largest) = self.page.cache.store().about().largest
            && bytes as u64 > largest
        {
            return Err(PolicyError::BodyAboveStore {
                asked: bytes,
                largest,
            });
        }
        Ok(self.set(|policy| policy.max_body = bytes))
    }

    /// How many variants of one page are stored, by the fields that its `Vary` names. Default: 16.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn max_variants(self, most: usize) -> Result<Self, PolicyError> {
        if most == 0 {
            return Err(PolicyError::ZeroVariants);
        }
        Ok(self.set(|policy| policy.max_variants = most))
    }

    /// Caches only what was asked of these hosts, such as `shop.example` or `shop.example:8443`. Default: any.
    ///
    /// # Errors
    ///
    /// When the list is empty, or one of them is no host.
    pub fn hosts<T: Into<String>>(
        self,
        hosts: impl IntoIterator<Item = T>,
    ) -> Result<Self, PolicyError> {
        let mut known = Vec::new();
        for host in hosts.into_iter().map(Into::into) {
            // With or without the default port of either scheme, it is the same host.
            match (normal_host(&host, false), normal_host(&host, true)) {
                (Some(plain), Some(secure)) => known.extend([plain, secure]),
                _ => return Err(PolicyError::Host(host)),
            }
        }
        if known.is_empty() {
            return Err(PolicyError::NoHosts);
        }
        Ok(self.set(|policy| policy.hosts = Some(known)))
    }

    /// The key under which this layer stores the page of a request, for [`Cache::purge_key`].
    ///
    /// The request must look as the layer sees it: with `Host`, and within a nested router with what axum adds.
    ///
    /// # Errors
    ///
    /// When such a request passes the cache by.
    ///
    /// ```
    /// use http::Request;
    /// use larder::{Cache, NullStore, RequestHead, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let layer = cache.page(minutes(5));
    /// let request = Request::get("/menu?page=2").header("host", "shop.example").body(())?;
    /// let key = layer.key(&RequestHead::of(&request));
    /// assert!(key.is_ok());
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn key(&self, head: &RequestHead<'_>) -> Result<PageKey, Bypass> {
        let page = &self.page;
        let mut headers = head.headers.clone();
        part::rewrite(&page.policy.parts, &mut headers)?;
        let head = &RequestHead {
            headers: &headers,
            ..*head
        };
        let seen = screen(head, Content::Absent, &page.cache.shared.identities)?;
        let mut key = KeyBuf::new();
        let owner = Asker::of(&page.cache, &page.policy, head)?.owner;
        key_of(&mut key, &page.prefix, &page.policy, head, &seen, owner, 0)?;
        Ok(PageKey(key.as_bytes().into()))
    }
}

impl Page {
    fn new(cache: Cache, policy: Policy) -> Self {
        let mut prefix = cache.shared.space.to_vec();
        prefix.extend_from_slice(&policy.fingerprint().to_be_bytes());
        Self {
            cache,
            policy,
            prefix: prefix.into(),
            first_route: OnceLock::new(),
            warned_credentials: AtomicBool::new(false),
            warned_identity: AtomicBool::new(false),
        }
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.page.policy.fmt(f)
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheService::new(inner, self.page.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use crate::ttl::minutes;

    #[test]
    fn nonsense_is_refused_with_what_to_change() {
        let cache = Cache::builder(MemoryStore::new(MIB)).build().unwrap();
        let page = || cache.page(minutes(5));
        let table = [
            (page().max_body(0), ".max_body("),
            (page().max_body(MIB), "largest entry"),
            (page().keep(minutes(1)), ".keep("),
            (page().max_variants(0), ".max_variants("),
            (page().max_ttl(Duration::ZERO), ".max_ttl("),
            (page().hosts::<String>([]), ".hosts("),
            (page().hosts(["user@host"]), "user@host"),
        ];
        for (built, remedy) in table {
            let error = built.map(drop).unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
        assert!(page().keep(minutes(5)).is_ok());
        assert!(page().hosts(["Shop.example:80"]).is_ok());
    }

    #[test]
    fn a_layer_has_no_bounds_of_its_own() {
        fn is<T: Clone + Send + Sync + 'static>() {}
        is::<CacheLayer>();
    }
}
