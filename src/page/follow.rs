//! Following a flight: who waits for what, and what becomes of it.

use std::sync::Arc;

use http::Response;
use tokio::sync::watch;

use super::answer;
use super::body::PageBody;
use super::flight::{self, Flight, Flights, Join, Lead, Phase};
use super::flow::{Call, Looked};
use super::lookup::{Missed, Stored};
use super::respond::Outcome;
use super::share::SharedPage;
use super::variants::variant_key;
use crate::monitor::{Absence, Failure, NotStored, Reason};
use crate::mutant::is_off;
use crate::store::{Mark, Stamp, StoreError};

/// How many flights a request follows before it goes alone.
pub(super) const ROUNDS: usize = 2;

/// What the rounds of following came to.
pub(super) enum Round<B> {
    Answered(Response<PageBody<B>>),
    Lead(Lead),
    /// Nothing to share: the request asks for itself.
    Alone {
        waited: bool,
    },
    Again,
}

impl<S, B> Call<S, B> {
    /// Joins the flight for this page once.
    pub(super) async fn round<R>(
        &mut self,
        missed: &mut Missed,
        marks: &[Mark],
        rounds: usize,
    ) -> Round<R> {
        let shared = self.page.cache.shared.clone();
        let now = shared.clock.now();
        if rounds >= ROUNDS {
            return Round::Alone { waited: false };
        }
        let remembered = shared
            .remembered
            .holds(&missed.flight, self.credentials, now);
        if remembered {
            return Round::Alone { waited: false };
        }
        let mut join = Flights::join(&shared, &missed.flight, missed.stamp);
        if let Join::Follow(flight, _) = &join {
            // A flight that began before a purge is nothing to wait for: what it brings may be what was purged.
            match admits(&shared, flight.stamp, marks).await {
                Ok(true) => {}
                Ok(false) => {
                    let (struck, outlawed) = (missed.flight.clone(), flight.clone());
                    // The stamp of the look-up may be as old as that flight's.
                    match self.look_up().await {
                        Ok(Looked::Answered(response)) => return Round::Answered(response),
                        Ok(Looked::Missed(fresh) | Looked::Refreshing(_, fresh)) => *missed = fresh,
                        Err(_) => return Round::Alone { waited: true },
                    }
                    Flights::retire(&shared, &struck, &outlawed);
                    join = Flights::join(&shared, &missed.flight, missed.stamp);
                }
                Err(_) => return Round::Alone { waited: true },
            }
        }
        match join {
            Join::Crowded => Round::Alone { waited: true },
            Join::Lead(lead) => self.check_again(lead, missed).await,
            Join::Follow(flight, phase) => self.follow(&flight, phase, missed).await,
        }
    }

    /// Waits for what a flight brings.
    async fn follow<R>(
        &mut self,
        flight: &Arc<Flight>,
        mut phase: watch::Receiver<Phase>,
        missed: &mut Missed,
    ) -> Round<R> {
        let until = *self.until.get_or_insert_with(flight::patience);
        let mut settled = flight::head(&mut phase, until).await;
        if let Some(Phase::Shared(page)) = &settled
            && !page.is_ready()
        {
            // Whoever may not take it need not wait for its end, which may be far.
            if let Some(round) = self.pass_over(page, flight, missed).await {
                return round;
            }
            settled = flight::whole(&mut phase, until).await;
        }
        match settled {
            None => Round::Alone { waited: true },
            // That was for what the leader asked with, which this request does not.
            Some(Phase::Refused(NotStored::Credentials)) if !self.credentials => Round::Again,
            Some(Phase::Refused(_)) => Round::Alone { waited: true },
            Some(Phase::Open | Phase::Abandoned) => Round::Again,
            Some(Phase::Shared(page)) => match self.pass_over(&page, flight, missed).await {
                Some(round) => round,
                None => self.take(&page, missed),
            },
            Some(Phase::LookUp) => match self.look_up().await {
                Ok(Looked::Answered(response) | Looked::Refreshing(response, _)) => {
                    Round::Answered(response)
                }
                Ok(Looked::Missed(fresh)) => {
                    *missed = fresh;
                    Round::Again
                }
                Err(_) => Round::Alone { waited: true },
            },
            Some(Phase::Validated(stored)) => self.take_validated(&stored, missed).await,
            Some(Phase::Failed(how)) => self.take_stale(how, missed).await,
        }
    }

