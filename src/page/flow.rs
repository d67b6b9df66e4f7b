//! The way of a request that nothing stored answers at once: follow a flight, or lead one to the handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_service::Service;

use super::answer::{self, Beside};
use super::asker::Asker;
use super::body::PageBody;
use super::flight::Lead;
use super::follow::Round;
use super::future::Course;
use super::handle::Looked as Asked;
use super::key::{KeyBuf, address_of};
use super::layer::Page;
use super::lookup::{Asking, Lookup, Missed, lookup};
use super::respond::{self, Outcome};
use super::reuse::is_better_than_waiting;
use super::screen::{Content, screen};
use super::search::SearchKey;
use super::service::{trace, withhold};
use super::want::Want;
use crate::background::LONGEST_ALONE;
use crate::between::Deadline;
use crate::cache::page_marks;
use crate::content::BoxError;
use crate::monitor::{Absence, Bypass, Failure, Reason, StaleUse, Unanswered};
use crate::request::RequestHead;
use crate::store::{Mark, Record, StoreError};

/// A request on its way, and what is known of it.
pub(super) struct Call<S, B> {
    pub(super) page: Arc<Page>,
    pub(super) inner: S,
    pub(super) request: Request<B>,
    pub(super) base: Box<[u8]>,
    /// How much of it names the page, whichever of nested layers this is.
    pub(super) core: usize,
    /// Is there content in the key?
    pub(super) content: Content,
    pub(super) asker: Asker,
    /// Does the handler see credentials that the key does not hold?
    pub(super) credentials: bool,
    pub(super) authorization_alone: bool,
    pub(super) want: Want,
    /// Where pages of equivalent targets stand.
    pub(super) search: Option<SearchKey>,
    /// The count of ended flights before the store was looked up.
    pub(super) ended: u64,
    /// Until when it waits for flights, once it does.
    pub(super) until: Option<Instant>,
}

pub(super) type Answer<B, E> = Result<Response<PageBody<B>>, E>;

/// Answers, whatever it takes. `missed` is what a look-up without waiting came to.
///
/// What hits of a store elsewhere do not come to is boxed where it begins: a future has room for all of its parts from the start, and to
/// make and move that for each hit costs more than the rest of it.
pub(super) async fn fill<S, ReqBody, ResBody>(
    mut call: Call<S, ReqBody>,
    missed: Option<Missed>,
    course: Arc<Course>,
) -> Answer<ResBody, S::Error>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    let missed = match missed {
        Some(missed) => missed,
        None => match call.look_up().await {
            Ok(Looked::Answered(response)) => return Ok(response),
            Ok(Looked::Refreshing(response, missed)) => {
                super::refresh::start(call, missed);
                return Ok(response);
            }
            Ok(Looked::Missed(missed)) => missed,
            Err(_) => return Box::pin(call.forward(Reason::Bypassed(Bypass::Store))).await,
        },
    };
    let missed = match missed.stored.is_empty() {
        false => missed,
        true => match Box::pin(call.look_up_equivalent(missed)).await {
            Ok(Looked::Answered(response)) => return Ok(response),
            Ok(Looked::Refreshing(response, missed)) => {
                super::refresh::start(call, missed);
                return Ok(response);
            }
            Ok(Looked::Missed(missed)) => missed,
            // One wait for a store that is unwell is enough.
            Err(_) => return Box::pin(call.forward(Reason::Bypassed(Bypass::Store))).await,
        },
    };
    let wants_part = call.want.ranged && call.page.policy.rules.parts && missed.stored.is_empty();
    if call.want.advice.only_if_cached {
        if wants_part && let Some(response) = Box::pin(call.stored_range()).await {
            return Ok(response);
        }
        return Ok(answer::unanswered(
            &call.page,
            Unanswered::OnlyIfCached,
            call.want.account.told(),
        ));
    }
    let race = Race::of(&call, &missed, course.clone());
    if call.want.head_only {
        return race.run(Box::pin(call.forward_head(missed))).await;
    }
    if call.want.no_store {
        let reason = Reason::Bypassed(Bypass::NoStore);
        return race.run(Box::pin(call.forward(reason))).await;
    }
    if wants_part {
        return race.run(Box::pin(call.range(missed, course))).await;
    }
    // What is stored is asked for anew as a whole, and the range is cut from that.
    if call.want.ranged && !call.page.policy.rules.parts && !missed.can_be_validated() {
        let reason = Reason::Bypassed(Bypass::Range);
        return race.run(Box::pin(call.forward(reason))).await;
    }
    race.run(Box::pin(follow_or_lead(call, missed, course)))
        .await
}

