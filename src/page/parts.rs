//! Stored parts (206): answering ranges within them, and completing them (RFC 9111 §3.3, §3.4).
//!
//! A part stands under the page's key with a mark of its own, so that it never meets the whole page. One part of a page is kept at a time.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower::ServiceExt;
use tower_service::Service;

use super::answer;
use super::body::{BoxError, PageBody, boxed};
use super::excerpt::{Client, one_part};
use super::fill::{Fill, Judged};
use super::flight::Lead;
use super::flow::{Answer, Call};
use super::lookup::{Asking, Lookup, Missed, Stored, lookup};
use super::partial::slice;
use super::precondition::if_range_holds;
use super::record::AnyBody;
use super::respond;
use super::service::{canonicalise, withhold};
use super::validate::merged;
use crate::header::{ContentRange, EntityTag, RangeSpec};
use crate::monitor::{Absence, NotStored, Reason, Unanswered};
use crate::store::Record;

/// Ends the key of a page whose part it is. No part of a page's key begins so.
const PART: u8 = u8::MAX - 1;

/// A part that begins a page and can be completed.
pub(super) struct Beginning {
    stored: Stored,
    /// How many bytes it has.
    length: u64,
    complete: u64,
}

impl<S, ReqBody> Call<S, ReqBody> {
    fn part_base(&self) -> Vec<u8> {
        let mut base = self.base.to_vec();
        base.push(PART);
        base
    }

    /// The stored part that this request selects, fresh or not.
    async fn stored_part(&mut self) -> Option<(Stored, bool)> {
        let shared = &self.page.cache.shared;
        let base = self.part_base();
        let asking = Asking {
            headers: self.request.headers(),
            advice: &self.want.advice,
        };
        let fresh = |record: Arc<Record>| {
            let key = base.clone().into();
            Some((Stored { key, record }, true))
        };
        match lookup(shared, &base, asking, shared.clock.now()).await {
            Ok(Lookup::Fresh(record)) => fresh(record),
            Ok(Lookup::Missed(missed) | Lookup::Stale(_, _, missed)) => missed
                .stored
                .into_iter()
                .next()
                .map(|stored| (stored, false)),
            Err(_) => None,
        }
    }

