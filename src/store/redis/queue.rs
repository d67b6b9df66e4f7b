//! The purges that are owed to the server: those that did not reach it, and those of the last minutes, which a failover may have lost.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Now;
use crate::store::{Mark, Matching};

/// How long delivered purges are remembered, to be repeated where another server answers.
const REMEMBERED: Duration = Duration::from_secs(600);

/// How many marks one script is given.
const AT_ONCE: usize = 1_000;

/// What a search weighs, in marks.
const SEARCH: usize = 100;

/// A purge as the server takes it.
#[derive(Clone, Debug)]
pub(super) enum Strike {
    Marks(Vec<Mark>),
    /// The names of entries, with their marks.
    Keys(Vec<(Vec<u8>, Mark)>),
    Soft(Vec<Mark>, Now),
    Matching(Sweep),
    /// Everything in the namespace.
    All,
}

/// A predicate purge, and where its entries are to be looked for.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    pub(super) pattern: Vec<u8>,
    pub(super) matching: Matching,
}

impl Strike {
    fn weight(&self) -> usize {
        match self {
            Self::Marks(marks) | Self::Soft(marks, _) => marks.len().max(1),
            Self::Keys(keys) => keys.len().max(1),
            // It looks at every entry: a queue full of these would keep a node from its store for long.
            Self::Matching(_) => SEARCH,
            Self::All => 1,
        }
    }

    /// The same in pieces that one script takes.
    pub(super) fn pieces(self) -> Vec<Self> {
        match self {
            Self::Marks(marks) if marks.len() > AT_ONCE => marks
                .chunks(AT_ONCE)
                .map(|piece| Self::Marks(piece.to_vec()))
                .collect(),
            Self::Keys(keys) if keys.len() > AT_ONCE => keys
                .chunks(AT_ONCE)
                .map(|piece| Self::Keys(piece.to_vec()))
                .collect(),
            Self::Soft(marks, at) if marks.len() > AT_ONCE => marks
                .chunks(AT_ONCE)
                .map(|piece| Self::Soft(piece.to_vec(), at))
                .collect(),
            whole => vec![whole],
        }
    }

    /// One purge for both, where that is possible.
    fn joined(self, next: &Self) -> Result<Self, Self> {
        match (self, next) {
            (Self::All, _) | (_, Self::All) => Ok(Self::All),
            (Self::Marks(mut marks), Self::Marks(more)) if marks.len() < AT_ONCE => {
                marks.extend_from_slice(more);
                Ok(Self::Marks(marks))
            }
            (Self::Keys(mut keys), Self::Keys(more)) if keys.len() < AT_ONCE => {
                keys.extend_from_slice(more);
                Ok(Self::Keys(keys))
            }
            (alone, _) => Err(alone),
        }
    }
}

/// What is owed. Bounded: what would be too much becomes one purge of everything.
#[derive(Debug)]
pub(super) struct Queue {
    held: Mutex<Held>,
    bound: usize,
}

#[derive(Debug)]
struct Held {
    owed: VecDeque<Strike>,
    /// The number of the first that is owed; each is the next one's less one.
    first: u64,
    weight: usize,
    delivered: VecDeque<(Now, Strike)>,
    delivered_weight: usize,
    /// The latest moment that anyone has told.
    latest: Now,
}

