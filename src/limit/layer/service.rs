//! The service: head → scope → claims → decision → inner service.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::body::RateLimitBody;
use super::claimed::{Anonymous, Claimed};
use super::form::{Form, announces_form};
use super::future::{RateLimitFuture, Then};
use super::limit::Limit;
use super::scope::Verdict;
use super::taken::{Seen, Taken};
use crate::between::AsksReason;
use crate::content::{self, BoxError, ContentRule};
use crate::limit::answer::Why;
use crate::limit::decision::Decision;
use crate::limit::permit::Permit;
use crate::limit::refusal::Refusal;
use crate::limit::stats::Event;
use crate::log;
use crate::request::RequestHead;

/// The service of a [`RateLimitLayer`](super::RateLimitLayer).
#[derive(Clone)]
pub struct RateLimitService<S> {
    inner: S,
    limit: Arc<Limit>,
}

impl<S> RateLimitService<S> {
    pub(super) fn new(inner: S, limit: Arc<Limit>) -> Self {
        Self { inner, limit }
    }
}

impl<S: fmt::Debug> fmt::Debug for RateLimitService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitService")
            .field("inner", &self.inner)
            .field("limit", &self.limit)
            .finish()
    }
}

/// What becomes of a request.
enum Next<R> {
    /// The limit is not about it.
    Pass,
    Refuse(R),
    Claim(Claimed),
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RateLimitService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<RateLimitBody<ResBody>>;
    type Error = S::Error;
    type Future = RateLimitFuture<S, ReqBody, ResBody>;

    /// Always ready: what is refused must not hold a permit of the inner service. A clone of it is readied for what is forwarded.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.scope(&request) {
            Verdict::Pass => return self.pass(request),
            Verdict::Deny if self.limit.dry_run => {
                self.limit.counters.count(Event::WouldRefuse);
                return self.pass(request);
            }
            Verdict::Deny => {
                self.limit.counters.count(Event::Refuse);
                return RateLimitFuture::ready(self.limit.refuse(Why::DeniedAddress, &request));
            }
            Verdict::Limit => {}
        }
        if let Some(form) = self.reads(&request) {
            let this = self.clone();
            return RateLimitFuture::working(Box::pin(this.after_form(form, request)));
        }
        match self.next(&request) {
            Next::Pass => self.pass(request),
            Next::Refuse(response) => RateLimitFuture::ready(response),
            Next::Claim(claimed) => self.decide(request, claimed),
        }
    }
}

impl<S> RateLimitService<S> {
    fn scope<B>(&self, request: &Request<B>) -> Verdict {
        let limit = &self.limit;
        let switch = limit.switch.as_ref();
        if !limit.limiter.switch().is_on() || switch.is_some_and(|switch| !switch.is_on()) {
            return Verdict::Pass;
        }
        limit.scope.of(&RequestHead::of(request))
    }

