//! Counts of reasons, of a cache or of one of its routes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::reason::{Absence, Reason};

/// How often each reason answered, and what that spared.
///
/// As JSON it is an object of these fields:
///
/// | field | |
/// |---|---|
/// | `requests` | all of them |
/// | `hits`, `hit_rate` | [`hits`](Self::hits), and their share of what was looked up (`null` of nothing) |
/// | `misses`, `misses_by` | [`misses`](Self::misses), by what the store lacked |
/// | `stored`, `refused_by` | the misses that were stored, and why the others were not |
/// | `stale`, `stale_by` | [`stale`](Self::stale), and why something stale was used |
/// | `validated`, `collapsed`, `stale_on_error` | as the methods |
/// | `bypassed`, `bypassed_by` | [`bypassed`](Self::bypassed), by why |
/// | `unanswered`, `unanswered_by` | [`unanswered`](Self::unanswered), by why |
/// | `bytes_served`, `seconds_saved` | as the methods |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that have occurred, in the order of their places.
    reasons: Vec<(Reason, u64)>,
    bytes: u64,
    saved: Duration,
}

impl Counts {
    pub(super) const fn new(reasons: Vec<(Reason, u64)>, bytes: u64, saved: Duration) -> Self {
        Self {
            reasons,
            bytes,
            saved,
        }
    }