/// The rounds of following, and then leading, if that is what remains.
async fn follow_or_lead<S, ReqBody, ResBody>(
    mut call: Call<S, ReqBody>,
    mut missed: Missed,
    course: Arc<Course>,
) -> Answer<ResBody, S::Error>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Body + Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    let marks = call.marks();
    let mut waited = false;
    let mut rounds = 0;
    let lead = loop {
        match call.round(&mut missed, &marks, rounds).await {
            Round::Answered(response) => return Ok(response),
            Round::Lead(lead) => {
                // Others count on it from here on: it outlives its client.
                course.lead();
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
    course.ask();
    let is_whole = !call.want.ranged && missed.stored.is_empty();
    let beginning = match is_whole && call.page.policy.rules.parts {
        true => call.beginning().await,
        false => None,
    };
    if beginning.is_some() {
        missed.absence = Absence::Partial;
    }
    call.lead(lead, missed, beginning, marks, waited).await
}

/// How much of its time a client leaves for a stale answer to reach it.
const FOR_THE_WAY: u32 = 10;

/// After how long something stale is better than waiting: after the policy's soft timeout, and before the client's deadline.
fn soft_timeout<S, B>(call: &Call<S, B>) -> Option<Duration> {
    let deadline = call.request.extensions().get::<Deadline>();
    let left = deadline.map(|Deadline(until)| until.saturating_duration_since(Instant::now()));
    let in_time = left.map(|left| left - left / FOR_THE_WAY);
    call.page
        .policy
        .soft_timeout
        .into_iter()
        .chain(in_time)
        .min()
}

/// A handler against the policy's timeouts. What it does not finish in time goes on in the background.
struct Race {
    page: Arc<Page>,
    want: Want,
    course: Arc<Course>,
    /// What answers after how long.
    stale: Option<(Duration, Arc<Record>)>,
}

impl Race {
    fn of<S, B>(call: &Call<S, B>, missed: &Missed, course: Arc<Course>) -> Self {
        let now = call.page.cache.shared.clock.now();
        let soft = soft_timeout(call);
        let stale = missed.stored.iter().find(|stored| {
            soft.is_some()
                && stored.page().is_some_and(|page| {
                    let times = &stored.record.times;
                    is_better_than_waiting(times, page.terms(), &call.want.advice, now)
                })
        });
        Self {
            page: call.page.clone(),
            want: call.want.clone(),
            course,
            stale: soft.zip(stale.map(|stored| stored.record.clone())),
        }
    }

    async fn run<B, E>(
        self,
        mut work: Pin<Box<dyn Future<Output = Answer<B, E>> + Send>>,
    ) -> Answer<B, E>
    where
        B: Send + 'static,
        E: Send + 'static,
    {
        let policy = &self.page.policy;
        if let Some((soft, stale)) = &self.stale {
            match tokio::time::timeout(*soft, &mut work).await {
                Ok(answer) => return answer,
                Err(_) => {
                    let outcome = Outcome::of(Reason::StaleOnError(Failure::Slow));
                    let now = self.page.cache.shared.clock.now();
                    let wish = self.want.wish();
                    // Where the client has gone, nobody is in a hurry, and the work is in the background already.
                    if !self.course.is_detached()
                        && let Some(response) =
                            answer::from_record(&self.page, stale, wish, outcome, now)
                    {
                        self.finish(work);
                        return Ok(response);
                    }
                }
            }
        }
        let Some(hard) = policy.hard_timeout else {
            return work.await;
        };
        match tokio::time::timeout(hard, &mut work).await {
            Ok(answer) => answer,
            Err(_) if self.course.is_detached() => work.await,
            Err(_) => {
                let response =
                    answer::unanswered(&self.page, Unanswered::TimedOut, self.want.account.told());
                self.finish(work);
                Ok(response)
            }
        }
    }

    /// What has asked the handler goes on; what only waited for another's answer is dropped.
    fn finish<B, E>(&self, work: Pin<Box<dyn Future<Output = Answer<B, E>> + Send>>)
    where
        B: Send + 'static,
        E: Send + 'static,
    {
        if !self.course.has_asked() {
            return;
        }
        let background = &self.page.cache.shared.background;
        background.spawn(Box::pin(async move {
            drop(tokio::time::timeout(LONGEST_ALONE, work).await);
        }));
    }
}

/// What a look-up at the store came to.
pub(super) enum Looked<B> {
    Answered(Response<PageBody<B>>),
    /// Answered with something stale, which is to be refreshed.
    Refreshing(Response<PageBody<B>>, Missed),
    Missed(Missed),
}

impl<B> Looked<B> {
    /// What a request accepts as it is need not be refreshed.
    pub(super) fn of_stale(response: Response<PageBody<B>>, why: StaleUse, missed: Missed) -> Self {
        match why {
            StaleUse::WhileRevalidated => Self::Refreshing(response, missed),
            StaleUse::Accepted => Self::Answered(response),
        }
    }
}

impl<S, B> Call<S, B> {
    /// Adds the content of the request to its key.
    pub(super) fn key_content(&mut self, add: impl FnOnce(&mut KeyBuf, &HeaderMap)) {
        let mut key = KeyBuf::new();
        key.push(&self.base);
        add(&mut key, self.request.headers());
        self.base = key.as_bytes().into();
    }

    /// Looks the store up, and answers from it if it can.
    pub(super) async fn look_up<R>(&mut self) -> Result<Looked<R>, StoreError> {
        let shared = &self.page.cache.shared;
        let now = shared.clock.now();
        let asking = Asking {
            headers: self.request.headers(),
            advice: &self.want.advice,
            owner: self.asker.owner,
            legible: self.page.policy.legible,
        };
        let foreign = || StoreError::new("read", "the record is not a page");
        match lookup(shared, &self.base, asking, now).await? {
            Lookup::Missed(missed) => Ok(Looked::Missed(missed)),
            Lookup::Fresh(record) => {
                let beside = Beside::of(self.request.extensions());
                answer::hit(&self.page, &record, self.want.wish(), beside, now)
                    .map(Looked::Answered)
                    .ok_or_else(foreign)
            }
            Lookup::Stale(record, why, missed) => {
                let outcome = Outcome::of(Reason::StaleHit(why));
                answer::from_record(&self.page, &record, self.want.wish(), outcome, now)
                    .map(|response| Looked::of_stale(response, why, missed))
                    .ok_or_else(foreign)
            }
        }
    }

    /// The marks that a page of this request carries whatever the handler adds.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let shared = &self.page.cache.shared;
        let mut marks = shared.space_marks().to_vec();
        marks.push(shared.key_mark(&self.base[..self.core]));
        let head = RequestHead::of(&self.request);
        if let Ok(seen) = screen(&head, self.content, &[])
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
        marks.extend(self.asker.owner.mark(shared));
        marks
    }
}

impl<S, ReqBody> Call<S, ReqBody> {
    /// Asks the handler and passes its answer on.
    pub(super) async fn forward<ResBody>(mut self, reason: Reason) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        withhold(&self.page, &mut self.request);
        let looked = match reason {
            Reason::Bypassed(why) => Asked::Bypassed(why),
            _ => Asked::Missed(Absence::Uri),
        };
        let (_, handle) = trace(&mut self.request, &self.page.cache, looked);
        let asking = self.want.account.around(self.inner.oneshot(self.request));
        let mut response = asking.await?;
        handle.add_to(response.extensions_mut());
        let page = &self.page;
        let told = self.want.account.told();
        if response.status() == StatusCode::NOT_MODIFIED && !self.want.conditional {
            return Ok(answer::unanswered(page, Unanswered::NotModified, told));
        }
        respond::forwarded(page, &mut response, reason, told, &page.policy.tags);
        Ok(response.map(PageBody::passed))
    }
}
