//! The suite that proves the contract of a [`Limiter`], for the limiters of this crate and for any other.
//!
//! Every check is named as the sentence that it proves, and panics with what was broken. [`run`] runs them all, each on a limiter of its own:
//!
//! ```
//! use larder::clock::ManualClock;
//! use larder::limit::{MemoryLimiter, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let clock = ManualClock::new();
//! let make = || async { MemoryLimiter::with_clock(clock.clone()) };
//! conformance::run(make, &clock).await;
//! # }
//! ```
//!
//! # What the suite needs
//!
//! * A tokio runtime with its timers on and not paused. Checks of races spawn tasks, so they race on a runtime of several threads alone.
//! * A *fresh* limiter from each call of `make`: no counts in it, and nobody else who uses it meanwhile. Limiters on a shared server each take
//!   a namespace that was never used before.
//! * A [`Course`] that lets the time of the limiter pass. Where time passes by itself, the suite tolerates it: quotas that must stand still have
//!   windows of years, and a check that waits takes a second or two.
//! * Room for some dozens of keys, one of them of 1 MiB.

mod asking;
mod counts;
mod flights;
mod keys;
mod races;
mod several;
mod waits;

pub use self::counts::*;
pub use self::flights::*;
pub use self::keys::*;
pub use self::races::*;
pub use self::several::*;
pub use self::waits::*;

use std::time::Duration;

use super::limiter::Limiter;
use crate::clock::ManualClock;

/// How the time of a limiter passes.
pub trait Course: Sync {
    /// Returns when `span` has passed, or a little more.
    fn advance(&self, span: Duration) -> impl Future<Output = ()> + Send;
}

/// Moved at once.
impl Course for ManualClock {
    async fn advance(&self, span: Duration) {
        Self::advance(self, span);
    }
}

/// The time of this machine, and of servers whose clocks keep the same pace: waited for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealTime;

impl Course for RealTime {
    async fn advance(&self, span: Duration) {
        // Timers are as fine as a millisecond.
        tokio::time::sleep(span + Duration::from_millis(2)).await;
    }
}

/// Runs every check, each on a limiter of its own from `make`.
///
/// # Panics
///
/// With the sentence of the contract that the limiter breaks.
pub async fn run<L, F>(make: impl Fn() -> F, time: &impl Course)
where
    L: Limiter,
    F: Future<Output = L>,
{
    an_unused_key_has_its_capacity(make().await).await;
    exactly_the_capacity_is_admitted(make().await).await;
    what_is_refused_changes_nothing(make().await).await;
    a_look_changes_nothing(make().await).await;
    a_cost_counts_as_so_many(make().await).await;
    what_costs_more_than_the_capacity_never_is_admitted(make().await).await;
    what_costs_nothing_always_is_admitted(make().await).await;
    nothing_and_everything_need_no_counts(make().await).await;
    a_charge_is_taken_though_it_be_over(make().await).await;
    what_is_given_back_can_be_used_again(make().await).await;
    a_charge_that_was_cut_gives_nothing_back(make().await).await;
    without_a_receipt_nothing_is_given_back(make().await).await;
    a_reset_forgets_what_was_used(make().await).await;
    a_quota_that_cannot_be_is_an_error(make().await).await;

    keys_are_compared_in_full(make().await).await;
    another_quota_counts_anew(make().await).await;

    all_quotas_are_taken_or_none(make().await).await;
    every_quota_that_refuses_says_so(make().await).await;
    the_same_quota_twice_counts_together(make().await).await;
    no_quotas_refuse_nothing(make().await).await;
    what_is_answered_at_once_is_the_same_answer(make().await).await;

    places_in_flight_are_held_until_they_are_given_back(make().await).await;
    a_reset_frees_no_places_in_flight(make().await).await;

    of_many_at_once_exactly_the_capacity_is_admitted(make().await).await;
    of_many_with_several_quotas_none_takes_a_part(make().await).await;

    who_waits_as_told_is_admitted(make().await, time).await;
    a_debt_is_worked_off(make().await, time).await;
    what_was_used_is_there_again(make().await, time).await;
}
