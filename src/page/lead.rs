//! Leading a flight: the handler is asked, and its answer judged, recorded and shared.

use bytes::Bytes;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE};
use http::response::Parts;
use http::{Extensions, Request, Response, StatusCode};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::account::Told;
use super::answer::{self, spare_the_body};
use super::asker::Read;
use super::beginning::Beginning;
use super::body::{PageBody, boxed};
use super::confirm::{Confirming, ForOthers};
use super::fill::{Fill, Judged};
use super::flight::Lead;
use super::flow::{Answer, Call};
use super::handle::Looked;
use super::lookup::{Missed, Stored};
use super::negotiate::normalise;
use super::respond::{self, Outcome};
use super::search::tell;
use super::service::{canonicalise, trace, withhold};
use super::storable::is_plain_path;
use super::unreachable::Unreachable;
use super::validate::add_validators;
use crate::between::IsRefusal;
use crate::cache::Origin;
use crate::content::{AnyBody, BoxError};
use crate::monitor::{Failure, NotStored, Reason, Unanswered};
use crate::request::{RequestHead, matched_path};
use crate::store::{Mark, Stamp};

impl<S, ReqBody> Call<S, ReqBody> {
    /// Asks the handler, and decides what becomes of its answer.
    pub(super) async fn lead<ResBody>(
        mut self,
        lead: Lead,
        missed: Missed,
        beginning: Option<Beginning>,
        marks: Vec<Mark>,
        waited: bool,
    ) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let told = self.search_field();
        withhold(&self.page, &mut self.request);
        canonicalise(&self.page, &mut self.request, self.content);
        let is_for_all = lead.is_public() && !self.credentials;
        let asks = self.ask_with(&missed, is_for_all);
        // What is stored, if it is, is filed under this form.
        normalise(self.request.headers_mut());
        if let Some(beginning) = &beginning {
            beginning.ask(self.request.headers_mut());
        }
        let fill = self.fill(lead.stamp(), marks, Looked::Missed(missed.absence));
        let asking = self.want.account.around(self.inner.oneshot(self.request));
        let settling = Settling {
            want: &self.want,
            missed: &missed,
            beginning: beginning.as_ref(),
            waited,
            asks,
        };
        match asking.await {
            Ok(mut response) => {
                tell(&mut response, told);
                fill.handle.add_to(response.extensions_mut());
                Ok(settling.settle(fill, lead, response).await)
            }
            // A service that fails altogether has not been reached.
            Err(error) => settling
                .stand_in(&fill, lead, Failure::Unreachable, None)
                .map_err(|_| error),
        }
    }

    /// Puts the conditions into the request under which the handler need not answer in full.
    fn ask_with(&mut self, missed: &Missed, is_for_all: bool) -> Asks {
        let headers = self.request.headers_mut();
        // What is filled or confirmed is the whole page.
        headers.remove(RANGE);
        headers.remove(IF_RANGE);
        let pages = missed.stored.iter().filter_map(Stored::page);
        if add_validators(headers, pages) {
            return Asks::Validators;
        }
        if is_for_all {
            // What one client has already must not keep the page from everyone: a fill asks for all of it. What is asked with credentials is
            // seldom for everyone, and keeps its validation.
            for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE] {
                headers.remove(name);
            }
        }
        match headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE) {
            true => Asks::AsTheClient,
            false => Asks::ForAll,
        }
    }

    /// What is known when the handler is asked.
    pub(super) fn fill(&mut self, stamp: Stamp, marks: Vec<Mark>, looked: Looked) -> Fill {
        let (traced, handle) = trace(&mut self.request, &self.page.cache, looked);
        // Of the request as the handler gets it: what was withheld tells nobody.
        let head = RequestHead::of(&self.request);
        let holds_the_user = self.asker.holds_the_user(&self.page, &head);
        Fill {
            route: self
                .page
                .policy
                .label
                .clone()
                .or_else(|| matched_path(self.request.extensions()).map(str::to_owned)),
            stamp: traced.trace.stamp(stamp),
            selecting: self.request.headers().clone(),
            page: self.page.clone(),
            base: self.base.clone(),
            asker: self.asker.clone(),
            read: Read::of(&traced.trace, holds_the_user),
            credentials: self.credentials || !holds_the_user,
            authorization_alone: self.authorization_alone && holds_the_user,
            handle,
            marks,
            origin: match self.page.policy.groups {
                true => Origin::of(&head, self.page.policy.forwarding),
                false => None,
            },
            plain_path: is_plain_path(RequestHead::of(&self.request).target().path()),
            asked: self.page.cache.shared.clock.now(),
            asked_micros: self.page.cache.shared.clock.micros(),
            search: self.search.clone(),
            ranged: false,
        }
    }
}

