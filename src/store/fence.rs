//! The fence as a value: which stamps are admitted after which purges. Pure; stores put locks, atomics or scripts round it.
//!
//! ```text
//! valid(stamp, marks)  ⇔  stamp.epoch = epoch  ∧  floor ≤ stamp.seq ≤ seq  ∧  every mark[m] ≤ stamp.seq
//! commits also need    stamp.seq ≥ fill_floor
//! ```
//!
//! A mark of a key has to outlive only the fills that it outlaws, since the record itself is removed; when it is dropped, `fill_floor` rises
//! to it, which refuses exactly those fills that began before that purge. A mark of a page, tag or namespace is needed as long as records
//! that it outlaws may stand; when it must go, `floor` rises to it. So whatever is forgotten purges more, never less.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use foldhash::quality::RandomState;

use super::record::{Mark, Stamp};
use crate::clock::Now;

/// How long the mark of a key is kept, and so the longest that a fill may take.
const KEY_MARK_LIFE: Duration = Duration::from_secs(300);

/// How many marks are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) key_marks: usize,
    pub(super) lasting_marks: usize,
}

#[derive(Debug)]
pub(super) struct Fence {
    epoch: u64,
    seq: u64,
    floor: u64,
    fill_floor: u64,
    marks: HashMap<Mark, u64, RandomState>,
    key_order: VecDeque<(Mark, u64, Now)>,
    lasting_order: VecDeque<(Mark, u64)>,
    bounds: Bounds,
}

impl Fence {
    /// A fence made anew: nothing that was stored before is admitted.
    pub(super) fn new(epoch: u64, bounds: Bounds, now: Now) -> Self {
        let seq = micros(now);
        Self {
            epoch,
            seq,
            floor: seq,
            fill_floor: seq,
            marks: HashMap::default(),
            key_order: VecDeque::new(),
            lasting_order: VecDeque::new(),
            bounds,
        }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            epoch: self.epoch,
            seq: self.seq,
        }
    }

    /// Outlaws a key: its fills under way may not commit.
    pub(super) fn mark_key(&mut self, mark: Mark, now: Now) -> Stamp {
        self.advance(now);
        self.marks.insert(mark, self.seq);
        self.key_order.push_back((mark, self.seq, now));
        while self.key_order.front().is_some_and(|(_, _, at)| {
            self.key_order.len() > self.bounds.key_marks || now.since(*at) > KEY_MARK_LIFE
        }) {
            if let Some((mark, seq, _)) = self.key_order.pop_front() {
                self.forget(mark, seq);
                self.fill_floor = self.fill_floor.max(seq);
            }
        }
        self.stamp()
    }

    /// Outlaws everything that carries one of these marks.
    pub(super) fn mark(&mut self, marks: &[Mark], now: Now) -> Stamp {
        self.advance(now);
        for &mark in marks {
            // A repeated purge moves the mark to the end, so that the oldest is always in front.
            self.marks.insert(mark, self.seq);
            self.lasting_order.push_back((mark, self.seq));
        }
        if self.lasting_order.len() > 2 * self.bounds.lasting_marks {
            let current = &self.marks;
            self.lasting_order
                .retain(|(mark, seq)| current.get(mark) == Some(seq));
        }
        while self.lasting_order.len() > self.bounds.lasting_marks {
            if let Some((mark, seq)) = self.lasting_order.pop_front()
                && self.forget(mark, seq)
            {
                self.floor = self.floor.max(seq);
            }
        }
        self.stamp()
    }

    /// Is a record with this stamp and these marks still true?
    pub(super) fn admits(&self, stamp: Stamp, marks: &[Mark]) -> bool {
        if cfg!(larder_without_fence) {
            return true;
        }
        stamp.epoch == self.epoch
            && self.floor <= stamp.seq
            && stamp.seq <= self.seq
            && marks
                .iter()
                .all(|mark| self.marks.get(mark).is_none_or(|seq| *seq <= stamp.seq))
    }

    /// May a fill with this stamp and these marks commit?
    pub(super) fn admits_fill(&self, stamp: Stamp, marks: &[Mark]) -> bool {
        self.admits(stamp, marks) && (self.fill_floor <= stamp.seq || cfg!(larder_without_fence))
    }

    fn advance(&mut self, now: Now) {
        // `max`: the sequence must grow even when the clock stands still or steps back.
        self.seq = (self.seq + 1).max(micros(now));
    }

    /// Drops a mark unless a later purge has renewed it.
    fn forget(&mut self, mark: Mark, seq: u64) -> bool {
        let current = self.marks.get(&mark) == Some(&seq);
        if current {
            self.marks.remove(&mark);
        }
        current
    }
}

