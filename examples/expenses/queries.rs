//! What the dashboard asks of the database, and the changes that the forms make. Every question names the user it is for.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, named_params};

use crate::{
    money::Money,
    session::{CurrentUser, TokenDigest},
};

/// A session ends by itself after 30 days.
const SESSION_SECONDS: i64 = 30 * 24 * 3600;

/// An expense as the form says it.
pub(crate) struct NewExpense {
    pub(crate) amount: Money,
    pub(crate) category: String,
    pub(crate) description: String,
}

pub(crate) struct Dashboard {
    pub(crate) month: Month,
    pub(crate) month_categories: Vec<Total>,
    pub(crate) latest: Vec<Expense>,
    pub(crate) weeks: Vec<Total>,
    pub(crate) months: Vec<Total>,
    pub(crate) top_categories: Vec<Total>,
}

/// The month that is running.
pub(crate) struct Month {
    pub(crate) name: String,
    pub(crate) count: i64,
    pub(crate) sum: Money,
    pub(crate) largest: Money,
    pub(crate) sum_before: Money,
}

/// What was spent in one week or month, or on one category.
pub(crate) struct Total {
    pub(crate) name: String,
    pub(crate) count: i64,
    pub(crate) sum: Money,
}

pub(crate) struct Expense {
    pub(crate) day: String,
    pub(crate) amount: Money,
    pub(crate) category: String,
    pub(crate) description: String,
}

/// One look-up by primary key for each request, a hit included: this is what signing out takes effect by.
pub(crate) fn user_of(
    conn: &Connection,
    token: &TokenDigest,
    now: i64,
) -> rusqlite::Result<Option<CurrentUser>> {
    conn.prepare_cached(
        "SELECT u.id, u.name FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_digest = ?1 AND s.since > ?2",
    )?
    .query_row((token, now - SESSION_SECONDS), |row| {
        Ok(CurrentUser {
            id: row.get(0)?,
            name: row.get(1)?,
        })
    })
    .optional()
}

/// Begins a session of the user of this name, who is made if unknown.
pub(crate) fn sign_in(
    tx: &Transaction<'_>,
    name: &str,
    token: &TokenDigest,
    now: i64,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO users (name) VALUES (?1) ON CONFLICT DO NOTHING",
        [name],
    )?;
    tx.execute(
        "DELETE FROM sessions WHERE since <= ?1",
        [now - SESSION_SECONDS],
    )?;
    tx.execute(
        "INSERT INTO sessions (token_digest, user_id, since) SELECT ?1, id, ?2 FROM users WHERE name = ?3",
        (token, now, name),
    )?;
    Ok(())
}

pub(crate) fn sign_out(tx: &Transaction<'_>, token: &TokenDigest) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM sessions WHERE token_digest = ?1", [token])?;
    Ok(())
}

pub(crate) fn add_expense(
    tx: &Transaction<'_>,
    user: i64,
    expense: &NewExpense,
    now: i64,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO expenses (user_id, cents, category, description, spent_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            user,
            expense.amount.0,
            &expense.category,
            &expense.description,
            now,
        ),
    )?;
    Ok(())
}

