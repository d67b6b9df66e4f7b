//! Recording a body while it streams.
//!
//! The body stands in one slot. The leader's own polls drive it, so that nothing is read faster than its client takes it; when the leader is
//! gone, or does not poll while others wait, a background task (the pump) drives it instead, and the leader reads from the recording. Over
//! the limit, recording stops and the leader goes on with the body alone.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::body::BoxError;
use super::budget::Share;
use super::commit::Ending;
use crate::background::Background;
use crate::monitor::NotStored;

/// The handler's body, whatever its type.
pub(super) type AnyBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

pub(super) struct Recording {
    state: Mutex<State>,
    bounds: Bounds,
    background: Background,
    /// Has anything come since somebody last asked?
    moved: AtomicBool,
}

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

struct State {
    slot: Slot,
    /// Does a background task drive?
    pumped: bool,
    leader_gone: bool,
    frames: VecDeque<Bytes>,
    /// The place of the first frame that is still held.
    first: usize,
    received: u64,
    trailers: Option<HeaderMap>,
    stage: Stage,
    share: Option<Share>,
    ending: Option<Ending>,
    leader: Option<Waker>,
    waiting: Vec<Waker>,
}

enum Slot {
    Idle(AnyBody),
    /// Somebody polls it right now.
    Busy,
    Gone,
}

