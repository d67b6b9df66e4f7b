//! Who meets at the fence, and the steps that each of them takes.

use super::*;

const KEY: Mark = Mark::from_digest(1);
const OLD_TAG: Mark = Mark::from_digest(2);
const NEW_TAG: Mark = Mark::from_digest(3);
const OTHER_KEY: Mark = Mark::from_digest(4);
const OTHER_TAG: Mark = Mark::from_digest(5);
/// Carried by what is answered from the fill of a POST.
const PAGE: Mark = Mark::from_digest(6);

const START: Now = Now::from_millis(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purge {
    Key,
    Tag,
    Predicate,
    Soft,
    /// These concern nothing here, and push other marks out.
    OtherKey,
    OtherTag,
    OtherSoft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    stamp: Stamp,
    marks: &'static [Mark],
    /// Which change of the data it has seen.
    data: u8,
    /// Which writing it is, or is a validation of.
    id: u8,
}

/// Who takes steps, and how far they are. What they have read stands beside.
#[derive(Clone, Debug)]
pub(super) enum Actor {
    /// With the change that it has made, and where the fence stood when it began.
    Purger(Purge, u8, u8, u64),
    Fill(u8, Option<Entry>),
    /// Shares the answer of the fill, or the validation, that is this actor.
    Follower(usize, u8, u8),
    Validator(u8, Option<Entry>),
    Superseder(u8, Option<Entry>),
    Mirror(Box<Mirror>),
    /// The store loses its fence once, and keeps its entries.
    Loss(u8),
}

/// A node that decides by a copy of the marks while the fence stands where it knows it.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    at: u8,
    copy: Fence,
    least: u8,
    read: Option<Entry>,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    data: u8,
    /// The least data that may be answered to who starts now, and the least that may count as fresh.
    promised: u8,
    softened: u8,
    fence: Fence,
    entry: Option<Entry>,
    writings: u8,
    pub(super) actors: Vec<Actor>,
}

/// What a purge does in one step.
const CHANGE: u8 = 1;
const MOVE: u8 = 2;
const MARK: u8 = 4;
const REMOVE: u8 = 8;

/// A history after which somebody was answered with what a purge had struck.
#[derive(Debug, PartialEq)]
pub(super) struct Broken;

pub(super) type Steps = Result<Option<World>, Broken>;

impl World {
    pub(super) fn new(bounds: usize, has_entry: bool, actors: &[Actor]) -> Self {
        let bounds = Bounds {
            key_marks: bounds,
            lasting_marks: bounds,
            soft_marks: bounds,
        };
        let fence = Fence::new(1, bounds, START);
        let entry = Entry {
            stamp: fence.stamp(),
            marks: &[KEY, OLD_TAG],
            data: 0,
            id: 0,
        };
        let mut actors = actors.to_vec();
        for actor in &mut actors {
            if let Actor::Mirror(mirror) = actor {
                mirror.copy = fence.clone();
            }
        }
        Self {
            data: 0,
            promised: 0,
            softened: 0,
            fence,
            entry: has_entry.then_some(entry),
            writings: 0,
            actors,
        }
    }

    /// What a request gets that starts now.
    fn valid(&self) -> Option<Entry> {
        self.entry
            .filter(|entry| self.fence.admits(entry.stamp, entry.marks))
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        let Some(entry) = self.valid() else {
            return Ok(());
        };
        let is_soft = self.fence.soft_end(entry.stamp, entry.marks).is_some();
        if entry.data < self.promised || (entry.data < self.softened && !is_soft) {
            return Err(Broken);
        }
        Ok(())
    }

    /// One step of one actor; `None` where it has none to take now.
    pub(super) fn step(&self, n: usize, off: Option<Rule>) -> Steps {
        let mut next = self.clone();
        let mut actor = next.actors[n].clone();
        let moved = match &mut actor {
            Actor::Purger(purge, at, change, began) => next.purge(*purge, at, (change, began), off),
            Actor::Fill(at, entry) => next.fill(at, entry, off),
            Actor::Follower(of, at, least) => next.follow(*of, at, least, off)?,
            Actor::Validator(at, entry) => next.validate(at, entry, off),
            Actor::Superseder(at, entry) => next.supersede(at, entry, off),
            Actor::Mirror(mirror) => next.mirror(mirror, off)?,
            Actor::Loss(at) => next.lose(at, off),
        };
        next.actors[n] = actor;
        next.check()?;
        Ok(moved.then_some(next))
    }

