//! A connection to a cluster: the client follows its slots, and this keeps time and leaves a sick cluster alone.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool_redis::cluster::{ClusterConnection, Connection, Pool};
use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::breaker::{Breaker, Change, Limits, Outcome, Permit};
use super::failure::{Failure, Secrets};
use super::options::Timeouts;
use super::script::Script;
use crate::log;
use crate::store::StoreError;

/// The connection to a cluster, which all calls share.
pub(crate) struct Cluster {
    pool: Pool,
    timeouts: Timeouts,
    secrets: Secrets,
    breaker: Mutex<Breaker>,
    connection: Mutex<Option<ClusterConnection>>,
}

impl Cluster {
    pub(super) fn new(pool: Pool, timeouts: Timeouts, breaker: Limits) -> Self {
        Self {
            pool,
            timeouts,
            secrets: Secrets::default(),
            breaker: Mutex::new(Breaker::new(breaker)),
            connection: Mutex::default(),
        }
    }

    /// Runs a script by its digest where its keys lie, and sends its text where that server does not know it.
    pub(crate) async fn run(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let limit = self.timeouts.acquire + self.timeouts.answer;
        let asking = async {
            let mut connection = self.connection(self.timeouts.acquire).await?;
            let command = script.by_digest(keys, arguments);
            let answer = connection.req_packed_command(&command).await;
            match self.answer(answer, limit) {
                Err(failure) if failure.is_answer("NOSCRIPT") => {
                    let command = script.by_text(keys, arguments);
                    let answer = connection.req_packed_command(&command).await;
                    self.answer(answer, limit)
                }
                answer => answer,
            }
        };
        self.timed(limit, asking).await
    }

    /// Makes the connection, if there is none.
    pub(crate) async fn connect(&self) -> Result<(), StoreError> {
        let limit = self.timeouts.connect;
        self.timed(limit, async { self.connection(limit).await.map(drop) })
            .await
    }

    fn answer(&self, answer: RedisResult<Value>, limit: Duration) -> Result<Value, Failure> {
        match answer {
            Ok(Value::ServerError(error)) => Err(self.secrets.answered(&error)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.secrets.failure(&error, limit)),
        }
    }

    async fn timed<T>(
        &self,
        limit: Duration,
        asking: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        if Handle::try_current().is_err() {
            return Err(StoreError::new("be reached", "no runtime is at hand"));
        }
        let permit = self.breaker().admit(now());
        let permit = permit.map_err(Failure::LeftAlone)?;
        let mut call = Call {
            cluster: self,
            permit: Some(permit),
            begun: now(),
        };
        let answer = timeout(limit, asking).await;
        let answer = answer.unwrap_or(Err(Failure::NoAnswer(limit)));
        let failure = answer.as_ref().err();
        if failure.is_some_and(Failure::ends_connection) {
            *self.shared() = None;
        }
        let outcome = failure.map_or(Outcome::Success, Failure::outcome);
        if let Some(permit) = call.permit.take() {
            self.settle(permit, outcome, failure);
        }
        Ok(answer?)
    }

    async fn connection(&self, wait: Duration) -> Result<ClusterConnection, Failure> {
        if let Some(connection) = &*self.shared() {
            return Ok(connection.clone());
        }
        let got = timeout(wait, self.pool.get()).await;
        let got = got.map_err(|_| Failure::NoConnection(wait))?;
        let got: Connection = got.map_err(|error| Failure::Connect {
            address: "a node of the cluster".into(),
            why: self.secrets.hide(&error.to_string()),
        })?;
        // It bears any number of calls at once, and goes back to its pool for others.
        let connection = ClusterConnection::clone(&got);
        *self.shared() = Some(connection.clone());
        Ok(connection)
    }

    fn settle(&self, permit: Permit, outcome: Outcome, failure: Option<&Failure>) {
        let change = self.breaker().settle(permit, outcome, now());
        match change {
            Some(Change::Opened(pause)) => {
                *self.shared() = None;
                log::redis_left_alone(pause, failure.map(|failure| failure as _));
            }
            Some(Change::Closed) => log::redis_is_back(),
            None => {}
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> MutexGuard<'_, Option<ClusterConnection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("state", &self.breaker().circuit(now()))
            .finish_non_exhaustive()
    }
}

/// A call under way.
struct Call<'a> {
    cluster: &'a Cluster,
    permit: Option<Permit>,
    begun: Instant,
}

impl Drop for Call<'_> {
    /// The caller went away, before or after the cluster could have answered.
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let waited = now().saturating_duration_since(self.begun);
        let outcome = match waited >= self.cluster.timeouts.answer / 2 {
            true => Outcome::Failure,
            false => Outcome::Abandoned,
        };
        self.cluster.settle(permit, outcome, None);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
