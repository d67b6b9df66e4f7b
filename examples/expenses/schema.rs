//! The tables. A new database is empty: users come by signing in.

use rusqlite::Transaction;

/// A name is what signs its user in, so it is unique and never changes. A session is found by the digest of its token:
/// who reads the file can sign in as nobody.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    token_digest  BLOB    PRIMARY KEY,
    user_id       INTEGER NOT NULL REFERENCES users (id),
    since         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS expenses (
    id            INTEGER PRIMARY KEY,
    user_id       INTEGER NOT NULL REFERENCES users (id),
    cents         INTEGER NOT NULL CHECK (cents > 0),
    category      TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    spent_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS expenses_by_user ON expenses (user_id, spent_at);
";

/// Creates what is missing.
pub(crate) fn create(tx: &Transaction<'_>, _now: i64) -> rusqlite::Result<()> {
    tx.execute_batch(SCHEMA)
}
