//! The way of a request that found nothing to answer: follow a flight, or lead one to the handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::watch;
use tower::ServiceExt;
use tower_service::Service;

use super::body::{BoxError, Boxed, PageBody, Reader};
use super::commit::{Commit, Ending};
use super::control::PageControl;
use super::flight::{self, Flight, Flights, Join, Lead, Phase};
use super::freshness::Exchange;
use super::key::address_of;
use super::layer::Page;
use super::lookup::{Lookup, Missed, lookup};
use super::record::{Bounds, Recording, Role};
use super::request::{RequestHead, matched_path};
use super::respond::{self, Inherited, Shown};
use super::screen::screen;
use super::service::{canonicalise, trace, withhold};
use super::share::SharedPage;
use super::storable::{Asked, Plan, storable};
use super::stored::StoredPage;
use super::variants::variant_key;
use crate::cache::{CacheTags, page_marks};
use crate::identity::Traced;
use crate::monitor::{Absence, Bypass, NotStored, Reason};
use crate::store::{Mark, Stamp, StoreError};

/// How many flights a request follows before it goes alone.
const ROUNDS: usize = 2;

/// A request on its way, and what is known of it.
pub(super) struct Call<S, B> {
    pub(super) page: Arc<Page>,
    pub(super) inner: S,
    pub(super) request: Request<B>,
    pub(super) base: Box<[u8]>,
    /// The query that the handler must see, where the policy's rule has changed it.
    pub(super) query: Option<Option<String>>,
    /// Does the handler see who is asking?
    pub(super) credentials: bool,
    pub(super) head_only: bool,
    pub(super) no_store: bool,
    pub(super) shown: Shown,
    /// The count of ended flights before the store was looked up.
    pub(super) ended: u64,
}

type Answer<B, E> = Result<Response<PageBody<B>>, E>;

/// What the rounds of following came to.
enum Round<B> {
    Answered(Response<PageBody<B>>),
    Lead(Lead),
    Alone(Option<NotStored>),
    Again,
}

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
    let mut waited = None;
    let mut rounds = 0;
    let lead = loop {
        match call.round(&mut missed, &marks, rounds).await {
            Round::Answered(response) => return Ok(response),
            Round::Lead(lead) => {
                // Others count on it from here on: it outlives its client.
                leading.store(true, Ordering::Release);
                break lead;
            }
            Round::Alone(why) => {
                waited = why.or(waited);
                break Lead::alone(&call.page.cache.shared, &missed.flight, missed.stamp);
            }
            Round::Again => {
                waited = Some(NotStored::Abandoned);
                rounds += 1;
            }
        }
    };
    call.lead(lead, missed.absence, marks, waited).await
}

enum Looked<B> {
    Answered(Response<PageBody<B>>),
    Missed(Missed),
}

