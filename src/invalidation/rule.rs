//! One rule, and how it is run so that its failure is its own.

use std::any::{Any, type_name};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use super::{Purges, RuleFailure};

/// Why a rule failed: whatever it says.
pub type RuleError = Box<dyn std::error::Error + Send + Sync>;

/// A rule at work, as [`Invalidation::on_async`](super::Invalidation::on_async) wants it: `Box::pin(async move { … })`.
pub type RuleFuture<'a> = Pin<Box<dyn Future<Output = Result<(), RuleError>> + Send + 'a>>;

pub(super) type Event = dyn Any + Send + Sync;

type Now = dyn Fn(&Event, &mut Purges) -> Result<(), RuleError> + Send + Sync;
type Waiting = dyn for<'a> Fn(&'a Event, &'a mut Purges) -> RuleFuture<'a> + Send + Sync;

#[derive(Clone)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    event: &'static str,
    run: Run,
}

#[derive(Clone)]
enum Run {
    Now(Arc<Now>),
    Waiting(Arc<Waiting>),
}

impl Rule {
    #[track_caller]
    pub(super) fn now<E: Any>(
        rule: impl Fn(&E, &mut Purges) -> Result<(), RuleError> + Send + Sync + 'static,
    ) -> Self {
        Self::new::<E>(Run::Now(Arc::new(move |event, purges| {
            match event.downcast_ref() {
                Some(event) => rule(event, purges),
                None => Ok(()),
            }
        })))
    }

    #[track_caller]
    pub(super) fn waiting<E: Any>(
        rule: impl for<'a> Fn(&'a E, &'a mut Purges) -> RuleFuture<'a> + Send + Sync + 'static,
    ) -> Self {
        Self::new::<E>(Run::Waiting(Arc::new(move |event, purges| {
            match event.downcast_ref() {
                Some(event) => rule(event, purges),
                None => Box::pin(async { Ok(()) }),
            }
        })))
    }

    #[track_caller]
    fn new<E>(run: Run) -> Self {
        let place = Location::caller();
        Self {
            name: format!("{}:{}", place.file(), place.line()).into(),
            event: type_name::<E>(),
            run,
        }
    }

    /// Runs it. A panic is a failure like any other: what it unwinds through is the rule's own, and `purges`, which it can only add to.
    pub(super) async fn run(&self, event: &Event, purges: &mut Purges) -> Result<(), RuleFailure> {
        let failure = match &self.run {
            Run::Now(rule) => caught(|| rule(event, purges)),
            Run::Waiting(rule) => match caught(|| Ok(rule(event, purges))) {
                Ok(mut running) => {
                    poll_fn(|cx| match caught(|| Ok(running.as_mut().poll(cx))) {
                        Ok(poll) => poll,
                        Err(panic) => std::task::Poll::Ready(Err(panic)),
                    })
                    .await
                }
                Err(panic) => Err(panic),
            },
        };
        let wrong = purges
            .take_wrong()
            .map_or(Ok(()), |wrong| Err(wrong.into()));
        failure
            .and(wrong)
            .map_err(|source| RuleFailure::new(self.name.clone(), self.event, source))
    }
}

/// A rule that panicked.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
struct Panicked(String);

fn caught<T>(run: impl FnOnce() -> Result<T, RuleError>) -> Result<T, RuleError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Panicked(text.unwrap_or_else(|| "without a message".to_owned())).into())
    })
}
