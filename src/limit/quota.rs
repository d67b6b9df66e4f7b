//! What may be used, as it is configured.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::rule::{Fixed, Gcra, InFlight, Log, Rule, SlidingCounter};

mod text;

#[cfg(test)]
mod tests;

/// The most that a quota admits in its window.
const LARGEST_AMOUNT: u64 = 1_000_000_000_000;
/// The longest log of admissions that is kept for one key.
const LONGEST_LOG: u64 = 10_000;
/// In microseconds: ten years.
const LONGEST_WINDOW: u64 = 10 * 366 * 86_400 * 1_000_000;
/// In microseconds: how long a burst takes to be there again, at most; a hundred years.
const LONGEST_REFILL: u128 = 10 * LONGEST_WINDOW as u128;

/// An amount that may be used over a window: `100/m`.
///
/// As text it is an amount, a slash and a window: a number, a unit, or both. Units are `s`, `m`, `h` and `d`, or `sec`, `second`, `min`,
/// `minute`, `hour` and `day` with or without a plural s; a number alone is seconds. A day has 24 hours. `100/m` admits 100 at once, and then
/// one every 600 ms ([`Algorithm::TokenBucket`]).
///
/// ```
/// use std::num::{NonZeroU32, NonZeroU64};
/// use larder::Quota;
/// use larder::limit::Algorithm;
///
/// # fn main() -> Result<(), larder::limit::QuotaError> {
/// let search: Quota = "100/m".parse()?;
/// assert_eq!(search, Quota::per_minute(const { NonZeroU32::new(100).unwrap() }));
///
/// let exact: Quota = "20/5m".parse::<Quota>()?.strict();
/// let aligned = "1000/day".parse::<Quota>()?.algorithm(Algorithm::FixedWindow);
/// for quota in [search, exact, aligned] {
///     quota.check()?;
/// }
/// // Zero is refused: `Quota::deny_all()` says that nothing is admitted.
/// assert!("0/m".parse::<Quota>().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    kind: Kind,
    /// The arithmetic of this kind: made with it, since it is asked for in each decision.
    rule: Result<Rule, Misfit>,
    name: Option<Cow<'static, str>>,
    outage: Outage,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Unlimited,
    Denied,
    InFlight(u64),
    Rate {
        amount: u64,
        /// In microseconds.
        window: u64,
        burst: Option<u64>,
        strict: bool,
        algorithm: Algorithm,
    },
}

/// Why options do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Misfit {
    Burst(u64),
    StrictBurst { amount: u64, burst: u64 },
    TokenBucketOnly(&'static str),
    LongLog(u64),
}

/// How a quota is counted, and so how much it may admit at most.
///
/// L is the amount of the quota, w its window; a cost counts as so many. All are exact in whole microseconds, and what is refused counts
/// nothing. "Any window" is one of length w that begins at any moment, its beginning included and its end not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// The generic cell rate algorithm (GCRA), which decides exactly as a token bucket does: B at once, B being the
    /// [burst](Quota::burst), and one more each T = w/L.
    ///
    /// In any closed interval of length W it admits at most B + ⌊W/T⌋. With a burst of L, which is the default, that is up to 2L − 1 in any
    /// window: L at once, and the L − 1 that come back before the window is over. For at most L in any window choose
    /// [`Quota::strict`]. It keeps one number for each key.
    #[default]
    TokenBucket,
    /// A count for each window, aligned to the Unix epoch: windows of a day begin at midnight UTC.
    ///
    /// At most L in each of these windows, and up to 2L in any window: L at the end of one and L at the beginning of the next. All keys are
    /// new at the same moment, which many clients may wait for.
    FixedWindow,
    /// A count for each window, which begins with the first request after the last one has ended.
    ///
    /// At most L in each of these windows, and up to 2L in any window.
    FixedWindowFromFirst,
    /// A count for each window, aligned to the Unix epoch and an offset of each key, so that not all keys are new at the same moment.
    ///
    /// At most L in each of these windows, and up to 2L in any window.
    FixedWindowStaggered,
    /// The count of this window, aligned to the Unix epoch, and that share of the count before it that the sliding window still covers.
    ///
    /// It is approximate, since it takes what was used in the last window to be spread evenly over it: at most L in each aligned window, and
    /// fewer than 2L, up to 2L − 1, in any window. Right after each admission the estimate is at most L.
    SlidingCounter,
    /// The moment of each admission: at most L in *every* window.
    ///
    /// What comes exactly w after an admission no longer sees it. It keeps up to L entries for each key, so L is at most 10000.
    SlidingLog,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Requests.
    #[default]
    Requests,
    /// Bytes of content.
    ContentBytes,
}

/// What a quota does while its limiter cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outage {
    /// Each node counts by itself, against its share: the amount and the burst divided by so many nodes, at least 1.
    Estimate {
        /// How many nodes share the quota.
        nodes: NonZeroU32,
    },
    /// Everything is admitted.
    Open,
    /// Everything is refused.
    Closed,
}

impl Default for Outage {
    fn default() -> Self {
        Self::Estimate {
            nodes: NonZeroU32::MIN,
        }
    }
}

