//! Connections to the server: what is sent goes through one place, which keeps time, reconnects, and leaves a sick server alone.
//!
//! ```text
//! call ─► breaker ─► a connection, within the acquire timeout ─► answers, within the answer timeout ─► breaker
//!            │            └─ shared: two, with all calls pipelined; or one of a pool for each call
//!            └─ open: fails at once
//! ```
//!
//! A call takes no longer than both timeouts together. A connection that takes longer to make goes on being made, for later calls.

use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Arg, Cmd, Pipeline, Value, cmd};
use deadpool_redis::{Connection, Pool, PoolError, TimeoutType};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use super::breaker::{Breaker, Change, Circuit, Outcome, Permit};
use super::failure::{Failure, Secrets};
use super::options::{Config, Sharing, Timeouts};
use super::script::Script;
use super::server::{self, Server};
use super::slot::{Link, Next, Opened, Slot};
use super::tls;
use crate::background::Background;
use crate::log;
use crate::store::StoreError;

/// How often the server behind a shared connection is asked for its role: one that was made a replica keeps its connections open.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The connections of a store.
pub(crate) struct Connections {
    shared: Arc<Shared>,
    next: AtomicUsize,
    background: Background,
}

struct Shared {
    pool: Pool,
    /// None where each call has a connection of the pool for itself.
    slots: Vec<Slot<MultiplexedConnection>>,
    /// Whether the pool is the store's own.
    own: bool,
    address: Arc<str>,
    timeouts: Timeouts,
    secrets: Secrets,
    breaker: Mutex<Breaker>,
    met: Mutex<Met>,
}

/// Which servers were met.
#[derive(Debug, Default)]
struct Met {
    history: Option<String>,
    servers: u64,
    policy: bool,
}

type Answer = Result<Value, Failure>;

impl Connections {
    /// The connections by these options; none is made yet.
    pub(crate) fn new(config: &Config) -> Self {
        let slots = match config.sharing {
            Sharing::Shared(slots) => slots,
            Sharing::Pooled => 0,
        };
        Self {
            shared: Arc::new(Shared {
                pool: config.pool.clone(),
                slots: (0..slots).map(|_| Slot::new()).collect(),
                own: config.own,
                address: config.address.clone(),
                timeouts: config.timeouts,
                secrets: config.secrets.clone(),
                breaker: Mutex::new(Breaker::new(config.breaker)),
                met: Mutex::default(),
            }),
            next: AtomicUsize::new(0),
            // One for each slot, and for calls that could not wait for what the pool was making.
            background: Background::new(slots + 64),
        }
    }

