//! How long something is kept.

use std::time::{Duration, SystemTime};

/// One mebibyte, for capacities: `MemoryStore::new(64 * MIB)`.
pub const MIB: usize = 1024 * 1024;

/// The longest lifetime that HTTP can name, some 68 years (RFC 9111 §1.2.2); `Forever` counts as this.
pub(crate) const LONGEST: Duration = Duration::from_secs(1 << 31);

/// A lifetime: the cache's default, a span, or for as long as there is room.
///
/// ```
/// use larder::{Ttl, minutes};
///
/// assert_eq!(Ttl::from(minutes(5)), Ttl::For(std::time::Duration::from_secs(300)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// What [`CacheBuilder::default_ttl`](crate::cache::CacheBuilder::default_ttl) says: 5 minutes, unless set.
    #[default]
    Default,
    /// This long, to the millisecond, and at least one. A span of zero stores nothing, and one of 68 years is `Forever`.
    For(Duration),
    /// Until purged or evicted.
    Forever,
}

impl Ttl {
    /// Until this moment, as seen from `now`, which is the wall clock's; one that is past stores nothing.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use larder::{Ttl, hours};
    ///
    /// let now = SystemTime::now();
    /// assert_eq!(Ttl::until(now + hours(2), now), Ttl::For(hours(2)));
    /// assert_eq!(Ttl::until(now - hours(2), now), Ttl::For(Duration::ZERO));
    /// ```
    pub fn until(moment: SystemTime, now: SystemTime) -> Self {
        Self::For(moment.duration_since(now).unwrap_or(Duration::ZERO))
    }

    pub(crate) fn resolve(self, default: Duration) -> Duration {
        match self {
            Self::Default => default,
            Self::For(span) => span.min(LONGEST),
            Self::Forever => LONGEST,
        }
    }
}

impl From<Duration> for Ttl {
    fn from(span: Duration) -> Self {
        Self::For(span)
    }
}

/// So many seconds.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// So many minutes.
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(60))
}

/// So many hours.
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(3_600))
}

/// So many days of 24 hours.
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(86_400))
}
