//! What was decided, counted by group.

mod counters;

use std::fmt;

use serde::Serialize;

pub(crate) use self::counters::{Counters, GroupCounters};

/// Under which name further groups are counted when there are too many.
pub(crate) const OTHER_GROUPS: &str = "(other)";

/// What is counted of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was admitted.
    Admit,
    /// It was refused.
    Refuse,
    /// It would have been refused, were this no dry run.
    WouldRefuse,
    /// It stood in line, whatever became of it.
    Wait,
    /// It was decided by this node alone.
    Estimate,
    /// The limiter could not be asked.
    Fail,
}

impl Event {
    pub(crate) const ALL: [Self; 6] = [
        Self::Admit,
        Self::Refuse,
        Self::WouldRefuse,
        Self::Wait,
        Self::Estimate,
        Self::Fail,
    ];

    /// Its label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admitted",
            Self::Refuse => "refused",
            Self::WouldRefuse => "would-have-refused",
            Self::Wait => "waited",
            Self::Estimate => "estimated",
            Self::Fail => "error",
        }
    }
}

/// What a [`RateLimiter`](super::RateLimiter) has decided since it was built: in all, and by group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitStats {
    /// The sum over all groups.
    pub total: GroupStats,
    /// By group, in the order of their names; more than 256 are counted as `(other)`.
    pub groups: Vec<GroupStats>,
}

/// What was decided in one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GroupStats {
    /// The name of the group; empty in the sum.
    pub group: String,
    /// Calls that were admitted.
    pub admitted: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Calls that a dry run let pass.
    pub would_have_refused: u64,
    /// Calls that stood in line.
    pub waited: u64,
    /// Calls that were decided by this node alone, whatever became of them.
    pub estimated: u64,
    /// Calls for which the limiter could not be asked.
    pub errors: u64,
}

impl LimitStats {
    /// What was counted in this group, if anything was.
    pub fn group(&self, name: &str) -> Option<&GroupStats> {
        self.groups.iter().find(|group| group.group == name)
    }

    /// All of it as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are always JSON")
    }
}

impl GroupStats {
    /// How many of these were counted.
    pub const fn count(&self, event: Event) -> u64 {
        match event {
            Event::Admit => self.admitted,
            Event::Refuse => self.refused,
            Event::WouldRefuse => self.would_have_refused,
            Event::Wait => self.waited,
            Event::Estimate => self.estimated,
            Event::Fail => self.errors,
        }
    }

    fn of(group: &str, counts: [u64; Event::ALL.len()]) -> Self {
        let [
            admitted,
            refused,
            would_have_refused,
            waited,
            estimated,
            errors,
        ] = counts;
        Self {
            group: group.to_owned(),
            admitted,
            refused,
            would_have_refused,
            waited,
            estimated,
            errors,
        }
    }

    fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.refused += other.refused;
        self.would_have_refused += other.would_have_refused;
        self.waited += other.waited;
        self.estimated += other.estimated;
        self.errors += other.errors;
    }
}

impl fmt::Display for GroupStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} admitted, {} refused",
            self.group, self.admitted, self.refused
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_and_its_groups_are_json() {
        let counters = Counters::default();
        counters.group("search").count(Event::Admit);
        counters.group("search").count(Event::Admit);
        counters.group("sign-in").count(Event::Refuse);
        let stats = counters.stats();
        assert_eq!((stats.total.admitted, stats.total.refused), (2, 1));
        for event in Event::ALL {
            let sum: u64 = stats.groups.iter().map(|group| group.count(event)).sum();
            assert_eq!(stats.total.count(event), sum, "{event:?}");
        }
        let json: serde_json::Value = serde_json::from_str(&stats.to_json()).unwrap();
        assert_eq!(json["groups"][0]["group"], "search");
        assert_eq!(json["groups"][0]["admitted"], 2);
        assert_eq!(json["groups"][1]["refused"], 1);
    }

    #[test]
    fn every_event_has_a_place_of_its_own() {
        let counters = Counters::default();
        for (times, event) in Event::ALL.into_iter().enumerate() {
            for _ in 0..=times {
                counters.group("a").count(event);
            }
        }
        let stats = counters.stats();
        for (times, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(stats.total.count(event), times as u64 + 1, "{event:?}");
        }
    }

    #[test]
    fn groups_beyond_a_bound_are_counted_together() {
        let counters = Counters::default();
        for group in 0..1_000 {
            counters
                .group(&format!("group {group}"))
                .count(Event::Admit);
        }
        let stats = counters.stats();
        assert_eq!(stats.groups.len(), 257);
        assert_eq!(stats.group(OTHER_GROUPS).unwrap().admitted, 744);
        assert_eq!(stats.total.admitted, 1_000);
    }
}