    /// All of these together.
    pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut counts = vec![0; Reason::COUNT];
        let mut sum = Self::default();
        for one in all {
            sum.bytes += one.bytes;
            sum.saved += one.saved;
            for (reason, count) in &one.reasons {
                counts[reason.index()] += count;
            }
        }
        let reasons = Reason::all().zip(counts);
        sum.reasons = reasons.filter(|(_, count)| *count > 0).collect();
        sum
    }

    /// How often this reason answered.
    pub fn count(&self, reason: Reason) -> u64 {
        self.total(|other| other == reason)
    }

    /// Each reason that has answered, and how often.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        self.reasons.iter().copied()
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.total(|_| true)
    }

    /// Answers from the store, without a word with the handler: fresh ones, and stale ones that are refreshed or that the request accepts.
    pub fn hits(&self) -> u64 {
        self.total(|reason| matches!(reason, Reason::Hit | Reason::StaleHit(_)))
    }

    /// The share of [`hits`](Self::hits) in all requests that did not pass the cache by; `None` where there were none.
    pub fn hit_rate(&self) -> Option<f64> {
        let looked = self.requests() - self.bypassed();
        (looked > 0).then(|| self.hits() as f64 / looked as f64)
    }

    /// Answers from the store that the handler confirmed (304).
    pub fn validated(&self) -> u64 {
        self.total(|reason| matches!(reason, Reason::Validated(_)))
    }

    /// Stale answers in place of a handler that failed or was slow.
    pub fn stale_on_error(&self) -> u64 {
        self.total(|reason| matches!(reason, Reason::StaleOnError(_)))
    }

    /// Errors of the cache's own.
    pub fn unanswered(&self) -> u64 {
        self.total(|reason| matches!(reason, Reason::Unanswered(_)))
    }

    /// Answers from the flight of another request.
    pub fn collapsed(&self) -> u64 {
        self.total(|reason| matches!(reason, Reason::Collapsed(_)))
    }

    /// Requests that looked for a stored response and had to ask the handler.
    pub fn misses(&self) -> u64 {
        self.total(is_miss)
    }

    /// [`misses`](Self::misses) by what the store lacked: `uri-miss`, `stale` and the others of [`Absence`].
    pub fn misses_by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.by(|reason| {
            let absence = reason.absence().filter(|_| is_miss(reason));
            absence.map(Absence::as_str)
        })
    }

    /// Answers of a handler that were stored.
    pub fn stored(&self) -> u64 {
        self.total(|reason| matches!(reason, Reason::Stored(_) | Reason::StoredAlone(_)))
    }

    /// [`misses`](Self::misses) that were not stored, by why: `private`, `no-store` and the others of
    /// [`NotStored`](super::NotStored).
    pub fn refused_by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.by(|reason| match reason {
            Reason::Refused(_, why) | Reason::RefusedAlone(_, why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// Requests that found a stale response.
    pub fn stale(&self) -> u64 {
        self.total(|reason| match reason {
            Reason::StaleHit(_) | Reason::StaleOnError(_) => true,
            _ => reason.absence() == Some(Absence::Stale),
        })
    }

    /// Requests that passed the cache by.
    pub fn bypassed(&self) -> u64 {
        self.total(|reason| matches!(reason, Reason::Bypassed(_)))
    }

    /// [`bypassed`](Self::bypassed) by why: `method`, `range` and the others of [`Bypass`](super::Bypass).
    pub fn bypassed_by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.by(|reason| match reason {
            Reason::Bypassed(why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// Refusals and bypasses by the word that `detail` would say, sorted by it.
    pub fn details(&self) -> BTreeMap<&'static str, u64> {
        self.by(Reason::detail)
    }

    /// The bytes of bodies that were answered from the store.
    pub const fn bytes_served(&self) -> u64 {
        self.bytes
    }

    /// How long handlers would have taken for [`hits`](Self::hits): for each, what its page took when it was made, from the question to
    /// the head of the answer.
    pub const fn time_saved(&self) -> Duration {
        self.saved
    }

    fn total(&self, picks: impl Fn(Reason) -> bool) -> u64 {
        self.reasons
            .iter()
            .filter(|(reason, _)| picks(*reason))
            .map(|(_, count)| count)
            .sum()
    }

    fn by(&self, word: impl Fn(Reason) -> Option<&'static str>) -> BTreeMap<&'static str, u64> {
        let mut by = BTreeMap::new();
        for (reason, count) in &self.reasons {
            if let Some(word) = word(*reason) {
                *by.entry(word).or_default() += count;
            }
        }
        by
    }
}

fn is_miss(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Stored(_) | Reason::StoredAlone(_) | Reason::Refused(..) | Reason::RefusedAlone(..)
    )
}

/// The fields of [`Counts`] as JSON.
#[derive(Serialize)]
struct Form {
    requests: u64,
    hits: u64,
    hit_rate: Option<f64>,
    misses: u64,
    misses_by: BTreeMap<&'static str, u64>,
    stored: u64,
    refused_by: BTreeMap<&'static str, u64>,
    stale: u64,
    stale_by: BTreeMap<&'static str, u64>,
    validated: u64,
    collapsed: u64,
    stale_on_error: u64,
    bypassed: u64,
    bypassed_by: BTreeMap<&'static str, u64>,
    unanswered: u64,
    unanswered_by: BTreeMap<&'static str, u64>,
    bytes_served: u64,
    seconds_saved: f64,
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = Form {
            requests: self.requests(),
            hits: self.hits(),
            hit_rate: self.hit_rate(),
            misses: self.misses(),
            misses_by: self.misses_by_reason(),
            stored: self.stored(),
            refused_by: self.refused_by_reason(),
            stale: self.stale(),
            stale_by: self.by(|reason| match reason {
                Reason::StaleHit(why) => Some(why.as_str()),
                Reason::StaleOnError(how) => Some(how.as_str()),
                _ => None,
            }),
            validated: self.validated(),
            collapsed: self.collapsed(),
            stale_on_error: self.stale_on_error(),
            bypassed: self.bypassed(),
            bypassed_by: self.bypassed_by_reason(),
            unanswered: self.unanswered(),
            unanswered_by: self.by(|reason| match reason {
                Reason::Unanswered(why) => Some(why.as_str()),
                _ => None,
            }),
            bytes_served: self.bytes,
            seconds_saved: self.saved.as_secs_f64(),
        };
        form.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::{Bypass, Failure, NotStored, StaleUse, Unanswered};
    use super::*;

    fn counts(reasons: &[(Reason, u64)]) -> Counts {
        Counts::new(reasons.to_vec(), 0, Duration::ZERO)
    }

    #[test]
    fn nothing_has_no_hit_rate() {
        assert_eq!(counts(&[]).hit_rate(), None);
        let bypassed = (Reason::Bypassed(Bypass::Method), 7);
        assert_eq!(counts(&[bypassed]).hit_rate(), None);
        let hits = [
            (Reason::Hit, 3),
            (Reason::Stored(Absence::Uri), 1),
            bypassed,
        ];
        assert_eq!(counts(&hits).hit_rate(), Some(0.75));
    }

    #[test]
    fn every_reason_is_of_one_result() {
        let all: Vec<_> = Reason::all().map(|reason| (reason, 1)).collect();
        let counts = counts(&all);
        let refused: u64 = counts.refused_by_reason().values().sum();
        assert_eq!(counts.misses(), counts.stored() + refused);
        assert_eq!(
            counts.requests(),
            counts.hits()
                + counts.misses()
                + counts.validated()
                + counts.collapsed()
                + counts.stale_on_error()
                + counts.bypassed()
                + counts.unanswered()
        );
        assert_eq!(
            counts.misses_by_reason().values().sum::<u64>(),
            counts.misses()
        );
    }

    #[test]
    fn sums_keep_every_reason_apart() {
        let one = Counts::new(
            vec![(Reason::Hit, 2), (Reason::StaleHit(StaleUse::Accepted), 1)],
            10,
            Duration::from_millis(5),
        );
        let other = Counts::new(
            vec![
                (Reason::Hit, 1),
                (Reason::StaleOnError(Failure::Slow), 4),
                (Reason::Unanswered(Unanswered::TimedOut), 1),
                (Reason::Refused(Absence::Uri, NotStored::Private), 1),
            ],
            5,
            Duration::from_millis(1),
        );
        let sum = Counts::sum([&one, &other].into_iter());
        assert_eq!(sum.count(Reason::Hit), 3);
        assert_eq!((sum.hits(), sum.stale(), sum.requests()), (4, 5, 10));
        assert_eq!(
            (sum.bytes_served(), sum.time_saved()),
            (15, Duration::from_millis(6))
        );
        assert_eq!(sum.details()["private"], 1);
    }
}
