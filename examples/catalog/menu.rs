//! The menu, for both fronts: what is read, the one change, and what that frees.

use std::{fmt, time::Duration};

use larder::{Cache, CacheTags};
use rusqlite::Connection;

use crate::{
    changes::Changes,
    db::{Db, DbError},
    log,
    money::Money,
    proto::Item,
    queries, store,
};

/// The restaurant's pages of the whole menu carry it: a change here frees them, where both keep their answers in one Redis.
const MENU: &str = "menu";

/// In bytes.
const LONGEST_SLUG: usize = 64;
/// In characters.
const LONGEST_NAME: usize = 120;
pub(crate) const MOST: Money = Money(999_999);

#[derive(Clone)]
pub(crate) struct Menu {
    pub(crate) cache: Cache,
    pub(crate) db: Db,
    pub(crate) changes: Changes,
    /// How long a read pretends to work after its query.
    pub(crate) work: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Problem {
    Invalid(String),
    NotFound(&'static str),
    /// It is in the log, and not for clients.
    Failed,
}

const NO_ITEM: Problem = Problem::NotFound("there is no such item");
const NO_CATEGORY: Problem = Problem::NotFound("there is no such category");

impl Menu {
    pub(crate) async fn item(&self, id: i64) -> Result<Item, Problem> {
        let found = self.read(move |conn| queries::item(conn, id)).await?;
        found.ok_or(NO_ITEM)
    }

    pub(crate) async fn items_of(&self, category: &str) -> Result<Vec<Item>, Problem> {
        // Anybody can make up names. Those that are too long for a category are not looked up.
        if category.len() > LONGEST_SLUG {
            return Err(NO_CATEGORY);
        }
        let category = category.to_owned();
        let found = self.read(move |conn| queries::items_of(conn, &category));
        found.await?.ok_or(NO_CATEGORY)
    }

    pub(crate) async fn categories(&self) -> Result<Vec<String>, Problem> {
        self.read(queries::categories).await
    }

    /// Changes an item, frees what shows it, and tells who watches. It runs to its end even if the client goes away: dropped between its
    /// commit and its purge, it would leave old answers in the cache.
    pub(crate) async fn change(
        &self,
        id: i64,
        name: String,
        price: Money,
    ) -> Result<Item, Problem> {
        check_name(&name)?;
        if !(Money(0)..=MOST).contains(&price) {
            let why = format!("the price must be from 0 to {MOST}");
            return Err(Problem::Invalid(why));
        }
        let this = self.clone();
        tokio::spawn(async move {
            let item = this
                .db
                .write(move |tx| queries::change_item(tx, id, &name, price.0))
                .await?
                .ok_or(NO_ITEM)?;
            // After the commit, or an answer could be made from the old state behind the purge's back; before the answer, so that whoever
            // asks next sees the change everywhere.
            let tags = [item_tag(id), category_tag(&item.category), MENU.to_owned()];
            if let Err(error) = this.cache.purge_tags(tags).await {
                // The change is made. Redis is told of it as soon as it is there, and this process answers without it until then.
                store::owes(&error);
            }
            this.changes.tell(&item);
            Ok(item)
        })
        .await
        .map_err(DbError::from)?
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let found = self.db.read(query).await?;
        // Between query and answer: an answer that is freed meanwhile holds old data, and must not be stored. `--work` makes that gap wide
        // enough to try it by hand.
        if !self.work.is_zero() {
            tokio::time::sleep(self.work).await;
        }
        Ok(found)
    }
}

/// It goes with a change of the item, here or in the restaurant, which frees by category.
pub(crate) fn item_tags(item: &Item) -> CacheTags {
    CacheTags::new([item_tag(item.id), category_tag(&item.category)])
}

pub(crate) fn absent_tags(id: i64) -> CacheTags {
    CacheTags::new([item_tag(id)])
}

pub(crate) fn category_tags(slug: &str) -> CacheTags {
    CacheTags::new([category_tag(slug)])
}

fn item_tag(id: i64) -> String {
    format!("item:{id}")
}

/// As the restaurant names it.
fn category_tag(slug: &str) -> String {
    format!("category:{slug}")
}

fn check_name(name: &str) -> Result<(), Problem> {
    let invalid = |why: String| Err(Problem::Invalid(why));
    match name {
        _ if name.trim().is_empty() => invalid("the name must not be empty".to_owned()),
        _ if name.chars().count() > LONGEST_NAME => invalid(format!(
            "the name must not be longer than {LONGEST_NAME} characters"
        )),
        _ if name.chars().any(char::is_control) => {
            invalid("the name must not contain control characters".to_owned())
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => f.write_str(why),
            Self::NotFound(what) => f.write_str(what),
            Self::Failed => f.write_str("something went wrong here"),
        }
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        log::error(&error);
        Self::Failed
    }
}
