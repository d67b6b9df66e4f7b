//! The body of an answer: the inner service's own, or the one that refuses.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::refused::OwnBody;
use super::taken::Meter;
use crate::content::BoxError;

pin_project! {
    /// The body of a response that came through a [`RateLimitService`](super::RateLimitService).
    ///
    /// The inner body passes through untouched, trailers included. Errors are those of the inner body.
    pub struct RateLimitBody<B> {
        #[pin]
        kind: Kind<B>,
        // What is held, or counted, until the body is over.
        meter: Option<Meter>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Passed { #[pin] body: B },
        Own { data: Option<Bytes> },
        Custom { body: Pin<Box<OwnBody>> },
        Omitted,
    }
}

impl<B> RateLimitBody<B> {
    fn of(kind: Kind<B>) -> Self {
        Self { kind, meter: None }
    }

    pub(super) fn passed(body: B) -> Self {
        Self::of(Kind::Passed { body })
    }

    pub(super) fn own(data: Bytes) -> Self {
        let data = (!data.is_empty()).then_some(data);
        Self::of(Kind::Own { data })
    }

    pub(super) fn custom(body: OwnBody) -> Self {
        let body = Box::pin(body);
        Self::of(Kind::Custom { body })
    }

    /// What is not sent in answer to HEAD, or to a call that ends with its first block of fields.
    pub(super) fn omitted() -> Self {
        Self::of(Kind::Omitted)
    }
}

impl<B: Body> RateLimitBody<B> {
    /// The inner body, by which `meter` tells when it is over.
    pub(super) fn metered(body: B, meter: Meter) -> Self {
        let meter = (!body.is_end_stream()).then_some(meter);
        Self {
            kind: Kind::Passed { body },
            meter,
        }
    }
}

/// Nothing, as generated clients of gRPC ask for where they have an interceptor.
impl<B> Default for RateLimitBody<B> {
    fn default() -> Self {
        Self::omitted()
    }
}

impl<B> Body for RateLimitBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        match this.kind.project() {
            KindProjection::Passed { body } => {
                let frame = ready!(body.poll_frame(cx));
                match (&frame, this.meter.as_mut()) {
                    (_, None) => {}
                    (Some(Ok(frame)), Some(meter)) => {
                        meter.passed(frame.data_ref().map_or(0, Bytes::len));
                    }
                    (None | Some(Err(_)), Some(_)) => *this.meter = None,
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            KindProjection::Own { data } => {
                Poll::Ready(data.take().map(|data| Ok(Frame::data(data))))
            }
            KindProjection::Custom { body } => body.as_mut().poll_frame(cx),
            KindProjection::Omitted => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Own { data } => data.is_none(),
            Kind::Custom { body } => body.is_end_stream(),
            Kind::Omitted => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Own { data } => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
            Kind::Custom { body } => body.size_hint(),
            // A length of zero would be written into the head, where that of the GET is not known (RFC 9110 §8.6).
            Kind::Omitted => SizeHint::new(),
        }
    }
}

impl<B> fmt::Debug for RateLimitBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Passed { .. } => "RateLimitBody::Passed",
            Kind::Own { .. } => "RateLimitBody::Own",
            Kind::Custom { .. } => "RateLimitBody::Custom",
            Kind::Omitted => "RateLimitBody::Omitted",
        })
    }
}
