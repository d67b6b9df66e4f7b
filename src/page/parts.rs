//! Stored parts (206): answering ranges within them, and completing them (RFC 9111 §3.3, §3.4).
//!
//! A part stands under the page's key with a mark of its own, so that it never meets the whole page. One part of a page is kept at a time.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, IF_RANGE, RANGE};
use http::response::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::answer;
use super::body::{PageBody, boxed};
use super::excerpt::{Client, one_part};
use super::flight::{self, Flights, Join, Lead, Phase};
use super::flow::{Answer, Call};
use super::follow::ROUNDS;
use super::future::Course;
use super::handle::Looked;
use super::lookup::{Asking, Lookup, Missed, Stored, lookup};
use super::negotiate::normalise;
use super::partial::slice;
use super::precondition::if_range_holds;
use super::respond::{self, Inherited};
use super::service::{canonicalise, withhold};
use crate::content::BoxError;
use crate::header::{ContentRange, RangeSpec};
use crate::monitor::{Absence, Bypass, NotStored, Reason, Unanswered};
use crate::store::{Mark, Record, StoreError};

/// Ends the key of a page whose part it is. No part of a page's key begins so.
const PART: u8 = u8::MAX - 1;

impl<S, ReqBody> Call<S, ReqBody> {
    fn part_base(&self) -> Vec<u8> {
        let mut base = self.base.to_vec();
        base.push(PART);
        base
    }

    /// The stored part that this request selects, fresh or not.
    pub(super) async fn stored_part(&mut self) -> Result<Option<(Stored, bool)>, StoreError> {
        let shared = &self.page.cache.shared;
        let base = self.part_base();
        let asking = Asking {
            headers: self.request.headers(),
            advice: &self.want.advice,
            owner: self.asker.owner,
            legible: None,
        };
        let fresh = |record: Arc<Record>| {
            let key = base.clone().into();
            Some((Stored { key, record }, true))
        };
        let found = lookup(shared, &base, asking, shared.clock.now()).await?;
        Ok(match found {
            Lookup::Fresh(record) => fresh(record),
            Lookup::Missed(missed) | Lookup::Stale(_, _, missed) => missed
                .stored
                .into_iter()
                .next()
                .map(|stored| (stored, false)),
        })
    }

    /// Answers a range from a stored part alone.
    pub(super) async fn stored_range<R>(&mut self) -> Option<Response<PageBody<R>>> {
        match self.stored_part().await {
            Ok(Some((stored, true))) => self.answer_within(&stored),
            _ => None,
        }
    }

