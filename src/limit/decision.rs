//! What a limiter answers.

use std::time::Duration;

use smallvec::SmallVec;

/// What became of a call, quota by quota.
#[derive(Clone, Debug)]
pub struct Decision {
    standings: SmallVec<[Standing; 2]>,
    estimated: bool,
}

/// How one quota stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Does this quota allow the cost?
    pub admitted: bool,
    /// How much could be used at once, after this call.
    pub remaining: u64,
    /// How long until this cost would be admitted, if nobody else asks.
    pub wait: Wait,
    /// In microseconds: how long until one unit more than `remaining` can be used; 0 at capacity.
    pub next: u64,
    /// In microseconds: how long until everything can be used.
    pub full: u64,
    /// What to give back with.
    pub receipt: Receipt,
}

/// How long until a cost would be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// So many microseconds: the least that is enough. 0 where it is admitted now.
    Micros(u64),
    /// Until somebody is done.
    Unknown,
    /// It never will: it costs more than the quota ever holds.
    Never,
}

/// When something was taken, as the limiter sees it; meaningful to that limiter alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Receipt(u64);

impl Receipt {
    /// Of what took nothing.
    pub const NONE: Self = Self(0);

    /// What a limiter makes of it.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// What the limiter has made of it.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Wait {
    /// None at once.
    pub const NONE: Self = Self::Micros(0);

    /// How long, where it can be told.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Micros(micros) => Some(Duration::from_micros(micros)),
            Self::Unknown | Self::Never => None,
        }
    }
}

impl Standing {
    /// Of a quota that counts nothing.
    pub const UNLIMITED: Self = Self {
        admitted: true,
        remaining: u64::MAX,
        wait: Wait::NONE,
        next: 0,
        full: 0,
        receipt: Receipt::NONE,
    };

    /// Of a quota that admits nothing, ever.
    pub const DENIED: Self = Self {
        admitted: false,
        remaining: 0,
        wait: Wait::Never,
        next: 0,
        full: 0,
        receipt: Receipt::NONE,
    };
}

impl Decision {
    /// One standing for each ask, in their order.
    pub fn new(standings: impl IntoIterator<Item = Standing>) -> Self {
        Self {
            standings: standings.into_iter().collect(),
            estimated: false,
        }
    }

    /// The standing of one ask alone.
    #[inline]
    pub(crate) fn of_one(standing: Standing) -> Self {
        let mut standings = SmallVec::new();
        standings.push(standing);
        Self {
            standings,
            estimated: false,
        }
    }

    /// The same, made by one node alone while the limiter could not be asked.
    #[must_use]
    pub const fn estimated(mut self) -> Self {
        self.estimated = true;
        self
    }

    /// Was it made by one node alone?
    pub const fn is_estimated(&self) -> bool {
        self.estimated
    }

    /// Do all quotas allow it?
    pub fn is_admitted(&self) -> bool {
        self.standings.iter().all(|standing| standing.admitted)
    }

    /// How each quota stands, in the order of the asks.
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// How long until all would be admitted, if nobody else asks.
    pub fn wait(&self) -> Wait {
        let refused = self.standings.iter().filter(|standing| !standing.admitted);
        refused
            .map(|standing| standing.wait)
            .max()
            .unwrap_or(Wait::NONE)
    }
}
