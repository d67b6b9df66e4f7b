//! The fence as a value: which stamps are admitted after which purges. Pure; stores put locks, atomics or scripts round it.
//!
//! ```text
//! valid(stamp, marks)  ⇔  stamp.epoch = epoch  ∧  floor ≤ stamp.seq ≤ seq  ∧  every mark[m] ≤ stamp.seq
//! commits also need    stamp.seq ≥ fill_floor
//! fresh until          the least `at` of its soft marks with seq > stamp.seq
//! ```
//!
//! A mark of a key has to outlive only the fills that it outlaws, since the record itself is removed; when it is dropped, `fill_floor` rises
//! to it, which refuses exactly those fills that began before that purge. A mark of a page, tag or namespace is needed as long as records
//! that it outlaws may stand; when it must go, `floor` rises to it, and so it does for a soft mark. So whatever is forgotten purges more, never less.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use foldhash::quality::RandomState;

use super::record::{Mark, Stamp};
use crate::clock::Now;
use crate::mutant::is_off;

/// How long the mark of a key is kept, and so the longest that a fill may take.
const KEY_MARK_LIFE: Duration = Duration::from_secs(300);

/// How many marks are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) key_marks: usize,
    pub(super) lasting_marks: usize,
    pub(super) soft_marks: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Fence {
    epoch: u64,
    seq: u64,
    floor: u64,
    fill_floor: u64,
    /// Apart, since what is forgotten of a key must not be forgotten of anything that lasts.
    keys: Marks,
    lasting: Marks,
    /// Apart, since they outlaw nothing. Their moments are those at which freshness ends.
    soft: Marks,
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
            keys: Marks::default(),
            lasting: Marks::default(),
            soft: Marks::default(),
            bounds,
        }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            epoch: self.epoch,
            seq: self.seq,
        }
    }

    /// Outlaws keys: their fills under way may not commit. Each mark must be that of one key alone, whose record the caller removes.
    pub(super) fn mark_keys(&mut self, marks: &[Mark], now: Now) -> Stamp {
        self.advance(now);
        for &mark in marks {
            self.keys.set(mark, self.seq, now);
        }
        while self.keys.oldest().is_some_and(|at| {
            self.keys.len() > self.bounds.key_marks || now.since(at) > KEY_MARK_LIFE
        }) {
            let dropped = self.keys.drop_oldest();
            self.fill_floor = self.fill_floor.max(dropped);
        }
        self.stamp()
    }

    /// Outlaws everything that carries one of these marks.
    pub(super) fn mark(&mut self, marks: &[Mark], now: Now) -> Stamp {
        self.advance(now);
        for &mark in marks {
            self.lasting.set(mark, self.seq, now);
        }
        while self.lasting.len() > self.bounds.lasting_marks {
            let dropped = self.lasting.drop_oldest();
            self.floor = self.floor.max(dropped);
        }
        self.stamp()
    }

    /// Ends the freshness, at the moment `at`, of everything that carries one of these marks.
    pub(super) fn mark_soft(&mut self, marks: &[Mark], at: Now, now: Now) -> Stamp {
        self.advance(now);
        for &mark in marks {
            self.soft.set(mark, self.seq, at);
        }
        while self.soft.len() > self.bounds.soft_marks {
            let dropped = self.soft.drop_oldest();
            self.floor = self.floor.max(dropped);
        }
        self.stamp()
    }

    /// Refuses all fills under way, whatever they carry.
    pub(super) fn refuse_fills(&mut self, now: Now) -> Stamp {
        self.advance(now);
        self.fill_floor = self.seq;
        self.stamp()
    }

    /// Is a record with this stamp and these marks still true?
    pub(super) fn admits(&self, stamp: Stamp, marks: &[Mark]) -> bool {
        if is_off("fence") {
            return true;
        }
        stamp.epoch == self.epoch
            && self.floor <= stamp.seq
            && stamp.seq <= self.seq
            && marks
                .iter()
                .all(|mark| self.lasting.seq(mark).max(self.keys.seq(mark)) <= stamp.seq)
    }

    /// When soft purges end the freshness of a record with this stamp and these marks.
    pub(super) fn soft_end(&self, stamp: Stamp, marks: &[Mark]) -> Option<Now> {
        if self.soft.len() == 0 {
            return None;
        }
        marks
            .iter()
            .filter_map(|mark| self.soft.get(mark))
            .filter(|set| set.seq > stamp.seq)
            .map(|set| set.at)
            .min()
    }

    /// May a fill with this stamp and these marks commit?
    pub(super) fn admits_fill(&self, stamp: Stamp, marks: &[Mark]) -> bool {
        self.admits(stamp, marks) && (self.fill_floor <= stamp.seq || is_off("fence"))
    }

    fn advance(&mut self, now: Now) {
        // `max`: the sequence must grow even when the clock stands still or steps back.
        self.seq = (self.seq + 1).max(micros(now));
    }
}

/// Marks, and the order in which they were last set.
#[derive(Clone, Debug, Default)]
struct Marks {
    set: HashMap<Mark, Set, RandomState>,
    /// A mark that was set again stands here twice; the earlier place is stale.
    order: VecDeque<(Mark, Set)>,
}