    /// A range that no stored page answers: from a stored part, or from the handler, whose part is stored.
    pub(super) async fn range<ResBody>(
        mut self,
        missed: Missed,
        course: Arc<Course>,
    ) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let page = self.page.clone();
        let mut absence = missed.absence;
        let part = match self.stored_part().await {
            Ok(part) => part,
            Err(_) => return self.forward(Reason::Bypassed(Bypass::Store)).await,
        };
        if let Some((stored, true)) = part {
            if let Some(response) = self.answer_within(&stored) {
                return Ok(response);
            }
            absence = Absence::Partial;
        }
        let marks = self.marks();
        let lead = match self.lead_range(&missed, absence, &marks).await {
            Ok(lead) => lead,
            Err(response) => return Ok(response),
        };
        if lead.is_public() {
            course.lead();
        }
        course.ask();
        withhold(&page, &mut self.request);
        canonicalise(&page, &mut self.request, self.content);
        normalise(self.request.headers_mut());
        let mut fill = self.fill(missed.stamp, marks, Looked::Missed(missed.absence));
        let part_base = self.part_base();
        let conditional = self.want.conditional;
        let asking = self.want.account.around(self.inner.oneshot(self.request));
        let (mut parts, body) = asking.await?.into_parts();
        fill.handle.add_to(&mut parts.extensions);
        let told = self.want.account.told();
        if parts.status == StatusCode::NOT_MODIFIED && !conditional {
            return Ok(answer::unanswered(&page, Unanswered::NotModified, told));
        }
        let length = body.size_hint().exact();
        let is_part = parts.status == StatusCode::PARTIAL_CONTENT;
        let judged = match part_of(&parts) {
            Some(part) => {
                fill.base = part_base.into();
                fill.search = None;
                fill.ranged = true;
                let length = length.or(Some(part.length()));
                let judged =
                    fill.judge_head(parts.status, &parts.headers, &parts.extensions, length);
                judged.and_then(|judged| match judged.plan.length == Some(part.length()) {
                    true => Ok(judged),
                    false => Err(NotStored::Length),
                })
            }
            // A part that cannot be read is none that could be stored.
            None if is_part => Err(NotStored::Status),
            None => fill.judge_head(parts.status, &parts.headers, &parts.extensions, length),
        };
        match judged {
            Ok(judged) => {
                let mut response = fill.record(lead, parts, boxed(body), judged);
                let reason = Reason::Stored(absence);
                respond::forwarded(&page, &mut response, reason, told, &[]);
                Ok(response)
            }
            Err(why) => {
                fill.refuse(lead, why);
                let mut response = Response::from_parts(parts, PageBody::passed(body));
                let reason = Reason::Refused(absence, why);
                respond::forwarded(&page, &mut response, reason, told, &fill.marks);
                Ok(response)
            }
        }
    }

    /// Leads the flight for this very range, or is answered from that of another request.
    async fn lead_range<R>(
        &mut self,
        missed: &Missed,
        absence: Absence,
        marks: &[Mark],
    ) -> Result<Lead, Response<PageBody<R>>> {
        let cache = self.page.cache.shared.clone();
        let base = self.part_base();
        let mut key = base.clone();
        for name in [RANGE, IF_RANGE] {
            for line in self.want.headers.get_all(name) {
                key.extend_from_slice(&(line.len() as u64).to_be_bytes());
                key.extend_from_slice(line.as_bytes());
            }
        }
        let alone = Lead::alone(&cache, &key, missed.stamp);
        let now = cache.clock.now();
        // What is asked under a condition may be answered by less than a part.
        if self.want.conditional || cache.remembered.holds(&key, self.credentials, now) {
            return Ok(alone);
        }
        let until = flight::patience();
        let mut settled = None;
        for _ in 0..ROUNDS {
            let mut joined = Flights::join(&cache, &key, missed.stamp);
            if let Join::Follow(flight, _) = &joined
                && !cache.admits(flight.stamp, marks).await.unwrap_or_default()
            {
                // A purge has outlawed it: whoever comes now leads or follows a newer one.
                Flights::retire(&cache, &key, flight);
                joined = Flights::join(&cache, &key, missed.stamp);
            }
            let mut phase = match joined {
                Join::Lead(lead) => return Ok(lead),
                Join::Crowded => return Ok(alone),
                Join::Follow(_, phase) => phase,
            };
            settled = flight::head(&mut phase, until).await;
            if let Some(Phase::Shared(_)) = settled {
                settled = flight::whole(&mut phase, until).await;
            }
            // What came to nothing for no fault of the answer is tried once more.
            if !matches!(settled, Some(Phase::Abandoned)) {
                break;
            }
        }
        let Some(Phase::Shared(shared)) = settled else {
            return Ok(alone);
        };
        // A handler that knows no ranges has answered with the whole.
        let base = match shared.head.status() {
            StatusCode::PARTIAL_CONTENT => base,
            _ => self.base.to_vec(),
        };
        let is_ours = shared.is_selected_by(&base, self.request.headers())
            && shared.is_fresh(cache.clock.now());
        if !is_ours
            || !cache
                .admits(shared.stamp, &shared.marks)
                .await
                .unwrap_or_default()
        {
            return Ok(alone);
        }
        let reason = Reason::Collapsed(absence);
        let now = cache.clock.now();
        answer::from_flight(&self.page, &shared, self.want.wish(), reason, now)
            .map_or(Ok(alone), Err)
    }

    /// Answers a range that lies within a stored part.
    pub(super) fn answer_within<R>(&self, stored: &Stored) -> Option<Response<PageBody<R>>> {
        let page = &self.page;
        let shared = &page.cache.shared;
        let kept = stored.page()?;
        let part = ContentRange::parse(kept.headers())?;
        let request = &self.want.headers;
        if !if_range_holds(request, kept.headers(), shared.clock.wall()) {
            return None;
        }
        let wanted = within(part, RangeSpec::single(request)?)?;
        let record = &stored.record;
        let outcome = respond::Outcome::of(Reason::Hit);
        let mut wish = self.want.wish();
        wish.ranged = false;
        // Of the body, only what is wanted is sent, and counted.
        wish.head_only = true;
        let mut response = answer::from_record(page, record, wish, outcome, shared.clock.now())?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            // The client has it already.
            let marks = record.marks.clone();
            response.extensions_mut().insert(Inherited::of(page, marks));
            return Some(response);
        }
        let client = match request.contains_key(IF_RANGE) {
            true => Client::Knows,
            false => Client::New,
        };
        let offset = wanted.first - part.first;
        let bytes = slice(&record.body, &(offset..offset + wanted.length()));
        *response.headers_mut() = one_part(response.headers(), wanted, client);
        wish.told.route.served(bytes.len() as u64, 0);
        *response.body_mut() = PageBody::stored(bytes, None);
        let marks = record.marks.clone();
        response.extensions_mut().insert(Inherited::of(page, marks));
        Some(response)
    }
}