    /// Sends one command, and waits for its answer.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        let call = self.begin()?;
        let answer = self.ask_one(command, &call).await;
        call.end(answer)
    }

    /// Sends commands at once, and waits for all answers; one for each, in their order.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "batches of scripts come with the values")
    )]
    pub(super) async fn send_many(
        &self,
        commands: &[Cmd],
    ) -> Result<Vec<Result<Value, StoreError>>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.begin()?;
        let answers = self.ask(commands, &call).await;
        let answers = call.end(answers)?.into_iter();
        Ok(answers.map(|answer| answer.map_err(Into::into)).collect())
    }

    /// Runs a script by its digest, and sends its text where the server does not know it (any more).
    pub(crate) async fn run(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let call = self.begin()?;
        let command = script.by_digest(keys, arguments);
        let answer = match self.ask_one(&command, &call).await {
            Err(failure) if failure.is_answer("NOSCRIPT") => {
                let command = script.by_text(keys, arguments);
                self.ask_one(&command, &call).await
            }
            answer => answer,
        };
        call.end(answer)
    }

    /// How many servers have been met behind the address: when it grows, the primary has changed or was restarted, and may have lost
    /// what it had acknowledged.
    pub(super) fn servers(&self) -> u64 {
        self.shared.met().servers
    }

    /// What the breaker lets through.
    pub(super) fn state(&self) -> Circuit {
        self.shared.breaker().circuit(now())
    }

    fn begin(&self) -> Result<Call<'_>, StoreError> {
        // There is no timer then, and whoever drops a request after its runtime must not panic.
        if Handle::try_current().is_err() {
            return Err(StoreError::new("be reached", "no runtime is at hand"));
        }
        let begun = now();
        let permit = self.shared.breaker().admit(begun);
        let permit = permit.map_err(Failure::LeftAlone)?;
        let Timeouts {
            acquire, answer, ..
        } = self.shared.timeouts;
        Ok(Call {
            shared: &self.shared,
            permit: Some(permit),
            begun,
            deadline: begun + acquire + answer,
        })
    }

    async fn ask_one(&self, command: &Cmd, call: &Call<'_>) -> Answer {
        let mut answers = self.ask(slice::from_ref(command), call).await?;
        answers.pop().unwrap_or_else(|| Err(incomplete()))
    }

    /// The answers to `commands`. What only reads is sent once more where the connection turns out to be broken: a server that was restarted,
    /// or that closes idle connections, costs no request its cache.
    async fn ask(&self, commands: &[Cmd], call: &Call<'_>) -> Result<Vec<Answer>, Failure> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        match self.attempt(turn, commands, call).await {
            Err(Failure::Broken(_)) if commands.iter().all(only_reads) => {
                Box::pin(self.attempt(turn, commands, call)).await
            }
            answers => answers,
        }
    }

    async fn attempt(
        &self,
        turn: usize,
        commands: &[Cmd],
        call: &Call<'_>,
    ) -> Result<Vec<Answer>, Failure> {
        let shared = &self.shared;
        let wait = shared.timeouts.acquire.min(call.left());
        if shared.slots.is_empty() {
            let mut connection = Box::pin(self.pooled(wait)).await?;
            let answers = shared
                .exchange(&mut connection, commands, true, call.left())
                .await;
            if answers.is_err() {
                // It goes back to its pool neither broken nor with answers to come.
                drop(Connection::take(connection));
            }
            return answers;
        }
        let slot = turn % shared.slots.len();
        let (mut link, check) = match self.shared.slots[slot].next(now(), CHECK_EVERY) {
            Next::Use { link, check } => (link, check),
            wanting => Box::pin(self.link(slot, wanting, wait)).await?,
        };
        let answers = shared
            .exchange(&mut link.connection, commands, check, call.left())
            .await;
        let in_time = !matches!(answers, Err(Failure::NoAnswer(_)));
        let is_silent = link.note(in_time);
        if answers.as_ref().is_err_and(Failure::shows_replica) {
            // The others lead there, too.
            shared.clear();
        } else if is_silent || answers.as_ref().is_err_and(Failure::ends_connection) {
            shared.slots[slot].discard(&link);
        }
        answers
    }

    /// The connection of a slot, and whether to check the server's role on the way.
    async fn link(
        &self,
        slot: usize,
        next: Next<MultiplexedConnection>,
        wait: Duration,
    ) -> Result<(Link<MultiplexedConnection>, bool), Failure> {
        let mut waiting = match next {
            Next::Use { link, check } => return Ok((link, check)),
            Next::Wait(waiting) => waiting,
            Next::Open(opened, waiting) => {
                self.open(slot, opened);
                waiting
            }
        };
        let opened = timeout(wait, waiting.wait_for(Option::is_some)).await;
        match opened {
            Ok(Ok(opened)) => match &*opened {
                Some(result) => Ok((result.clone()?, false)),
                None => Err(Failure::NoConnection(wait)),
            },
            Ok(Err(_)) => Err(self.shared.unreachable("given up while it was made")),
            Err(_) => Err(Failure::NoConnection(wait)),
        }
    }

    /// Starts to make the connection of a slot. Where that cannot be started, those who wait are told by the end of the channel.
    fn open(&self, slot: usize, waiting: watch::Sender<Opened<MultiplexedConnection>>) {
        let shared = self.shared.clone();
        self.background.spawn(Box::pin(async move {
            let result = shared.connect().await;
            shared.slots[slot].opened(result, &waiting, now());
        }));
    }

    /// A connection of the pool.
    async fn pooled(&self, wait: Duration) -> Result<Connection, Failure> {
        let shared = &self.shared;
        if shared.own {
            tls::ready();
        }
        let pool = shared.pool.clone();
        let timeouts = deadpool_redis::Timeouts {
            wait: shared.own.then_some(wait),
            create: shared.own.then_some(shared.timeouts.connect),
            recycle: shared.own.then_some(shared.timeouts.answer),
        };
        let mut getting = Box::pin(async move { pool.timeout_get(&timeouts).await });
        match timeout(wait, &mut getting).await {
            Ok(result) => result.map_err(|error| shared.refused(&error, wait)),
            Err(_) => {
                // Otherwise a connection that takes longer to make would never be made. A pool of the application may have no timeouts.
                if shared.own {
                    self.background.spawn(Box::pin(async move {
                        drop(getting.await);
                    }));
                }
                Err(Failure::NoConnection(wait))
            }
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.background.shutdown();
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections")
            .field("address", &self.shared.address)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// A new shared connection to a primary.
    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let limit = self.timeouts.connect;
        tls::ready();
        let connecting = async {
            let got = self.pool.get().await;
            let got = got.map_err(|error| self.refused(&error, limit))?;
            let mut connection = Connection::take(got);
            let info = connection.send_packed_command(&cmd("INFO")).await;
            let info = info.map_err(|error| self.secrets.failure(&error, limit))?;
            self.meet(&info)?;
            Ok(connection)
        };
        let result = timeout(limit, connecting).await;
        result.unwrap_or_else(|_| Err(self.too_slow()))
    }

    /// Sends `commands` over `connection`; with `check`, what the server is comes first, and its answers count only if it is a primary.
    async fn exchange(
        &self,
        connection: &mut MultiplexedConnection,
        commands: &[Cmd],
        check: bool,
        left: Duration,
    ) -> Result<Vec<Answer>, Failure> {
        let limit = self.timeouts.answer.min(left);
        let answers = async {
            if let ([command], false) = (commands, check) {
                return Ok(vec![connection.send_packed_command(command).await?]);
            }
            let mut batch = Pipeline::with_capacity(commands.len() + 1);
            if check {
                batch.add_command(self.introduction());
            }
            for command in commands {
                batch.add_command(command.clone());
            }
            let count = batch.len();
            connection.send_packed_commands(&batch, 0, count).await
        };
        let answers = timeout(limit, answers).await;
        let answers = answers.map_err(|_| Failure::NoAnswer(limit))?;
        let answers = match answers {
            Ok(answers) => answers,
            // One command's error: what came over the connection is whole.
            Err(error) => match self.secrets.failure(&error, limit) {
                failure if failure.answer().is_some() && !failure.ends_connection() => {
                    return Ok(vec![Err(failure)]);
                }
                failure => return Err(failure),
            },
        };
        let mut answers = answers.into_iter();
        if check {
            self.meet(&answers.next().ok_or_else(incomplete)?)?;
        }
        let answers = answers.map(|answer| match answer {
            Value::ServerError(error) => Err(self.secrets.answered(&error)),
            answer => Ok(answer),
        });
        let answers: Vec<Answer> = answers.collect();
        let unfit = answers.iter().filter_map(|answer| answer.as_ref().err());
        if let Some(failure) = unfit.into_iter().find(|failure| failure.ends_connection()) {
            return Err(failure.clone());
        }
        if answers.len() != commands.len() {
            return Err(incomplete());
        }
        Ok(answers)
    }

    /// The command that tells what the server is.
    fn introduction(&self) -> Cmd {
        let mut info = cmd("INFO");
        if self.met().policy {
            info.arg("replication");
        }
        info
    }

    /// Takes note of the server whose `INFO` this is. It must be a primary.
    fn meet(&self, info: &Value) -> Result<(), Failure> {
        if let Value::ServerError(error) = info {
            return Err(self.secrets.answered(error));
        }
        let server = server::text(info).and_then(|info| Server::read(&info));
        let server = server.ok_or_else(|| self.unreachable("INFO does not tell its role"))?;
        if !server.is_primary {
            return Err(Failure::Replica);
        }
        let mut met = self.met();
        if met.history.as_ref() != Some(&server.history) {
            met.servers += 1;
            met.history = Some(server.history.clone());
        }
        if let Some(policy) = &server.policy {
            if !met.policy && server.evicts() {
                log::redis_evicts(policy);
            }
            met.policy = true;
        }
        Ok(())
    }

    fn refused(&self, error: &PoolError, wait: Duration) -> Failure {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Failure::NoConnection(wait),
            PoolError::Timeout(TimeoutType::Create) => self.too_slow(),
            PoolError::Backend(error) if error.is_timeout() => self.too_slow(),
            PoolError::Backend(error) => self.unreachable(&error.to_string()),
            error => self.unreachable(&error.to_string()),
        }
    }

    fn too_slow(&self) -> Failure {
        self.unreachable(&format!("not within {:?}", self.timeouts.connect))
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::Connect {
            address: self.address.clone(),
            why: self.secrets.hide(why.trim_end()),
        }
    }

    fn settle(&self, permit: Permit, outcome: Outcome, failure: Option<&Failure>) {
        let change = self.breaker().settle(permit, outcome, now());
        match change {
            Some(Change::Opened(pause)) => {
                // A probe makes a new connection: the old ones may lead to a machine that is gone.
                self.clear();
                log::redis_left_alone(pause, failure.map(|failure| failure as _));
            }
            Some(Change::Closed) => log::redis_is_back(),
            None => {}
        }
    }

    /// Lets go of all shared connections.
    fn clear(&self) {
        for slot in &self.slots {
            slot.clear();
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way.
struct Call<'a> {
    shared: &'a Shared,
    permit: Option<Permit>,
    begun: Instant,
    deadline: Instant,
}

impl Call<'_> {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(now())
    }

    fn end<T>(mut self, result: Result<T, Failure>) -> Result<T, StoreError> {
        let failure = result.as_ref().err();
        let outcome = failure.map_or(Outcome::Success, Failure::outcome);
        if let Some(permit) = self.permit.take() {
            self.shared.settle(permit, outcome, failure);
        }
        Ok(result?)
    }
}

impl Drop for Call<'_> {
    /// The caller went away. A server that has let half of the time pass counts as one that does not answer: else callers who are in a hurry
    /// would never open the breaker.
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let waited = now().saturating_duration_since(self.begun);
        let outcome = match waited >= self.shared.timeouts.answer / 2 {
            true => Outcome::Failure,
            false => Outcome::Abandoned,
        };
        self.shared.settle(permit, outcome, None);
    }
}

/// The monotonic time, by the clock of the timers.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn incomplete() -> Failure {
    Failure::Broken("an answer is missing".into())
}

/// May it be sent twice?
fn only_reads(command: &Cmd) -> bool {
    let Some(Arg::Simple(name)) = command.args_iter().next() else {
        return false;
    };
    ["GET", "MGET", "EXISTS", "PTTL", "SCAN", "INFO", "PING"]
        .iter()
        .any(|read| name.eq_ignore_ascii_case(read.as_bytes()))
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
