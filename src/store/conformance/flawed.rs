//! Stores that break their contract in one point each: what the suite must find.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::ask::{now, number, times};
use crate::clock::Now;
use crate::store::{
    About, BoxStream, Done, Found, If, Key, KeyBuf, Mark, Matching, MemoryStore, Notice, Op, Purge,
    PurgeError, Record, RecordId, Scanned, Stamp, Store, StoreError, Struck, Times, When,
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
    PurgesTheFirstKeyAlone,
    MatchesEverything,
    MatchesNoNames,
    MatchesButLetsFillsIn,
    MatchesOldRecordsAlone,
    MatchesButGivesAway,
    TakesSoftForNothing,
    TakesSoftForHard,
    MakesFresherSoftly,
    SoftensNoFills,
    ForgetsSoftForHard,
    UndoesSoftByLife,
    RenewsWhatItCounts,
    BeginsEveryCount,
    BeginsCountsUnfenced,
    CountsWhatIsNoNumber,
    CountsInTwoSteps,
    GivesNoLife,
    RevivesByLife,
    GivesAnyRecordALife,
    ScansEverything,
    ScansWithoutEnd,
    StopsTelling,
}

/// Each flaw, and the sentence that it breaks first.
const FLAWS: [(Flaw, &str); 31] = [
    (Flaw::KeepsForEver, "past its keep_until is gone"),
    (Flaw::AnswersInDisorder, "in the order of its questions"),
    (Flaw::MissesAtOnce, "a look at once finds the same record"),
    (Flaw::AddsWhateverStands, "Absent does not replace"),
    (Flaw::LosesPurges, "removing or purging one key"),
    (Flaw::RemovesButLetsFillsIn, "refuses the fills under way"),
    (Flaw::PurgesEverything, "removing or purging one key"),
    (Flaw::AdmitsEverything, "is not admitted"),
    (
        Flaw::PurgesTheFirstKeyAlone,
        "says how many records it has removed",
    ),
    (
        Flaw::MatchesEverything,
        "strikes what it finds and nothing else",
    ),
    (Flaw::MatchesNoNames, "finds what names start with"),
    (
        Flaw::MatchesButLetsFillsIn,
        "a purge by predicate refuses the fills under way",
    ),
    (
        Flaw::MatchesOldRecordsAlone,
        "while a purge looked for it is gone",
    ),
    (Flaw::MatchesButGivesAway, "is given to nobody"),
    (Flaw::TakesSoftForNothing, "ends freshness at its moment"),
    (Flaw::TakesSoftForHard, "purged softly is still there"),
    (
        Flaw::MakesFresherSoftly,
        "a soft purge makes nothing fresher",
    ),
    (
        Flaw::SoftensNoFills,
        "before a soft purge is stale since then",
    ),
    (Flaw::ForgetsSoftForHard, "does not take back a soft one"),
    (Flaw::UndoesSoftByLife, "does not undo a soft purge"),
    (Flaw::RenewsWhatItCounts, "a count keeps the lifetimes"),
    (Flaw::BeginsEveryCount, "a purge strikes what was counted"),
    (
        Flaw::BeginsCountsUnfenced,
        "numbers that were begun before it",
    ),
    (
        Flaw::CountsWhatIsNoNumber,
        "what is no number is not counted",
    ),
    (Flaw::CountsInTwoSteps, "of many that count none is lost"),
    (Flaw::GivesNoLife, "has the life it was given"),
    (Flaw::RevivesByLife, "what is outlawed has no life"),
    (
        Flaw::GivesAnyRecordALife,
        "Same gives no other record a life",
    ),
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
                soft: Mutex::default(),
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
    soft: Mutex<Softness>,
}

/// Soft purges once more, for flaws in them.
#[derive(Default)]
struct Softness {
    marks: Vec<(Mark, Stamp, Now)>,
    /// Records that are taken out of it.
    spared: HashSet<RecordId>,
}

impl Softness {
    fn soften(&self, flaw: Flaw, record: &Record) -> Option<Record> {
        let mut times = record.times;
        for (mark, stamp, at) in &self.marks {
            if record.marks.contains(mark)
                && record.stamp.seq < stamp.seq
                && !self.spared.contains(&record.id)
            {
                times.fresh_until = match flaw {
                    Flaw::MakesFresherSoftly => *at,
                    _ => times.fresh_until.min(*at),
                };
            }
        }
        (times != record.times).then(|| record.with_times(times))
    }
}

