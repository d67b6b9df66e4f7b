//! Completing what is stored of the beginning of a page (RFC 9111 §3.4).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::body::boxed;
use super::fill::{Fill, Judged};
use super::flow::Call;
use super::lookup::Stored;
use super::parts::part_of;
use super::validate::merged;
use crate::content::{AnyBody, BoxError};
use crate::header::{ContentRange, EntityTag};
use crate::monitor::NotStored;

/// A part that begins a page and can be completed.
pub(super) struct Beginning {
    stored: Stored,
    /// How many bytes it has.
    length: u64,
    complete: u64,
}

impl<S, ReqBody> Call<S, ReqBody> {
    /// What is stored of the beginning of a page that is asked for as a whole.
    pub(super) async fn beginning(&mut self) -> Option<Beginning> {
        let (stored, _) = self.stored_part().await.ok()??;
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
    pub(super) fn judge(
        &self,
        fill: &mut Fill,
        parts: &Parts,
        may_merge: Result<(), NotStored>,
    ) -> Result<Judged, NotStored> {
        may_merge?;
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
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => self.rest.as_mut().poll_frame(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &frame {
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