/// What is wrong with a quota.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// The text is no rate.
    #[error("{text:?} is no rate: {problem}; write it as 100/m, 20/5m or 1000/day")]
    Text {
        /// What was written.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The amount is zero, or more than 10^12.
    #[error("an amount of {0} is not between 1 and 10^12; `Quota::deny_all()` admits nothing")]
    Amount(u64),
    /// The window is shorter than 1 ms, or longer than ten years.
    #[error("a window of {0:?} is not between 1 ms and ten years")]
    Window(Duration),
    /// The burst is zero or more than 10^12, or would take more than a hundred years to be there again.
    #[error(
        "a burst of {0} is not between 1 and 10^12, or takes more than a hundred years to be there again"
    )]
    Burst(u64),
    /// A strict quota with a burst that its amount does not hold.
    #[error("a strict quota of {amount} cannot have a burst of {burst}")]
    StrictBurst {
        /// The amount.
        amount: u64,
        /// The burst.
        burst: u64,
    },
    /// A burst, or `strict`, for what is not counted as a token bucket.
    #[error("`{0}` is for token buckets only")]
    TokenBucketOnly(&'static str),
    /// A log of admissions that would be too long.
    #[error(
        "a log of {0} admissions for each key is more than 10000: count by `Algorithm::SlidingCounter`, or give a strict quota a burst"
    )]
    LongLog(u64),
    /// A name that no structured field can hold.
    #[error("the name {0:?} is empty, longer than 64 bytes, or not printable ASCII")]
    Name(String),
}

impl From<Misfit> for QuotaError {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::Burst(burst) => Self::Burst(burst),
            Misfit::StrictBurst { amount, burst } => Self::StrictBurst { amount, burst },
            Misfit::TokenBucketOnly(option) => Self::TokenBucketOnly(option),
            Misfit::LongLog(amount) => Self::LongLog(amount),
        }
    }
}

impl From<std::convert::Infallible> for QuotaError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl Quota {
    /// `amount` over `window`.
    ///
    /// # Errors
    ///
    /// An amount of zero or beyond 10^12, a window shorter than 1 ms or longer than ten years.
    pub fn new(amount: u64, window: Duration) -> Result<Self, QuotaError> {
        let micros = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        if !(1..=LARGEST_AMOUNT).contains(&amount) {
            return Err(QuotaError::Amount(amount));
        }
        if !(1_000..=LONGEST_WINDOW).contains(&micros) {
            return Err(QuotaError::Window(window));
        }
        Ok(Self::rate(amount, micros))
    }

    const fn rate(amount: u64, window: u64) -> Self {
        Self::of(Kind::Rate {
            amount,
            window,
            burst: None,
            strict: false,
            algorithm: Algorithm::TokenBucket,
        })
    }

    const fn of(kind: Kind) -> Self {
        Self {
            rule: kind.rule(),
            kind,
            name: None,
            outage: Outage::Estimate {
                nodes: NonZeroU32::MIN,
            },
            unit: Unit::Requests,
        }
    }

    /// So many each second.
    pub const fn per_second(amount: NonZeroU32) -> Self {
        Self::rate(amount.get() as u64, 1_000_000)
    }

    /// So many each minute.
    pub const fn per_minute(amount: NonZeroU32) -> Self {
        Self::rate(amount.get() as u64, 60 * 1_000_000)
    }

    /// So many each hour.
    pub const fn per_hour(amount: NonZeroU32) -> Self {
        Self::rate(amount.get() as u64, 3_600 * 1_000_000)
    }

    /// So many each day of 24 hours.
    pub const fn per_day(amount: NonZeroU32) -> Self {
        Self::rate(amount.get() as u64, 86_400 * 1_000_000)
    }

    /// So many at a time: counted from admission until the response body has ended or is dropped.
    pub const fn in_flight(amount: NonZeroU32) -> Self {
        Self::of(Kind::InFlight(amount.get() as u64))
    }

    /// Nothing is counted, nothing refused.
    pub const fn unlimited() -> Self {
        Self::of(Kind::Unlimited)
    }

    /// Everything is refused.
    pub const fn deny_all() -> Self {
        Self::of(Kind::Denied)
    }

    /// The most at once, for a token bucket. Default: the amount.
    ///
    /// The rate stays: `100/m` with a burst of 10 admits 10 at once and then one every 600 ms.
    #[must_use]
    pub const fn burst(mut self, most: NonZeroU64) -> Self {
        if let Kind::Rate { burst, .. } = &mut self.kind {
            *burst = Some(most.get());
        }
        self.rule = self.kind.rule();
        self
    }