/// Six passes over all that the user ever spent: what is worth a cache. Months and weeks are those of UTC.
pub(crate) fn dashboard(conn: &Connection, user: i64, now: i64) -> rusqlite::Result<Dashboard> {
    // Several statements make this page: a transaction shows them one state.
    let tx = conn.unchecked_transaction()?;
    let of_user: &[(&str, &dyn ToSql)] = named_params! { ":user": user };
    let of_user_now: &[(&str, &dyn ToSql)] = named_params! { ":user": user, ":now": now };
    Ok(Dashboard {
        month: tx.query_row(
            "SELECT strftime('%Y-%m', :now, 'unixepoch'),
                    COUNT(*) FILTER (WHERE spent_at >= start),
                    COALESCE(SUM(cents) FILTER (WHERE spent_at >= start), 0),
                    COALESCE(MAX(cents) FILTER (WHERE spent_at >= start), 0),
                    COALESCE(SUM(cents) FILTER (WHERE spent_at < start), 0)
             FROM expenses,
                  (SELECT unixepoch(:now, 'unixepoch', 'start of month') AS start,
                          unixepoch(:now, 'unixepoch', 'start of month', '-1 month') AS start_before)
             WHERE user_id = :user AND spent_at >= start_before",
            of_user_now,
            month_row,
        )?,
        month_categories: list(
            &tx,
            "SELECT category, COUNT(*), SUM(cents) AS sum FROM expenses
             WHERE user_id = :user AND spent_at >= unixepoch(:now, 'unixepoch', 'start of month')
             GROUP BY category
             ORDER BY sum DESC, category
             LIMIT 20",
            of_user_now,
            total_row,
        )?,
        latest: list(
            &tx,
            "SELECT date(spent_at, 'unixepoch'), cents, category, description FROM expenses
             WHERE user_id = :user
             ORDER BY spent_at DESC, id DESC
             LIMIT 20",
            of_user,
            expense_row,
        )?,
        weeks: list(
            &tx,
            "SELECT strftime('%G-W%V', spent_at, 'unixepoch') AS week, COUNT(*), SUM(cents) FROM expenses
             WHERE user_id = :user
             GROUP BY week
             ORDER BY week DESC
             LIMIT 8",
            of_user,
            total_row,
        )?,
        months: list(
            &tx,
            "SELECT strftime('%Y-%m', spent_at, 'unixepoch') AS month, COUNT(*), SUM(cents) FROM expenses
             WHERE user_id = :user
             GROUP BY month
             ORDER BY month DESC
             LIMIT 12",
            of_user,
            total_row,
        )?,
        top_categories: list(
            &tx,
            "SELECT category, COUNT(*), SUM(cents) AS sum FROM expenses
             WHERE user_id = :user
             GROUP BY category
             ORDER BY sum DESC, category
             LIMIT 5",
            of_user,
            total_row,
        )?,
    })
}

fn list<T>(
    conn: &Connection,
    sql: &str,
    params: &[(&str, &dyn ToSql)],
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    conn.prepare_cached(sql)?.query_map(params, row)?.collect()
}

fn month_row(row: &Row<'_>) -> rusqlite::Result<Month> {
    Ok(Month {
        name: row.get(0)?,
        count: row.get(1)?,
        sum: Money(row.get(2)?),
        largest: Money(row.get(3)?),
        sum_before: Money(row.get(4)?),
    })
}

fn total_row(row: &Row<'_>) -> rusqlite::Result<Total> {
    Ok(Total {
        name: row.get(0)?,
        count: row.get(1)?,
        sum: Money(row.get(2)?),
    })
}

