//! One call after the other: a script for each part, and what follows from its answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_redis::redis::Value;
use smallvec::SmallVec;

use super::super::ask::{Action, Ask};
use super::super::decision::Decision;
use super::super::limiter::LimiterError;
use super::batch::{self, Answer, Batch, Item, Nonsense, Told};
use super::join;
use super::link::Link;
use super::names::{Name, Names};
use super::places::Places;
use crate::background::Background;
use crate::store::redis::Script;

static DECIDE: Script = Script::new(concat!(
    include_str!("scripts/clock.lua"),
    include_str!("scripts/decide.lua")
));
static RENEW: Script = Script::new(concat!(
    include_str!("scripts/clock.lua"),
    include_str!("scripts/renew.lua")
));

/// So many keys are renewed by one script.
const RENEWED_AT_ONCE: usize = 256;

/// What the clones of a limiter share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Link,
    names: Names,
    lease: Duration,
    places: Places,
    background: Background,
    script: &'static Script,
}

/// The items of a call that lie together.
type Part<'a> = SmallVec<[(usize, &'a Item); 2]>;

impl Shared {
    pub(super) fn new(link: Link, names: Names, lease: Duration) -> Self {
        Self {
            link,
            names,
            lease,
            places: Places::new(),
            // One that renews, and for each call that was given up one that gives back.
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
        let told = match &parts[..] {
            [] => SmallVec::new(),
            [part] => self.whole(batch.action, part).await?,
            parts => self.divided(batch.action, parts, batch.items.len()).await?,
        };
        Ok(batch.decision(&told))
    }

    /// The items, by where they lie.
    fn parts<'a>(&self, items: &'a [Item]) -> SmallVec<[Part<'a>; 2]> {
        let together = self.link.is_one() && !self.names.spread();
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
    ) -> Result<SmallVec<[Told; 2]>, LimiterError> {
        let items: SmallVec<[&Item; 2]> = part.iter().map(|(_, item)| *item).collect();
        let answer = self.ask(action, &items).await?;
        if action == Action::Charge || (action == Action::Acquire && answer.admitted) {
            self.hold(&items);
        }
        Ok(answer.told)
    }

    /// A call of several parts: each takes its own, and where one refuses or fails, the others give back what they took.
    async fn divided(
        self: &Arc<Self>,
        action: Action,
        parts: &[Part<'_>],
        count: usize,
    ) -> Result<SmallVec<[Told; 2]>, LimiterError> {
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
        let mut told: SmallVec<[Option<Told>; 2]> = SmallVec::from_elem(None, count);
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
                let returned = items.iter().zip(&answer.told);
                let returned = returned.map(|(item, told)| item.returning(told));
                undoing.push((part, returned.collect::<SmallVec<[Item; 2]>>()));
            } else if takes && answer.admitted {
                self.hold(items);
            }
            for ((nth, _), stands) in part.iter().zip(answer.told) {
                if let Some(told) = told.get_mut(*nth) {
                    *told = Some(stands);
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
            for ((nth, _), stands) in part.iter().zip(answer.told) {
                if let Some(told) = told.get_mut(*nth) {
                    *told = Some(stands);
                }
            }
        }
        told.into_iter()
            .map(|told| told.ok_or_else(|| unreadable(Nonsense)))
            .collect()
    }

    /// Runs the script for items that lie together.
    async fn ask(&self, action: Action, items: &[&Item]) -> Result<Answer, LimiterError> {
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
        let answer = self.link.run(self.script, &keys, &arguments).await?;
        batch::read(&answer, items, action).map_err(unreadable)
    }

    /// Takes note of the places among what was taken, and sees to it that they are renewed.
    fn hold(self: &Arc<Self>, items: &[&Item]) {
        for (name, place) in items.iter().filter_map(|item| item.place()) {
            if self.places.hold(name, place) {
                let renewing = renew(Arc::downgrade(self), self.lease / 3);
                if !self.background.spawn(Box::pin(renewing)) {
                    self.places.stopped();
                }
            }
        }
    }

    /// Renews what is held. Is anything?
    async fn renew_held(&self) -> bool {
        let Some(held) = self.places.to_renew() else {
            return false;
        };
        for part in self.by_tag(held) {
            for some in part.chunks(RENEWED_AT_ONCE) {
                // What could not be renewed is taken anew, if need be, the next time.
                drop(self.renew_some(some).await);
            }
        }
        true
    }

    fn by_tag(&self, held: Vec<(Name, Vec<(u64, u64)>)>) -> Vec<Vec<(Name, Vec<(u64, u64)>)>> {
        if self.link.is_one() {
            return vec![held];
        }
        let mut parts = std::collections::HashMap::<String, Vec<_>>::new();
        for key in held {
            parts.entry(key.0.tag().to_owned()).or_default().push(key);
        }
        parts.into_values().collect()
    }

    async fn renew_some(&self, held: &[(Name, Vec<(u64, u64)>)]) -> Result<(), LimiterError> {
        let lease = micros(self.lease).to_string();
        let packed: Vec<Vec<u8>> = held.iter().map(|(_, places)| packed(places)).collect();
        let keys: Vec<&[u8]> = held.iter().map(|(key, _)| key.text.as_bytes()).collect();
        let mut arguments: Vec<&[u8]> = vec![lease.as_bytes()];
        arguments.extend(packed.iter().map(|packed| &packed[..]));
        let answer = self.link.run(&RENEW, &keys, &arguments).await?;
        // What was given back in the meantime must not be there again.
        let ghosts: Vec<u64> = names(&answer)
            .into_iter()
            .filter(|name| !self.places.has(*name))
            .collect();
        for (key, places) in held {
            for (name, count) in places.iter().filter(|(name, _)| ghosts.contains(name)) {
                let item = Item::ghost(key.clone(), *name, *count);
                self.ask(Action::GiveBack, &[&item]).await?;
            }
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.background.shutdown();
    }
}

/// Renews what is held, as long as anything is.
async fn renew(shared: Weak<Shared>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if !shared.renew_held().await {
            return;
        }
    }
}

fn packed(places: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 * places.len());
    for (name, count) in places {
        bytes.extend(name.to_le_bytes());
        bytes.extend(batch::double(*count));
    }
    bytes
}

/// The names of places that the script answers.
fn names(answer: &Value) -> Vec<u64> {
    let Value::Array(values) = answer else {
        return Vec::new();
    };
    let name = |value: &Value| match value {
        Value::BulkString(bytes) => Some(u64::from_le_bytes(bytes.as_slice().try_into().ok()?)),
        _ => None,
    };
    values.iter().filter_map(name).collect()
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn unreadable(nonsense: Nonsense) -> LimiterError {
    LimiterError::Unavailable(Box::new(nonsense))
}
