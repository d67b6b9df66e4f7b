//! What a recording holds, and what follows from each frame. Nothing here waits or locks.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::budget::Share;
use super::commit::Ending;
use crate::content::{AnyBody, BoxError};
use crate::monitor::NotStored;

/// What a frame takes beside its bytes; so many are not counted.
const FRAME_OVERHEAD: usize = 64;
const FEW_FRAMES: usize = 1_000;

/// What a recording knows beforehand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most bytes that are recorded.
    pub(super) limit: usize,
    /// The length that the response claims.
    pub(super) length: Option<u64>,
    /// Are trailers announced? Then the end is not where the length is reached.
    pub(super) trailers: bool,
}

pub(super) struct State {
    pub(super) slot: Slot,
    /// Is it known what is owed at the end? Nothing is driven before.
    pub(super) begun: bool,
    /// Does a background task drive?
    pub(super) pumped: bool,
    pub(super) leader_gone: bool,
    pub(super) frames: VecDeque<Bytes>,
    /// The place of the first frame that is still held.
    pub(super) first: usize,
    pub(super) received: u64,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) stage: Stage,
    pub(super) share: Option<Share>,
    pub(super) ending: Option<Ending>,
    pub(super) leader: Option<Waker>,
    /// Followers that read, and whoever else waits, by number.
    pub(super) waiting: Vec<(u64, Waker)>,
    pub(super) followers: usize,
    pub(super) numbers: u64,
}

pub(super) enum Slot {
    Idle(AnyBody),
    /// Somebody polls it right now.
    Busy,
    Gone,
}

pub(super) enum Stage {
    /// All frames from the first are held.
    Recording,
    /// Recording was given up; frames are held until the leader has them.
    Passing,
    /// The body has ended; all of it, or what the leader lacks of it, is held.
    Complete,
    /// The body ended early without an error: the leader sees its end, others an error.
    Cut,
    /// The body failed; the leader gets the error once.
    Failed(Option<BoxError>),
}

impl State {
    /// Files what the body gave. What is to be done about it is done outside the lock.
    pub(super) fn take_in(
        &mut self,
        frame: Option<Result<Frame<Bytes>, BoxError>>,
        ended: bool,
        bounds: Bounds,
    ) -> Settled {
        let frame = match frame {
            None => return self.end(bounds),
            Some(Err(error)) => {
                self.stage = Stage::Failed(Some(error));
                return self.give_up(NotStored::Incomplete, true);
            }
            Some(Ok(frame)) => frame,
        };
        let frame = match frame.into_data() {
            Ok(data) => {
                self.received += data.len() as u64;
                if !data.is_empty() {
                    self.frames.push_back(data);
                }
                return self.take_stock(ended, bounds);
            }
            Err(frame) => frame,
        };
        if let Ok(trailers) = frame.into_trailers() {
            self.trailers = Some(trailers);
            return self.end(bounds);
        }
        Settled::Nothing
    }

    /// What is left of the promised length, if the body counts as complete when it is reached.
    pub(super) fn left(&self, bounds: Bounds) -> Option<u64> {
        let length = bounds
            .length
            .filter(|_| !bounds.trailers && matches!(self.stage, Stage::Recording))?;
        length.checked_sub(self.received)
    }

    /// After more data: still within bounds, or complete?
    pub(super) fn take_stock(&mut self, ended: bool, bounds: Bounds) -> Settled {
        if let Stage::Recording = self.stage {
            let too_long = bounds.length.is_some_and(|length| self.received > length);
            let received = usize::try_from(self.received).unwrap_or(usize::MAX);
            // A body of crumbs takes more for the frames than for what is in them.
            let crumbs = self.frames.len().saturating_sub(FEW_FRAMES) * FRAME_OVERHEAD;
            let too_large = received.max(crumbs) > bounds.limit;
            let refusal = if too_long {
                Some(NotStored::Length)
            } else if too_large {
                Some(NotStored::TooLarge)
            } else if !self
                .share
                .as_mut()
                .is_some_and(|share| share.grow_to(received.saturating_add(crumbs)))
            {
                Some(NotStored::Budget)
            } else {
                None
            };
            if let Some(why) = refusal {
                self.stage = Stage::Passing;
                let settled = self.give_up(why, false);
                if ended {
                    self.stage = Stage::Complete;
                }
                return settled;
            }
        }
        if ended {
            return self.end(bounds);
        }
        Settled::Nothing
    }

