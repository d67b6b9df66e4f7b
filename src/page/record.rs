//! Recording a body while it streams.
//!
//! The body stands in one slot. The leader's own polls drive it, so that nothing is read faster than its client takes it; when the leader is
//! gone, or does not poll while others wait, a background task (the pump) drives it instead, and the leader reads from the recording. Over
//! the limit, recording stops and the leader goes on with the body alone.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;

use super::budget::Share;
use super::commit::Ending;
pub(super) use super::record_state::Bounds;
use super::record_state::{Settled, Slot, Stage, State, keep, wake_all};
use super::stored::strip_personal;
use crate::background::{Background, LONGEST_ALONE};
use crate::content::{AnyBody, BoxError};
use crate::monitor::NotStored;

/// The number of whoever drives, among those who wait.
const DRIVER: u64 = 0;

/// How many frames are taken in one turn.
const FRAMES_AT_ONCE: usize = 64;

pub(super) struct Recording {
    state: Mutex<State>,
    bounds: Bounds,
    background: Background,
    /// Has anything come since somebody last asked?
    moved: AtomicBool,
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
                begun: false,
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
                followers: 0,
                numbers: DRIVER,
            }),
            bounds,
            background,
            moved: AtomicBool::new(false),
        })
    }

    /// Says what is owed at the end; from here on the body may be driven.
    pub(super) fn begin(&self, ending: Ending) {
        let mut state = self.lock();
        state.begun = true;
        state.ending = Some(ending);
        let ended = matches!(&state.slot, Slot::Idle(body) if body.is_end_stream());
        if ended {
            state.slot = Slot::Gone;
            let settled = state.end(self.bounds);
            let wakers = state.take_wakers();
            drop(state);
            settled.carry_out();
            wake_all(wakers);
        }
    }

    /// A follower begins to read; its number is its place among those who wait.
    pub(super) fn follower_came(&self) -> u64 {
        let mut state = self.lock();
        state.followers += 1;
        state.numbers += 1;
        state.numbers
    }

    /// A follower is gone. The last of those who read an orphan that nobody drives leaves nothing to wait for.
    pub(super) fn follower_left(self: &Arc<Self>, number: u64) {
        let mut state = self.lock();
        state.followers -= 1;
        state.waiting.retain(|(other, _)| *other != number);
        let forsaken = state.is_forsaken();
        drop(state);
        if forsaken {
            self.fail();
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

    /// Finds room in the budget for a body of this length, for one who reads it from the recording.
    pub(super) fn reserve(&self, length: u64) -> bool {
        let mut state = self.lock();
        usize::try_from(length).is_ok_and(|length| {
            state
                .share
                .as_mut()
                .is_some_and(|share| share.grow_to(length))
        })
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
        reader: (Role, u64),
        cx: &mut Context<'_>,
    ) -> Read {
        let (role, number) = reader;
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
                        Some(trailers) if !trailers_read => {
                            let mut trailers = trailers.clone();
                            if role == Role::Follower {
                                strip_personal(&mut trailers);
                            }
                            Read::Trailers(trailers)
                        }
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
                state.wait(number, cx.waker());
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
            // Its guard wakes the leader.
            return Driven::Stopped;
        }
        let mut body = match std::mem::replace(&mut state.slot, Slot::Busy) {
            Slot::Idle(body) => body,
            Slot::Busy => {
                state.wait(DRIVER, cx.waker());
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
            // The pump came while the leader was polling; its waker must be the one that the body knows.
            let wakers = (state.pumped && !pump).then(|| state.take_wakers());
            drop(state);
            wake_all(wakers.into_iter().flatten());
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
        let wakers = self.lock().take_wakers();
        wake_all(wakers);
        Driven::Moved
    }

    fn pump(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.pumped || !state.begun || !matches!(state.stage, Stage::Recording) {
            return;
        }
        state.pumped = true;
        drop(state);
        let recording = self.clone();
        let driver = std::future::poll_fn(move |cx| {
            for _ in 0..FRAMES_AT_ONCE {
                match recording.drive(cx, true) {
                    Driven::Moved => {}
                    Driven::Pending => return Poll::Pending,
                    Driven::Stopped => return Poll::Ready(()),
                }
            }
            // A body that is always ready must let others have their turn.
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        let guard = PumpGuard(self.clone());
        let started = self.background.spawn(Box::pin(async move {
            let _guard = guard;
            // A body without end must not hold its place for ever. Whoever still waits has it driven again.
            let _ = tokio::time::timeout(LONGEST_ALONE, driver).await;
        }));
        if !started && self.lock().leader_gone {
            // Nobody will drive it, whoever reads.
            self.fail();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        state.pumped = false;
        // Followers that read have it driven again.
        let orphaned = state.is_forsaken();
        let wakers = state.take_wakers();
        drop(state);
        wake_all(wakers);
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
        let wakers = state.take_wakers();
        drop(state);
        drop(body);
        settled.carry_out();
        wake_all(wakers);
    }
}

/// The flight that this answer was read from has failed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the response that this one was read from ended early")]
struct Broken;

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
