//! Reading a body ahead of its head, within bounds, so that nothing of it is lost.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::replay::Replay;
use crate::header::{ContentLength, ETag};

/// How many frames are held: each costs memory beside its bytes. What comes in more is a stream.
const MAX_FRAMES: usize = 4_096;

/// Is what was read the whole content?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wholeness {
    Whole,
    /// More may come, or should have come.
    Partial,
}

/// A body that is being read, and all that it gave so far.
pub(super) struct Reading<B: Body> {
    /// Boxed, since it goes on being read elsewhere.
    body: Pin<Box<B>>,
    /// It must not be asked again.
    over: bool,
    data: VecDeque<Bytes>,
    /// What came after the data: trailers, or the error that ended it.
    last: Option<Result<Frame<Bytes>, B::Error>>,
    length: u64,
    bound: u64,
    claimed: Option<u64>,
    /// What the body said of its size before it was read.
    hint: SizeHint,
}

impl<B: Body<Data = Bytes>> Reading<B> {
    /// Gives the body back if it is longer than the bound by its own account.
    pub(super) fn begin(body: B, head: &HeaderMap, bound: u64) -> Result<Self, B> {
        let hint = body.size_hint();
        let claimed = match ContentLength::parse(head) {
            ContentLength::Bytes(length) => Some(length),
            ContentLength::Absent => hint.exact(),
            ContentLength::Invalid => return Err(body),
        };
        if claimed.is_some_and(|length| length > bound) || hint.lower() > bound {
            return Err(body);
        }
        Ok(Self {
            body: Box::pin(body),
            over: false,
            data: VecDeque::new(),
            last: None,
            length: 0,
            bound,
            claimed,
            hint,
        })
    }

    /// Ready when it is known whether the body can be whole.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wholeness> {
        loop {
            if self.body.is_end_stream() {
                return Poll::Ready(self.ended());
            }
            match self.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.length = self.length.saturating_add(data.len() as u64);
                        self.data.push_back(data);
                        if self.is_too_much() {
                            return Poll::Ready(Wholeness::Partial);
                        }
                    }
                    Err(trailers) => {
                        self.last = Some(Ok(trailers));
                        return Poll::Ready(Wholeness::Partial);
                    }
                },
                Poll::Ready(Some(Err(error))) => {
                    self.over = true;
                    self.last = Some(Err(error));
                    return Poll::Ready(Wholeness::Partial);
                }
                Poll::Ready(None) => {
                    self.over = true;
                    return Poll::Ready(self.ended());
                }
                // Without a length nobody knows whether it waits for a disk or for tomorrow's news.
                Poll::Pending if self.claimed.is_none() => return Poll::Ready(Wholeness::Partial),
                // All bytes are there; what else might come is trailers, which the client waits for as without this layer.
                Poll::Pending if self.claimed == Some(self.length) => {
                    return Poll::Ready(Wholeness::Whole);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_too_much(&self) -> bool {
        self.length > self.claimed.unwrap_or(self.bound) || self.data.len() > MAX_FRAMES
    }

    /// A body that is shorter than its `Content-Length` is broken, and must not be confirmed by a tag.
    fn ended(&self) -> Wholeness {
        match self.claimed.is_none_or(|claimed| claimed == self.length) {
            true => Wholeness::Whole,
            false => Wholeness::Partial,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The strong tag of what was read.
    pub(super) fn tag(&self) -> ETag {
        ETag::of_pieces(self.data.iter().map(|data| &data[..]))
    }

    /// All that was read, to be read again, and what comes after it.
    pub(super) fn into_replay(self) -> Replay<B> {
        // What ended well says better than before how long it is; what failed must not pass for what ended.
        let is_known = self.over && self.last.is_none() && self.claimed.is_none();
        Replay {
            data: self.data,
            last: self.last,
            rest: (!self.over).then_some(self.body),
            size: match is_known {
                true => SizeHint::with_exact(self.length),
                false => self.hint,
            },
            given: 0,
        }
    }
}