    /// How the form of a request is read ahead of the inner service, if it is.
    fn reads<B: Body + 'static>(&self, request: &Request<B>) -> Option<ContentRule> {
        let form = self.limit.form.as_ref()?;
        let longest = form.limit as u64;
        let is_read = form.makes::<B>()
            && announces_form(request.method(), request.headers())
            // What says that it is too long is not read at all.
            && request.body().size_hint().lower() <= longest
            && !request.body().is_end_stream();
        is_read.then(|| form.clone())
    }

    fn next<Q, B>(&self, request: &Request<Q>) -> Next<Response<RateLimitBody<B>>> {
        match self.limit.claim(&RequestHead::of(request)) {
            Ok(claimed) if claimed.claims.is_empty() => Next::Pass,
            Ok(claimed) => Next::Claim(claimed),
            Err(Anonymous) if self.limit.dry_run => {
                self.limit.counters.count(Event::WouldRefuse);
                Next::Pass
            }
            Err(Anonymous) => {
                self.limit.counters.count(Event::Refuse);
                Next::Refuse(self.limit.refuse(Why::MissingIdentity, request))
            }
        }
    }

    /// Forwards what the limit is not about.
    fn pass<ReqBody, ResBody>(
        &self,
        mut request: Request<ReqBody>,
    ) -> RateLimitFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>> + Clone,
    {
        Seen::add(request.extensions_mut(), &self.limit, Weak::new());
        RateLimitFuture::forwarding(self.inner.clone().oneshot(request), None)
    }

    /// Asks the limiter, and does what it says.
    fn decide<ReqBody, ResBody>(
        &self,
        request: Request<ReqBody>,
        mut claimed: Claimed,
    ) -> RateLimitFuture<S, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        ReqBody: Send + 'static,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let limit = &self.limit;
        if limit.wait.is_none()
            && let Poll::Ready(decided) = limit.limiter.take_now(&claimed.claims)
        {
            let made = limit.limiter.made(limit.claims_of(&mut claimed), decided);
            return match self.admit(request, claimed, made) {
                Ok((request, then)) => {
                    RateLimitFuture::forwarding(self.inner.clone().oneshot(request), Some(then))
                }
                Err(response) => RateLimitFuture::ready(response),
            };
        }
        let this = self.clone();
        RateLimitFuture::working(Box::pin(
            async move { this.decided(request, claimed).await },
        ))
    }

    /// The same where the limiter has to be waited for.
    async fn decided<ReqBody, ResBody>(
        self,
        request: Request<ReqBody>,
        mut claimed: Claimed,
    ) -> Result<Response<RateLimitBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
        ResBody: Body<Data = Bytes>,
    {
        let limit = &self.limit;
        let claims = limit.claims_of(&mut claimed);
        let made = match limit.wait {
            Some(waiting) => {
                let left = limit.time_left(&RequestHead::of(&request));
                limit.limiter.admit_in_line(claims, waiting, left).await
            }
            None => limit.limiter.admit(claims).await,
        };
        match self.admit(request, claimed, made) {
            Ok((request, then)) => {
                let response = self.inner.clone().oneshot(request).await?;
                Ok(then.settle(response).await)
            }
            Err(response) => Ok(response),
        }
    }

    /// Reads the form that says who is asking, and puts it back for the inner service.
    async fn after_form<ReqBody, ResBody>(
        self,
        form: ContentRule,
        request: Request<ReqBody>,
    ) -> Result<Response<RateLimitBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
        ReqBody: Body + Send + 'static,
        ResBody: Body<Data = Bytes>,
    {
        let (parts, body) = request.into_parts();
        let read = content::read(body, form.limit).await;
        let Some(body) = form.rebuild::<ReqBody>(read.body) else {
            unreachable!("it was asked whether it makes such bodies")
        };
        let mut request = Request::from_parts(parts, body);
        if let Some(whole) = read.whole {
            request.extensions_mut().insert(Form(whole));
        }
        let next = self.next(&request);
        request.extensions_mut().remove::<Form>();
        match next {
            Next::Pass => {
                Seen::add(request.extensions_mut(), &self.limit, Weak::new());
                let response = self.inner.oneshot(request).await?;
                Ok(response.map(RateLimitBody::passed))
            }
            Next::Refuse(response) => Ok(response),
            Next::Claim(claimed) => self.decided(request, claimed).await,
        }
    }

    /// What goes on with a request for which there is room, or the answer that refuses it.
    #[expect(
        clippy::result_large_err,
        reason = "it is the answer, and leaves at once"
    )]
    fn admit<ReqBody, ResBody>(
        &self,
        mut request: Request<ReqBody>,
        claimed: Claimed,
        made: Result<Permit, Refusal>,
    ) -> Result<(Request<ReqBody>, Then), Response<RateLimitBody<ResBody>>> {
        let limit = &self.limit;
        let taken = match made {
            Ok(permit) => {
                limit.note(Event::Admit, permit.is_estimated());
                Taken::admitted(limit.clone(), claimed, permit)
            }
            Err(refusal) if limit.dry_run => {
                limit.note(Event::WouldRefuse, is_estimated(&refusal));
                log::refused(&limit.name, &refusal);
                Taken::over(limit.clone(), claimed, refusal)
            }
            Err(refusal) => {
                limit.note(Event::Refuse, is_estimated(&refusal));
                log::refused(&limit.name, &refusal);
                return Err(limit.refuse_over(&refusal, &claimed, &request));
            }
        };
        let taken = Arc::new(taken);
        let then = Then {
            tells: limit.tells_when_admitted(taken.is_over())
                && limit.tells(&RequestHead::of(&request)),
            taken: taken.clone(),
            settles: limit.settle.heeds_heads() && !taken.is_over(),
        };
        if then.settles {
            request.extensions_mut().insert(AsksReason);
        }
        Seen::add(request.extensions_mut(), limit, Arc::downgrade(&taken));
        Ok((request, then))
    }
}

fn is_estimated(refusal: &Refusal) -> bool {
    refusal.decision().is_some_and(Decision::is_estimated)
}
