//! Renews the places in flight that this node holds.

use std::collections::HashMap;
use std::sync::Weak;
use std::time::Duration;

use deadpool_redis::redis::Value;

use super::super::ask::Action;
use super::super::limiter::LimiterError;
use super::batch::{self, Item};
use super::limiter::{Shared, micros};
use super::link::unavailable;
use super::places::Held;
use crate::store::redis::Script;

static RENEW: Script = Script::new(concat!(
    include_str!("scripts/clock.lua"),
    include_str!("scripts/renew.lua")
));

/// So many keys are renewed by one script.
const RENEWED_AT_ONCE: usize = 256;

/// Renews what is held, as long as anything is.
pub(super) async fn renew(shared: Weak<Shared>, every: Duration) {
    let mut stopping = Stopping(Some(shared.clone()));
    loop {
        tokio::time::sleep(every).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if !shared.renew_held().await {
            stopping.0 = None;
            return;
        }
    }
}

/// Ends with its runtime, perhaps, while others go on: then the next place that is taken begins anew.
struct Stopping(Option<Weak<Shared>>);

impl Drop for Stopping {
    fn drop(&mut self) {
        if let Some(shared) = self.0.as_ref().and_then(Weak::upgrade) {
            shared.places.stopped();
        }
    }
}

impl Shared {
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

    /// What is held, by where it lies.
    fn by_tag(&self, held: Vec<Held>) -> Vec<Vec<Held>> {
        if self.link.reaches_all() {
            return vec![held];
        }
        let mut parts = HashMap::<String, Vec<Held>>::new();
        for key in held {
            parts.entry(key.0.tag().to_owned()).or_default().push(key);
        }
        parts.into_values().collect()
    }

    async fn renew_some(&self, held: &[Held]) -> Result<(), LimiterError> {
        let lease = micros(self.lease).to_string();
        let packed: Vec<Vec<u8>> = held.iter().map(|(_, places)| packed(places)).collect();
        let keys: Vec<&[u8]> = held.iter().map(|(key, _)| key.text.as_bytes()).collect();
        let mut arguments: Vec<&[u8]> = vec![lease.as_bytes()];
        arguments.extend(packed.iter().map(|packed| &packed[..]));
        let answer = self.link.run(&RENEW, &keys, &arguments).await;
        let answer = answer.map_err(unavailable)?;
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