    fn purge(
        &mut self,
        purge: Purge,
        at: &mut u8,
        (change, began): (&mut u8, &mut u64),
        off: Option<Rule>,
    ) -> bool {
        let is_other = matches!(purge, Purge::OtherKey | Purge::OtherTag | Purge::OtherSoft);
        let mut order: Vec<u8> = match purge {
            Purge::Predicate => vec![CHANGE, MOVE, REMOVE, MOVE],
            Purge::Key if off == Some(Rule::KeyPurgeInOneStep) => vec![CHANGE, MOVE, REMOVE],
            Purge::Key => vec![CHANGE, MOVE | REMOVE],
            Purge::Tag if off == Some(Rule::PurgesInOneStep) => vec![CHANGE, MOVE, MARK],
            _ if is_other => vec![MOVE],
            _ => vec![CHANGE, MOVE],
        };
        match off {
            Some(Rule::ChangeFirst) => order.rotate_left(1),
            Some(Rule::RefusesBeforeSearch) if purge == Purge::Predicate => {
                order = vec![CHANGE, REMOVE, MOVE];
            }
            Some(Rule::RefusesAfterSearch) if purge == Purge::Predicate => {
                order = vec![CHANGE, MOVE, REMOVE];
            }
            _ => {}
        }
        let Some(step) = order.get(usize::from(*at)) else {
            let returns = usize::from(*at) == order.len();
            if returns && !is_other {
                let promise = match purge {
                    Purge::Soft => &mut self.softened,
                    _ => &mut self.promised,
                };
                *promise = (*promise).max(*change);
                *at += 1;
            }
            return returns && !is_other;
        };
        if step & CHANGE != 0 {
            self.data += 1;
            *change = self.data;
        }
        if step & MOVE != 0 {
            self.move_fence(purge, off);
            if *began == 0 {
                *began = self.fence.seq;
            }
        }
        if step & MARK != 0 {
            let seq = self.fence.seq;
            self.fence.lasting.set(OLD_TAG, seq, START);
        }
        if step & REMOVE != 0 && off != Some(Rule::KeyPurgeRemoves) {
            let is_spared = |entry: &mut Entry| {
                off == Some(Rule::SearchSparesNothing) && entry.stamp.seq >= *began
            };
            self.entry.take_if(|entry| !is_spared(entry));
        }
        *at += 1;
        true
    }

    fn move_fence(&mut self, purge: Purge, off: Option<Rule>) {
        let before = self.fence.clone();
        let fence = &mut self.fence;
        match purge {
            Purge::Key => fence.mark_keys(&[KEY], START),
            Purge::OtherKey => fence.mark_keys(&[OTHER_KEY], START),
            Purge::Tag if off == Some(Rule::PurgesInOneStep) => fence.mark(&[], START),
            Purge::Tag => fence.mark(&[OLD_TAG], START),
            Purge::OtherTag => fence.mark(&[OTHER_TAG], START),
            Purge::Soft => fence.mark_soft(&[OLD_TAG], START, START),
            Purge::OtherSoft => fence.mark_soft(&[OTHER_TAG], START, START),
            Purge::Predicate => fence.refuse_fills(START),
        };
        match off {
            Some(Rule::SeqGrows) => {
                fence.seq = before.seq;
                for set in fence.lasting.set.values_mut() {
                    set.seq = set.seq.min(before.seq);
                }
            }
            Some(Rule::PredicateRefusesFills) if purge == Purge::Predicate => {
                fence.fill_floor = before.fill_floor;
            }
            Some(Rule::ForgottenKeyRefusesFills) => fence.fill_floor = before.fill_floor,
            Some(Rule::ForgottenMarkPurges | Rule::ForgottenSoftMarkPurges) => {
                fence.floor = before.floor;
            }
            _ => {}
        }
    }