fn expense_row(row: &Row<'_>) -> rusqlite::Result<Expense> {
    Ok(Expense {
        day: row.get(0)?,
        amount: Money(row.get(1)?),
        category: row.get(2)?,
        description: row.get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-03-01 00:00:00 UTC, a Friday of the ninth week.
    const MARCH: i64 = 1_709_251_200;
    const DAY: i64 = 24 * 3600;

    fn database() -> Connection {
        let mut conn = Connection::open_in_memory().expect("there is memory");
        let tx = conn.transaction().expect("it can be written");
        crate::schema::create(&tx, 0).expect("the schema is right");
        for (digest, name) in [(1, "ann"), (2, "bob"), (3, "ann")] {
            sign_in(&tx, name, &[digest; 32], MARCH).expect("anybody may sign in");
        }
        tx.commit().expect("it can be written");
        conn
    }

    fn spend(conn: &mut Connection, user: i64, cents: i64, category: &str, at: i64) {
        let expense = NewExpense {
            amount: Money(cents),
            category: category.to_owned(),
            description: format!("{category} at {at}"),
        };
        let tx = conn.transaction().expect("it can be written");
        add_expense(&tx, user, &expense, at).expect("the user is known");
        tx.commit().expect("it can be written");
    }

    fn shown(totals: &[Total]) -> Vec<(&str, i64, i64)> {
        let shown = totals.iter();
        shown.map(|t| (t.name.as_str(), t.count, t.sum.0)).collect()
    }

    #[test]
    fn a_dashboard_counts_what_its_user_spent_and_when() {
        let mut conn = database();
        for (user, cents, category, at) in [
            (1, 100, "food", MARCH - 40 * DAY),
            (1, 250, "rent", MARCH - 1),
            (1, 300, "food", MARCH),
            (1, 50, "books", MARCH + DAY),
            (1, 20, "food", MARCH + 3 * DAY),
            (2, 9999, "boats", MARCH + DAY),
        ] {
            spend(&mut conn, user, cents, category, at);
        }
        let ann = dashboard(&conn, 1, MARCH + 4 * DAY).expect("the queries are right");
        let month = &ann.month;
        assert_eq!(month.name, "2024-03");
        assert_eq!(
            (month.count, month.sum, month.largest, month.sum_before),
            (3, Money(370), Money(300), Money(250))
        );
        assert_eq!(
            shown(&ann.month_categories),
            [("food", 2, 320), ("books", 1, 50)]
        );
        assert_eq!(
            shown(&ann.months),
            [
                ("2024-03", 3, 370),
                ("2024-02", 1, 250),
                ("2024-01", 1, 100)
            ]
        );
        assert_eq!(
            shown(&ann.weeks),
            [
                ("2024-W10", 1, 20),
                ("2024-W09", 3, 600),
                ("2024-W03", 1, 100)
            ]
        );
        assert_eq!(
            shown(&ann.top_categories),
            [("food", 3, 420), ("rent", 1, 250), ("books", 1, 50)]
        );
        let days: Vec<_> = ann.latest.iter().map(|e| e.day.as_str()).collect();
        assert_eq!(
            days,
            [
                "2024-03-04",
                "2024-03-02",
                "2024-03-01",
                "2024-02-29",
                "2024-01-21"
            ]
        );
        let bob = dashboard(&conn, 2, MARCH + 4 * DAY).expect("the queries are right");
        assert_eq!(shown(&bob.top_categories), [("boats", 1, 9999)]);
    }

    #[test]
    fn a_user_without_expenses_has_a_dashboard_of_nothing() {
        let ann = dashboard(&database(), 1, MARCH).expect("the queries are right");
        assert_eq!(
            (ann.month.count, ann.month.sum, ann.month.sum_before),
            (0, Money(0), Money(0))
        );
        assert!(ann.latest.is_empty() && ann.months.is_empty());
    }

    #[test]
    fn a_session_is_its_users_until_it_ends() {
        let mut conn = database();
        let who = |conn: &Connection, digest: u8, now: i64| {
            let user = user_of(conn, &[digest; 32], now).expect("the query is right");
            user.map(|user| (user.id, user.name))
        };
        assert_eq!(who(&conn, 1, MARCH), Some((1, "ann".to_owned())));
        assert_eq!(who(&conn, 2, MARCH), Some((2, "bob".to_owned())));
        assert_eq!(who(&conn, 3, MARCH), Some((1, "ann".to_owned())));
        assert_eq!(who(&conn, 4, MARCH), None);
        assert_eq!(who(&conn, 1, MARCH + SESSION_SECONDS), None);

        let tx = conn.transaction().expect("it can be written");
        sign_out(&tx, &[1; 32]).expect("the statement is right");
        tx.commit().expect("it can be written");
        assert_eq!(who(&conn, 1, MARCH), None);
        assert_eq!(who(&conn, 3, MARCH), Some((1, "ann".to_owned())));
    }
}
