//! Options of a layer beyond lifetimes and keys: what is done once a page is stale, and which rules of RFC 9111 apply.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::layer::CacheLayer;
use super::policy::{Anonymous, PolicyError};
use super::preset::{Heuristic, RequestRules};
use crate::content::{ContentRule, ReplayedBody};
use crate::identity::Identify;
use crate::ttl::LONGEST;

/// The most content of a request that fits a key, in bytes.
const MOST_CONTENT: usize = 16 * 1_024;

/// What is done with what is stale.
impl CacheLayer {
    /// Lets a stale page answer for so long while it is refreshed in the background (RFC 5861 §3), where the response itself does not say
    /// `stale-while-revalidate`. Default: not at all.
    ///
    /// Neither this nor the response's own directive makes up for `no-cache`, `must-revalidate` or `proxy-revalidate`; beside `s-maxage` only
    /// the response's own counts. The refresh asks for nobody in particular: the handler sees the target, `Host` and what selects the page.
    ///
    /// ```
    /// use larder::{Cache, NullStore, minutes, seconds};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let scores = cache.page(seconds(5)).stale_while_revalidate(minutes(1));
    /// ```
    pub fn stale_while_revalidate(self, window: Duration) -> Self {
        self.set(|policy| policy.while_revalidate = window.min(LONGEST))
    }

    /// Lets a stale page answer for so long where the handler answers 500, 502, 503 or 504, fails, or is [`Unreachable`](crate::Unreachable)
    /// (RFC 5861 §4), where the response itself does not say `stale-if-error`. Default: not at all.
    pub fn stale_if_error(self, window: Duration) -> Self {
        self.set(|policy| policy.if_error = window.min(LONGEST))
    }

    /// Both [`stale_while_revalidate`](Self::stale_while_revalidate) and [`stale_if_error`](Self::stale_if_error).
    pub fn grace(self, window: Duration) -> Self {
        self.stale_while_revalidate(window).stale_if_error(window)
    }

    /// Lets anything stale that may be answered at all answer while the origin is [`Unreachable`](crate::Unreachable) (RFC 9111 §4.2.4).
    /// Default: on for gateways, off for pages.
    pub fn stale_while_unreachable(self, on: bool) -> Self {
        self.set(|policy| policy.rules.unreachable = on)
    }

    /// Reads RFC 9111 §5.2.2.10 to the letter: what says `s-maxage` is never answered stale, whatever it says of `stale-while-revalidate`
    /// and `stale-if-error` beside it. By default these hold, as their authors expect.
    pub fn strict_s_maxage(self) -> Self {
        self.set(|policy| policy.rules.strict_s_maxage = true)
    }

    /// Answers with something stale, where its terms allow that, if the handler takes longer than this. The handler goes on in the
    /// background, and what it makes is stored. Default: the answer waits.
    ///
    /// # Errors
    ///
    /// When it is zero, or not shorter than the hard timeout.
    pub fn soft_timeout(self, timeout: Duration) -> Result<Self, PolicyError> {
        let hard = self.page().policy.hard_timeout;
        check_timeouts(Some(timeout), hard)?;
        Ok(self.set(|policy| policy.soft_timeout = Some(timeout)))
    }

    /// Answers 504 if the handler takes longer than this and nothing stale may answer. The handler goes on in the background, and what it
    /// makes is stored. Default: the answer waits.
    ///
    /// # Errors
    ///
    /// When it is zero, or not longer than the soft timeout.
    pub fn hard_timeout(self, timeout: Duration) -> Result<Self, PolicyError> {
        let soft = self.page().policy.soft_timeout;
        check_timeouts(soft, Some(timeout))?;
        Ok(self.set(|policy| policy.hard_timeout = Some(timeout)))
    }
}

fn check_timeouts(soft: Option<Duration>, hard: Option<Duration>) -> Result<(), PolicyError> {
    if soft.is_some_and(|soft| soft.is_zero()) || hard.is_some_and(|hard| hard.is_zero()) {
        return Err(PolicyError::ZeroTimeout);
    }
    match (soft, hard) {
        (Some(soft), Some(hard)) if soft >= hard => Err(PolicyError::SoftAboveHard { soft, hard }),
        _ => Ok(()),
    }
}