fn micros(now: Now) -> u64 {
    now.as_millis().saturating_mul(1_000).min(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        key_marks: 2,
        lasting_marks: 2,
    };

    fn at(seconds: u64) -> Now {
        Now::from_millis(seconds * 1_000)
    }

    fn mark(name: &str) -> Mark {
        Mark::of("test", &[name.as_bytes()])
    }

    #[test]
    fn a_mark_outlaws_what_was_stamped_before_it_and_nothing_else() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let before = fence.stamp();
        let after = fence.mark(&[mark("a")], at(1));
        assert!(!fence.admits(before, &[mark("a")]));
        assert!(fence.admits(before, &[mark("b")]));
        assert!(fence.admits(after, &[mark("a")]));
    }

    #[test]
    fn a_clock_that_stands_still_or_steps_back_still_orders_purges() {
        let mut fence = Fence::new(1, BOUNDS, at(10));
        let first = fence.mark(&[mark("a")], at(10));
        let second = fence.mark(&[mark("a")], at(3));
        assert!(second.seq > first.seq);
        assert!(!fence.admits(first, &[mark("a")]));
    }

    #[test]
    fn stamps_of_another_epoch_or_of_the_future_are_not_admitted() {
        let fence = Fence::new(1, BOUNDS, at(10));
        let stamp = fence.stamp();
        assert!(!fence.admits(Stamp { epoch: 2, ..stamp }, &[]));
        let future = Stamp {
            seq: stamp.seq + 1,
            ..stamp
        };
        assert!(!fence.admits(future, &[]));
        assert!(fence.admits(stamp, &[]));
    }

    #[test]
    fn a_forgotten_key_mark_still_refuses_the_fills_it_outlawed() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let slow = fence.stamp();
        let fresh = fence.mark_key(mark("k"), at(1));
        // The mark is dropped five minutes later, by the next purge of any key.
        fence.mark_key(mark("other"), at(302));
        assert!(!fence.admits_fill(slow, &[mark("k")]));
        assert!(fence.admits_fill(fresh, &[mark("k")]));
    }

    #[test]
    fn too_many_key_marks_refuse_more_fills_never_fewer() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let slow = fence.stamp();
        for name in ["a", "b", "c"] {
            fence.mark_key(mark(name), at(1));
        }
        assert!(!fence.admits_fill(slow, &[mark("a")]));
        assert!(
            fence.admits(slow, &[mark("unrelated")]),
            "what is stored stays"
        );
    }

    #[test]
    fn too_many_lasting_marks_purge_more_never_less() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let old = fence.stamp();
        let mut last = old;
        for name in ["a", "b", "c", "d", "e"] {
            last = fence.mark(&[mark(name)], at(1));
        }
        assert!(!fence.admits(old, &[mark("a")]), "its mark was dropped");
        assert!(!fence.admits(old, &[mark("unrelated")]), "the floor rose");
        assert!(fence.admits(last, &[mark("e")]));
        assert!(fence.marks.len() <= 4 && fence.lasting_order.len() <= 4);
    }

    #[test]
    fn renewing_one_mark_for_ever_takes_no_room() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let before = fence.stamp();
        for second in 0..1_000 {
            fence.mark(&[mark("a")], at(second));
        }
        assert!(fence.lasting_order.len() <= 4);
        assert!(!fence.admits(before, &[mark("a")]));
        assert!(fence.admits(fence.stamp(), &[mark("a")]));
    }
}