impl Queue {
    /// A queue of at most `bound` marks, and as many that are remembered.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            held: Mutex::new(Held {
                owed: VecDeque::new(),
                first: 0,
                weight: 0,
                delivered: VecDeque::new(),
                delivered_weight: 0,
                latest: Now::from_millis(0),
            }),
            bound,
        }
    }

    /// How many purges are owed.
    pub(super) fn len(&self) -> usize {
        self.lock().owed.len()
    }

    pub(super) fn owe(&self, strike: Strike) {
        let mut held = self.lock();
        held.weight += strike.weight();
        held.owed.push_back(strike);
        if held.weight > self.bound {
            // Under a number of its own: what is being delivered now does not pay for it.
            held.first += held.owed.len() as u64;
            held.owed.clear();
            held.owed.push_back(Strike::All);
            held.weight = 1;
        }
    }

    /// The first of those that are owed, joined with what can go with it, and the number of the one behind them. They stay owed until
    /// [`paid`](Self::paid).
    pub(super) fn first(&self) -> Option<(Strike, u64)> {
        let held = self.lock();
        let mut owed = held.owed.iter();
        let mut joined = owed.next()?.clone();
        let mut behind = held.first + 1;
        for next in owed {
            match joined.joined(next) {
                Ok(both) => joined = both,
                Err(alone) => return Some((alone, behind)),
            }
            behind += 1;
        }
        Some((joined, behind))
    }

    /// Those before the number `behind` have been delivered.
    pub(super) fn paid(&self, strike: &Strike, behind: u64, now: Now) {
        let mut held = self.lock();
        while held.first < behind
            && let Some(paid) = held.owed.pop_front()
        {
            held.first += 1;
            held.weight = held.weight.saturating_sub(paid.weight());
        }
        drop(held);
        self.remember(strike, now);
    }

    /// Notes how late it is. What is delivered by somebody who cannot tell was delivered then.
    fn heard(&self, now: Now) {
        let mut held = self.lock();
        held.latest = held.latest.max(now);
    }

    /// A purge was delivered: for a while it may have to be repeated.
    pub(super) fn remember(&self, strike: &Strike, now: Now) {
        let mut held = self.lock();
        let now = now.max(held.latest);
        held.latest = now;
        held.delivered_weight += strike.weight();
        held.delivered.push_back((now, strike.clone()));
        while let Some((at, _)) = held.delivered.front() {
            if now.since(*at) <= REMEMBERED {
                break;
            }
            let gone = held.delivered.pop_front();
            let weight = gone.map_or(0, |(_, strike)| strike.weight());
            held.delivered_weight = held.delivered_weight.saturating_sub(weight);
        }
        if held.delivered_weight > self.bound {
            held.delivered.clear();
            held.delivered.push_back((now, Strike::All));
            held.delivered_weight = 1;
        }
    }

    /// Another server answers, which may have lost what was delivered: it is owed again.
    pub(super) fn repeat(&self, now: Now) {
        let (delivered, now) = {
            let mut held = self.lock();
            held.delivered_weight = 0;
            (std::mem::take(&mut held.delivered), now.max(held.latest))
        };
        for (at, strike) in delivered {
            if now.since(at) <= REMEMBERED {
                self.owe(strike);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A purge on its way: owed from now on, unless it [arrives](Self::arrived). Dropped, it is owed as well.
pub(super) struct Debt<'a> {
    queue: &'a Queue,
    strike: Option<Strike>,
}

impl<'a> Debt<'a> {
    pub(super) fn new(queue: &'a Queue, strike: Strike, now: Now) -> Self {
        queue.heard(now);
        Self {
            queue,
            strike: Some(strike),
        }
    }

    pub(super) fn arrived(mut self, now: Now) {
        if let Some(strike) = self.strike.take() {
            self.queue.remember(&strike, now);
        }
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if let Some(strike) = self.strike.take() {
            self.queue.owe(strike);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(names: &[&str]) -> Strike {
        let marks = names.iter().map(|name| Mark::of("t", &[name.as_bytes()]));
        Strike::Marks(marks.collect())
    }

    fn at(seconds: u64) -> Now {
        Now::from_millis(seconds * 1_000)
    }

    #[test]
    fn what_is_owed_goes_together_and_stays_until_it_is_paid() {
        let queue = Queue::new(100);
        queue.owe(marks(&["a"]));
        queue.owe(marks(&["b", "c"]));
        queue.owe(Strike::Keys(vec![(b"k".to_vec(), Mark::of("t", &[b"k"]))]));
        let (first, behind) = queue.first().unwrap();
        assert!(matches!(&first, Strike::Marks(marks) if marks.len() == 3));
        assert_eq!((behind, queue.len()), (2, 3));
        queue.paid(&first, behind, at(0));
        assert_eq!(queue.len(), 1);
        assert!(matches!(queue.first(), Some((Strike::Keys(_), 3))));
    }

    #[test]
    fn too_much_becomes_a_purge_of_everything() {
        let queue = Queue::new(3);
        for name in ["a", "b", "c"] {
            queue.owe(marks(&[name]));
        }
        assert_eq!(queue.len(), 3);
        queue.owe(marks(&["d"]));
        assert!(matches!(queue.first(), Some((Strike::All, _))));
        queue.owe(marks(&["e"]));
        let (first, behind) = queue.first().unwrap();
        assert!(matches!(first, Strike::All));
        queue.paid(&first, behind, at(0));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_was_on_its_way_does_not_pay_for_a_purge_of_everything() {
        let queue = Queue::new(2);
        queue.owe(marks(&["a"]));
        queue.owe(marks(&["b"]));
        let (first, behind) = queue.first().unwrap();
        queue.owe(marks(&["c"]));
        queue.paid(&first, behind, at(0));
        assert!(matches!(queue.first(), Some((Strike::All, _))));
    }

    #[test]
    fn what_somebody_delivers_who_cannot_tell_the_time_is_repeated_too() {
        let queue = Queue::new(10);
        drop(Debt::new(&queue, marks(&["a"]), at(5_000)));
        let (first, behind) = queue.first().unwrap();
        queue.paid(&first, behind, at(0));
        queue.repeat(at(5_001));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_purge_that_does_not_arrive_is_owed() {
        let queue = Queue::new(10);
        Debt::new(&queue, marks(&["a"]), at(0)).arrived(at(0));
        assert_eq!(queue.len(), 0);
        drop(Debt::new(&queue, marks(&["b"]), at(0)));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn the_last_ten_minutes_are_repeated() {
        let queue = Queue::new(10);
        queue.remember(&marks(&["old"]), at(0));
        queue.remember(&marks(&["a"]), at(500));
        queue.repeat(at(700));
        assert_eq!(queue.len(), 1);
        queue.repeat(at(700));
        assert_eq!(queue.len(), 1, "once");
        for n in 0..11 {
            queue.remember(&marks(&[&n.to_string()]), at(700));
        }
        let queue_of_all = queue;
        queue_of_all.repeat(at(701));
        assert!(matches!(queue_of_all.first(), Some((Strike::All, _))));
    }

    #[test]
    fn a_large_purge_goes_in_pieces() {
        let many: Vec<Mark> = (0..2_500_u32)
            .map(|n| Mark::of("t", &[&n.to_be_bytes()]))
            .collect();
        assert_eq!(Strike::Marks(many).pieces().len(), 3);
    }
}
