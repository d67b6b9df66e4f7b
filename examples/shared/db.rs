//! The database: a few SQLite connections, used off the async threads.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

/// Readers run side by side in WAL mode; more connections than this only wait for the disk.
const CONNECTIONS: usize = 4;

/// How long a connection waits for another one's write, in this process or in another.
const BUSY: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Db {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    /// SQLite lets one write at a time. The others wait here, and not each on a connection that a reader could use.
    writer: Arc<Semaphore>,
}

impl Db {
    /// Opens the file and lets `create` add what is missing. Blocks: called before the server runs.
    pub(crate) fn open(
        path: &Path,
        create: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<Self> {
        let mut first = when_not_busy(|| connect(path))?;
        // One transaction, and its lock is taken before it looks: of two processes that start on one new file, the
        // second waits here and then finds the work done.
        let tx = first.transaction_with_behavior(TransactionBehavior::Immediate)?;
        create(&tx, now())?;
        tx.commit()?;

        Ok(Self {
            pool: Arc::new(Pool {
                path: path.to_owned(),
                idle: Mutex::new(vec![first]),
                permits: Arc::new(Semaphore::new(CONNECTIONS)),
                writer: Arc::new(Semaphore::new(1)),
            }),
        })
    }

    /// Runs a query.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbError> {
        self.run(move |conn| query(conn)).await
    }

    /// Runs a transaction: it is committed once this has returned `Ok`, and rolled back on any error.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbError> {
        let writer = self.pool.writer.clone().acquire_owned().await;
        self.run(move |conn| {
            // Free when the transaction has ended, not when the caller has gone away.
            let _writer = writer;
            // A write lock from the start: a transaction that read first could not wait for another writer.
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = change(&tx)?;
            tx.commit()?;
            Ok(done)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbError> {
        let permit = self.pool.permits.clone().acquire_owned().await;
        let pool = self.pool.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Moved in here: the permit is free when the query has ended, not when the caller has gone away.
            let _permit = permit;
            let idle = pool.idle().pop();
            let mut conn = match idle {
                Some(conn) => conn,
                None => when_not_busy(|| connect(&pool.path))?,
            };
            let done = work(&mut conn);
            pool.idle().push(conn);
            done
        });
        Ok(task.await??)
    }
}

impl Pool {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A `Vec` of connections cannot be left half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query that failed, or one that never ran because it panicked.
#[derive(Debug)]
pub(crate) struct DbError(Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "database: {}", self.0)
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.into())
    }
}

impl From<tokio::task::JoinError> for DbError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(error.into())
    }
}

/// A directory of its own for the temporary database: SQLite puts `-wal` and `-shm` beside the file, and all go together.
pub(crate) struct TempDir {
    path: PathBuf,
    name: &'static str,
}

impl TempDir {
    /// `name` is the example's.
    pub(crate) fn create(name: &'static str) -> io::Result<Self> {
        let base = std::env::temp_dir();
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        for attempt in 0..100 {
            let path = base.join(format!("{name}-{}-{nanos}-{attempt}", std::process::id()));
            match private_dir().create(&path) {
                Ok(()) => return Ok(Self { path, name }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(self.name).with_extension("db")
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Best effort: the process is about to end and has nobody left to tell.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn private_dir() -> fs::DirBuilder {
    #[allow(unused_mut, reason = "only unix has modes to set")]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "normal")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    Ok(conn)
}

/// Tries again while the file is locked: the busy timeout does not cover the switch to WAL, which two processes that
/// start together both make.
fn when_not_busy<T>(attempt: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(e) if is_busy(&e) && start.elapsed() < BUSY => {
                thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Seconds since 1970, as the database keeps time.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed())
}
