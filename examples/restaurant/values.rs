//! What pages are made of: values that the cache keeps beside the pages, each read from the database once, whichever page asks first, and
//! again when it has changed.
//!
//! A page is freed with every value that it shows: each event that frees a value frees these pages in the same step, by a tag of their own (see
//! `events`). So a page that was begun before that step, and may have been given the old value, is not stored; and one that is begun
//! after it is given the new value.

use futures_util::future::try_join_all;
use larder::{LoadError, Loaded, Ttl, hours, minutes};

use crate::{
    App,
    day::Day,
    db,
    events::{category_tag, day_tag},
    log, queries,
    queries::{Menu, Section, Takings},
    web::Failure,
};

/// What the dashboard shows of the past.
const DAYS: i64 = 14;

pub(crate) const NO_CATEGORY: Failure = Failure::NotFound("there is no such category");

impl App {
    /// The sections of all categories. Of a menu with a new pizza, all but the pizzas is there already.
    pub(crate) async fn menu(&self) -> Result<Menu, Failure> {
        let (restaurant, categories) = self.read(queries::categories).await?;
        let sections = categories
            .iter()
            .map(|category| self.section(&category.slug));
        Ok(Menu {
            restaurant,
            sections: try_join_all(sections).await?,
        })
    }

    /// `/menu`, `/menu/{category}` and `/` are made of these.
    pub(crate) async fn section(&self, slug: &str) -> Result<Section, Failure> {
        let read = || async {
            let slug = slug.to_owned();
            let found = self.read(move |conn| queries::section(conn, &slug)).await?;
            // An error: anybody can make up names, and nothing is to be kept for them.
            found.ok_or(NO_CATEGORY)
        };
        let kept = self
            .cache
            .get_or_try_set(&format!("section:{slug}"), minutes(30), read)
            .tag(category_tag(slug))
            .await;
        or_read(kept, read).await
    }

    /// The days on which something was sold, today first.
    pub(crate) async fn takings_by_day(&self) -> Result<Vec<Takings>, Failure> {
        let days = Day::of(db::now()).and_before(DAYS);
        let mut takings = try_join_all(days.map(|day| self.takings(day))).await?;
        takings.retain(|day| day.count > 0);
        Ok(takings)
    }

    /// A finished day is asked for once and never again. What is changed in it by hand shows after `--flush-on-start`.
    async fn takings(&self, day: Day) -> Result<Takings, Failure> {
        let read = || self.read(move |conn| queries::takings(conn, day));
        let load = || async move {
            // Before the query: a day that is finished then is complete in it.
            let is_finished = day.is_finished(db::now());
            let lifetime = if is_finished {
                Ttl::Forever
            } else {
                hours(1).into()
            };
            Ok(Loaded::new(read().await?).ttl(lifetime))
        };
        let kept = self
            .cache
            .get_or_try_load(&format!("takings:{day}"), load)
            .tag(day_tag(day))
            .await;
        or_read(kept, read).await
    }
}

/// What the cache cannot bring (it is of another type, since the version was not raised with a deploy) is no reason to show no page.
async fn or_read<T, Read>(
    kept: Result<T, LoadError<Failure>>,
    read: impl FnOnce() -> Read,
) -> Result<T, Failure>
where
    Read: Future<Output = Result<T, Failure>>,
{
    match kept {
        Ok(value) => Ok(value),
        Err(error) => match error.loader() {
            Some(failure) => Err(failure.clone()),
            None => {
                log::error(&error);
                read().await
            }
        },
    }
}