    /// Stamp, read, commit.
    fn fill(&mut self, at: &mut u8, entry: &mut Option<Entry>, off: Option<Rule>) -> bool {
        let read = || Entry {
            stamp: self.fence.stamp(),
            marks: &[KEY, OLD_TAG],
            data: self.data,
            id: 0,
        };
        match (*at, &mut *entry) {
            (0, _) => *entry = Some(read()),
            (1, Some(entry)) if off == Some(Rule::StampFirst) => entry.stamp = read().stamp,
            (1, Some(entry)) => entry.data = read().data,
            (2, Some(entry)) => self.commit(*entry, off),
            _ => return false,
        }
        *at += 1;
        true
    }

    fn commit(&mut self, entry: Entry, off: Option<Rule>) {
        let is_admitted =
            self.fence.admits_fill(entry.stamp, entry.marks) || off == Some(Rule::FencedCommits);
        let is_younger = self
            .valid()
            .is_none_or(|standing| standing.stamp.seq <= entry.stamp.seq);
        if is_admitted && is_younger {
            self.writings += 1;
            self.entry = Some(Entry {
                id: self.writings,
                ..entry
            });
        }
    }

    /// Starts, joins the flight, gets its answer.
    fn follow(
        &self,
        of: usize,
        at: &mut u8,
        least: &mut u8,
        off: Option<Rule>,
    ) -> Result<bool, Broken> {
        let (Actor::Fill(flight, Some(answer)) | Actor::Validator(flight, Some(answer))) =
            &self.actors[of]
        else {
            return Ok(false);
        };
        match (*at, *flight) {
            (0, 1 | 2) => *least = self.promised,
            (1, 2 | 3) => {
                let is_admitted = self.fence.admits_fill(answer.stamp, answer.marks)
                    || off == Some(Rule::FollowersAsk);
                if is_admitted && answer.data < *least {
                    return Err(Broken);
                }
            }
            _ => return Ok(false),
        }
        *at += 1;
        Ok(true)
    }

    /// Reads what is valid together with the stamp, is told that nothing has changed, whatever has, and stores it under other tags.
    fn validate(&mut self, at: &mut u8, entry: &mut Option<Entry>, off: Option<Rule>) -> bool {
        match (*at, &mut *entry) {
            (0, _) => {
                let Some(standing) = self.valid() else {
                    return false;
                };
                *entry = Some(Entry {
                    stamp: self.fence.stamp(),
                    ..standing
                });
            }
            (1, Some(entry)) => {
                entry.marks = match off {
                    Some(Rule::ValidationKeepsMarks) => &[KEY, NEW_TAG],
                    _ => &[KEY, OLD_TAG, NEW_TAG],
                };
                if off == Some(Rule::ValidationKeepsStamp) {
                    entry.stamp = self.fence.stamp();
                }
            }
            (2, Some(entry)) => {
                let stands = self.valid().is_some_and(|standing| standing.id == entry.id);
                if stands || off == Some(Rule::ValidationReplacesTheSame) {
                    self.commit(*entry, off);
                }
            }
            _ => return false,
        }
        *at += 1;
        true
    }

    /// A POST whose answer serves later GETs: stamp, read, supersede, commit.
    fn supersede(&mut self, at: &mut u8, entry: &mut Option<Entry>, off: Option<Rule>) -> bool {
        let is_apart = off == Some(Rule::SupersedesInOneStep);
        match (*at, &mut *entry) {
            (0, _) => {
                *entry = Some(Entry {
                    stamp: self.fence.stamp(),
                    marks: &[KEY, OLD_TAG, PAGE],
                    data: self.data,
                    id: 0,
                });
            }
            (1, Some(read)) => read.data = self.data,
            (2, Some(read)) => {
                if !self.fence.admits_fill(read.stamp, read.marks) {
                    *entry = None;
                } else if !is_apart {
                    read.stamp = self.fence.mark(&[PAGE], START);
                }
            }
            (3, Some(read)) if is_apart => read.stamp = self.fence.mark(&[PAGE], START),
            (3, Some(_)) => {}
            (4, Some(read)) => self.commit(*read, off),
            _ => return false,
        }
        *at += 1;
        true
    }