impl<S, B> Call<S, B> {
    /// Looks the store up, and answers from it if it can.
    async fn look_up<R>(&mut self) -> Result<Looked<R>, StoreError> {
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
        let mut marks = vec![shared.namespace_mark, shared.key_mark(&self.base)];
        let head = RequestHead::of(&self.request);
        if let Ok(seen) = screen(&head, false, &[])
            && let Ok((host, path, query)) = address_of(&self.page.policy, &head, &seen)
        {
            // Whoever fills the page, its address is that of its key.
            let query = self.query.clone().unwrap_or(query);
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

    /// Joins the flight for this page once.
    async fn round<R>(&mut self, missed: &mut Missed, marks: &[Mark], rounds: usize) -> Round<R> {
        let shared = self.page.cache.shared.clone();
        let now = shared.clock.now();
        if rounds >= ROUNDS {
            return Round::Alone(None);
        }
        let remembered = shared
            .remembered
            .holds(&missed.flight, self.credentials, now);
        if remembered {
            return Round::Alone(None);
        }
        let mut join = Flights::join(&shared, &missed.flight, missed.stamp);
        if let Join::Follow(flight, _) = &join {
            // A flight that began before a purge is nothing to wait for: what it brings may be what was purged.
            match admits(&shared, flight.stamp, marks).await {
                Ok(true) => {}
                Ok(false) => {
                    let (struck, outlawed) = (missed.flight.clone(), flight.clone());
                    // The stamp of the look-up may be as old as that flight's.
                    match self.look_up().await {
                        Ok(Looked::Answered(response)) => return Round::Answered(response),
                        Ok(Looked::Missed(fresh)) => *missed = fresh,
                        Err(_) => return Round::Alone(Some(NotStored::Store)),
                    }
                    Flights::retire(&shared, &struck, &outlawed);
                    join = Flights::join(&shared, &missed.flight, missed.stamp);
                }
                Err(_) => return Round::Alone(Some(NotStored::Store)),
            }
        }
        match join {
            Join::Crowded => Round::Alone(Some(NotStored::Crowded)),
            Join::Lead(lead) => self.check_again(lead, missed).await,
            Join::Follow(flight, phase) => self.follow(&flight, phase, missed).await,
        }
    }

    /// Waits for what a flight brings.
    async fn follow<R>(
        &mut self,
        flight: &Arc<Flight>,
        mut phase: watch::Receiver<Phase>,
        missed: &mut Missed,
    ) -> Round<R> {
        let until = flight::patience();
        let mut settled = flight::head(&mut phase, until).await;
        if let Some(Phase::Shared(page)) = &settled
            && !page.is_ready()
        {
            // Whoever may not take it need not wait for its end, which may be far.
            if let Some(round) = self.pass_over(page, flight, missed).await {
                return round;
            }
            settled = flight::whole(&mut phase, until).await;
        }
        match settled {
            None => Round::Alone(Some(NotStored::Waited)),
            // That was for what the leader asked with, which this request does not.
            Some(Phase::Refused(NotStored::Credentials)) if !self.credentials => Round::Again,
            Some(Phase::Refused(why)) => Round::Alone(Some(why)),
            Some(Phase::Open | Phase::Abandoned) => Round::Again,
            Some(Phase::Shared(page)) => match self.pass_over(&page, flight, missed).await {
                Some(round) => round,
                None => self.take(&page, missed),
            },
        }
    }

    /// A flight may have landed between the look-up and the join: what it stored is a hit now.
    async fn check_again<R>(&mut self, lead: Lead, missed: &mut Missed) -> Round<R> {
        let ended = self.page.cache.shared.flights.ended();
        if ended == self.ended {
            return Round::Lead(lead);
        }
        self.ended = ended;
        match self.look_up().await {
            Ok(Looked::Answered(response)) => Round::Answered(response),
            Ok(Looked::Missed(fresh)) => {
                missed.absence = fresh.absence;
                Round::Lead(lead)
            }
            Err(_) => Round::Lead(lead),
        }
    }

    /// What else to do, if what a flight brought is not for this request, now.
    async fn pass_over<R>(
        &mut self,
        shared: &SharedPage,
        flight: &Arc<Flight>,
        missed: &mut Missed,
    ) -> Option<Round<R>> {
        if !shared.is_selected_by(&self.base, self.request.headers()) {
            // Those of one variant collapse among themselves.
            let key = variant_key(&self.base, &shared.vary, self.request.headers());
            return Some(match key {
                None => Round::Alone(Some(NotStored::VaryBounds)),
                Some(key) => {
                    missed.flight = key;
                    missed.absence = Absence::Vary;
                    Round::Again
                }
            });
        }
        let cache = self.page.cache.shared.clone();
        match admits(&cache, shared.stamp, &shared.marks).await {
            Ok(true) => (!shared.is_fresh(cache.clock.now())).then_some(Round::Again),
            Ok(false) => Some(match self.look_up().await {
                Ok(Looked::Answered(response)) => Round::Answered(response),
                Ok(Looked::Missed(fresh)) => {
                    // It may stream for long yet: whoever comes now leads or follows a newer one.
                    Flights::retire(&cache, &missed.flight, flight);
                    *missed = fresh;
                    Round::Again
                }
                Err(_) => Round::Alone(Some(NotStored::Store)),
            }),
            Err(_) => Some(Round::Alone(Some(NotStored::Store))),
        }
    }

    /// Answers with what a flight brought.
    fn take<R>(&self, shared: &SharedPage, missed: &Missed) -> Round<R> {
        let now = self.page.cache.shared.clock.now();
        match respond::collapsed(&self.page, shared, self.shown, missed.absence, now) {
            Some(response) => Round::Answered(response),
            None => Round::Alone(Some(NotStored::Incomplete)),
        }
    }
}

/// Would what was stamped so still be true? Who cannot be told goes alone, without asking again.
async fn admits(
    shared: &crate::cache::Shared,
    stamp: Stamp,
    marks: &[Mark],
) -> Result<bool, StoreError> {
    if cfg!(larder_without_join_rule) {
        return Ok(true);
    }
    shared.admits(stamp, marks).await
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
        respond::forwarded(
            &page.cache,
            page.policy.x_cache,
            &mut response,
            reason,
            self.shown,
        );
        Ok(response.map(PageBody::passed))
    }

    /// Asks the handler, and decides what becomes of its answer.
    async fn lead<ResBody>(
        mut self,
        lead: Lead,
        absence: Absence,
        marks: Vec<Mark>,
        waited: Option<NotStored>,
    ) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let page = self.page.clone();
        let shared = &page.cache.shared;
        withhold(&page, &mut self.request);
        if let Some(query) = &self.query {
            canonicalise(&mut self.request, query.as_deref());
        }
        let traced = trace(&mut self.request);
        let fill = Fill {
            route: page
                .policy
                .label
                .clone()
                .or_else(|| matched_path(self.request.extensions()).map(str::to_owned)),
            stamp: traced.trace.stamp(lead.stamp()),
            selecting: self.request.headers().clone(),
            page: page.clone(),
            base: self.base,
            credentials: self.credentials,
            traced,
            marks,
            asked: shared.clock.now(),
        };

        let response = self.inner.oneshot(self.request).await?;
        let reason = |why| match waited {
            None => Reason::Refused(absence, why),
            Some(_) => Reason::Uncollapsed(absence, why),
        };
        let shown = self.shown;
        match fill.judge(&response) {
            Err(why) => {
                if response.status() == StatusCode::NOT_MODIFIED {
                    // It answers this client's condition, and says nothing of the page: who waited begins anew.
                    drop(lead);
                } else {
                    fill.refuse(lead, why);
                }
                let mut response = response.map(PageBody::passed);
                let x_cache = page.policy.x_cache;
                respond::forwarded(&page.cache, x_cache, &mut response, reason(why), shown);
                Ok(response)
            }
            Ok(judged) => {
                let mut response = fill.record(lead, response, judged);
                let x_cache = page.policy.x_cache;
                let reason = Reason::Stored(absence);
                respond::forwarded(&page.cache, x_cache, &mut response, reason, shown);
                Ok(response)
            }
        }
    }
}