/// Whose pages they are.
impl CacheLayer {
    /// Keeps a page for each user, as [`CacheBuilder::user`](crate::cache::CacheBuilder::user) tells them apart.
    ///
    /// A page that is stored for a user belongs to that user: what says `private`, and what answers credentials, is stored too;
    /// what says `no-store` or sets a cookie is not. All answers leave as `private`, so that no cache outside shares them, and none is given
    /// to another user or to nobody. What cannot be told apart passes the cache by. `If-Modified-Since` is not heeded, since dates do not
    /// tell users apart; an `ETag` of the handler's own must.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use larder::{Cache, MIB, MemoryStore, hours, identity};
    ///
    /// #[derive(Clone)]
    /// struct CurrentUser(u64);
    ///
    /// async fn dashboard() -> &'static str {
    ///     "what is yours"
    /// }
    ///
    /// let cache = Cache::builder(MemoryStore::new(64 * MIB))
    ///     .user(identity::extension("user", |user: &CurrentUser| user.0.to_be_bytes()))
    ///     .build()?;
    /// // The layer that signs users in, and turns others away, stands outside of the page layer.
    /// let app: Router = Router::new()
    ///     .route("/dashboard", get(dashboard).layer(cache.page(hours(1)).vary_on_user()?));
    /// # drop(app);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the cache was not told who the user is, the layer is [`shared`](Self::shared), or the store is shared by nodes that have no
    /// [secret](crate::cache::CacheBuilder::secret) in common.
    pub fn vary_on_user(self) -> Result<Self, PolicyError> {
        let user = self.page().cache.shared.user.clone();
        self.vary_on_whoever(user.ok_or(PolicyError::NoUser)?)
    }

    /// Keeps a page for each identity, as `by` tells them apart. See [`vary_on_user`](Self::vary_on_user).
    ///
    /// Where `by` says that it is [no person](crate::Identity::of_no_person), each has pages apart, by the rules of pages for everyone.
    ///
    /// ```
    /// use http::HeaderName;
    /// use larder::{Cache, NullStore, identity, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let by_key = identity::header(HeaderName::from_static("x-api-key"));
    /// let page = cache.page(minutes(5)).vary_on_identity(by_key)?;
    /// # Ok::<(), larder::PolicyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the layer is [`shared`](Self::shared), or the store is shared by nodes that have no
    /// [secret](crate::cache::CacheBuilder::secret) in common.
    pub fn vary_on_identity(self, by: impl Identify) -> Result<Self, PolicyError> {
        self.vary_on_whoever(Arc::new(by))
    }

    fn vary_on_whoever(self, by: Arc<dyn Identify>) -> Result<Self, PolicyError> {
        let cache = &self.page().cache;
        if self.page().policy.shared {
            return Err(PolicyError::SharedIdentity);
        }
        if cache.store().about().shared && !cache.shared.secret.is_shared() {
            return Err(PolicyError::NoSecret);
        }
        Ok(self.set(|policy| policy.identity = Some(by)))
    }

    /// What becomes of requests from nobody in particular, where pages vary on who is asking. Default: [`Anonymous::Share`].
    pub fn anonymous(self, anonymous: Anonymous) -> Self {
        self.set(|policy| policy.anonymous = anonymous)
    }
}

/// What is stored, and for whom.
impl CacheLayer {
    /// Stores answers of this status for `ttl` where they name no lifetime themselves: negative caching of 404 and 410, or redirects.
    ///
    /// By default, errors and temporary redirects are stored only for a lifetime that they name, errors for a minute at most; what is said
    /// here is not capped so.
    ///
    /// ```
    /// use http::StatusCode;
    /// use larder::{Cache, NullStore, minutes, seconds};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let page = cache.page(minutes(5)).ttl_for(StatusCode::NOT_FOUND, seconds(10))?;
    /// # Ok::<(), larder::PolicyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When answers of this status are never stored (1xx, 206, 304, 412, 416, 417, 428, 429, 431, 511), or the lifetime is zero.
    pub fn ttl_for(self, status: StatusCode, ttl: Duration) -> Result<Self, PolicyError> {
        if matches!(
            status.as_u16(),
            100..=199 | 206 | 304 | 412 | 416 | 417 | 428 | 429 | 431 | 511
        ) {
            return Err(PolicyError::Status(status));
        }
        if ttl.is_zero() {
            return Err(PolicyError::ZeroStatusTtl(status));
        }
        Ok(self.set(|policy| {
            policy.statuses.retain(|(other, _)| *other != status);
            policy.statuses.push((status, ttl.min(LONGEST)));
        }))
    }

    /// Stores answers of any final status that name a lifetime, for as long as they say (RFC 9111 §3). Default: on for gateways, off for
    /// pages, where one client's mistake must not become everybody's.
    pub fn any_status(self, on: bool) -> Self {
        self.set(|policy| policy.rules.any_status = on)
    }

    /// Guesses the lifetime of what names none: this many hundredths of the time since `Last-Modified`, and at most `most`
    /// (RFC 9111 §4.2.2). It counts where no lifetime of the layer's own does. Default: 10 % and a day for gateways, off for pages.
    ///
    /// # Errors
    ///
    /// When it is not between 1 and 10 per cent.
    pub fn heuristic(self, percent: u8, most: Duration) -> Result<Self, PolicyError> {
        if !(1..=10).contains(&percent) {
            return Err(PolicyError::Heuristic(percent));
        }
        Ok(self.set(|policy| policy.rules.heuristic = Some(Heuristic { percent, most })))
    }