    /// Starts, reads entry and number in one step, reads the marks that it lacks where the number is another, and answers; twice.
    fn mirror(&self, mirror: &mut Mirror, off: Option<Rule>) -> Result<bool, Broken> {
        match mirror.at % 3 {
            _ if mirror.at >= 6 => return Ok(false),
            0 => mirror.least = self.promised,
            1 => {
                mirror.read = self.entry;
                let is_known = mirror.copy.stamp() == self.fence.stamp();
                if is_known || off == Some(Rule::MirrorCompares) {
                    mirror.answer()?;
                    mirror.at += 1;
                }
            }
            _ => {
                mirror.learn(&self.fence);
                mirror.answer()?;
            }
        }
        mirror.at += 1;
        Ok(true)
    }

    fn lose(&mut self, at: &mut u8, off: Option<Rule>) -> bool {
        if *at > 0 {
            return false;
        }
        let epoch = match off {
            Some(Rule::LossIsNoticed) => self.fence.epoch,
            _ => self.fence.epoch + 1,
        };
        self.fence = Fence::new(epoch, self.fence.bounds, START);
        *at = 1;
        true
    }

    /// All of it that matters, in an order of its own.
    pub(super) fn essence(&self) -> Vec<u64> {
        let mut essence = vec![
            u64::from(self.data),
            u64::from(self.promised),
            u64::from(self.softened),
        ];
        self.fence.put_essence(&mut essence);
        put_entry(self.entry.as_ref(), &mut essence);
        for actor in &self.actors {
            match actor {
                Actor::Loss(at) => essence.push(u64::from(*at)),
                Actor::Purger(_, at, change, began) => {
                    essence.extend([u64::from(*at), u64::from(*change), *began]);
                }
                Actor::Fill(at, entry)
                | Actor::Validator(at, entry)
                | Actor::Superseder(at, entry) => {
                    essence.push(u64::from(*at));
                    put_entry(entry.as_ref(), &mut essence);
                }
                Actor::Follower(_, at, least) => {
                    essence.extend([u64::from(*at), u64::from(*least)]);
                }
                Actor::Mirror(mirror) => {
                    essence.extend([u64::from(mirror.at), u64::from(mirror.least)]);
                    mirror.copy.put_essence(&mut essence);
                    put_entry(mirror.read.as_ref(), &mut essence);
                }
            }
        }
        essence
    }
}

fn put_entry(entry: Option<&Entry>, essence: &mut Vec<u64>) {
    essence.push(u64::from(entry.is_some()));
    if let Some(entry) = entry {
        let marks = entry.marks.iter().map(|mark| 1_u64 << mark.digest()).sum();
        let Stamp { epoch, seq } = entry.stamp;
        essence.extend([epoch, seq, marks, entry.data.into(), entry.id.into()]);
    }
}

impl Mirror {
    pub(super) fn new() -> Self {
        let bounds = Bounds {
            key_marks: 9,
            lasting_marks: 9,
            soft_marks: 9,
        };
        Self {
            at: 0,
            copy: Fence::new(1, bounds, START),
            least: 0,
            read: None,
        }
    }

    fn answer(&self) -> Result<(), Broken> {
        match self.read {
            Some(read) if self.copy.admits(read.stamp, read.marks) && read.data < self.least => {
                Err(Broken)
            }
            _ => Ok(()),
        }
    }

    /// The marks that are younger than what it knows.
    fn learn(&mut self, fence: &Fence) {
        let known = self.copy.seq;
        if self.copy.epoch != fence.epoch {
            self.copy = fence.clone();
        }
        for (copy, marks) in [
            (&mut self.copy.lasting, &fence.lasting),
            (&mut self.copy.keys, &fence.keys),
        ] {
            for (mark, set) in marks.set.iter().filter(|(_, set)| set.seq > known) {
                copy.set(*mark, set.seq, set.at);
            }
        }
        self.copy.seq = fence.seq;
        self.copy.floor = fence.floor;
    }
}

impl Fence {
    fn put_essence(&self, essence: &mut Vec<u64>) {
        essence.extend([self.epoch, self.seq, self.floor, self.fill_floor]);
        for marks in [&self.keys, &self.lasting, &self.soft] {
            let in_order = marks.order.iter();
            let live = in_order.filter(|(mark, set)| marks.set.get(mark) == Some(set));
            for (mark, set) in live {
                essence.extend([mark.digest() as u64, set.seq]);
            }
            essence.push(u64::MAX);
        }
    }
}
