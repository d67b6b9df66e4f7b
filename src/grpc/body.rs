//! The bodies of calls on their way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::content::{BoxError, ReplayedBody};
use crate::page::PageBody;

pin_project! {
    /// The body of a response that came through a [`GrpcCacheService`](super::GrpcCacheService).
    ///
    /// What is not kept passes through frame by frame, trailers included. Errors are those of the inner body.
    pub struct GrpcBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Untouched { #[pin] body: B },
        Passed { #[pin] body: PageBody<Answer<B>> },
        Whole { message: Option<Bytes>, trailers: Option<HeaderMap> },
    }
}

impl<B> GrpcBody<B> {
    pub(super) const fn untouched(body: B) -> Self {
        Self {
            kind: Kind::Untouched { body },
        }
    }

    pub(super) const fn passed(body: PageBody<Answer<B>>) -> Self {
        Self {
            kind: Kind::Passed { body },
        }
    }

    pub(super) fn whole(message: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self {
            kind: Kind::Whole {
                message: (!message.is_empty()).then_some(message),
                trailers,
            },
        }
    }

    pub(super) const fn empty() -> Self {
        Self {
            kind: Kind::Whole {
                message: None,
                trailers: None,
            },
        }
    }
}

/// Nothing, as generated clients ask for where they have an interceptor.
impl<B> Default for GrpcBody<B> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<B> Body for GrpcBody<B>
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
        match self.project().kind.project() {
            KindProjection::Untouched { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            KindProjection::Passed { body } => body.poll_frame(cx),
            KindProjection::Whole { message, trailers } => {
                let frame = match message.take() {
                    Some(message) => Some(Frame::data(message)),
                    None => trailers.take().map(Frame::trailers),
                };
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    // Not before the trailers are out: what has ended is taken for empty (GRPC-61).
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Whole { message, trailers } => message.is_none() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Untouched { body } => body.size_hint(),
            Kind::Passed { body } => body.size_hint(),
            // No length, which would be written into the head.
            Kind::Whole { .. } => SizeHint::new(),
        }
    }
}

impl<B> fmt::Debug for GrpcBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Untouched { .. } => "GrpcBody::Untouched",
            Kind::Passed { .. } => "GrpcBody::Passed",
            Kind::Whole { .. } => "GrpcBody::Whole",
        })
    }
}

pin_project! {
    /// What the page cache is given as the body of an answer.
    #[project = AnswerProjection]
    pub(super) enum Answer<B> {
        /// What is kept, written down.
        Kept { bytes: Option<Bytes> },
        /// What was read of it, and the rest.
        Replayed { body: ReplayedBody },
        Untouched { #[pin] body: B },
    }
}

impl<B> Body for Answer<B>
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
        match self.project() {
            AnswerProjection::Kept { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            AnswerProjection::Replayed { body } => Pin::new(body).poll_frame(cx),
            AnswerProjection::Untouched { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Kept { bytes } => bytes.is_none(),
            Self::Replayed { body } => body.is_end_stream(),
            Self::Untouched { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Kept { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            // It came without a length, and goes on without one.
            Self::Replayed { .. } => SizeHint::new(),
            Self::Untouched { body } => body.size_hint(),
        }
    }
}

pin_project! {
    /// The body of a call as the page cache hands it on: as it came, or read and put back.
    #[project = QuestionProjection]
    pub(super) enum Question<B> {
        Untouched { #[pin] body: B },
        Read { body: ReplayedBody },
    }
}

impl<B: From<ReplayedBody>> Question<B> {
    pub(super) fn into_inner(self) -> B {
        match self {
            Self::Untouched { body } => body,
            Self::Read { body } => body.into(),
        }
    }
}

impl<B: Body> Body for Question<B> {
    type Data = B::Data;
    type Error = BoxError;

    /// The page cache does not read what it hands on.
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Untouched { body } => body.is_end_stream(),
            Self::Read { body } => body.is_end_stream(),
        }
    }
}

/// What was read ahead, as the body of a call.
impl From<ReplayedBody> for tonic::body::Body {
    fn from(body: ReplayedBody) -> Self {
        Self::new(body)
    }
}

/// What was read ahead, as the body of a call.
#[cfg(feature = "axum")]
impl From<ReplayedBody> for axum_core::body::Body {
    fn from(body: ReplayedBody) -> Self {
        Self::new(body)
    }
}