    /// At most the amount in *any* window, where a token bucket admits up to a burst more.
    ///
    /// Without a burst the amount can be used at once, and the moment of each admission is kept
    /// ([`SlidingLog`](Algorithm::SlidingLog)). With a [burst](Self::burst) of B, at most the amount L, it is a token bucket of B that is
    /// filled more slowly, by one each w/(L − B + 1): so B at once and L in any window, in one number for each key.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        if let Kind::Rate { strict, .. } = &mut self.kind {
            *strict = true;
        }
        self.rule = self.kind.rule();
        self
    }

    /// How it is counted. Default: as a token bucket.
    #[must_use]
    pub const fn algorithm(mut self, by: Algorithm) -> Self {
        if let Kind::Rate { algorithm, .. } = &mut self.kind {
            *algorithm = by;
        }
        self.rule = self.kind.rule();
        self
    }

    /// The name of its policy in header fields and problem documents. Default: that of its limit, and the window where a limit has several.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What it does while the limiter cannot be asked. Default: each node counts by itself, against the whole quota.
    #[must_use]
    pub const fn outage(mut self, outage: Outage) -> Self {
        self.outage = outage;
        self
    }

    /// What it counts. Default: requests.
    #[must_use]
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// What is wrong with it, if anything.
    ///
    /// # Errors
    ///
    /// Options that do not go together, and numbers that are out of bounds.
    pub fn check(&self) -> Result<(), QuotaError> {
        if let Some(name) = &self.name {
            let is_printable = name.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            if name.is_empty() || name.len() > 64 || !is_printable {
                return Err(QuotaError::Name(name.to_string()));
            }
        }
        self.rule().map(drop)
    }

    /// Its arithmetic.
    #[inline]
    pub(crate) fn rule(&self) -> Result<Rule, QuotaError> {
        Ok(self.rule?)
    }

    /// The amount of its window and the window, in microseconds: what policies tell. None where it has none.
    pub(crate) fn told(&self) -> Option<(u64, u64)> {
        match self.kind {
            Kind::Rate { amount, window, .. } => Some((amount, window)),
            _ => None,
        }
    }

    pub(crate) fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) const fn on_outage(&self) -> Outage {
        self.outage
    }

    /// Does it count what is in flight?
    pub(crate) const fn is_in_flight(&self) -> bool {
        matches!(self.kind, Kind::InFlight(_))
    }

    pub(crate) const fn counts(&self) -> Unit {
        self.unit
    }

    /// The same for one of `nodes` that share it.
    pub(crate) fn share(&self, nodes: NonZeroU32) -> Self {
        let part = |all: u64| (all / u64::from(nodes.get())).max(1);
        let mut share = self.clone();
        match &mut share.kind {
            Kind::InFlight(most) => *most = part(*most),
            Kind::Rate { amount, burst, .. } => {
                *amount = part(*amount);
                *burst = burst.map(part);
            }
            Kind::Unlimited | Kind::Denied => {}
        }
        share.rule = share.kind.rule();
        share
    }
}

impl Kind {
    const fn rule(self) -> Result<Rule, Misfit> {
        let (amount, window, burst, strict, algorithm) = match self {
            Self::Unlimited => return Ok(Rule::Unlimited),
            Self::Denied => return Ok(Rule::Denied),
            Self::InFlight(most) => return Ok(Rule::InFlight(InFlight { most })),
            Self::Rate {
                amount,
                window,
                burst,
                strict,
                algorithm,
            } => (amount, window, burst, strict, algorithm),
        };
        if !matches!(algorithm, Algorithm::TokenBucket) && burst.is_some() {
            return Err(Misfit::TokenBucketOnly("burst"));
        }
        match algorithm {
            Algorithm::TokenBucket => match (strict, burst) {
                (true, None) => log(amount, window),
                (true, Some(burst)) if burst > amount => Err(Misfit::StrictBurst { amount, burst }),
                // RL-GC-02: with this rate, no window holds more than the amount.
                (true, Some(burst)) => gcra(amount - burst + 1, window, burst),
                (false, Some(burst)) => gcra(amount, window, burst),
                (false, None) => gcra(amount, window, amount),
            },
            Algorithm::SlidingLog => log(amount, window),
            _ if strict => Err(Misfit::TokenBucketOnly("strict")),
            Algorithm::FixedWindow => Ok(Rule::Fixed(Fixed::aligned(amount, window))),
            Algorithm::FixedWindowFromFirst => Ok(Rule::Fixed(Fixed::from_first(amount, window))),
            Algorithm::FixedWindowStaggered => Ok(Rule::Fixed(Fixed::staggered(amount, window))),
            Algorithm::SlidingCounter => Ok(Rule::Counter(SlidingCounter { amount, window })),
        }
    }
}

const fn gcra(rate: u64, period: u64, burst: u64) -> Result<Rule, Misfit> {
    // The time in which a burst is there again, times the rate.
    let refill = burst as u128 * period as u128;
    let is_too_long = refill > LONGEST_REFILL * rate as u128;
    if burst == 0 || burst > LARGEST_AMOUNT || is_too_long {
        return Err(Misfit::Burst(burst));
    }
    Ok(Rule::Gcra(Gcra {
        rate,
        period,
        burst,
    }))
}

const fn log(amount: u64, window: u64) -> Result<Rule, Misfit> {
    match amount {
        ..=LONGEST_LOG => Ok(Rule::Log(Log { amount, window })),
        _ => Err(Misfit::LongLog(amount)),
    }
}