    /// A range that no stored page answers: from a stored part, or from the handler, whose part is stored.
    pub(super) async fn range<ResBody>(mut self, missed: Missed) -> Answer<ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<BoxError>,
    {
        let page = self.page.clone();
        let mut absence = missed.absence;
        if let Some((stored, true)) = self.stored_part().await {
            if let Some(response) = self.answer_within(&stored) {
                return Ok(response);
            }
            absence = Absence::Partial;
        }
        withhold(&page, &mut self.request);
        canonicalise(&page, &mut self.request, self.content);
        let marks = self.marks();
        let mut fill = self.fill(missed.stamp, marks);
        let (part_base, shown) = (self.part_base(), self.want.shown);
        let conditional = self.want.conditional;
        let (parts, body) = self.inner.oneshot(self.request).await?.into_parts();
        if parts.status == StatusCode::NOT_MODIFIED && !conditional {
            return Ok(answer::unanswered(&page, Unanswered::NotModified));
        }
        let length = body.size_hint().exact();
        let is_part = parts.status == StatusCode::PARTIAL_CONTENT;
        let judged = match part_of(&parts) {
            Some(part) => {
                fill.base = part_base.into();
                fill.search = None;
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
        let lead = Lead::alone(&page.cache.shared, &fill.base, fill.stamp);
        match judged {
            Ok(judged) => {
                let mut response = fill.record(lead, parts, boxed(body), judged);
                let reason = Reason::Stored(absence);
                respond::forwarded(&page, &mut response, reason, shown, &[]);
                Ok(response)
            }
            Err(why) => {
                let mut response = Response::from_parts(parts, PageBody::passed(body));
                let reason = Reason::Refused(absence, why);
                respond::forwarded(&page, &mut response, reason, shown, &fill.marks);
                Ok(response)
            }
        }
    }

    /// Answers a range that lies within a stored part.
    fn answer_within<R>(&self, stored: &Stored) -> Option<Response<PageBody<R>>> {
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
        let mut response = answer::from_record(page, record, wish, outcome, shared.clock.now())?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            // The client has it already.
            return Some(response);
        }
        let client = match request.contains_key(IF_RANGE) {
            true => Client::Knows,
            false => Client::New,
        };
        let offset = wanted.first - part.first;
        let bytes = slice(&record.body, &(offset..offset + wanted.length()));
        *response.headers_mut() = one_part(response.headers(), wanted, client);
        *response.body_mut() = PageBody::stored(bytes, None);
        Some(response)
    }

    /// What is stored of the beginning of a page that is asked for as a whole.
    pub(super) async fn beginning(&mut self) -> Option<Beginning> {
        let (stored, _) = self.stored_part().await?;
        let kept = stored.page()?;
        let part = ContentRange::parse(kept.headers())?;
        let complete = part.complete?;
        let is_strong = EntityTag::of(kept.headers()).is_some_and(|tag| !tag.is_weak());
        // A part of everything lacks nothing that could be asked for.
        if part.first != 0 || part.last + 1 >= complete || !is_strong || kept.terms().no_cache {
            return None;
        }
        Some(Beginning {
            length: part.length(),
            stored,
            complete,
        })
    }
}

/// The one part that a 206 is, if it is one.
fn part_of(parts: &Parts) -> Option<ContentRange> {
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

impl Beginning {
    /// Asks for the rest, if it is still the rest of this.
    pub(super) fn ask(&self, request: &mut HeaderMap) {
        let Some(tag) = self.stored.page().and_then(|page| page.headers().get(ETAG)) else {
            return;
        };
        if let Ok(range) = HeaderValue::try_from(format!("bytes={}-", self.length)) {
            request.insert(RANGE, range);
            request.insert(IF_RANGE, tag.clone());
        }
    }

    pub(super) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// The whole, if the answer is the rest of it.
    pub(super) fn complete<B>(&self, fill: &Fill, parts: Parts, rest: B) -> Option<(Parts, AnyBody)>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let kept = self.stored.page()?;
        let said = part_of(&parts)?;
        let is_rest = said.first == self.length
            && said.last + 1 == self.complete
            && said.complete == Some(self.complete);
        let tag = EntityTag::of(&parts.headers)?;
        if !is_rest || !EntityTag::of(kept.headers())?.strong_eq(tag) {
            return None;
        }
        let wall = fill.page.cache.shared.clock.wall();
        let mut headers = merged(kept.original_headers(), &parts.headers, wall);
        headers.remove(CONTENT_RANGE);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.complete));
        let body = Joined {
            first: Some(self.stored.record.body.clone()),
            rest: boxed(rest),
            length: self.complete,
        };
        let mut whole = parts;
        whole.status = StatusCode::OK;
        whole.headers = headers;
        Some((whole, Box::pin(body)))
    }

    /// Judges the whole, with all that purges either part.
    pub(super) fn judge(&self, fill: &mut Fill, parts: &Parts) -> Result<Judged, NotStored> {
        fill.marks.extend_from_slice(&self.stored.record.marks);
        let length = Some(self.complete);
        fill.judge_head(parts.status, &parts.headers, &parts.extensions, length)
    }
}

/// A stored beginning, and the rest as it comes.
struct Joined {
    first: Option<Bytes>,
    rest: AnyBody,
    /// Of what is left of both.
    length: u64,
}

impl Body for Joined {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match self.first.take() {
            Some(first) => std::task::Poll::Ready(Some(Ok(Frame::data(first)))),
            None => self.rest.as_mut().poll_frame(cx),
        };
        if let std::task::Poll::Ready(Some(Ok(frame))) = &frame {
            let taken = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.length = self.length.saturating_sub(taken);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
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