/// Where the fence stood when a mark was set, and the moment that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Set {
    seq: u64,
    at: Now,
}

impl Marks {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn get(&self, mark: &Mark) -> Option<Set> {
        self.set.get(mark).copied()
    }

    fn seq(&self, mark: &Mark) -> u64 {
        self.get(mark).map_or(0, |set| set.seq)
    }

    fn set(&mut self, mark: Mark, seq: u64, at: Now) {
        let set = Set { seq, at };
        self.set.insert(mark, set);
        self.order.push_back((mark, set));
        // One purge repeated must neither take room nor push others out.
        if self.order.len() > 2 * self.set.len() + 8 {
            let sets = &self.set;
            self.order.retain(|(mark, set)| sets.get(mark) == Some(set));
        }
    }

    /// The moment of the mark that was not set again for longest.
    fn oldest(&mut self) -> Option<Now> {
        while let Some((mark, set)) = self.order.front() {
            if self.set.get(mark) == Some(set) {
                return Some(set.at);
            }
            self.order.pop_front();
        }
        None
    }

    /// Drops that mark, and says what it stood at.
    fn drop_oldest(&mut self) -> u64 {
        self.oldest();
        let Some((mark, set)) = self.order.pop_front() else {
            return 0;
        };
        self.set.remove(&mark);
        set.seq
    }
}

fn micros(now: Now) -> u64 {
    now.as_millis().saturating_mul(1_000).min(u64::MAX / 2)
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        key_marks: 2,
        lasting_marks: 2,
        soft_marks: 2,
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
        let fresh = fence.mark_keys(&[mark("k")], at(1));
        // The mark is dropped five minutes later, by the next purge of any key.
        fence.mark_keys(&[mark("other")], at(302));
        assert!(!fence.admits_fill(slow, &[mark("k")]));
        assert!(fence.admits_fill(fresh, &[mark("k")]));
    }

    #[test]
    fn too_many_key_marks_refuse_more_fills_never_fewer() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let slow = fence.stamp();
        for name in ["a", "b", "c"] {
            fence.mark_keys(&[mark(name)], at(1));
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
        assert!(fence.lasting.len() <= 2 && fence.lasting.order.len() <= 12);
    }

    #[test]
    fn what_is_forgotten_of_a_key_is_not_forgotten_of_what_lasts() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let before = fence.stamp();
        fence.mark(&[mark("a")], at(1));
        fence.mark_keys(&[mark("a")], at(1));
        fence.mark_keys(&[mark("other")], at(400));
        assert!(!fence.admits(before, &[mark("a")]));
    }

    #[test]
    fn renewing_one_mark_for_ever_takes_no_room() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let before = fence.stamp();
        for second in 0..1_000 {
            fence.mark(&[mark("a")], at(second));
        }
        assert!(fence.lasting.order.len() <= 12);
        assert!(!fence.admits(before, &[mark("a")]));
        assert!(
            fence.admits(before, &[mark("b")]),
            "nothing else is pushed out"
        );
        assert!(fence.admits(fence.stamp(), &[mark("a")]));
    }

    #[test]
    fn a_soft_mark_ends_the_freshness_of_what_was_stamped_before_it() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let before = fence.stamp();
        let after = fence.mark_soft(&[mark("a")], at(7), at(1));
        let marks = [mark("a"), mark("b")];
        assert_eq!(fence.soft_end(before, &marks), Some(at(7)));
        assert_eq!(fence.soft_end(before, &[mark("b")]), None);
        assert_eq!(fence.soft_end(after, &marks), None);
        fence.mark_soft(&[mark("b")], at(5), at(2));
        assert_eq!(fence.soft_end(before, &marks), Some(at(5)), "the earliest");
        assert_eq!(fence.soft_end(after, &marks), Some(at(5)));
        assert!(fence.admits(before, &marks), "it outlaws nothing");
        assert!(fence.admits_fill(before, &marks), "nor refuses fills");
    }

    #[test]
    fn hard_and_soft_marks_do_not_replace_each_other() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let before = fence.stamp();
        let hard = fence.mark(&[mark("a")], at(1));
        fence.mark_soft(&[mark("a")], at(2), at(2));
        assert!(!fence.admits(before, &[mark("a")]));
        assert!(fence.admits(hard, &[mark("a")]));
        fence.mark(&[mark("b")], at(3));
        assert_eq!(fence.soft_end(hard, &[mark("a")]), Some(at(2)));
    }

    #[test]
    fn too_many_soft_marks_purge_more_never_less() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let old = fence.stamp();
        let first = fence.mark_soft(&[mark("a")], at(1), at(1));
        for name in ["b", "c"] {
            fence.mark_soft(&[mark(name)], at(1), at(1));
        }
        assert!(!fence.admits(old, &[mark("a")]), "its mark was dropped");
        assert!(fence.admits(first, &[mark("a")]));
        assert!(fence.soft.len() <= 2);
    }

    #[test]
    fn refusing_all_fills_leaves_what_is_stored() {
        let mut fence = Fence::new(1, BOUNDS, at(0));
        let before = fence.stamp();
        let after = fence.refuse_fills(at(1));
        assert!(!fence.admits_fill(before, &[]));
        assert!(fence.admits(before, &[]));
        assert!(fence.admits_fill(after, &[]));
    }
}