/// What was known when the handler was asked.
struct Fill {
    page: Arc<Page>,
    base: Box<[u8]>,
    credentials: bool,
    traced: Traced,
    stamp: Stamp,
    marks: Vec<Mark>,
    /// The request's fields, for those that select.
    selecting: http::HeaderMap,
    asked: crate::clock::Now,
    route: Option<String>,
}

/// A response that will be stored.
struct Judged {
    plan: Plan,
    exchange: Exchange,
    /// The key under the fields that select it.
    variant: Vec<u8>,
}

impl Fill {
    fn judge<B: Body>(&self, response: &Response<B>) -> Result<Judged, NotStored> {
        let shared = &self.page.cache.shared;
        let exchange = Exchange {
            asked: self.asked,
            answered: shared.clock.now(),
            wall: shared.clock.wall(),
        };
        let asked = Asked {
            credentials: self.credentials,
            identity_read: self.traced.trace.has_read_identity(),
            default_ttl: shared.default_ttl,
        };
        let plan = storable(
            response.status(),
            response.headers(),
            PageControl::of(response.extensions()),
            response.body().size_hint().exact(),
            asked,
            &self.page.policy,
            &exchange,
        )?;
        // Selecting values that are too long to be looked up again are not stored under either.
        let variant =
            variant_key(&self.base, &plan.vary, &self.selecting).ok_or(NotStored::VaryBounds)?;
        Ok(Judged {
            plan,
            exchange,
            variant,
        })
    }