/// The one part that a 206 is, if it is one.
pub(super) fn part_of(parts: &Parts) -> Option<ContentRange> {
    let is_multipart = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.get(..10)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
    });
    (parts.status == StatusCode::PARTIAL_CONTENT && !is_multipart)
        .then(|| ContentRange::parse(&parts.headers))
        .flatten()
}

/// The bytes that are wanted, if a part has all of them.
fn within(part: ContentRange, wanted: RangeSpec) -> Option<ContentRange> {
    let (first, last) = match (wanted, part.complete) {
        (RangeSpec::FromTo(first, last), None) => (first, last),
        (wanted, Some(complete)) => {
            let range = wanted.within(complete)?;
            (range.start, range.end.checked_sub(1)?)
        }
        (RangeSpec::From(_) | RangeSpec::Suffix(_), None) => return None,
    };
    (part.first <= first && last <= part.last).then_some(ContentRange {
        first,
        last,
        complete: part.complete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_answers_what_lies_within_it() {
        let part = |complete| ContentRange {
            first: 10,
            last: 19,
            complete,
        };
        let range = |complete, wanted| {
            within(part(complete), wanted).map(|found| (found.first, found.last))
        };
        let known = Some(20);
        assert_eq!(range(known, RangeSpec::FromTo(10, 19)), Some((10, 19)));
        assert_eq!(range(known, RangeSpec::FromTo(12, 99)), Some((12, 19)));
        assert_eq!(range(known, RangeSpec::From(15)), Some((15, 19)));
        assert_eq!(range(known, RangeSpec::Suffix(5)), Some((15, 19)));
        assert_eq!(range(known, RangeSpec::Suffix(11)), None);
        assert_eq!(range(known, RangeSpec::FromTo(9, 12)), None);
        assert_eq!(range(known, RangeSpec::From(20)), None);
        assert_eq!(range(Some(30), RangeSpec::From(15)), None);
        assert_eq!(range(None, RangeSpec::FromTo(12, 15)), Some((12, 15)));
        assert_eq!(range(None, RangeSpec::FromTo(12, 20)), None);
        assert_eq!(range(None, RangeSpec::Suffix(1)), None);
    }
}
