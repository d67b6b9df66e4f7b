//! The body of an answer: the handler's own, a stored one, or one that is being recorded.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::record::{Read, Recording, Role};
use crate::content::{AnyBody, BoxError};

/// How long a follower watches a recording stand still before it has it driven in the background.
const PATIENCE: Duration = Duration::from_millis(100);

pin_project! {
    /// The body of a response that came through a [`CacheService`](crate::page::CacheService).
    ///
    /// What is not stored passes through untouched, trailers included. Errors are those of the inner body.
    pub struct PageBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Passed { #[pin] body: B },
        Stored { data: Option<Bytes>, trailers: Option<Box<HeaderMap>> },
        // Boxed: rare, and a hit moves the room for the largest.
        Parts { parts: Box<Parts> },
        Joined { #[pin] body: AnyBody },
        Omitted,
        Recorded { reader: Reader },
    }
}

impl<B> PageBody<B> {
    pub(super) fn passed(body: B) -> Self {
        Self {
            kind: Kind::Passed { body },
        }
    }

    pub(super) fn stored(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self {
            kind: Kind::Stored {
                data: (!data.is_empty()).then_some(data),
                trailers: trailers.map(Box::new),
            },
        }
    }

    /// Several chunks of this length altogether.
    pub(super) fn parts(chunks: VecDeque<Bytes>, length: u64) -> Self {
        let parts = Parts {
            chunks,
            left: length,
        };
        Self {
            kind: Kind::Parts {
                parts: Box::new(parts),
            },
        }
    }

    /// A body whose type is not the handler's.
    pub(super) fn joined(body: AnyBody) -> Self {
        Self {
            kind: Kind::Joined { body },
        }
    }

    /// What is not sent in answer to HEAD.
    pub(super) fn omitted() -> Self {
        Self {
            kind: Kind::Omitted,
        }
    }

    /// The bytes at hand from the store.
    pub(super) fn held(&self) -> u64 {
        match &self.kind {
            Kind::Stored { data, .. } => data.as_ref().map_or(0, |data| data.len() as u64),
            Kind::Parts { parts } => parts.left,
            _ => 0,
        }
    }

    pub(super) fn recorded(reader: Reader) -> Self {
        Self {
            kind: Kind::Recorded { reader },
        }
    }
}

struct Parts {
    chunks: VecDeque<Bytes>,
    left: u64,
}

impl<B> Body for PageBody<B>
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
            KindProjection::Passed { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            KindProjection::Stored { data, trailers } => {
                let frame = match data.take() {
                    Some(data) => Some(Frame::data(data)),
                    None => trailers.take().map(|trailers| Frame::trailers(*trailers)),
                };
                Poll::Ready(frame.map(Ok))
            }
            KindProjection::Parts { parts } => Poll::Ready(parts.chunks.pop_front().map(|chunk| {
                parts.left = parts.left.saturating_sub(chunk.len() as u64);
                Ok(Frame::data(chunk))
            })),
            KindProjection::Joined { mut body } => body.as_mut().poll_frame(cx),
            KindProjection::Omitted => Poll::Ready(None),
            KindProjection::Recorded { reader } => reader.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Stored { data, trailers } => data.is_none() && trailers.is_none(),
            Kind::Parts { parts } => parts.chunks.is_empty(),
            Kind::Joined { body } => body.is_end_stream(),
            Kind::Omitted => true,
            Kind::Recorded { reader } => reader.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            // A length would make a server leave the trailers out.
            Kind::Stored {
                trailers: Some(_), ..
            } => SizeHint::new(),
            Kind::Stored { data, .. } => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
            Kind::Parts { parts } => SizeHint::with_exact(parts.left),
            Kind::Joined { body } => body.size_hint(),
            // A length of zero would be written into the head, where that of the GET is not known (RFC 9110 §8.6).
            Kind::Omitted => SizeHint::new(),
            Kind::Recorded { reader } => reader.size_hint(),
        }
    }
}

impl<B> fmt::Debug for PageBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Passed { .. } => "PageBody::Passed",
            Kind::Stored { .. } => "PageBody::Stored",
            Kind::Parts { .. } => "PageBody::Parts",
            Kind::Joined { .. } => "PageBody::Joined",
            Kind::Omitted => "PageBody::Omitted",
            Kind::Recorded { .. } => "PageBody::Recorded",
        })
    }
}

/// One place in a recording.
pub(super) struct Reader {
    recording: Arc<Recording>,
    role: Role,
    number: u64,
    next: usize,
    trailers_read: bool,
    /// What is left to read, where that is known.
    left: Option<u64>,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Reader {
    pub(super) fn new(recording: Arc<Recording>, role: Role, length: Option<u64>) -> Self {
        let number = match role {
            Role::Leader => 0,
            Role::Follower => recording.follower_came(),
        };
        Self {
            recording,
            role,
            number,
            next: 0,
            trailers_read: false,
            left: length,
            patience: None,
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let read =
                self.recording
                    .read(self.next, self.trailers_read, (self.role, self.number), cx);
            if !matches!(read, Read::Pending) {
                self.patience = None;
            }
            return Poll::Ready(match read {
                Read::Data(data) => {
                    self.next += 1;
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    Some(Ok(Frame::data(data)))
                }
                Read::Trailers(trailers) => {
                    self.trailers_read = true;
                    Some(Ok(Frame::trailers(trailers)))
                }
                Read::End => None,
                Read::Failed(error) => Some(Err(error)),
                Read::Pending if self.role == Role::Leader => return Poll::Pending,
                Read::Pending => {
                    // A leader that does not read must not hold up those behind it.
                    let patience = self
                        .patience
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
                    ready!(patience.as_mut().poll(cx));
                    self.patience = None;
                    self.recording.drive_if_stalled();
                    continue;
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.recording.is_read(self.next, self.trailers_read)
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::new(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        match self.role {
            Role::Leader => self.recording.leader_left(),
            Role::Follower => self.recording.follower_left(self.number),
        }
    }
}

/// The handler's body, whatever its type.
pub(super) fn boxed<B>(body: B) -> AnyBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Box::pin(Boxed { body })
}

pin_project! {
    /// The handler's body with its error boxed.
    pub(super) struct Boxed<B> {
        #[pin]
        pub(super) body: B,
    }
}

impl<B> Body for Boxed<B>
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
        self.project()
            .body
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
