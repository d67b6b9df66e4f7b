//! One call after the other: a script for each part, and what follows from its answer.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::super::ask::{Action, Ask};
use super::super::decision::{Decision, Standing};
use super::super::limiter::LimiterError;
use super::batch::{self, Answer, Batch, Item, Nonsense};
use super::join;
use super::link::{Link, unavailable};
use super::names::Names;
use super::owed::Owed;
use super::places::Places;
use super::renewal;
use crate::background::Background;
use crate::store::redis::Script;

static DECIDE: Script = Script::new(concat!(
    include_str!("scripts/clock.lua"),
    include_str!("scripts/decide.lua")
));

/// What the clones of a limiter share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Arc<dyn Link>,
    names: Names,
    pub(super) lease: Duration,
    pub(super) places: Places,
    pub(super) owed: Owed,
    pub(super) background: Background,
    script: &'static Script,
}

/// The items of a call that lie together.
type Part<'a> = SmallVec<[(usize, &'a Item); 2]>;

impl Shared {
    pub(super) fn new(link: Arc<dyn Link>, names: Names, lease: Duration) -> Self {
        Self {
            link,
            names,
            lease,
            places: Places::new(),
            owed: Owed::default(),
            // One that renews, one that gives back what is owed, and for each call that was given up one that gives back.
            background: Background::new(256),
            script: &DECIDE,
        }
    }

    /// Decides by another text of the script, which has another clock.
    #[cfg(test)]
    pub(super) fn scripted(mut self, script: &'static Script) -> Self {
        self.script = script;
        self
    }

    pub(super) async fn decide(
        self: &Arc<Self>,
        action: Action,
        asks: &[Ask<'_>],
    ) -> Result<Decision, LimiterError> {
        let batch = Batch::new(&self.names, &self.places, action, asks)?;
        let parts = self.parts(&batch.items);
        // Until it is known what became of them, places may have been taken.
        let mut unsure = Unsure::of(self, &batch);
        let standings = match &parts[..] {
            [] => Ok(SmallVec::new()),
            [part] => self.whole(batch.action, part).await,
            parts => self.divided(batch.action, parts, batch.items.len()).await,
        };
        if standings.is_err() && batch.action == Action::GiveBack {
            self.owe(&batch.items);
        }
        let standings = standings?;
        unsure.places.clear();
        Ok(batch.decision(&standings))
    }

    /// The items, by where they lie.
    fn parts<'a>(&self, items: &'a [Item]) -> SmallVec<[Part<'a>; 2]> {
        let together = self.link.reaches_all() && !self.names.spread();
        let mut parts: SmallVec<[Part<'a>; 2]> = SmallVec::new();
        for item in items.iter().enumerate() {
            let lies_with = |part: &&mut Part<'a>| {
                let first = part.first().map(|(_, first)| first.name.tag());
                together || first == Some(item.1.name.tag())
            };
            match parts.iter_mut().find(lies_with) {
                Some(part) => part.push(item),
                None => parts.push(SmallVec::from_iter([item])),
            }
        }
        parts
    }

    /// A call of one part.
    async fn whole(
        self: &Arc<Self>,
        action: Action,
        part: &Part<'_>,
    ) -> Result<SmallVec<[Standing; 2]>, LimiterError> {
        let items: SmallVec<[&Item; 2]> = part.iter().map(|(_, item)| *item).collect();
        let answer = self.ask(action, &items).await?;
        if action == Action::Charge || (action == Action::Acquire && answer.admitted) {
            self.hold(&items);
        }
        Ok(answer.standings)
    }

