//! Reading the answer to a unary call: one message and its trailers, within bounds, or else what came of them and the rest.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt;

use super::frame::{Framing, PREFIX, framing};
use crate::content::{AnyBody, BoxError, ReplayedBody};
use crate::monitor::NotStored;
use crate::page::Share;

/// How long trailers may be behind their message. What takes longer is taken for a stream, and passed on.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most frames of a message: a flood of empty ones must not be collected.
pub(super) const MOST_FRAMES: usize = 4_096;

/// What reading an answer came to.
pub(super) enum Read {
    /// It is here whole.
    Whole(Whole),
    /// It is none to be kept, and goes on as it came.
    Other(ReplayedBody, NotStored),
    /// It has failed on the way, and goes on as it came.
    Failed(ReplayedBody),
}

pub(super) struct Whole {
    /// Nothing, or one message with its prefix.
    pub(super) content: Bytes,
    /// None if the body ended without any.
    pub(super) trailers: Option<HeaderMap>,
}

/// Reads at most `limit` bytes and one frame. They count towards the budget of all that is being recorded, of which `share` is a part.
pub(super) async fn read(mut body: AnyBody, limit: usize, share: &mut Share) -> Read {
    let mut chunks = Chunks::default();
    loop {
        let next = body.frame();
        let frame = match chunks.is_message() {
            false => next.await,
            true => match tokio::time::timeout(PATIENCE, next).await {
                Ok(frame) => frame,
                Err(_) => return chunks.other(None, body, NotStored::Stream),
            },
        };
        let frame = match frame {
            None => return Read::Whole(chunks.whole(None)),
            Some(Err(error)) => {
                return Read::Failed(chunks.replayed(None, Some(error), None));
            }
            Some(Ok(frame)) => frame,
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => return Read::Whole(chunks.whole(Some(trailers))),
                Err(frame) => {
                    return chunks.other(Some(frame), body, NotStored::Message);
                }
            },
        };
        chunks.push(data);
        let held = usize::try_from(chunks.length).unwrap_or(usize::MAX);
        let fits = chunks
            .check(limit)
            .and_then(|()| match share.grow_to(held) {
                true => Ok(()),
                false => Err(NotStored::Budget),
            });
        if let Err(why) = fits {
            return chunks.other(None, body, why);
        }
    }
}

/// What has come so far.
#[derive(Default)]
struct Chunks {
    chunks: Vec<Bytes>,
    prefix: Vec<u8>,
    length: u64,
    /// Empty ones too, of which nothing is held.
    frames: usize,
}

impl Chunks {
    fn push(&mut self, data: Bytes) {
        self.frames += 1;
        if data.is_empty() {
            return;
        }
        let missing = PREFIX.saturating_sub(self.prefix.len()).min(data.len());
        self.prefix.extend_from_slice(&data[..missing]);
        self.length += data.len() as u64;
        self.chunks.push(data);
    }

    /// Is the whole first message here, and nothing more?
    fn is_message(&self) -> bool {
        matches!(framing(&self.prefix), Framing::Until { end, .. } if end == self.length)
    }

    /// Can it still become one message of that size?
    fn check(&self, limit: usize) -> Result<(), NotStored> {
        let limit = limit as u64;
        if self.length > limit || self.frames > MOST_FRAMES {
            return Err(NotStored::TooLarge);
        }
        match framing(&self.prefix) {
            Framing::Malformed => Err(NotStored::Message),
            Framing::Short => Ok(()),
            Framing::Until { end, .. } if end > limit => Err(NotStored::TooLarge),
            Framing::Until { end, .. } if end < self.length => Err(NotStored::Message),
            Framing::Until { .. } => Ok(()),
        }
    }

    fn whole(self, trailers: Option<HeaderMap>) -> Whole {
        let content = match <[Bytes; 1]>::try_from(self.chunks) {
            Ok([only]) => only,
            Err(chunks) => {
                let mut content = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
                for chunk in chunks {
                    content.extend_from_slice(&chunk);
                }
                content.freeze()
            }
        };
        Whole { content, trailers }
    }

    fn other(self, last: Option<Frame<Bytes>>, rest: AnyBody, why: NotStored) -> Read {
        Read::Other(self.replayed(last, None, Some(rest)), why)
    }

    fn replayed(
        self,
        last: Option<Frame<Bytes>>,
        failed: Option<BoxError>,
        rest: Option<AnyBody>,
    ) -> ReplayedBody {
        let read = self.chunks.into_iter().map(Frame::data).chain(last);
        ReplayedBody::of(read.collect(), failed, rest)
    }
}

/// The same body with what was read of it put back.
pub(super) fn put_back(whole: Whole) -> ReplayedBody {
    let data = (!whole.content.is_empty()).then(|| Frame::data(whole.content));
    let trailers = whole.trailers.map(Frame::trailers);
    ReplayedBody::of(data.into_iter().chain(trailers).collect(), None, None)
}

/// A body of any type, boxed.
pub(super) fn any<B>(body: B) -> AnyBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Box::pin(body.map_err(Into::into))
}
