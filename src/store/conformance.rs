//! The suite that proves the contract of a [`Store`], for the stores of this crate and for any other.
//!
//! Every check is named as the sentence that it proves, and panics with what was broken. [`run`] runs them all, each on a store of its own:
//!
//! ```
//! use larder::store::{MemoryStore, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::run(|| async { MemoryStore::new(1024 * 1024) }).await;
//! # }
//! ```
//!
//! A store that keeps nothing on purpose cannot pass these. Its contract is [`run_for_keeping_nothing`].
//!
//! # What the suite needs
//!
//! * A tokio runtime with its timers on and not paused. Checks of races use its blocking threads, so they race on every flavour.
//! * A *fresh* store from each call of `make`: no records in it, and nobody else who writes to or purges it meanwhile. Stores on a shared
//!   server each take a namespace (a prefix, a database) that was never used before, for instance one that is counted up; what they leave
//!   behind is `make`'s to take away.
//! * A clock that agrees with this machine's to within a few seconds, if the store prefers its own to the one passed in. Where something
//!   may take a while (an expiry, a notice), the suite waits for it, but not for ever.
//! * Room for a few dozen records of a few bytes, none of which are evicted.
//!
//! A store that answers at once ([`Store::get_now`]) is raced more often than one whose every call takes a round trip: with 50 µs for each, all
//! checks together take a few seconds.

mod ask;
mod at_once;
mod counts;
mod lives;
mod matching;
mod nothing;
mod purges;
mod puts;
mod races;
mod reads;
mod scans;
mod soft;
mod watches;

pub use self::at_once::*;
pub use self::counts::*;
pub use self::lives::*;
pub use self::matching::*;
pub use self::nothing::*;
pub use self::purges::*;
pub use self::puts::*;
pub use self::races::*;
pub use self::reads::*;
pub use self::scans::*;
pub use self::soft::*;
pub use self::watches::*;

use super::Store;

/// Runs every check, each on a store of its own from `make`, which must be empty.
///
/// # Panics
///
/// With the sentence of the contract that the store breaks.
pub async fn run<S, F>(make: impl Fn() -> F)
where
    S: Store,
    F: Future<Output = S>,
{
    an_absent_key_has_no_record(make().await).await;
    a_record_comes_back_as_it_was_put(make().await).await;
    a_stale_record_is_kept(make().await).await;
    at_keep_until_a_record_is_gone(make().await).await;
    keys_are_compared_in_full(make().await).await;
    batches_are_answered_in_order(make().await).await;
    what_is_answered_at_once_is_the_same_answer(make().await).await;

    a_put_replaces_the_record(make().await).await;
    a_fill_does_not_replace_a_younger_record(make().await).await;
    absent_stores_only_where_no_valid_record_stands(make().await).await;
    same_replaces_only_the_record_that_was_read(make().await).await;
    always_replaces_even_a_younger_record(make().await).await;
    a_removed_record_is_gone(make().await).await;
    a_record_that_is_too_large_leaves_the_old_one(make().await).await;

    a_purge_of_a_key_removes_its_record_alone(make().await).await;
    a_purge_of_a_key_refuses_the_fills_under_way(make().await).await;
    a_purge_of_marks_strikes_all_that_carry_one_and_nothing_else(make().await).await;
    a_purge_of_marks_refuses_the_fills_under_way(make().await).await;
    an_outlawed_record_is_never_revived(make().await).await;
    foreign_and_future_stamps_are_not_admitted(make().await).await;
    every_purge_moves_the_fence_on(make().await).await;
    admits_says_what_get_does(make().await).await;
    a_fill_that_supersedes_outlives_its_own_purge_alone(make().await).await;

    a_purge_of_many_keys_strikes_each_of_them(make().await).await;
    a_purge_by_predicate_removes_what_it_finds_alone(make().await).await;
    a_purge_by_predicate_finds_names(make().await).await;
    a_purge_by_predicate_refuses_all_fills_under_way(make().await).await;

    a_soft_purge_ends_freshness_and_nothing_else(make().await).await;
    a_soft_purge_makes_nothing_fresher(make().await).await;
    a_soft_purge_reaches_fills_under_way(make().await).await;
    soft_and_hard_purges_leave_each_other(make().await).await;

    a_count_keeps_all_but_the_number(make().await).await;
    a_count_begins_only_where_no_valid_number_stands(make().await).await;
    the_beginning_of_a_count_is_fenced(make().await).await;
    what_cannot_be_counted_is_left_alone(make().await).await;

    a_life_changes_lifetimes_alone(make().await).await;
    a_life_revives_nothing(make().await).await;
    a_life_of_the_same_record_is_for_no_other(make().await).await;
    a_longer_life_does_not_undo_a_soft_purge(make().await).await;

    a_reader_sees_the_old_record_or_the_new_one(make().await).await;
    of_many_that_write_on_one_condition_one_succeeds(make().await).await;
    of_many_that_count_none_is_lost(make().await).await;
    what_is_validated_while_a_purge_looks_for_it_is_gone(make().await).await;
    no_purge_loses_a_race(make().await).await;

    a_scan_brings_what_starts_with_its_prefix(make().await).await;
    a_scan_keeps_to_its_budget(make().await).await;

    a_watch_tells_what_is_removed(make().await).await;
    a_watch_tells_what_is_purged(make().await).await;
    a_watch_tells_what_is_found_expired(make().await).await;
    a_watch_does_not_tell_of_what_is_replaced(make().await).await;
}

/// Runs every check for a store whose contract is to keep nothing, on a fresh store from `make`.
///
/// # Panics
///
/// With the sentence of that contract that the store breaks.
pub async fn run_for_keeping_nothing<S, F>(make: impl Fn() -> F)
where
    S: Store,
    F: Future<Output = S>,
{
    nothing_is_found_after_any_put(make().await).await;
    there_is_nothing_to_remove_or_to_replace(make().await).await;
    nothing_is_counted_or_kept_longer(make().await).await;
    no_purge_finds_anything(make().await).await;
    what_a_purge_outlaws_is_not_admitted(make().await).await;
    nothing_is_scanned(make().await).await;
}

#[cfg(all(test, feature = "memory"))]
mod flawed;

#[cfg(test)]
mod tests {
    /// A check that stands in no list would be skipped in silence.
    #[test]
    fn every_check_is_run() {
        let lists = include_str!("conformance.rs");
        let checks = [
            include_str!("conformance/at_once.rs"),
            include_str!("conformance/counts.rs"),
            include_str!("conformance/lives.rs"),
            include_str!("conformance/matching.rs"),
            include_str!("conformance/nothing.rs"),
            include_str!("conformance/purges.rs"),
            include_str!("conformance/puts.rs"),
            include_str!("conformance/races.rs"),
            include_str!("conformance/reads.rs"),
            include_str!("conformance/scans.rs"),
            include_str!("conformance/soft.rs"),
            include_str!("conformance/watches.rs"),
        ];
        let names = checks
            .iter()
            .flat_map(|file| file.split("\npub async fn ").skip(1))
            .filter_map(|function| function.split('<').next());
        let mut count = 0;
        for name in names {
            let run = format!("    {name}(make().await).await;\n");
            assert!(lists.contains(&run), "{name} is not run");
            count += 1;
        }
        assert_eq!(count, lists.matches("(make().await).await;\n").count());
    }
}
