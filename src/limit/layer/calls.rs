//! gRPC calls: how they are refused, and what their answers say.

use std::collections::HashSet;
use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode};
use tonic::{Code, Status};

use super::answer::Answer;
use super::builder::RateLimitBuilder;
use super::error::RateLimitError;
use super::limit::Limit;
use super::refused::Refused;
use super::service::RateLimitService;
use crate::call::{has_grpc_content, is_call, is_method_path};
use crate::grpc::code_of;
use crate::limit::answer::{Block, Told, Why, call_refusal};
use crate::limit::decision::Wait;
use crate::request::RequestHead;

type Respond = Arc<dyn Fn(&Refused<'_>) -> Status + Send + Sync>;

/// How calls are refused.
#[derive(Clone, Default)]
pub(super) struct Calls {
    respond: Option<Respond>,
}

/// gRPC (feature `tonic`).
impl RateLimitBuilder {
    /// Only gRPC calls of these methods, and whatever else is sent to their paths. Default: all calls, and all other requests.
    ///
    /// Several limits, each with methods of its own, stack as layers; what is to have one budget with requests that are no calls is a layer round
    /// these with the same name, quota and identity.
    ///
    /// ```
    /// use http::HeaderName;
    /// use larder::limit::RateLimiter;
    /// use larder::{MemoryLimiter, identity};
    ///
    /// let limiter = RateLimiter::new(MemoryLimiter::new());
    /// let writes = limiter
    ///     .layer("writes")
    ///     .calls(["/catalog.Catalog/UpdateItem"])
    ///     .quota("10/m", identity::header(HeaderName::from_static("x-api-key")))
    ///     .build()?;
    /// # drop(writes);
    /// # Ok::<(), larder::limit::RateLimitError>(())
    /// ```
    ///
    /// [`build`](Self::build) refuses what is no path of a method, and no paths at all.
    pub fn calls(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let paths: HashSet<String> = paths.into_iter().map(Into::into).collect();
        if paths.is_empty() {
            let name = self.name.clone();
            self.fail(RateLimitError::NoCalls(name));
        }
        if let Some(path) = paths.iter().find(|path| !is_method_path(path)) {
            let path = path.clone();
            self.fail(RateLimitError::Call(path));
        }
        self.scope.calls.get_or_insert_default().extend(paths);
        self
    }

    /// The status of a gRPC call that is refused, in the application's own words. `RetryInfo` and `QuotaFailure` are added where it has no details,
    /// `grpc-retry-pushback-ms` where its metadata have none, and the fields of quotas. What would be more than 7 KiB goes without
    /// details. Default: `RESOURCE_EXHAUSTED`, `UNAVAILABLE`, `PERMISSION_DENIED` or `UNAUTHENTICATED`, as the [module](crate::limit#grpc) says.
    ///
    /// ```
    /// use larder::limit::RateLimiter;
    /// use larder::{MemoryLimiter, identity};
    /// use tonic::Status;
    ///
    /// let limiter = RateLimiter::new(MemoryLimiter::new());
    /// let layer = limiter
    ///     .layer("search")
    ///     .quota("10/m", identity::client_ip())
    ///     .respond_to_calls(|refused| match refused.retry_after() {
    ///         Some(wait) => Status::resource_exhausted(format!("ask again in {wait:?}")),
    ///         None => Status::resource_exhausted("ask for less"),
    ///     })
    ///     .build()?;
    /// # drop(layer);
    /// # Ok::<(), larder::limit::RateLimitError>(())
    /// ```
    pub fn respond_to_calls(
        mut self,
        respond: impl Fn(&Refused<'_>) -> Status + Send + Sync + 'static,
    ) -> Self {
        self.telling.calls.respond = Some(Arc::new(respond));
        self
    }
}

impl Limit {
    /// The answer to a call that is refused, with what `tell` adds to its fields; None for what is none.
    pub(super) fn refuse_call<Q>(
        &self,
        why: Why,
        told: &[Told<'_>],
        (spread, wait): (u64, Wait),
        request: &Request<Q>,
        tell: &impl Fn(&mut HeaderMap),
    ) -> Option<Response<()>> {
        if !is_call(&RequestHead::of(request)) {
            return None;
        }
        let refusal = call_refusal(why, told, spread);
        let status = match &self.telling.calls.respond {
            None => refusal.status(),
            Some(respond) => {
                let after = refusal.wait;
                let status = why.status(after.is_some());
                let refused = self.refused(status, after, told, wait, request.headers());
                refusal.worded(respond(&refused))
            }
        };
        let mut response = Response::new(());
        Block::of(&status).put(&mut response, tell);
        Some(response)
    }
}

impl Answer<'_> {
    /// How a gRPC call ended, where its head tells it (feature `tonic`): that of a call which was answered with an error and no message. `None` for what is no
    /// call, and for one that has begun to be answered, whose code comes in trailers.
    pub fn code(&self) -> Option<Code> {
        has_grpc_content(self.headers())
            .then(|| code_of(self.headers()))
            .flatten()
    }
}

/// The status of an answer; where a call ended with its head, the one that stands for its code.
pub(super) fn status_of<B>(response: &Response<B>) -> StatusCode {
    let has_code = response.status() == StatusCode::OK && has_grpc_content(response.headers());
    match has_code.then(|| code_of(response.headers())).flatten() {
        Some(code) => status_for(code),
        None => response.status(),
    }
}

/// The status that `google/rpc/code.proto` has for a code.
fn status_for(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// So that a service with its limit can be added to a tonic server.
impl<S: tonic::server::NamedService> tonic::server::NamedService for RateLimitService<S> {
    const NAME: &'static str = S::NAME;
}
