//! `get_now`, `apply_now` and `admits_now`, which may answer what `get`, `apply` and `admits` would.

use std::sync::Arc;
use std::task::Poll;

use super::ask::{
    HOUR, admits, apply, get, now, number, purge_tags, record, record_for, stamp, times,
};
use crate::store::{Done, If, Key, Mark, Op, Record, Stamp, Store, Times, When};

/// Two keys live through the same, one asked at once where the store can, one by waiting; every answer is the same.
pub async fn what_is_answered_at_once_is_the_same_answer<S: Store>(store: S) {
    let at_once = history(&store, Way::AtOnce).await;
    let waiting = history(&store, Way::Waiting).await;
    for (at_once, waiting) in at_once.iter().zip(&waiting) {
        assert_eq!(
            at_once, waiting,
            "what is answered at once is the same answer"
        );
    }
    assert_eq!(at_once.len(), waiting.len());
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    AtOnce,
    Waiting,
}

#[derive(Debug, PartialEq)]
enum Answer {
    Done(Done),
    Body(Option<String>),
    Admitted(bool),
}

/// A key that is filled, replaced, refused, purged, expired and removed; and what each step was answered.
async fn history<S: Store>(store: &S, way: Way) -> Vec<Answer> {
    let key = match way {
        Way::AtOnce => "asked at once",
        Way::Waiting => "asked by waiting",
    };
    let mut told = Teller {
        store,
        way,
        key,
        answers: Vec::new(),
    };
    let slow = stamp(store).await;
    purge_tags(store, &["unrelated"]).await;
    let fence = stamp(store).await;
    let first = record(fence, key, &["t"], "first");
    let second = record(fence, key, &["t"], "second");

    told.look().await;
    told.change(Op::Remove(If::Any)).await;
    told.put(&first, When::Fenced).await;
    told.put(&second, When::Absent).await;
    told.put(&record(slow, key, &[], "slow"), When::Fenced)
        .await;
    told.put(&second, When::Same(first.id)).await;
    told.put(&first, When::Same(first.id)).await;
    told.change(Op::Remove(If::Same(first.id))).await;
    told.ask(fence, &second.marks).await;

    purge_tags(store, &["t"]).await;
    told.ask(fence, &second.marks).await;
    told.look().await;
    told.put(&first, When::Fenced).await;
    let third = record(stamp(store).await, key, &["t"], "third");
    told.put(&third, When::Absent).await;
    told.put(&record(slow, key, &[], "last"), When::Always)
        .await;
    told.change(Op::Remove(If::Any)).await;

    let over = Times {
        keep_until: now().before(HOUR),
        ..times()
    };
    let expired = record_for(over, stamp(store).await, key, &[], "expired");
    told.put(&expired, When::Fenced).await;
    told.look().await;

    let begun = number(times(), stamp(store).await, key, &["t"], 7);
    for create in [None, Some(begun.clone()), None] {
        told.change(Op::Count { by: 2, create }).await;
        told.look().await;
    }
    for of in [If::Any, If::Same(begun.id)] {
        let Times {
            fresh_until,
            keep_until,
            ..
        } = times();
        told.change(Op::Life {
            fresh_until,
            keep_until,
            of,
        })
        .await;
    }
    told.put(&first, When::Always).await;
    let third = record(stamp(store).await, key, &["t"], "text");
    told.put(&third, When::Always).await;
    told.change(Op::Count {
        by: 1,
        create: None,
    })
    .await;
    told.answers
}

struct Teller<'a, S> {
    store: &'a S,
    way: Way,
    key: &'a str,
    answers: Vec<Answer>,
}

impl<S: Store> Teller<'_, S> {
    /// Puts, and looks at what stands there afterwards.
    async fn put(&mut self, record: &Arc<Record>, when: When) {
        self.change(Op::Put(record.clone(), when)).await;
        self.look().await;
    }

    async fn change(&mut self, op: Op) {
        let key = Key::new(self.key.as_bytes());
        let now_or_never = match self.way {
            Way::AtOnce => self.store.apply_now(key, &op, now()),
            Way::Waiting => Poll::Pending,
        };
        let done = match now_or_never {
            Poll::Ready(done) => done.expect("the store is well"),
            Poll::Pending => apply(self.store, self.key, op).await,
        };
        self.answers.push(Answer::Done(done));
    }

    async fn look(&mut self) {
        let waiting = get(self.store, self.key).await;
        let now_or_never = match self.way {
            Way::AtOnce => self.store.get_now(Key::new(self.key.as_bytes()), now()),
            Way::Waiting => Poll::Pending,
        };
        let found = match now_or_never {
            Poll::Ready(found) => {
                let found = found.expect("the store is well");
                assert_eq!(
                    found.stamp, waiting.stamp,
                    "a look at once brings the fence's stamp"
                );
                let ids = [&found, &waiting].map(|found| found.record.as_ref().map(|r| r.id));
                assert_eq!(ids[0], ids[1], "a look at once finds the same record");
                found
            }
            Poll::Pending => waiting,
        };
        let body = found
            .record
            .map(|record| String::from_utf8_lossy(&record.body).into_owned());
        self.answers.push(Answer::Body(body));
    }

    async fn ask(&mut self, stamp: Stamp, marks: &[Mark]) {
        let now_or_never = match self.way {
            Way::AtOnce => self.store.admits_now(stamp, marks),
            Way::Waiting => Poll::Pending,
        };
        let admitted = match now_or_never {
            Poll::Ready(admitted) => admitted.expect("the store is well"),
            Poll::Pending => admits(self.store, stamp, marks).await,
        };
        self.answers.push(Answer::Admitted(admitted));
    }
}
