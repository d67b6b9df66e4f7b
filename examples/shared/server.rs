//! A router on a SQLite file, served until the process is asked to end.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::Router;
use rusqlite::Transaction;

use crate::{
    db::{Db, TempDir},
    listening, log,
    process::AnyError,
};

pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) listen: SocketAddr,
    /// `None` asks for a temporary file.
    pub(crate) db: Option<PathBuf>,
    /// Creates what is missing in the database; gets the time in seconds since 1970.
    pub(crate) create: fn(&Transaction<'_>, i64) -> rusqlite::Result<()>,
}

impl Server {
    /// `app` makes the router, once the database is open and the address known.
    pub(crate) fn run(
        self,
        app: impl AsyncFnOnce(Db, SocketAddr) -> Result<Router, AnyError>,
    ) -> Result<(), AnyError> {
        log::start()?;
        // Dropped last, when nothing has the file open any more, whichever way this function ends.
        let temporary = match self.db {
            Some(_) => None,
            None => Some(TempDir::create(self.name)?),
        };
        let path = match (&self.db, &temporary) {
            (Some(path), _) => path.clone(),
            (None, Some(dir)) => dir.database(),
            (None, None) => unreachable!("without --db there is a temporary directory"),
        };
        let runtime = tokio::runtime::Runtime::new()?;
        let served = runtime.block_on(self.serve(&path, app));
        // A query that is still running is not waited for.
        runtime.shutdown_timeout(Duration::from_secs(1));
        log::finish();
        drop(temporary);
        served
    }

    async fn serve(
        &self,
        path: &Path,
        app: impl AsyncFnOnce(Db, SocketAddr) -> Result<Router, AnyError>,
    ) -> Result<(), AnyError> {
        listening::serve(self.listen, async |address| {
            let db = Db::open(path, self.create)
                .map_err(|e| format!("cannot use {} as database: {e}", path.display()))?;
            let app = app(db, address).await?;
            Ok((app, format!("database: {}", path.display())))
        })
        .await
    }
}