    /// A flight may have landed between the look-up and the join: what it stored is a hit now.
    pub(super) async fn check_again<R>(&mut self, lead: Lead, missed: &mut Missed) -> Round<R> {
        let ended = self.page.cache.shared.flights.ended();
        if ended == self.ended {
            return Round::Lead(lead);
        }
        self.ended = ended;
        match self.look_up().await {
            Ok(Looked::Answered(response)) => Round::Answered(response),
            Ok(Looked::Missed(fresh) | Looked::Refreshing(_, fresh)) => {
                missed.absence = fresh.absence;
                missed.stored = fresh.stored;
                Round::Lead(lead)
            }
            Err(_) => Round::Lead(lead),
        }
    }

    /// What else to do, if what a flight brought is not for this request, now.
    async fn pass_over<R>(
        &mut self,
        shared: &SharedPage,
        flight: &Arc<Flight>,
        missed: &mut Missed,
    ) -> Option<Round<R>> {
        if !shared.is_selected_by(&self.base, self.request.headers()) {
            // Those of one variant collapse among themselves.
            let key = variant_key(&self.base, &shared.vary, self.request.headers());
            return Some(match key {
                None => Round::Alone { waited: true },
                Some(key) => {
                    missed.flight = key;
                    missed.absence = Absence::Vary;
                    Round::Again
                }
            });
        }
        let cache = self.page.cache.shared.clone();
        match admits(&cache, shared.stamp, &shared.marks).await {
            Ok(true) => (!shared.is_fresh(cache.clock.now())).then_some(Round::Again),
            Ok(false) => Some(match self.look_up().await {
                Ok(Looked::Answered(response)) => Round::Answered(response),
                Ok(Looked::Missed(fresh) | Looked::Refreshing(_, fresh)) => {
                    // It may stream for long yet: whoever comes now leads or follows a newer one.
                    Flights::retire(&cache, &missed.flight, flight);
                    *missed = fresh;
                    Round::Again
                }
                Err(_) => Round::Alone { waited: true },
            }),
            Err(_) => Some(Round::Alone { waited: true }),
        }
    }

    /// Answers with what a flight brought.
    fn take<R>(&self, shared: &SharedPage, missed: &Missed) -> Round<R> {
        let now = self.page.cache.shared.clock.now();
        let reason = Reason::Collapsed(missed.absence);
        match answer::from_flight(&self.page, shared, self.want.wish(), reason, now) {
            Some(response) => Round::Answered(response),
            None => Round::Alone { waited: true },
        }
    }

    /// Answers with what was stored, now that another request has had it confirmed.
    async fn take_validated<R>(&mut self, validated: &Stored, missed: &Missed) -> Round<R> {
        let mut selected = missed.stored.iter();
        // Another variant is confirmed apart.
        if !selected.any(|stored| stored.key == validated.key) {
            return Round::Again;
        }
        let outcome = Outcome::of(Reason::Collapsed(missed.absence));
        self.take_record(validated, outcome).await
    }

    /// The handler has just failed for another request: what is stale answers this one too, if it may.
    async fn take_stale<R>(&mut self, how: Failure, missed: &Missed) -> Round<R> {
        let now = self.page.cache.shared.clock.now();
        let unreachable = self.page.policy.rules.unreachable;
        match missed.stand_in(&self.want.advice, how, unreachable, now) {
            Some(stored) => {
                let outcome = Outcome::of(Reason::StaleOnError(how)).with_absence(missed.absence);
                let stored = stored.clone();
                self.take_record(&stored, outcome).await
            }
            None => Round::Alone { waited: true },
        }
    }

    async fn take_record<R>(&mut self, stored: &Stored, outcome: Outcome) -> Round<R> {
        let cache = self.page.cache.shared.clone();
        let record = &stored.record;
        match admits(&cache, record.stamp, &record.marks).await {
            Ok(true) => {}
            Ok(false) => return Round::Again,
            Err(_) => return Round::Alone { waited: true },
        }
        let now = cache.clock.now();
        match answer::from_record(&self.page, record, self.want.wish(), outcome, now) {
            Some(response) => Round::Answered(response),
            None => Round::Alone { waited: true },
        }
    }
}

/// Would what was stamped so still be true? Who cannot be told goes alone, without asking again.
async fn admits(
    shared: &crate::cache::Shared,
    stamp: Stamp,
    marks: &[Mark],
) -> Result<bool, StoreError> {
    if is_off("join_rule") {
        return Ok(true);
    }
    shared.admits(stamp, marks).await
}
