//! Leases: a node borrows some of a quota at a time, and spends that without asking.
//!
//! ```text
//! acquire ─► lease of this key ─┬─ enough ─► spend: no round trip
//!                               ├─ refused until later ─► refuse: no round trip
//!                               └─ else ─► one borrows, the others wait ─► spend, or remember the refusal
//! ```

mod borrow;
#[cfg(test)]
mod late_tests;
mod lease;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use smallvec::SmallVec;

use self::lease::{Lease, Local, Terms};
use self::table::{Locked, Places, Table};
use super::ask::{Action, Ask};
use super::decision::{Decision, Standing, Wait};
use super::limiter::{Limiter, LimiterError};
use crate::clock::{Clock, SystemClock};

/// How many leases a node holds, about; what comes beyond them asks the limiter each time.
const MOST_LEASES: usize = 65_536;

/// A limiter that is asked for small batches, so that most decisions cost no round trip; clones share their leases.
///
/// The first call of a key borrows what it costs and no more. While the key is hot, each batch is twice as large as the last, up to a tenth of what the quota
/// admits at once, or [`batch`](Self::batch); and never more than half of what is left. What is not spent within [`hold`](Self::hold) is given back when the
/// key is asked for again, or lapses.
///
/// # What it guarantees
///
/// Everything is counted before it is spent, and spent within `hold`. So in all no more is ever admitted than the quota admits; in any one interval at
/// most one batch more for each node, and no more than the quota admits in an interval that is longer by `hold`: with a token bucket of burst B and one unit
/// each T, in an interval of length W at most B + ⌊(W + hold) / T⌋. What was borrowed in a fixed window is spent in that window, or lapses: there it is exact. In
/// turn as much as one batch for each node can lie unused while others are refused.
///
/// A refusal is remembered until its wait is over: what is given back or reset elsewhere is noticed then. What is given back is used again here while
/// its batch is the last of the key; after that it stays used. Quotas in flight, costs above the capacity, peeks, charges and resets go straight to the limiter.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use larder::limit::Leased;
/// use larder::{MemoryLimiter, Quota, RateLimiter};
///
/// // In earnest this leases from a limiter that is far away.
/// let limiter = RateLimiter::new(Leased::new(MemoryLimiter::new()));
/// let quotas: [Quota; 1] = ["1000/m".parse()?];
/// for _ in 0..1_000 {
///     limiter.acquire("k1", &quotas).await?;
/// }
/// assert!(limiter.acquire("k1", &quotas).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Leased {
    shared: Arc<Shared>,
}

struct Shared {
    limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
    terms: Terms,
    table: Table,
    serials: AtomicU64,
}

impl Leased {
    /// Borrows from `limiter`: batches of at most 1000, which are held for at most 1 s.
    pub fn new(limiter: impl Limiter) -> Self {
        Self::with_clock(limiter, SystemClock::new())
    }

    /// The same by another clock, of which only differences matter.
    pub fn with_clock(limiter: impl Limiter, clock: impl Clock) -> Self {
        let terms = Terms {
            most: 1_000,
            hold: 1_000_000,
        };
        Self::of(Arc::new(limiter), Arc::new(clock), terms)
    }

    fn of(limiter: Arc<dyn Limiter>, clock: Arc<dyn Clock>, terms: Terms) -> Self {
        Self {
            shared: Arc::new(Shared {
                limiter,
                clock,
                terms,
                table: Table::new(MOST_LEASES),
                serials: AtomicU64::new(1),
            }),
        }
    }

    /// The largest batch, where a tenth of what the quota admits at once is more. Default: 1000. Drops leases that are held.
    #[must_use]
    pub fn batch(self, most: NonZeroU64) -> Self {
        let terms = Terms {
            most: most.get(),
            ..self.shared.terms
        };
        Self::of(
            self.shared.limiter.clone(),
            self.shared.clock.clone(),
            terms,
        )
    }

    /// How long a batch is held at most. Default: 1 s. Drops leases that are held.
    #[must_use]
    pub fn hold(self, hold: Duration) -> Self {
        let terms = Terms {
            hold: u64::try_from(hold.as_micros()).unwrap_or(u64::MAX),
            ..self.shared.terms
        };
        Self::of(
            self.shared.limiter.clone(),
            self.shared.clock.clone(),
            terms,
        )
    }
}

