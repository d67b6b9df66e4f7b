//! The body of an answer: the handler's own, or what was read of it and then the rest.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::replay::Replay;

pin_project! {
    /// The body of a response that came through a [`ConditionalService`](super::ConditionalService).
    ///
    /// It is the inner body, byte for byte, with its trailers and errors; or nothing, in a 304 and a 412.
    pub struct ConditionalBody<B>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B>
    where
        B: Body,
    {
        Passed { #[pin] body: B },
        // Boxed: what passes is moved without the room for it.
        Replayed { replay: Box<Replay<B>> },
        Omitted,
    }
}

impl<B: Body> ConditionalBody<B> {
    pub(super) fn passed(body: B) -> Self {
        Self {
            kind: Kind::Passed { body },
        }
    }

    pub(super) fn replayed(replay: Replay<B>) -> Self {
        Self {
            kind: Kind::Replayed {
                replay: Box::new(replay),
            },
        }
    }

    pub(super) fn omitted() -> Self {
        Self {
            kind: Kind::Omitted,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for ConditionalBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Passed { body } => body.poll_frame(cx),
            KindProjection::Replayed { replay } => replay.poll_frame(cx),
            KindProjection::Omitted => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Replayed { replay } => replay.is_end_stream(),
            Kind::Omitted => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Replayed { replay } => replay.size_hint(),
            // A length of zero would be written into a 304, which must have that of the 200 or none (RFC 9110 §8.6).
            Kind::Omitted => SizeHint::new(),
        }
    }
}

impl<B: Body> fmt::Debug for ConditionalBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Passed { .. } => "ConditionalBody::Passed",
            Kind::Replayed { .. } => "ConditionalBody::Replayed",
            Kind::Omitted => "ConditionalBody::Omitted",
        })
    }
}