    /// A call of several parts: each takes its own, and where one refuses or fails, the others give back what they took.
    async fn divided(
        self: &Arc<Self>,
        action: Action,
        parts: &[Part<'_>],
        count: usize,
    ) -> Result<SmallVec<[Standing; 2]>, LimiterError> {
        let lists: Vec<SmallVec<[&Item; 2]>> = parts
            .iter()
            .map(|part| part.iter().map(|(_, item)| *item).collect())
            .collect();
        let asking = lists.iter().map(|items| self.ask(action, items));
        let answers = join::all(asking).await;
        let takes = matches!(action, Action::Acquire | Action::Charge);
        let refused = |answer: &Result<Answer, LimiterError>| match answer {
            Ok(answer) => action == Action::Acquire && !answer.admitted,
            Err(_) => true,
        };
        let undo = takes && answers.iter().any(refused);
        let mut standings: SmallVec<[Option<Standing>; 2]> = SmallVec::from_elem(None, count);
        let mut undoing = Vec::new();
        let mut failure = None;
        for ((part, items), answer) in parts.iter().zip(&lists).zip(answers) {
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            if undo && (action == Action::Charge || answer.admitted) {
                let returned = items.iter().zip(&answer.standings);
                let returned = returned.map(|(item, stands)| item.returning(stands.receipt));
                undoing.push((part, returned.collect::<SmallVec<[Item; 2]>>()));
            } else if takes && answer.admitted {
                self.hold(items);
            }
            for ((nth, _), stands) in part.iter().zip(answer.standings) {
                if let Some(standing) = standings.get_mut(*nth) {
                    *standing = Some(stands);
                }
            }
        }
        let returning = undoing.iter().map(|(_, items)| async move {
            let items: SmallVec<[&Item; 2]> = items.iter().collect();
            self.ask(Action::GiveBack, &items).await
        });
        let returned = join::all(returning).await;
        if let Some(failure) = failure {
            return Err(failure);
        }
        for ((part, _), answer) in undoing.iter().zip(returned) {
            // What could not be given back stays used: more strict, never over.
            let Ok(answer) = answer else { continue };
            for ((nth, _), stands) in part.iter().zip(answer.standings) {
                if let Some(standing) = standings.get_mut(*nth) {
                    *standing = Some(stands);
                }
            }
        }
        standings
            .into_iter()
            .map(|standing| standing.ok_or_else(|| unreadable(Nonsense)))
            .collect()
    }

    /// Runs the script for items that lie together.
    pub(super) async fn ask(
        &self,
        action: Action,
        items: &[&Item],
    ) -> Result<Answer, LimiterError> {
        let letter: &[u8] = match action {
            Action::Acquire => b"A",
            Action::Peek => b"P",
            Action::Charge => b"C",
            Action::GiveBack => b"G",
            Action::Reset => b"R",
        };
        let lease = micros(self.lease);
        let packed: SmallVec<[_; 2]> = items.iter().map(|item| item.argument(lease)).collect();
        let keys: SmallVec<[&[u8]; 2]> =
            items.iter().map(|item| item.name.text.as_bytes()).collect();
        let mut arguments: SmallVec<[&[u8]; 4]> = SmallVec::from_iter([letter]);
        arguments.extend(packed.iter().map(|packed| &packed[..]));
        let answer = self.link.run(self.script, &keys, &arguments).await;
        let answer = answer.map_err(unavailable)?;
        batch::read(&answer, items, action).map_err(unreadable)
    }

    /// Takes note of the places among what was taken, and sees to it that they are renewed.
    fn hold(self: &Arc<Self>, items: &[&Item]) {
        for (name, place) in items.iter().filter_map(|item| item.place()) {
            if self.places.hold(name, place) {
                let renewing = renewal::renew(Arc::downgrade(self), self.lease / 3);
                if !self.background.spawn(Box::pin(renewing)) {
                    self.places.stopped();
                }
            }
        }
    }
}

/// Places that a call may have taken, of which nobody would know. They are given back when it fails or is given up.
struct Unsure<'a> {
    shared: &'a Arc<Shared>,
    places: SmallVec<[Item; 1]>,
}

impl<'a> Unsure<'a> {
    fn of(shared: &'a Arc<Shared>, batch: &Batch) -> Self {
        let takes = matches!(batch.action, Action::Acquire | Action::Charge);
        let places = batch.items.iter().filter_map(Item::unsure);
        Self {
            shared,
            places: if takes {
                places.collect()
            } else {
                SmallVec::new()
            },
        }
    }
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        for place in std::mem::take(&mut self.places) {
            let shared = Arc::downgrade(self.shared);
            let owed = place.clone();
            let is_started = self.shared.background.spawn(Box::pin(async move {
                if let Some(shared) = shared.upgrade()
                    && shared.ask(Action::GiveBack, &[&place]).await.is_err()
                {
                    shared.owe([&place]);
                }
            }));
            if !is_started {
                self.shared.owe([&owed]);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.background.shutdown();
    }
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn unreadable(nonsense: Nonsense) -> LimiterError {
    LimiterError::Unavailable(Box::new(nonsense))
}
