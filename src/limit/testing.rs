//! A limiter that is far away, and can be lost; a clock on the course of tokio's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use super::ask::{Action, Ask};
use super::decision::Decision;
use super::limiter::{Limiter, LimiterError};
use super::memory::MemoryLimiter;
use super::quota::Quota;
use crate::clock::{Clock, ManualClock, Now};

/// Shares what it counts with its clones.
#[derive(Clone)]
pub(super) struct Far {
    pub(super) inner: MemoryLimiter,
    is_away: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    millis: Arc<AtomicU64>,
}

impl Far {
    pub(super) fn new(clock: impl Clock) -> Self {
        Self {
            inner: MemoryLimiter::with_clock(clock),
            is_away: Arc::default(),
            calls: Arc::default(),
            millis: Arc::default(),
        }
    }

    pub(super) fn lose(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// From here on it takes so long to answer, after it has decided.
    pub(super) fn delay(&self, millis: u64) {
        self.millis.store(millis, Ordering::SeqCst);
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Limiter for Far {
    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(LimiterError::Unavailable("it is away".into()));
        }
        let decided = match self.inner.decide_now(action, asks) {
            Poll::Ready(decided) => decided,
            Poll::Pending => self.inner.decide(action, asks).await,
        };
        match self.millis.load(Ordering::SeqCst) {
            0 => {}
            millis => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
        decided
    }
}

/// Goes as tokio's clock goes, also when that is paused.
pub(super) struct TokioClock {
    since: Instant,
    start: u64,
}

impl TokioClock {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            start: ManualClock::new().micros(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Now {
        Now::from_millis(self.micros() / 1_000)
    }

    fn micros(&self) -> u64 {
        self.start + u64::try_from(self.since.elapsed().as_micros()).unwrap()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(self.micros())
    }
}

pub(super) fn quota(text: &str) -> Quota {
    text.parse().unwrap()
}