impl Flaw {
    /// Is it one of those for which soft purges are done once more?
    fn is_of_softness(self) -> bool {
        matches!(
            self,
            Self::MakesFresherSoftly
                | Self::SoftensNoFills
                | Self::ForgetsSoftForHard
                | Self::UndoesSoftByLife
        )
    }
}

impl Flawed {
    fn soft(&self) -> MutexGuard<'_, Softness> {
        self.soft.lock().unwrap()
    }

    async fn stamp(&self) -> Stamp {
        let found = self.store.get(&[Key::new(b"")], now()).await.unwrap();
        found[0].stamp
    }

    async fn move_on(&self, now: Now) -> Struck {
        let nothing = Purge::Marks(Vec::new());
        self.store.purge(&nothing, now).await.unwrap()
    }

    /// Removes what is found and older than that.
    async fn remove(&self, found: impl Fn(&[u8]) -> bool, young: u64) -> u64 {
        let mut keys = Vec::new();
        {
            let mut scan = self.store.scan(Key::new(b""), usize::MAX);
            while let Some(Ok(scanned)) = super::ask::next(&mut scan).await {
                keys.push(scanned.key);
            }
        }
        let mut removed = 0;
        for key in keys.iter().filter(|key| found(key)) {
            let key = Key::new(key);
            let standing = self.store.get(&[key], now()).await.unwrap().remove(0);
            if let Some(old) = standing.record.filter(|old| old.stamp.seq < young) {
                let remove = [(key, Op::Remove(If::Same(old.id)))];
                self.store.apply(&remove, now()).await.unwrap();
                removed += 1;
            }
        }
        removed
    }

    async fn apply_one(&self, key: Key<'_>, mut op: Op, now: Now) -> Done {
        match (self.flaw, &mut op) {
            (Flaw::AddsWhateverStands, Op::Put(_, when @ When::Absent)) => *when = When::Fenced,
            (Flaw::SoftensNoFills, Op::Put(record, _)) => {
                self.soft().spared.insert(record.id);
            }
            (Flaw::UndoesSoftByLife, Op::Life { .. }) => {
                let found = self.store.get(&[key], now).await.unwrap();
                let record = found[0].record.as_ref();
                self.soft().spared.extend(record.map(|record| record.id));
            }
            (Flaw::BeginsEveryCount, Op::Count { by, create }) if create.is_none() => {
                *create = Some(number(times(), self.stamp().await, "", &[], *by));
            }
            (
                Flaw::BeginsCountsUnfenced,
                Op::Count {
                    create: Some(create),
                    ..
                },
            ) => {
                let young = Record::new(
                    create.kind,
                    self.stamp().await,
                    create.times,
                    create.marks.clone(),
                    create.head.clone(),
                    create.body.clone(),
                );
                *create = young.into();
            }
            (Flaw::CountsInTwoSteps, Op::Count { by, .. }) => {
                let found = self.store.get(&[key], now).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let number = found[0].record.as_ref().and_then(|record| record.number());
                if let (Some(record), Some(number)) = (&found[0].record, number)
                    && let Some(sum) = number.checked_add(*by)
                {
                    let counted = record.counted_to(sum);
                    let put = Op::Put(counted.into(), When::Always);
                    self.store.apply(&[(key, put)], now).await.unwrap();
                    return Done::Counted(sum);
                }
            }
            (Flaw::GivesNoLife, Op::Life { .. }) => return Done::Stored,
            (Flaw::GivesAnyRecordALife, Op::Life { of, .. }) => *of = If::Any,
            _ => {}
        }
        let is_life = matches!(op, Op::Life { .. });
        let done = self.store.apply(&[(key, op)], now).await.unwrap()[0];
        match (self.flaw, done) {
            (Flaw::RenewsWhatItCounts, Done::Counted(_)) => {
                let Times {
                    fresh_until,
                    keep_until,
                    ..
                } = times();
                let life = Op::Life {
                    fresh_until: fresh_until + Duration::from_secs(1),
                    keep_until,
                    of: If::Any,
                };
                self.store.apply(&[(key, life)], now).await.unwrap();
                done
            }
            (Flaw::CountsWhatIsNoNumber, Done::NotANumber) => Done::Counted(1),
            (Flaw::RevivesByLife, Done::Nothing) if is_life => {
                // What is absent is no trouble to it.
                match self.stands(key).await {
                    true => Done::Stored,
                    false => Done::Nothing,
                }
            }
            _ => done,
        }
    }

    /// Does anything stand there, valid or not?
    async fn stands(&self, key: Key<'_>) -> bool {
        let mut scan = self.store.scan(key, 1);
        super::ask::next(&mut scan).await.is_some()
    }
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
        let soft = self.soft();
        for record in found.iter_mut().filter_map(|found| found.record.as_mut()) {
            if let Some(softened) = soft.soften(self.flaw, record) {
                *record = softened.into();
            }
        }
        Ok(found)
    }

    async fn apply(&self, ops: &[(Key<'_>, Op)], now: Now) -> Result<Vec<Done>, StoreError> {
        let mut done = Vec::new();
        for (key, op) in ops {
            done.push(self.apply_one(*key, op.clone(), now).await);
        }
        Ok(done)
    }

    async fn admits(&self, stamp: Stamp, marks: &[Mark]) -> Result<bool, StoreError> {
        Ok(self.flaw == Flaw::AdmitsEverything || self.store.admits(stamp, marks).await?)
    }

    async fn purge(&self, purge: &Purge, now: Now) -> Result<Struck, PurgeError> {
        match (self.flaw, purge) {
            (Flaw::LosesPurges, _) | (Flaw::TakesSoftForNothing, Purge::Soft(..)) => {
                Ok(self.move_on(now).await)
            }
            (Flaw::RemovesButLetsFillsIn, Purge::Keys(keys)) => {
                let mark = Mark::from_digest(0);
                let keys = keys.iter().map(|(key, _)| (key.clone(), mark));
                self.store.purge(&Purge::Keys(keys.collect()), now).await
            }
            (Flaw::PurgesEverything, _) => {
                self.remove(|_| true, u64::MAX).await;
                self.store.purge(purge, now).await
            }
            (Flaw::PurgesTheFirstKeyAlone, Purge::Keys(keys)) => {
                let first = keys.first().cloned().into_iter().collect();
                self.store.purge(&Purge::Keys(first), now).await
            }
            (Flaw::MatchesEverything, Purge::Matching(_)) => {
                let all = Matching::prefix(KeyBuf::new(b"".as_slice()));
                self.store.purge(&Purge::Matching(all), now).await
            }
            (Flaw::MatchesNoNames, Purge::Matching(matching))
                if matching.within.as_key().name().is_some() =>
            {
                Ok(self.move_on(now).await)
            }
            (Flaw::MatchesButLetsFillsIn, Purge::Matching(matching)) => {
                let removed = self.remove(|key| matching.finds(key), u64::MAX).await;
                let stamp = self.move_on(now).await.stamp;
                Ok(Struck { stamp, removed })
            }
            (
                Flaw::MatchesOldRecordsAlone | Flaw::MatchesButGivesAway,
                Purge::Matching(matching),
            ) => {
                let none = Matching::by(KeyBuf::new(b"".as_slice()), |_| false);
                let stamp = self.store.purge(&Purge::Matching(none), now).await?.stamp;
                let young = match self.flaw {
                    Flaw::MatchesOldRecordsAlone => stamp.seq,
                    _ => u64::MAX,
                };
                let removed = self.remove(|key| matching.finds(key), young).await;
                Ok(Struck { stamp, removed })
            }
            (Flaw::TakesSoftForHard, Purge::Soft(marks, _)) => {
                self.store.purge(&Purge::Marks(marks.clone()), now).await
            }
            (flaw, Purge::Soft(marks, at)) if flaw.is_of_softness() => {
                let struck = self.move_on(now).await;
                let mut soft = self.soft();
                soft.spared.clear();
                for mark in marks {
                    soft.marks.retain(|(other, ..)| other != mark);
                    soft.marks.push((*mark, struck.stamp, *at));
                }
                Ok(struck)
            }
            (Flaw::ForgetsSoftForHard, Purge::Marks(_)) => {
                self.soft().marks.clear();
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
