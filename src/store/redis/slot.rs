//! A place for one shared connection, which one caller opens and the others wait for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::failure::Failure;

/// What those who wait for a connection are told.
pub(super) type Opened<C> = Option<Result<Link<C>, Failure>>;

/// A connection, and which one of the slot's it is.
#[derive(Clone, Debug)]
pub(super) struct Link<C> {
    pub(super) connection: C,
    number: u64,
    /// How many answers in a row did not come in time.
    late: Arc<AtomicU32>,
}

/// After so many answers in a row that did not come in time, a connection is given up: the machine at its other end may be gone without a word,
/// while those that share the load with it are well.
const LATE: u32 = 3;

impl<C> Link<C> {
    /// Takes note of an answer, or of one that did not come in time. Is the connection to be given up?
    pub(super) fn note(&self, in_time: bool) -> bool {
        match in_time {
            true => {
                self.late.store(0, Ordering::Relaxed);
                false
            }
            false => self.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE,
        }
    }
}

/// A place for one connection.
#[derive(Debug)]
pub(super) struct Slot<C> {
    inner: Mutex<Inner<C>>,
}

#[derive(Debug)]
struct Inner<C> {
    state: State<C>,
    opened: u64,
}

#[derive(Debug)]
enum State<C> {
    Empty,
    Opening(watch::Receiver<Opened<C>>),
    Open { link: Link<C>, checked: Instant },
}

/// What a caller does next.
#[derive(Debug)]
pub(super) enum Next<C> {
    /// Use the connection, and ask the server for its role on the way where that is due.
    Use { link: Link<C>, check: bool },
    /// Wait for the one who opens it.
    Wait(watch::Receiver<Opened<C>>),
    /// Open it, and tell [`Slot::opened`]; wait like the others.
    Open(watch::Sender<Opened<C>>, watch::Receiver<Opened<C>>),
}

impl<C: Clone> Slot<C> {
    /// A slot without a connection.
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                state: State::Empty,
                opened: 0,
            }),
        }
    }

    /// What a caller that needs a connection does next. One caller in each `span` checks the server's role.
    pub(super) fn next(&self, now: Instant, span: Duration) -> Next<C> {
        let mut inner = self.lock();
        match &mut inner.state {
            State::Open { link, checked } => {
                let check = now.duration_since(*checked) >= span;
                if check {
                    *checked = now;
                }
                Next::Use {
                    link: link.clone(),
                    check,
                }
            }
            // Whoever was to open it is gone, with its runtime perhaps, where the channel is closed.
            State::Opening(opened) if opened.has_changed().is_ok() => Next::Wait(opened.clone()),
            State::Opening(_) | State::Empty => {
                let (sender, receiver) = watch::channel(None);
                inner.state = State::Opening(receiver.clone());
                Next::Open(sender, receiver)
            }
        }
    }

    /// Takes the connection in, or the failure to make one, and tells those who wait.
    pub(super) fn opened(
        &self,
        result: Result<C, Failure>,
        waiting: &watch::Sender<Opened<C>>,
        now: Instant,
    ) {
        let result = {
            let mut inner = self.lock();
            inner.opened += 1;
            let number = inner.opened;
            let result = result.map(|connection| Link {
                connection,
                number,
                late: Arc::default(),
            });
            inner.state = match &result {
                Ok(link) => State::Open {
                    link: link.clone(),
                    checked: now,
                },
                Err(_) => State::Empty,
            };
            result
        };
        waiting.send_replace(Some(result));
    }

    /// Lets go of `link`, if it is still there.
    pub(super) fn discard(&self, link: &Link<C>) {
        let mut inner = self.lock();
        if matches!(&inner.state, State::Open { link: own, .. } if own.number == link.number) {
            inner.state = State::Empty;
        }
    }

    /// Lets go of whatever connection there is.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Open { .. }) {
            inner.state = State::Empty;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<C>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(1);

    fn opened() -> (Slot<u8>, Link<u8>, Instant) {
        let (slot, now) = (Slot::new(), Instant::now());
        let Next::Open(sender, receiver) = slot.next(now, SPAN) else {
            panic!("an empty slot is opened");
        };
        slot.opened(Ok(7), &sender, now);
        let link = receiver.borrow().clone().unwrap().unwrap();
        (slot, link, now)
    }

    #[test]
    fn one_opens_and_the_others_wait_for_it() {
        let (slot, now) = (Slot::new(), Instant::now());
        let Next::Open(sender, _) = slot.next(now, SPAN) else {
            panic!("an empty slot is opened");
        };
        let Next::Wait(waiting) = slot.next(now, SPAN) else {
            panic!("the second waits");
        };
        slot.opened(Ok(7), &sender, now);
        let told = waiting.borrow().clone();
        assert!(matches!(told, Some(Ok(link)) if link.connection == 7));
        assert!(matches!(slot.next(now, SPAN), Next::Use { link, .. } if link.connection == 7));
    }

    #[test]
    fn a_failure_is_told_and_the_next_tries_again() {
        let (slot, now) = (Slot::<u8>::new(), Instant::now());
        let Next::Open(sender, waiting) = slot.next(now, SPAN) else {
            panic!("an empty slot is opened");
        };
        slot.opened(Err(Failure::Replica), &sender, now);
        assert!(matches!(*waiting.borrow(), Some(Err(Failure::Replica))));
        assert!(matches!(slot.next(now, SPAN), Next::Open(..)));
    }

    #[test]
    fn an_opener_that_went_away_is_replaced() {
        let (slot, now) = (Slot::<u8>::new(), Instant::now());
        drop(slot.next(now, SPAN));
        assert!(matches!(slot.next(now, SPAN), Next::Open(..)));
    }

    #[test]
    fn an_old_connection_does_not_take_the_new_one_along() {
        let (slot, old, now) = opened();
        slot.discard(&old);
        let Next::Open(sender, _) = slot.next(now, SPAN) else {
            panic!("a slot without a connection is opened");
        };
        slot.opened(Ok(8), &sender, now);
        slot.discard(&old);
        assert!(matches!(slot.next(now, SPAN), Next::Use { link, .. } if link.connection == 8));
        slot.clear();
        assert!(matches!(slot.next(now, SPAN), Next::Open(..)));
    }

    #[test]
    fn a_connection_that_stays_silent_is_given_up() {
        let (_, link, _) = opened();
        let clone = link.clone();
        let answers = [false, false, true, false, false, false];
        let noted = answers.map(|in_time| clone.note(in_time));
        assert_eq!(noted, [false, false, false, false, false, true]);
        assert!(link.note(false), "clones are one connection");
    }

    #[test]
    fn one_caller_in_each_span_checks_the_role() {
        let (slot, _, now) = opened();
        let check = |at| matches!(slot.next(at, SPAN), Next::Use { check: true, .. });
        assert!(!check(now));
        assert!(check(now + SPAN));
        assert!(!check(now + SPAN));
        assert!(check(now + 2 * SPAN));
    }
}