    fn refuse(&self, lead: Lead, why: NotStored) {
        let shared = &self.page.cache.shared;
        shared
            .remembered
            .note(lead.key(), self.credentials, shared.clock.now());
        lead.refuse(why);
        let route = self.route.as_deref().unwrap_or("(unnamed)");
        let warned = |flag: &AtomicBool| flag.swap(true, Ordering::Relaxed);
        match why {
            NotStored::Credentials if !warned(&self.page.warned_credentials) => {
                crate::log::credentials(route);
            }
            NotStored::Identity if !warned(&self.page.warned_identity) => {
                crate::log::identity(route);
            }
            _ => {}
        }
    }

    /// Records the body on its way to the client.
    fn record<B>(self, lead: Lead, response: Response<B>, judged: Judged) -> Response<PageBody<B>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = response.into_parts();
        let shared = self.page.cache.shared.clone();
        let policy = &self.page.policy;
        let Judged {
            plan,
            exchange,
            variant,
        } = judged;

        let mut marks = self.marks;
        if let Some(tags) = parts.extensions.get::<CacheTags>() {
            marks.extend(tags.iter().map(|tag| shared.tag_mark(tag)));
        }
        if let Some(inherited) = parts.extensions.get::<Inherited>() {
            marks.extend_from_slice(&inherited.0);
        }
        marks.sort_unstable();
        marks.dedup();
        let marks: Arc<[Mark]> = marks.into();
        parts.extensions.insert(Inherited(marks.clone()));

        let client = respond::complete_fields(&mut parts.headers, policy, exchange.wall);
        let head = || {
            StoredPage::new(
                parts.status,
                &parts.headers,
                plan.lifetime.as_secs(),
                client.clone(),
            )
        };
        let mut share = shared.budget.share();
        // Whoever is let in at the head must find room for the whole.
        let length = plan
            .length
            .filter(|length| usize::try_from(*length).is_ok_and(|length| share.grow_to(length)));
        let bounds = Bounds {
            limit: policy.max_body,
            length: plan.length,
            trailers: parts.headers.contains_key(http::header::TRAILER),
        };
        let recording = Recording::new(
            Box::pin(Boxed { body }),
            bounds,
            share,
            shared.background.clone(),
        );
        lead.share(Arc::new(SharedPage {
            head: head(),
            times: plan.times,
            stamp: self.stamp,
            marks: marks.clone(),
            vary: plan.vary.clone(),
            variant: variant.clone(),
            length,
            recording: recording.clone(),
        }));
        recording.begin(Ending {
            commit: Commit {
                page: self.page.clone(),
                base: self.base,
                variant,
                vary: plan.vary,
                date: respond::date_seconds(&parts.headers, exchange.wall),
                head: head(),
                stamp: self.stamp,
                times: plan.times,
                marks,
            },
            lead,
            credentials: self.credentials,
            background: shared.background.clone(),
        });
        let reader = Reader::new(recording, Role::Leader, plan.length);
        Response::from_parts(parts, PageBody::recorded(reader))
    }
}