    /// The body is over, without an error.
    pub(super) fn end(&mut self, bounds: Bounds) -> Settled {
        if !matches!(self.stage, Stage::Recording) {
            self.stage = Stage::Complete;
            return Settled::Nothing;
        }
        if bounds.length.is_some_and(|length| length != self.received) {
            self.stage = Stage::Cut;
            return self.give_up(NotStored::Incomplete, true);
        }
        self.stage = Stage::Complete;
        match self.ending.take() {
            None => Settled::Nothing,
            Some(ending) => Settled::Complete {
                ending,
                body: exact(&self.frames, self.received),
                trailers: self.trailers.clone(),
            },
        }
    }

    pub(super) fn give_up(&mut self, why: NotStored, retry: bool) -> Settled {
        // While recording was only given up, what is held waits for the leader, and counts.
        if !matches!(self.stage, Stage::Passing) {
            self.share = None;
        }
        match self.ending.take() {
            None => Settled::Nothing,
            Some(ending) => Settled::GivenUp { ending, why, retry },
        }
    }

    /// Lets go of frames before `place`.
    pub(super) fn release(&mut self, place: usize) {
        if !matches!(self.stage, Stage::Passing) {
            return;
        }
        while self.first < place && self.frames.pop_front().is_some() {
            self.first += 1;
        }
        if self.frames.is_empty() {
            self.share = None;
        }
    }

    /// Is there nobody left who reads it, or drives it?
    pub(super) fn is_forsaken(&self) -> bool {
        self.leader_gone
            && !self.pumped
            && self.followers == 0
            && matches!(self.stage, Stage::Recording)
    }

    /// Remembers whom to wake; each has one place.
    pub(super) fn wait(&mut self, number: u64, waker: &Waker) {
        match self.waiting.iter_mut().find(|(other, _)| *other == number) {
            Some((_, kept)) => kept.clone_from(waker),
            None => self.waiting.push((number, waker.clone())),
        }
    }

    /// Whom to wake once the lock is gone: a waker may do anything.
    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        let waiting = std::mem::take(&mut self.waiting);
        let wakers = waiting.into_iter().map(|(_, waker)| waker);
        wakers.chain(self.leader.take()).collect()
    }
}

/// What follows from a frame.
pub(super) enum Settled {
    Nothing,
    Complete {
        ending: Ending,
        body: Bytes,
        trailers: Option<HeaderMap>,
    },
    GivenUp {
        ending: Ending,
        why: NotStored,
        /// May those who wait try again at once?
        retry: bool,
    },
}

impl Settled {
    /// There is one ending, so at most one of both is more than nothing.
    pub(super) fn or(self, next: Self) -> Self {
        match self {
            Self::Nothing => next,
            settled => settled,
        }
    }

    pub(super) fn carry_out(self) {
        match self {
            Self::Nothing => {}
            Self::Complete {
                ending,
                body,
                trailers,
            } => ending.complete(body, trailers),
            Self::GivenUp { ending, why, retry } => ending.give_up(why, retry),
        }
    }
}

/// A copy in an allocation of its own: frames may be slices that pin whole buffers.
fn exact(frames: &VecDeque<Bytes>, length: u64) -> Bytes {
    let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    for frame in frames {
        body.extend_from_slice(frame);
    }
    Bytes::from(body)
}

pub(super) fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}

pub(super) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
