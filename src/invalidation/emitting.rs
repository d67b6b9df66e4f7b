//! Events on their way to the store.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::purges::Purges;
use super::{BoxedEvent, Emitted, Invalidation, InvalidationError};
use crate::background::Background;

/// The future of [`Invalidation::emit`]. The data has changed already, so it is not given up when it is dropped: it goes on in the background.
#[must_use = "a caller that does not wait does not know whether the pages are freed"]
pub struct Emitting {
    work: Option<Work>,
    background: Background,
}

type Work = Pin<Box<dyn Future<Output = Result<Emitted, InvalidationError>> + Send>>;

impl Emitting {
    pub(super) fn new(rules: Invalidation, events: Vec<BoxedEvent>) -> Self {
        Self {
            background: rules.cache.background().clone(),
            work: Some(Box::pin(emit(rules, events))),
        }
    }
}

async fn emit(rules: Invalidation, events: Vec<BoxedEvent>) -> Result<Emitted, InvalidationError> {
    let mut purges = Purges::new(rules.cache.clone());
    let mut failures = Vec::new();
    let mut ran = 0;
    for event in &events {
        for rule in rules.rules_of(&**event) {
            ran += 1;
            if let Err(failure) = rule.run(&**event, &mut purges).await {
                crate::log::rule_failed(&failure);
                failures.push(failure);
            }
        }
    }
    let purged = match purges.into_purge() {
        None => Ok(None),
        Some(purge) => rules.cache.purge(purge).await.map(Some),
    };
    match purged {
        Ok(purged) if failures.is_empty() => Ok(Emitted { rules: ran, purged }),
        Ok(_) => Err(InvalidationError::new(None, failures)),
        Err(error) => {
            crate::log::purge_error(&error);
            Err(InvalidationError::new(Some(error), failures))
        }
    }
}

impl Future for Emitting {
    type Output = Result<Emitted, InvalidationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let work = self.work.as_mut().expect("polled after it was ready");
        let emitted = work.as_mut().poll(cx);
        if emitted.is_ready() {
            self.work = None;
        }
        emitted
    }
}

impl Drop for Emitting {
    fn drop(&mut self) {
        let Some(mut work) = self.work.take() else {
            return;
        };
        // At once where the store and the rules can.
        let mut cx = Context::from_waker(Waker::noop());
        if work.as_mut().poll(&mut cx).is_pending() {
            self.background.spawn_owed(Box::pin(async move {
                // What went wrong was logged where it did.
                drop(work.await);
            }));
        }
    }
}

impl fmt::Debug for Emitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitting").finish_non_exhaustive()
    }
}