enum Stage {
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

/// What a reader finds at its place.
pub(super) enum Read {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    Failed(BoxError),
    Pending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Leader,
    Follower,
}

enum Driven {
    Moved,
    Pending,
    /// There is nothing to drive, or not for this driver.
    Stopped,
}

impl Recording {
    pub(super) fn new(
        body: AnyBody,
        bounds: Bounds,
        share: Share,
        background: Background,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                slot: Slot::Idle(body),
                pumped: false,
                leader_gone: false,
                frames: VecDeque::new(),
                first: 0,
                received: 0,
                trailers: None,
                stage: Stage::Recording,
                share: Some(share),
                ending: None,
                leader: None,
                waiting: Vec::new(),
            }),
            bounds,
            background,
            moved: AtomicBool::new(false),
        })
    }

    /// Says what is owed at the end; from here on the body may be driven.
    pub(super) fn begin(&self, ending: Ending) {
        let mut state = self.lock();
        state.ending = Some(ending);
        let ended = matches!(&state.slot, Slot::Idle(body) if body.is_end_stream());
        if ended {
            state.slot = Slot::Gone;
            let settled = state.end(self.bounds);
            drop(state);
            settled.carry_out();
        }
    }

    /// Is the whole body held?
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.lock().stage, Stage::Complete)
    }

    /// Can a reader begin at the beginning?
    pub(super) fn is_whole(&self) -> bool {
        let state = self.lock();
        state.first == 0 && matches!(state.stage, Stage::Recording | Stage::Complete)
    }

    /// Drives the body in the background if nothing has come since the last call.
    pub(super) fn drive_if_stalled(self: &Arc<Self>) {
        if !self.moved.swap(false, Ordering::Relaxed) {
            self.pump();
        }
    }

    /// What stands at `place`; drives the body if it is the leader's turn.
    pub(super) fn read(
        self: &Arc<Self>,
        place: usize,
        trailers_read: bool,
        role: Role,
        cx: &mut Context<'_>,
    ) -> Read {
        loop {
            let mut state = self.lock();
            let Some(index) = place.checked_sub(state.first) else {
                // Only a leader reads on once recording was given up.
                return Read::Failed(Broken.into());
            };
            if let Some(frame) = state.frames.get(index).cloned() {
                if role == Role::Leader {
                    state.release(place + 1);
                }
                return Read::Data(frame);
            }
            match &mut state.stage {
                Stage::Complete => {
                    return match &state.trailers {
                        Some(trailers) if !trailers_read => Read::Trailers(trailers.clone()),
                        _ => Read::End,
                    };
                }
                Stage::Cut if role == Role::Leader => return Read::End,
                Stage::Failed(error) if role == Role::Leader => {
                    return Read::Failed(error.take().unwrap_or_else(|| Broken.into()));
                }
                Stage::Passing if role == Role::Follower => return Read::Failed(Broken.into()),
                Stage::Cut | Stage::Failed(_) => return Read::Failed(Broken.into()),
                Stage::Recording | Stage::Passing => {}
            }
            if role == Role::Follower {
                state.wait(cx.waker());
                return Read::Pending;
            }
            keep(&mut state.leader, cx.waker());
            if state.pumped {
                return Read::Pending;
            }
            drop(state);
            match self.drive(cx, false) {
                Driven::Moved | Driven::Stopped => {}
                Driven::Pending => return Read::Pending,
            }
        }
    }

    /// Has everything been read from `place` on?
    pub(super) fn is_read(&self, place: usize, trailers_read: bool) -> bool {
        let state = self.lock();
        matches!(state.stage, Stage::Complete)
            && place == state.first + state.frames.len()
            && (trailers_read || state.trailers.is_none())
    }

    /// The leader's client is gone: what is worth storing is driven to its end, the rest dropped.
    pub(super) fn leader_left(self: &Arc<Self>) {
        let mut state = self.lock();
        state.leader_gone = true;
        let recording = matches!(state.stage, Stage::Recording);
        let left = (!recording).then(|| std::mem::replace(&mut state.slot, Slot::Gone));
        drop(state);
        drop(left);
        if recording {
            self.pump();
        }
    }

    /// Polls the body once, outside the lock. `pump` says who asks.
    fn drive(self: &Arc<Self>, cx: &mut Context<'_>, pump: bool) -> Driven {
        let mut state = self.lock();
        if pump && !matches!(state.stage, Stage::Recording) {
            state.pumped = false;
            wake(state.leader.take());
            return Driven::Stopped;
        }
        let mut body = match std::mem::replace(&mut state.slot, Slot::Busy) {
            Slot::Idle(body) => body,
            Slot::Busy => {
                state.wait(cx.waker());
                return Driven::Pending;
            }
            Slot::Gone => {
                state.slot = Slot::Gone;
                return Driven::Stopped;
            }
        };
        let left = state.left(self.bounds);
        drop(state);

        let guard = Panicked(self);
        let polled = body.as_mut().poll_frame(cx);
        // Not asked again after its end: a body need not answer twice.
        let mut ended = polled.is_ready() && body.is_end_stream();
        let reached = matches!(&polled, Poll::Ready(Some(Ok(frame)))
            if !ended && frame.data_ref().is_some_and(|data| left == Some(data.len() as u64)));
        let mut ahead = None;
        if reached {
            // A server stops polling at the length it was told, and may never ask for the end. What comes at once still belongs to the
            // response: trailers, an error, or more than was promised.
            if let Poll::Ready(frame) = body.as_mut().poll_frame(cx) {
                ended = matches!(frame, Some(Ok(_))) && body.is_end_stream();
                ahead = Some(frame);
            }
        }
        std::mem::forget(guard);

        let mut state = self.lock();
        let Poll::Ready(frame) = polled else {
            state.slot = Slot::Idle(body);
            if state.pumped && !pump {
                // The pump came while the leader was polling; its waker must be the one that the body knows.
                state.wake_all();
            }
            return Driven::Pending;
        };
        self.moved.store(true, Ordering::Relaxed);
        let mut settled = Settled::Nothing;
        let mut over = ended;
        let last = usize::from(ahead.is_some());
        for (place, frame) in std::iter::once(frame).chain(ahead).enumerate() {
            over |= !matches!(frame, Some(Ok(_)));
            settled = settled.or(state.take_in(frame, ended && place == last, self.bounds));
        }
        if reached && matches!(state.stage, Stage::Recording) {
            settled = settled.or(state.end(self.bounds));
        }
        let over = over || matches!(state.stage, Stage::Complete | Stage::Cut | Stage::Failed(_));
        let abandoned = state.leader_gone && matches!(state.stage, Stage::Passing);
        let done = if over || abandoned {
            state.slot = Slot::Gone;
            Some(body)
        } else {
            state.slot = Slot::Idle(body);
            None
        };
        drop(state);
        drop(done);
        // Before the last frame goes out: the client's next request must hit.
        settled.carry_out();
        self.lock().wake_all();
        Driven::Moved
    }

    fn pump(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.pumped || !matches!(state.stage, Stage::Recording) {
            return;
        }
        state.pumped = true;
        drop(state);
        let recording = self.clone();
        let driver = std::future::poll_fn(move |cx| {
            loop {
                match recording.drive(cx, true) {
                    Driven::Moved => {}
                    Driven::Pending => return Poll::Pending,
                    Driven::Stopped => return Poll::Ready(()),
                }
            }
        });
        let guard = PumpGuard(self.clone());
        let started = self.background.spawn(Box::pin(async move {
            let _guard = guard;
            driver.await;
        }));
        // Refused, the future was dropped with its guard, which has put things right.
        let _ = started;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Files what the body gave. What is to be done about it is done outside the lock.
    fn take_in(
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
                self.frames.push_back(data);
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
    fn left(&self, bounds: Bounds) -> Option<u64> {
        let length = bounds
            .length
            .filter(|_| !bounds.trailers && matches!(self.stage, Stage::Recording))?;
        length.checked_sub(self.received)
    }

    /// After more data: still within bounds, or complete?
    fn take_stock(&mut self, ended: bool, bounds: Bounds) -> Settled {
        if let Stage::Recording = self.stage {
            let too_long = bounds.length.is_some_and(|length| self.received > length);
            let too_large = self.received > bounds.limit as u64;
            let received = usize::try_from(self.received).unwrap_or(usize::MAX);
            let refusal = if too_long {
                Some(NotStored::Length)
            } else if too_large {
                Some(NotStored::TooLarge)
            } else if !self
                .share
                .as_mut()
                .is_some_and(|share| share.grow_to(received))
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
    fn end(&mut self, bounds: Bounds) -> Settled {
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

    fn give_up(&mut self, why: NotStored, retry: bool) -> Settled {
        self.share = None;
        match self.ending.take() {
            None => Settled::Nothing,
            Some(ending) => Settled::GivenUp { ending, why, retry },
        }
    }

    /// Lets go of frames before `place`.
    fn release(&mut self, place: usize) {
        if !matches!(self.stage, Stage::Passing) {
            return;
        }
        while self.first < place && self.frames.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|other| other.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    fn wake_all(&mut self) {
        wake(self.leader.take());
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// What follows from a frame.
enum Settled {
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
    fn or(self, next: Self) -> Self {
        match self {
            Self::Nothing => next,
            settled => settled,
        }
    }

    fn carry_out(self) {
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

fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The body panicked while it was polled: nobody may wait for it.
struct Panicked<'a>(&'a Arc<Recording>);

impl Drop for Panicked<'_> {
    fn drop(&mut self) {
        self.0.fail();
    }
}

/// The pump ended, was aborted, or never started.
struct PumpGuard(Arc<Recording>);

impl Drop for PumpGuard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let orphaned = state.leader_gone && matches!(state.stage, Stage::Recording);
        state.pumped = false;
        state.wake_all();
        drop(state);
        if orphaned {
            self.0.fail();
        }
    }
}

impl Recording {
    fn fail(self: &Arc<Self>) {
        let mut state = self.lock();
        let body = std::mem::replace(&mut state.slot, Slot::Gone);
        if matches!(state.stage, Stage::Recording | Stage::Passing) {
            state.stage = Stage::Failed(None);
        }
        let settled = state.give_up(NotStored::Incomplete, true);
        state.wake_all();
        drop(state);
        drop(body);
        settled.carry_out();
    }
}

/// The flight that this answer was read from has failed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the response that this one was read from ended early")]
struct Broken;

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
