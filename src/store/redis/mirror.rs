//! What a node knows of the fence: its numbers, and all marks up to one of them. Pure.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::clock::Now;
use crate::mutant::is_off;
use crate::store::{Mark, Stamp};

/// The fence as it stands in the server: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) stamp: Stamp,
    pub(super) floor: u64,
    pub(super) fill_floor: u64,
}

impl Fence {
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        let raw: &[u8; 32] = raw.try_into().ok()?;
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&raw[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        Some(Self {
            stamp: Stamp {
                epoch: number(0),
                seq: number(8),
            },
            floor: number(16),
            fill_floor: number(24),
        })
    }
}

/// What the fence says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Valid,
    /// Its freshness has ended at this moment.
    Stale(Now),
    Outlawed,
}

/// The marks of one set since a node last looked, oldest first.
pub(super) type Delta<K> = Vec<(K, u64)>;

/// Everything that a node has to know to judge records by itself.
#[derive(Debug)]
pub(super) struct Mirror {
    fence: Fence,
    /// All marks are known up to this number.
    known: u64,
    lasting: Marks,
    keys: Marks,
    soft: HashMap<Mark, (u64, Now), RandomState>,
    bound: usize,
}

#[derive(Debug, Default)]
struct Marks {
    set: HashMap<Mark, u64, RandomState>,
    youngest: u64,
}

impl Marks {
    fn set(&mut self, mark: Mark, seq: u64) {
        let standing = self.set.entry(mark).or_insert(seq);
        *standing = seq.max(*standing);
        self.youngest = self.youngest.max(seq);
    }

    fn strikes(&self, marks: &[Mark], seq: u64) -> bool {
        self.youngest > seq
            && marks
                .iter()
                .any(|mark| self.set.get(mark).is_some_and(|at| *at > seq))
    }
}

impl Mirror {
    /// A mirror that has seen no fence yet, of sets that hold about `bound` marks each.
    pub(super) fn new(bound: usize) -> Self {
        let stamp = Stamp { epoch: 0, seq: 0 };
        Self {
            fence: Fence {
                stamp,
                floor: 0,
                fill_floor: u64::MAX,
            },
            known: 0,
            lasting: Marks::default(),
            keys: Marks::default(),
            soft: HashMap::default(),
            bound,
        }
    }

    /// Up to which number of which epoch it knows all marks.
    pub(super) fn known(&self) -> Stamp {
        Stamp {
            epoch: self.fence.stamp.epoch,
            seq: self.known,
        }
    }

    /// Does it know all that `fence` has to say?
    pub(super) fn covers(&self, fence: &Fence) -> bool {
        self.fence.stamp.epoch == fence.stamp.epoch && self.known >= fence.stamp.seq
    }

    /// Notes a fence, and the marks since [`known`](Self::known). `upto`: up to which number they are complete.
    pub(super) fn note(
        &mut self,
        fence: Fence,
        upto: u64,
        lasting: Delta<Mark>,
        keys: Delta<Mark>,
        soft: Delta<(Mark, Now)>,
    ) {
        if self.fence.stamp.epoch != fence.stamp.epoch {
            *self = Self::new(self.bound);
        }
        for (mark, seq) in lasting {
            self.lasting.set(mark, seq);
        }
        for (mark, seq) in keys {
            self.keys.set(mark, seq);
        }
        for ((mark, at), seq) in soft {
            let standing = self.soft.entry(mark).or_insert((seq, at));
            if seq > standing.0 {
                *standing = (seq, at);
            }
        }
        self.fence = fence;
        self.known = upto;
        // The server has forgotten these, and its floors say so.
        let (floor, fill_floor) = (fence.floor, fence.fill_floor);
        if self.lasting.set.len() > 2 * self.bound {
            self.lasting.set.retain(|_, seq| *seq > floor);
        }
        if self.soft.len() > 2 * self.bound {
            self.soft.retain(|_, (seq, _)| *seq > floor);
        }
        if self.keys.set.len() > 2 * self.bound {
            self.keys.set.retain(|_, seq| *seq > fill_floor);
        }
    }

    /// Another server may stand behind the address, whose marks have numbers of their own: all are to be read again. What is known stays.
    pub(super) fn doubt(&mut self) {
        self.known = 0;
    }

