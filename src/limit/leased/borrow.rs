//! Borrowing: one call at a time for a key, while the others wait for it.

use smallvec::SmallVec;

use super::super::ask::{Action, Ask};
use super::super::decision::{Decision, Receipt, Standing};
use super::super::limiter::LimiterError;
use super::table::{Place, Places};
use super::{Local, Shared};

/// What a call does next.
enum Turn<'a> {
    Decided(Decision),
    Borrow(Borrow<'a>),
    /// Another borrows at this place.
    Wait(&'a Place, &'a Ask<'a>),
    /// There is no room for a lease.
    Straight,
}

/// A call that borrows. Until it has [ended](Self::end), dropping it gives up: others borrow in its place, and what it has spent comes back.
struct Borrow<'a> {
    shared: &'a Shared,
    places: &'a Places,
    asks: &'a [Ask<'a>],
    parts: SmallVec<[Part; 2]>,
    has_ended: bool,
    has_failed: bool,
}

/// What it does at one place.
#[derive(Clone, Copy)]
enum Part {
    /// It had enough, which is spent already.
    Had { receipt: Receipt },
    /// It borrows so much, and first gives back what is left of the last batch.
    Lacks {
        want: u64,
        unspent: Option<(u64, Receipt)>,
    },
}

impl Shared {
    pub(super) async fn acquire(
        &self,
        places: &Places,
        asks: &[Ask<'_>],
    ) -> Result<Decision, LimiterError> {
        let mut awaiting = None;
        loop {
            let (place, ask) = match self.turn(places, asks, &mut awaiting) {
                Turn::Decided(decision) => return Ok(decision),
                Turn::Borrow(borrow) => return borrow.run().await,
                Turn::Straight => return self.limiter.decide(Action::Acquire, asks).await,
                Turn::Wait(place, ask) => (place, ask),
            };
            let borrowed = self.table.borrowed(place).notified();
            // It may have been borrowed since that was seen; from here on nothing is missed.
            if self.is_borrowing(places, place, ask) {
                borrowed.await;
            }
        }
    }

    fn turn<'a>(
        &'a self,
        places: &'a Places,
        asks: &'a [Ask<'a>],
        awaiting: &mut Option<u64>,
    ) -> Turn<'a> {
        let now = self.clock.micros();
        let mut locked = self.table.lock(places);
        if let Some(decision) = self.local(&mut locked, places, asks, now) {
            return Turn::Decided(decision);
        }
        let mut lacking: SmallVec<[bool; 2]> = SmallVec::new();
        let mut wait = None;
        let mut failures = 0_u64;
        for (place, ask) in places.iter().zip(asks) {
            let Some(lease) = locked.lease_or_new(place, ask, now) else {
                return Turn::Straight;
            };
            failures = failures.wrapping_add(lease.failures);
            let lacks = lease.look(now, ask.cost) != Local::Spend;
            if lacks && lease.is_borrowing {
                wait = wait.or(Some((place, ask)));
                if awaiting.is_none() {
                    lease.awaited = lease.awaited.saturating_add(ask.cost);
                }
            }
            lacking.push(lacks);
        }
        // Whom this call waited for has failed. One after the other, all that wait would fail after one another's time.
        if awaiting.is_some_and(|before| before != failures) {
            return Turn::Straight;
        }
        if let Some((place, ask)) = wait {
            *awaiting = Some(failures);
            return Turn::Wait(place, ask);
        }
        // The last may have taken the room of the first: nothing may be begun that cannot be ended.
        let mut leases = places.iter().zip(asks);
        if leases.any(|(place, ask)| locked.lease(place, ask).is_none()) {
            return Turn::Straight;
        }
        let mut parts = SmallVec::new();
        for ((place, ask), lacks) in places.iter().zip(asks).zip(lacking) {
            let Some(lease) = locked.lease(place, ask) else {
                return Turn::Straight;
            };
            parts.push(match lacks {
                true => {
                    lease.is_borrowing = true;
                    let unspent = lease.unspent();
                    let want = lease.want(now, ask.cost, &place.rule, self.terms);
                    lease.awaited = 0;
                    Part::Lacks { want, unspent }
                }
                false => {
                    lease.spend(ask.cost);
                    Part::Had {
                        receipt: lease.marked(),
                    }
                }
            });
        }
        Turn::Borrow(Borrow {
            shared: self,
            places,
            asks,
            parts,
            has_ended: false,
            has_failed: false,
        })
    }

    fn is_borrowing(&self, places: &Places, place: &Place, ask: &Ask<'_>) -> bool {
        let mut locked = self.table.lock(places);
        let lease = locked.lease(place, ask);
        lease.is_some_and(|lease| lease.is_borrowing)
    }
}

