//! The way of a request that found nothing to answer: follow a flight, or lead one to the handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_service::Service;

use super::body::{BoxError, PageBody};
use super::flight::Lead;
use super::follow::Round;
use super::key::address_of;
use super::layer::Page;
use super::lookup::{Lookup, Missed, lookup};
use super::request::RequestHead;
use super::respond::{self, Shown};
use super::screen::screen;
use super::service::{trace, withhold};
use crate::cache::page_marks;
use crate::monitor::{Bypass, Reason};
use crate::store::{Mark, StoreError};

/// A request on its way, and what is known of it.
pub(super) struct Call<S, B> {
    pub(super) page: Arc<Page>,
    pub(super) inner: S,
    pub(super) request: Request<B>,
    pub(super) base: Box<[u8]>,
    /// How much of it names the page, whichever of nested layers this is.
    pub(super) core: usize,
    /// Does the handler see who is asking?
    pub(super) credentials: bool,
    pub(super) head_only: bool,
    pub(super) no_store: bool,
    pub(super) shown: Shown,
    /// The count of ended flights before the store was looked up.
    pub(super) ended: u64,
    /// Until when it waits for flights, once it does.
    pub(super) until: Option<Instant>,
}

pub(super) type Answer<B, E> = Result<Response<PageBody<B>>, E>;

pub(super) async fn fill<S, ReqBody, ResBody>(
    mut call: Call<S, ReqBody>,
    missed: Option<Missed>,
    leading: Arc<AtomicBool>,
) -> Answer<ResBody, S::Error>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    ReqBody: Body + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    let mut missed = match missed {
        Some(missed) => missed,
        None => match call.look_up().await {
            Ok(Looked::Answered(response)) => return Ok(response),
            Ok(Looked::Missed(missed)) => missed,
            Err(_) => return call.forward(Reason::Bypassed(Bypass::Store)).await,
        },
    };
    if call.head_only {
        return call.forward(Reason::Bypassed(Bypass::Head)).await;
    }
    if call.no_store {
        return call.forward(Reason::Bypassed(Bypass::NoStore)).await;
    }

    let marks = call.marks();
    let mut waited = false;
    let mut rounds = 0;
    let lead = loop {
        match call.round(&mut missed, &marks, rounds).await {
            Round::Answered(response) => return Ok(response),
            Round::Lead(lead) => {
                // Others count on it from here on: it outlives its client.
                leading.store(true, Ordering::Release);
                break lead;
            }
            Round::Alone { waited: again } => {
                waited |= again;
                break Lead::alone(&call.page.cache.shared, &missed.flight, missed.stamp);
            }
            Round::Again => {
                waited = true;
                rounds += 1;
            }
        }
    };
    call.lead(lead, missed.absence, marks, waited).await
}

/// What a look-up at the store came to.
pub(super) enum Looked<B> {
    Answered(Response<PageBody<B>>),
    Missed(Missed),
}

impl<S, B> Call<S, B> {
    /// Looks the store up, and answers from it if it can.
    pub(super) async fn look_up<R>(&mut self) -> Result<Looked<R>, StoreError> {
        let shared = &self.page.cache.shared;
        let now = shared.clock.now();
        match lookup(shared, &self.base, self.request.headers(), now).await? {
            Lookup::Missed(missed) => Ok(Looked::Missed(missed)),
            Lookup::Fresh(record) => {
                let head = RequestHead::of(&self.request);
                respond::hit(&self.page, &record, &head, self.head_only, now)
                    .map(Looked::Answered)
                    .ok_or_else(|| StoreError::new("read", "the record is not a page"))
            }
        }
    }

    /// The marks that a page of this request carries whatever the handler adds.
    fn marks(&self) -> Vec<Mark> {
        let shared = &self.page.cache.shared;
        let mut marks = vec![
            shared.namespace_mark,
            shared.key_mark(&self.base[..self.core]),
        ];
        let head = RequestHead::of(&self.request);
        if let Ok(seen) = screen(&head, false, &[])
            && let Ok((host, path, query)) = address_of(&self.page.policy, &head, &seen)
        {
            marks.extend(page_marks(
                &shared.space,
                host.as_bytes(),
                &path,
                query.as_deref(),
            ));
        }
        marks.extend_from_slice(&self.page.policy.tags);
        marks
    }
}

impl<S, ReqBody> Call<S, ReqBody> {
    /// Asks the handler and passes its answer on.
    async fn forward<ResBody>(mut self, reason: Reason) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        withhold(&self.page, &mut self.request);
        trace(&mut self.request);
        let mut response = self.inner.oneshot(self.request).await?;
        let page = &self.page;
        respond::forwarded(page, &mut response, reason, self.shown, &page.policy.tags);
        Ok(response.map(PageBody::passed))
    }
}