#[async_trait]
impl Limiter for Leased {
    fn decide_now(&self, action: Action, asks: &[Ask<'_>]) -> Poll<Result<Decision, LimiterError>> {
        let shared = &*self.shared;
        match action {
            Action::Acquire => {
                let Some(places) = shared.table.places(asks) else {
                    return shared.limiter.decide_now(action, asks);
                };
                let mut locked = shared.table.lock(&places);
                match shared.local(&mut locked, &places, asks, shared.clock.micros()) {
                    Some(decision) => Poll::Ready(Ok(decision)),
                    None => Poll::Pending,
                }
            }
            Action::GiveBack if asks.iter().all(is_leased) => {
                Poll::Ready(Ok(shared.come_back(asks)))
            }
            Action::GiveBack | Action::Reset => Poll::Pending,
            Action::Peek => {
                let decided = shared.limiter.decide_now(action, asks);
                decided.map(|decided| decided.map(|decision| shared.with_leases(asks, &decision)))
            }
            Action::Charge => shared.limiter.decide_now(action, asks),
        }
    }

    async fn decide(&self, action: Action, asks: &[Ask<'_>]) -> Result<Decision, LimiterError> {
        let shared = &*self.shared;
        match action {
            Action::Acquire => match shared.table.places(asks) {
                Some(places) => shared.acquire(&places, asks).await,
                None => shared.limiter.decide(action, asks).await,
            },
            Action::GiveBack => {
                let (leased, straight): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) =
                    asks.iter().copied().partition(is_leased);
                let here = shared.come_back(&leased);
                if straight.is_empty() {
                    return Ok(here);
                }
                let there = shared.limiter.decide(action, &straight).await?;
                shared.ask_again(&straight);
                let (mut here, mut there) = (here.standings().iter(), there.standings().iter());
                let standings = asks.iter().filter_map(|ask| {
                    match is_leased(ask) {
                        true => here.next(),
                        false => there.next(),
                    }
                    .copied()
                });
                Ok(Decision::new(standings))
            }
            Action::Reset => {
                let decision = shared.limiter.decide(action, asks).await?;
                if let Some(places) = shared.table.places(asks) {
                    let mut locked = shared.table.lock(&places);
                    for (place, ask) in places.iter().zip(asks) {
                        locked.forget(place, ask);
                    }
                }
                Ok(decision)
            }
            Action::Peek => {
                let decision = shared.limiter.decide(action, asks).await?;
                Ok(shared.with_leases(asks, &decision))
            }
            Action::Charge => shared.limiter.decide(action, asks).await,
        }
    }
}

impl Shared {
    /// What can be decided by leases alone: all are spent, or some refuse and nothing is.
    fn local(
        &self,
        locked: &mut Locked<'_>,
        places: &Places,
        asks: &[Ask<'_>],
        now: u64,
    ) -> Option<Decision> {
        let mut refuses = false;
        let mut standings: SmallVec<[Standing; 2]> = SmallVec::new();
        let (mut lacks, mut is_doubtful) = (false, false);
        for (place, ask) in places.iter().zip(asks) {
            let lease = locked.lease(place, ask)?;
            let mut standing = lease.standing(now)?;
            match lease.look(now, ask.cost) {
                Local::Spend => standing.remaining = standing.remaining.saturating_sub(ask.cost),
                Local::Refuse(wait) => {
                    refuses = true;
                    standing.admitted = false;
                    standing.wait = Wait::Micros(wait);
                }
                Local::Borrow => {
                    lacks = true;
                    // Every quota that refuses must say so.
                    is_doubtful |= standing.remaining < ask.cost;
                }
            }
            standings.push(standing);
        }
        if refuses && !is_doubtful {
            return Some(Decision::new(standings));
        }
        if refuses || lacks {
            return None;
        }
        for ((place, ask), standing) in places.iter().zip(asks).zip(&mut standings) {
            if let Some(lease) = locked.lease(place, ask) {
                lease.spend(ask.cost);
                standing.receipt = lease.receipt(ask.cost);
            }
        }
        Some(Decision::new(standings))
    }

    /// Takes back into leases what was spent of them.
    fn come_back(&self, asks: &[Ask<'_>]) -> Decision {
        let now = self.clock.micros();
        let standings = asks.iter().map(|ask| {
            let places = self.table.places(std::slice::from_ref(ask));
            let standing = places.and_then(|places| {
                let mut locked = self.table.lock(&places);
                let lease = locked.lease(places.first()?, ask)?;
                lease.come_back(ask.receipt, ask.cost);
                lease.standing(now)
            });
            standing.unwrap_or(Standing {
                remaining: 0,
                ..Standing::UNLIMITED
            })
        });
        Decision::new(standings)
    }

    /// What the limiter has told, and what is held here of it.
    fn with_leases(&self, asks: &[Ask<'_>], decision: &Decision) -> Decision {
        let Some(places) = self.table.places(asks) else {
            return decision.clone();
        };
        let now = self.clock.micros();
        let mut locked = self.table.lock(&places);
        let standings = decision.standings().iter().zip(asks).zip(&places);
        let standings = standings.map(|((standing, ask), place)| {
            let mut standing = *standing;
            let lease = locked.lease(place, ask);
            let held = lease.map_or(0, |lease| lease.tokens(now));
            standing.remaining = standing.remaining.saturating_add(held);
            if ask.cost <= standing.remaining && held > 0 {
                standing.admitted = true;
                standing.wait = Wait::NONE;
            }
            standing
        });
        Decision::new(standings)
    }

    /// Forgets that these were refused.
    fn ask_again(&self, asks: &[Ask<'_>]) {
        if let Some(places) = self.table.places(asks) {
            let mut locked = self.table.lock(&places);
            for (place, ask) in places.iter().zip(asks) {
                if let Some(lease) = locked.lease(place, ask) {
                    lease.ask_again();
                }
            }
        }
    }

    fn serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }
}

/// Was it spent of a lease? Places in flight never are, and the limiter may make of their receipts what it likes.
fn is_leased(ask: &Ask<'_>) -> bool {
    Lease::is_marked(ask.receipt) && !ask.quota.is_in_flight()
}

impl fmt::Debug for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").finish_non_exhaustive()
    }
}