impl Borrow<'_> {
    async fn run(mut self) -> Result<Decision, LimiterError> {
        self.give_back().await;
        let mut wants: SmallVec<[u64; 2]> = self.parts.iter().map(Part::want).collect();
        let mut is_first = true;
        loop {
            let sent = self.shared.clock.micros();
            let costs = self.asks.iter().zip(&wants);
            let asked: SmallVec<[Ask<'_>; 2]> = costs.map(|(ask, want)| ask.cost(*want)).collect();
            let decided = self.shared.limiter.decide(Action::Acquire, &asked).await;
            self.has_failed = decided.is_err();
            let decided = decided?;
            let fewer = match decided.is_admitted() {
                true => None,
                false => self.fewer(&wants, decided.standings(), is_first),
            };
            is_first = false;
            match fewer {
                Some(fewer) => wants = fewer,
                None => return Ok(self.end(sent, &wants, &decided)),
            }
        }
    }

    /// Gives back what was not spent. Where that fails it lapses, and the limiter is asked anyway.
    async fn give_back(&self) {
        let parts = self.asks.iter().zip(&self.parts);
        let unspent: SmallVec<[Ask<'_>; 2]> = parts
            .filter_map(|(ask, part)| match part {
                Part::Lacks {
                    unspent: Some((tokens, receipt)),
                    ..
                } => Some(ask.cost(*tokens).receipt(*receipt)),
                _ => None,
            })
            .collect();
        if !unspent.is_empty() {
            drop(self.shared.limiter.decide(Action::GiveBack, &unspent).await);
        }
    }

    /// What to borrow instead of what was refused: first what is left, and then what is asked for and no more. None when it was that.
    fn fewer(
        &self,
        wants: &[u64],
        standings: &[Standing],
        is_first: bool,
    ) -> Option<SmallVec<[u64; 2]>> {
        let cost = |ask: &Ask<'_>, part: &Part| match part {
            Part::Lacks { .. } => ask.cost,
            Part::Had { .. } => 0,
        };
        let costs: SmallVec<[u64; 2]> = self
            .asks
            .iter()
            .zip(&self.parts)
            .map(|(ask, part)| cost(ask, part))
            .collect();
        if costs[..] == *wants {
            return None;
        }
        let mut left = costs.iter().zip(standings);
        let is_enough = left.all(|(cost, standing)| *cost <= standing.remaining);
        let left = wants.iter().zip(standings).zip(&costs);
        let fewer: SmallVec<[u64; 2]> = left
            .map(|((want, standing), cost)| (*want).min(standing.remaining).max(*cost))
            .collect();
        match is_first && is_enough && fewer[..] != *wants {
            true => Some(fewer),
            false => Some(costs),
        }
    }

    /// Files what the limiter has answered, and lets others in.
    fn end(&mut self, sent: u64, wants: &[u64], decided: &Decision) -> Decision {
        let shared = self.shared;
        let answered = shared.clock.micros();
        let is_admitted = decided.is_admitted();
        let mut standings: SmallVec<[Standing; 2]> = decided.standings().into();
        {
            let mut locked = shared.table.lock(self.places);
            let places = self.places.iter().zip(self.asks).zip(&self.parts);
            for (((place, ask), part), (want, standing)) in
                places.zip(wants.iter().zip(&mut standings))
            {
                let Some(lease) = locked.lease(place, ask) else {
                    continue;
                };
                match part {
                    Part::Had { receipt } => {
                        lease.saw(answered, *standing);
                        if let Some(known) = lease.standing(answered) {
                            *standing = known;
                        }
                        if is_admitted && ask.cost > 0 {
                            standing.receipt = *receipt;
                        }
                    }
                    Part::Lacks { .. } if is_admitted => {
                        let serial = shared.serial();
                        let parts = (*want, ask.cost);
                        lease.lent(serial, sent, parts, *standing, &place.rule, shared.terms);
                        lease.saw(answered, *standing);
                        // What was borrowed for this call alone is its own.
                        if *want > ask.cost {
                            standing.receipt = lease.marked();
                            standing.remaining =
                                standing.remaining.saturating_add(lease.tokens(answered));
                        }
                    }
                    Part::Lacks { .. } if !standing.admitted => {
                        lease.refused(answered, ask.cost, *standing);
                    }
                    Part::Lacks { .. } => lease.saw(answered, *standing),
                }
            }
        }
        self.has_ended = true;
        self.let_go(!is_admitted);
        Decision::new(standings)
    }

    /// Others may borrow; what was spent comes back where nothing is admitted.
    fn let_go(&self, come_back: bool) {
        let mut locked = self.shared.table.lock(self.places);
        let places = self.places.iter().zip(self.asks).zip(&self.parts);
        for ((place, ask), part) in places {
            let Some(lease) = locked.lease(place, ask) else {
                continue;
            };
            match part {
                Part::Lacks { .. } => {
                    lease.is_borrowing = false;
                    lease.failures += u64::from(self.has_failed);
                }
                Part::Had { receipt } if come_back => {
                    lease.come_back(*receipt, ask.cost);
                }
                Part::Had { .. } => {}
            }
        }
        drop(locked);
        for (place, part) in self.places.iter().zip(&self.parts) {
            if let Part::Lacks { .. } = part {
                self.shared.table.borrowed(place).notify_waiters();
            }
        }
    }
}

impl Drop for Borrow<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.let_go(true);
        }
    }
}

impl Part {
    fn want(&self) -> u64 {
        match self {
            Self::Had { .. } => 0,
            Self::Lacks { want, .. } => *want,
        }
    }
}
