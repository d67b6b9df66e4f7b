//! Time as a value: decisions take a [`Now`], and only a [`Clock`] at the edge reads one.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of the cache's own time, in milliseconds since the Unix epoch.
///
/// It never steps back: a correction of the wall clock must neither expire nor revive what is stored (RFC 9111 §4.2.3 counts resident time,
/// not dates).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(u64);

impl Now {
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it is yet to come.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` before this one, not before the epoch.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

impl Add<Duration> for Now {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The cache's own time. Later calls never answer less than earlier ones.
    fn now(&self) -> Now;

    /// Microseconds since the Unix epoch on the same course, for what is over too soon for [`now`](Self::now).
    fn micros(&self) -> u64 {
        self.now().as_millis().saturating_mul(1_000)
    }

    /// The wall clock, which may step. Used only beside dates in header fields.
    fn wall(&self) -> SystemTime;

    /// The time since a moment that the clock chooses, as finely as it can tell. It never steps back; only differences mean something.
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now().as_millis())
    }
}

/// The machine's clocks: the wall clock as it stood at start, carried on by the monotonic one.
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
    start_micros: u64,
}

impl SystemClock {
    /// Reads the wall clock once, and the monotonic clock from then on.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            start: Instant::now(),
            start_micros: micros(since_epoch),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now(self.micros() / 1_000)
    }

    fn micros(&self) -> u64 {
        self.start_micros
            .saturating_add(micros(self.start.elapsed()))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests.
///
/// ```
/// use std::time::Duration;
/// use larder::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now().since(before), Duration::from_secs(5));
/// ```
#[derive(Clone)]
pub struct ManualClock {
    /// Since the Unix epoch.
    micros: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock at an arbitrary, fixed moment.
    pub fn new() -> Self {
        // 2026-01-01T00:00:00Z: late enough that dates before it can be written.
        Self {
            micros: Arc::new(AtomicU64::new(1_767_225_600_000_000)),
        }
    }

    /// Moves the clock on by `span`, to the microsecond.
    pub fn advance(&self, span: Duration) {
        self.micros.fetch_add(micros(span), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        Now(millis(self.elapsed()))
    }

    fn micros(&self) -> u64 {
        micros(self.elapsed())
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now().0)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_never_steps_back() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(clock.now() >= first);
    }

    #[test]
    fn a_manual_clock_keeps_what_is_less_than_a_millisecond() {
        let clock = ManualClock::new();
        let (now, elapsed) = (clock.now(), clock.elapsed());
        clock.advance(Duration::from_micros(600));
        assert_eq!(clock.now(), now);
        clock.advance(Duration::from_micros(600));
        assert_eq!(clock.now().since(now), Duration::from_millis(1));
        assert_eq!(clock.elapsed() - elapsed, Duration::from_micros(1_200));
    }

    #[test]
    fn sums_that_overflow_never_come() {
        assert_eq!(Now::from_millis(5) + Duration::MAX, Now::NEVER);
        assert_eq!(
            Now::from_millis(5).before(Duration::MAX),
            Now::from_millis(0)
        );
    }
}