    /// Stores also what must be validated before each use (`no-cache`, or no lifetime at all), if it can be. Default: on for gateways, off
    /// for pages.
    pub fn store_to_validate(self, on: bool) -> Self {
        self.set(|policy| policy.rules.validates = on)
    }

    /// Stores parts (206), answers ranges within them, and completes them where their validator is strong (RFC 9111 §3.3, §3.4).
    /// Default: on for gateways, off for pages, where ranges are cut from whole pages alone.
    pub fn store_parts(self, on: bool) -> Self {
        self.set(|policy| policy.rules.parts = on)
    }

    /// Lets the answer to a POST serve later GETs, if it names a lifetime and its `Content-Location` is the URI that it was sent to
    /// (RFC 9110 §9.3.3), and if the store can [supersede](crate::Store::supersede). Default: on for gateways, off for pages.
    pub fn store_posts(self, on: bool) -> Self {
        self.set(|policy| policy.rules.posts = on)
    }

    /// Lets the first of these fields that a response carries decide in place of `Cache-Control` and `Expires` (RFC 9213 §2.2). Default:
    /// `<the cache's name>-Cache-Control` and `CDN-Cache-Control` for gateways, none for pages.
    pub fn targeted_fields(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let names = names.into_iter().collect();
        self.set(|policy| policy.rules.targets = names)
    }

    /// Stores answers to `Authorization` also where all that they say of sharing is `must-revalidate`, to the letter of RFC 9111 §3.5.
    /// Default: on for gateways; off for pages, where the response must say `public` or `s-maxage`.
    pub fn must_revalidate_shares(self, on: bool) -> Self {
        self.set(|policy| policy.rules.authorization = on)
    }

    /// Ignores an `Age` that is no number, and reads the first member of a list (RFC 9111 §5.1). Default: on for gateways; off for pages,
    /// where what cannot be read is more than any lifetime.
    pub fn ignore_invalid_age(self, on: bool) -> Self {
        self.set(|policy| policy.rules.lenient_age = on)
    }

    /// Leaves `Cache-Control` as the response has it. Default: on for gateways; off for pages, whose clients are told `no-cache` where the
    /// response says nothing to them, or what [`client_ttl`](Self::client_ttl) says.
    pub fn leave_cache_control(self, on: bool) -> Self {
        self.set(|policy| policy.rules.transparent = on)
    }

    /// Gives a 200 that has no `ETag` one, strong and made of the bytes of its body, from its first hit on. Default: off.
    pub fn etag(self) -> Self {
        self.set(|policy| policy.etag = true)
    }
}

/// What of requests counts.
impl CacheLayer {
    /// Which of a request's directives count. Default: [`RequestRules::ALL`] for gateways, [`RequestRules::NONE`] for pages.
    pub fn request_rules(self, rules: RequestRules) -> Self {
        self.set(|policy| policy.rules.request = rules)
    }

    /// Honours `No-Vary-Search` of responses: a page answers also for targets whose query differs only in what the field lets differ, but
    /// not in the parameters named here (tokens, signatures), and never for requests with `Authorization`. Default: on for gateways, without
    /// exceptions; off for pages, whose [`QueryRule`](crate::QueryRule) says it.
    pub fn no_vary_search<T: Into<String>>(
        self,
        never_ignored: impl IntoIterator<Item = T>,
    ) -> Self {
        let never = never_ignored.into_iter().map(Into::into).collect();
        self.set(|policy| policy.rules.no_vary_search = Some(never))
    }

    /// Matches targets exactly, whatever `No-Vary-Search` says. The default for pages.
    pub fn exact_search(self) -> Self {
        self.set(|policy| policy.rules.no_vary_search = None)
    }

    /// Tells clients by `No-Vary-Search` which parameters the layer's [`QueryRule`](crate::QueryRule) drops, as far as the field can say it. Default: off.
    pub fn tell_query_rule(self) -> Self {
        self.set(|policy| policy.says_query_rule = true)
    }

    /// Caches answers to QUERY (RFC 10008), with the content of the request in the key, byte for byte, together with its type, coding and
    /// language. Content above `limit` bytes passes the cache by. Default: QUERY passes by.
    ///
    /// The content is read to be keyed; `rebuild` makes the service's own body type of it: `axum::body::Body::new` in axum.
    ///
    /// ```
    /// use larder::{Cache, NullStore, minutes};
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let search = cache.page(minutes(1)).query_method(4_096, axum::body::Body::new)?;
    /// # Ok::<(), larder::PolicyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the limit is zero, or more than a key holds: 16 KiB.
    pub fn query_method<B: 'static>(
        self,
        limit: usize,
        rebuild: impl Fn(ReplayedBody) -> B + Send + Sync + 'static,
    ) -> Result<Self, PolicyError> {
        if !(1..=MOST_CONTENT).contains(&limit) {
            return Err(PolicyError::QueryContent(limit));
        }
        let rule = ContentRule::new(limit, rebuild);
        Ok(self.set(|policy| policy.content = Some(rule)))
    }
}