    /// What the fence says of a record with this stamp and these marks.
    pub(super) fn judge(&self, stamp: Stamp, marks: &[Mark]) -> Judgement {
        if is_off("fence") {
            return Judgement::Valid;
        }
        let Fence {
            stamp: Stamp { epoch, seq },
            floor,
            ..
        } = self.fence;
        let is_admitted = stamp.epoch == epoch
            && floor <= stamp.seq
            && stamp.seq <= seq
            && !self.lasting.strikes(marks, stamp.seq)
            && !self.keys.strikes(marks, stamp.seq);
        if !is_admitted {
            return Judgement::Outlawed;
        }
        if self.soft.is_empty() {
            return Judgement::Valid;
        }
        let soft = marks.iter().filter_map(|mark| self.soft.get(mark));
        let struck = soft.filter(|(at, _)| *at > stamp.seq);
        struck
            .map(|(_, moment)| *moment)
            .min()
            .map_or(Judgement::Valid, Judgement::Stale)
    }

    /// May a fill with this stamp and these marks be stored, or given to those who wait for it?
    pub(super) fn admits_fill(&self, stamp: Stamp, marks: &[Mark]) -> bool {
        is_off("fence")
            || (self.fence.fill_floor <= stamp.seq
                && self.judge(stamp, marks) != Judgement::Outlawed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(seq: u64) -> Fence {
        Fence {
            stamp: Stamp { epoch: 7, seq },
            floor: 10,
            fill_floor: 15,
        }
    }

    fn mark(name: &str) -> Mark {
        Mark::of("test", &[name.as_bytes()])
    }

    fn at(seq: u64) -> Stamp {
        Stamp { epoch: 7, seq }
    }

    #[test]
    fn it_judges_as_the_fence_does() {
        let mut mirror = Mirror::new(100);
        assert_eq!(mirror.judge(at(0), &[]), Judgement::Outlawed);
        let soft = vec![((mark("soft"), Now::from_millis(5)), 25)];
        mirror.note(
            fence(30),
            30,
            vec![(mark("a"), 20)],
            vec![(mark("k"), 22)],
            soft,
        );
        let table = [
            (at(9), "b", Judgement::Outlawed, false),
            (at(10), "b", Judgement::Valid, false),
            (at(15), "b", Judgement::Valid, true),
            (at(31), "b", Judgement::Outlawed, false),
            (at(19), "a", Judgement::Outlawed, false),
            (at(20), "a", Judgement::Valid, true),
            (at(21), "k", Judgement::Outlawed, false),
            (at(22), "k", Judgement::Valid, true),
            (at(24), "soft", Judgement::Stale(Now::from_millis(5)), true),
            (at(25), "soft", Judgement::Valid, true),
            (Stamp { epoch: 8, seq: 20 }, "b", Judgement::Outlawed, false),
        ];
        for (stamp, name, judgement, is_admitted) in table {
            assert_eq!(mirror.judge(stamp, &[mark(name)]), judgement, "{stamp:?}");
            assert_eq!(mirror.admits_fill(stamp, &[mark(name)]), is_admitted);
        }
    }

    #[test]
    fn what_is_known_of_one_epoch_says_nothing_of_another() {
        let mut mirror = Mirror::new(100);
        mirror.note(fence(30), 30, vec![(mark("a"), 29)], Vec::new(), Vec::new());
        assert!(mirror.covers(&fence(30)) && !mirror.covers(&fence(31)));
        let mut other = fence(40);
        other.stamp.epoch = 8;
        assert!(!mirror.covers(&other));
        mirror.note(other, 40, Vec::new(), Vec::new(), Vec::new());
        let stamp = Stamp { epoch: 8, seq: 20 };
        assert_eq!(mirror.judge(stamp, &[mark("a")]), Judgement::Valid);
    }

    #[test]
    fn doubt_keeps_what_is_known() {
        let mut mirror = Mirror::new(100);
        mirror.note(fence(30), 30, vec![(mark("a"), 29)], Vec::new(), Vec::new());
        mirror.doubt();
        assert!(!mirror.covers(&fence(30)));
        assert_eq!(mirror.judge(at(20), &[mark("a")]), Judgement::Outlawed);
    }

    #[test]
    fn what_the_server_has_forgotten_is_forgotten_here() {
        let mut mirror = Mirror::new(2);
        let marks = (11..=20).map(|n| (mark(&n.to_string()), n)).collect();
        let mut fence = fence(30);
        fence.floor = 18;
        mirror.note(fence, 30, marks, Vec::new(), Vec::new());
        assert_eq!(mirror.lasting.set.len(), 2);
        assert_eq!(mirror.judge(at(18), &[mark("19")]), Judgement::Outlawed);
    }
}
