//! Stores that break their contract in one point each: what the suite must find.

use std::task::Poll;

use async_trait::async_trait;

use crate::clock::Now;
use crate::store::{
    About, BoxStream, Done, Found, Key, Mark, MemoryStore, Notice, Op, Purge, PurgeError, Scanned,
    Stamp, Store, StoreError, Struck, When,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    KeepsForEver,
    AnswersInDisorder,
    MissesAtOnce,
    AddsWhateverStands,
    LosesPurges,
    RemovesButLetsFillsIn,
    PurgesEverything,
    AdmitsEverything,
    ScansEverything,
    ScansWithoutEnd,
    StopsTelling,
}

/// Each flaw, and the sentence that it breaks first.
const FLAWS: [(Flaw, &str); 11] = [
    (Flaw::KeepsForEver, "past its keep_until is gone"),
    (Flaw::AnswersInDisorder, "in the order of its questions"),
    (Flaw::MissesAtOnce, "a look at once finds the same record"),
    (Flaw::AddsWhateverStands, "Absent does not replace"),
    (Flaw::LosesPurges, "removing or purging one key"),
    (Flaw::RemovesButLetsFillsIn, "refuses the fills under way"),
    (Flaw::PurgesEverything, "removing or purging one key"),
    (Flaw::AdmitsEverything, "is not admitted"),
    (Flaw::ScansEverything, "starts with it and nothing else"),
    (Flaw::ScansWithoutEnd, "keeps to its budget"),
    (Flaw::StopsTelling, "a watch lasts as long as its store"),
];

#[tokio::test]
async fn each_flaw_is_found() {
    for (flaw, sentence) in FLAWS {
        let suite = tokio::spawn(super::run(move || async move {
            Flawed {
                store: MemoryStore::new(1024 * 1024),
                flaw,
            }
        }));
        let Err(error) = suite.await else {
            panic!("{flaw:?} passes the suite");
        };
        let panic = error.into_panic();
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or_default();
        assert!(said.contains(sentence), "{flaw:?} breaks {said:?}");
    }
}

struct Flawed {
    store: MemoryStore,
    flaw: Flaw,
}

#[async_trait]
impl Store for Flawed {
    fn about(&self) -> About {
        self.store.about()
    }

    fn get_now(&self, key: Key<'_>, now: Now) -> Poll<Result<Found, StoreError>> {
        let found = self.store.get_now(key, now);
        match (self.flaw, found) {
            (Flaw::MissesAtOnce, Poll::Ready(Ok(found))) => Poll::Ready(Ok(Found {
                record: None,
                ..found
            })),
            _ => Poll::Pending,
        }
    }

    async fn get(&self, keys: &[Key<'_>], now: Now) -> Result<Vec<Found>, StoreError> {
        let now = match self.flaw {
            Flaw::KeepsForEver => Now::from_millis(0),
            _ => now,
        };
        let mut found = self.store.get(keys, now).await?;
        if self.flaw == Flaw::AnswersInDisorder {
            found.reverse();
        }
        Ok(found)
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        let mut ops = ops.to_vec();
        for (_, op) in &mut ops {
            if let (Flaw::AddsWhateverStands, Op::Put(_, when @ When::Absent)) = (self.flaw, op) {
                *when = When::Fenced;
            }
        }
        self.store.apply(&ops, now).await
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        Ok(self.flaw == Flaw::AdmitsEverything || self.store.admits(stamp, marks).await?)
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError> {
        match (self.flaw, purge) {
            (Flaw::LosesPurges, _) => self.store.purge(&Purge::Marks(Vec::new()), now).await,
            (Flaw::RemovesButLetsFillsIn, Purge::Keys(keys)) => {
                let mark = Mark::from_digest(0);
                let keys = keys.iter().map(|(key, _)| (key.clone(), mark));
                self.store.purge(&Purge::Keys(keys.collect()), now).await
            }
            (Flaw::PurgesEverything, _) => {
                let mut scan = self.store.scan(Key::new(b""), usize::MAX);
                while let Some(Ok(scanned)) = super::ask::next(&mut scan).await {
                    let op = Op::Remove(crate::store::If::Any);
                    let _ = self.store.apply(&[(Key::new(&scanned.key), op)], now).await;
                }
                drop(scan);
                self.store.purge(purge, now).await
            }
            _ => self.store.purge(purge, now).await,
        }
    }

    fn scan<'a>(
        &'a self,
        prefix: Key<'a>,
        budget: usize,
    ) -> BoxStream<'a, Result<Scanned, StoreError>> {
        match self.flaw {
            Flaw::ScansEverything => self.store.scan(Key::new(b""), budget),
            Flaw::ScansWithoutEnd => self.store.scan(prefix, usize::MAX),
            _ => self.store.scan(prefix, budget),
        }
    }

    fn watch(&self) -> BoxStream<'static, Notice> {
        match self.flaw {
            Flaw::StopsTelling => MemoryStore::new(0).watch(),
            _ => self.store.watch(),
        }
    }
}