/// Under which conditions the handler was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Under none: the answer is the whole page.
    ForAll,
    /// Under those of its client alone.
    AsTheClient,
    /// Under those of what is stored, and of its client.
    Validators,
}

/// What the handler's answer is settled by.
struct Settling<'a> {
    want: &'a super::want::Want,
    missed: &'a Missed,
    /// What was asked for is the rest of this.
    beginning: Option<&'a Beginning>,
    waited: bool,
    asks: Asks,
}

impl Settling<'_> {
    async fn settle<B>(
        self,
        fill: Fill,
        mut lead: Lead,
        response: Response<B>,
    ) -> Response<PageBody<B>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if let Some(beginning) = self.beginning
            && !response.status().is_server_error()
        {
            // Whatever comes, it is of no use any more: the rest of it is here, or there is none.
            fill.take_away(beginning.stored()).await;
        }
        if response.status() == StatusCode::NOT_MODIFIED {
            return self.confirm(fill, lead, response).await;
        }
        if let Some(how) = failure_of(response.status(), response.extensions()) {
            let status = response.status();
            match self.stand_in(&fill, lead, how, Some(status)) {
                Ok(stale) => return stale,
                Err(Some(given_back)) => lead = given_back,
                Err(None) => {
                    let mut response = response.map(PageBody::passed);
                    self.finish(&fill, &mut response, NotStored::Status);
                    return response;
                }
            }
        }
        if response.extensions().get::<IsRefusal>().is_some() {
            // A limit within has refused this client, and says nothing of the page: whoever waits begins anew.
            drop(lead);
            let mut response = response.map(PageBody::passed);
            self.finish(&fill, &mut response, NotStored::Status);
            return response;
        }
        if let Some(beginning) = self.beginning
            && matches!(
                response.status(),
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE
            )
        {
            return self.complete(fill, lead, response, beginning);
        }
        if response.status().is_server_error() && self.has_something_good() {
            return self.pass(&fill, lead, response, NotStored::Status);
        }
        match fill.judge(&response) {
            Err(why) => self.pass(&fill, lead, response, why),
            Ok(judged) => {
                let (parts, body) = response.into_parts();
                self.store(fill, lead, parts, boxed(body), judged)
            }
        }
    }

    fn told(&self) -> Told<'_> {
        self.want.account.told()
    }

    /// Is there something that an error must not replace (RFC 9111 §4.3.3)?
    fn has_something_good(&self) -> bool {
        let mut pages = self.missed.stored.iter().filter_map(Stored::page);
        pages.any(|page| !page.status().is_server_error())
    }

    /// The rest of what is stored has come, or what claims to be.
    fn complete<B>(
        &self,
        mut fill: Fill,
        lead: Lead,
        response: Response<B>,
        beginning: &Beginning,
    ) -> Response<PageBody<B>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = response.into_parts();
        // The rest is one person's, if it is, whatever the beginning says.
        let may_merge = fill.may_merge(&parts.headers);
        let Some((parts, body)) = beginning.complete(&fill, parts, body) else {
            drop(lead);
            return answer::unanswered(&fill.page, Unanswered::Part, self.told());
        };
        match beginning.judge(&mut fill, &parts, may_merge) {
            Ok(judged) => self.store(fill, lead, parts, body, judged),
            Err(why) => {
                fill.refuse(lead, why);
                let mut response = Response::from_parts(parts, PageBody::joined(body));
                self.finish(&fill, &mut response, why);
                response
            }
        }
    }

    /// A 304: about what is stored, or about what the client has.
    async fn confirm<B>(
        self,
        fill: Fill,
        lead: Lead,
        response: Response<B>,
    ) -> Response<PageBody<B>> {
        let now = fill.page.cache.shared.clock.now();
        let (parts, body) = response.into_parts();
        let confirming = Confirming::of(&fill, self.missed, self.want, self.asks, &parts).await;
        match confirming {
            Confirming::Holds(stored, others) => {
                let reason = Reason::Validated(self.missed.absence);
                let is_stored = matches!(others, ForOthers::Same | ForOthers::Selected);
                let outcome = Outcome::of(reason)
                    .with_status(Some(parts.status))
                    .with_stored(is_stored);
                let wish = self.want.wish();
                match answer::from_record(&fill.page, &stored.record, wish, outcome, now) {
                    Some(answer) => {
                        if !matches!(others, ForOthers::Refused(_)) {
                            let shared = &fill.page.cache.shared;
                            shared.unwell.forget(lead.key(), false);
                        }
                        match others {
                            ForOthers::Same | ForOthers::Unchanged | ForOthers::Unwell => {
                                lead.validated(stored);
                            }
                            ForOthers::Selected => lead.look_up(),
                            ForOthers::Refused(why) => fill.refuse(lead, why),
                        }
                        answer
                    }
                    None => answer::unanswered(&fill.page, Unanswered::NotModified, self.told()),
                }
            }
            // It answers this client's condition, and says nothing of the page: who waited begins anew.
            Confirming::TheClients if self.want.conditional => {
                drop(lead);
                let mut response = Response::from_parts(parts, PageBody::passed(body));
                self.finish(&fill, &mut response, NotStored::Status);
                response
            }
            Confirming::TheClients | Confirming::Contradicted => {
                drop(lead);
                answer::unanswered(&fill.page, Unanswered::NotModified, self.told())
            }
        }
    }

    /// Answers with something stale, if there is something that may; else gives the flight back, or ends it in vain.
    fn stand_in<B>(
        &self,
        fill: &Fill,
        lead: Lead,
        how: Failure,
        status: Option<StatusCode>,
    ) -> Result<Response<PageBody<B>>, Option<Lead>> {
        let page = &fill.page;
        let shared = &page.cache.shared;
        let now = shared.clock.now();
        if self.missed.stored.is_empty() {
            return Err(Some(lead));
        }
        // A background refresh is not tried again at once.
        shared.unwell.note(lead.key(), false, now);
        let reaches = page.policy.rules.unreachable;
        if let Some(stored) = self.missed.stand_in(&self.want.advice, how, reaches, now) {
            let outcome = Outcome::of(Reason::StaleOnError(how))
                .with_status(status)
                .with_absence(self.missed.absence);
            let wish = self.want.wish();
            if let Some(answer) = answer::from_record(page, &stored.record, wish, outcome, now) {
                lead.fail(how);
                return Ok(answer);
            }
        }
        lead.fail(how);
        if how == Failure::Unreachable && status.is_some() && self.missed.must_be_validated() {
            return Ok(answer::unanswered(
                page,
                Unanswered::MustRevalidate,
                self.told(),
            ));
        }
        Err(None)
    }

    /// Passes on what is not stored.
    fn pass<B>(
        &self,
        fill: &Fill,
        lead: Lead,
        response: Response<B>,
        why: NotStored,
    ) -> Response<PageBody<B>> {
        fill.refuse(lead, why);
        let mut response = response.map(PageBody::passed);
        self.finish(fill, &mut response, why);
        self.spare(fill, response, why)
    }

    fn finish<B>(&self, fill: &Fill, response: &mut Response<B>, why: NotStored) {
        let absence = self.missed.absence;
        let reason = match self.waited {
            false => Reason::Refused(absence, why),
            true => Reason::RefusedAlone(absence, why),
        };
        respond::forwarded(&fill.page, response, reason, self.told(), &fill.marks);
    }

    /// Stores the answer while it streams.
    fn store<B>(
        &self,
        fill: Fill,
        lead: Lead,
        parts: Parts,
        body: AnyBody,
        judged: Judged,
    ) -> Response<PageBody<B>> {
        let page = fill.page.clone();
        let mut response = fill.record(lead, parts, body, judged);
        let absence = self.missed.absence;
        let reason = match self.waited {
            false => Reason::Stored(absence),
            true => Reason::StoredAlone(absence),
        };
        // Its marks are in its extensions already.
        respond::forwarded(&page, &mut response, reason, self.told(), &[]);
        match self.want.conditional {
            true => spare_the_body(&page, response, &self.want.headers),
            false => response,
        }
    }

    /// The conditions that the handler did not see are judged here. Of what is for one person, only tags count, since dates tell nobody apart;
    /// and what is not stored has no date but its own (RFC 9110 §13.1.3).
    fn spare<B>(
        &self,
        fill: &Fill,
        response: Response<PageBody<B>>,
        why: NotStored,
    ) -> Response<PageBody<B>> {
        let is_dated = !why.is_personal() && response.headers().contains_key(LAST_MODIFIED);
        let is_told_apart = is_dated || self.want.headers.contains_key(IF_NONE_MATCH);
        match self.want.conditional && is_told_apart && self.asks == Asks::ForAll {
            true => spare_the_body(&fill.page, response, &self.want.headers),
            false => response,
        }
    }
}

/// The situations in which something stale may stand in (RFC 5861 §4).
pub(super) fn failure_of(status: StatusCode, extensions: &Extensions) -> Option<Failure> {
    if extensions.get::<Unreachable>().is_some() {
        return Some(Failure::Unreachable);
    }
    matches!(status.as_u16(), 500 | 502 | 503 | 504).then_some(Failure::Status)
}
