//! Days, as the dashboard counts them: from midnight to midnight, UTC.

use std::fmt;

/// A day, by its number since 1 January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day(i64);

const SECONDS: i64 = 24 * 3600;

/// An order gets its time before it is committed. One that midnight overtakes on that way belongs to the day before, and so does one from a
/// process whose clock is slow.
const MARGIN: i64 = 3600;

impl Day {
    /// The day of a time in seconds since 1970.
    pub(crate) const fn of(time: i64) -> Self {
        Self(time.div_euclid(SECONDS))
    }

    /// The first second of the day.
    pub(crate) const fn start(self) -> i64 {
        self.0 * SECONDS
    }

    /// The first second of the next day.
    pub(crate) const fn end(self) -> i64 {
        self.start() + SECONDS
    }

    /// Whether its figures stay as they are.
    pub(crate) const fn is_finished(self, now: i64) -> bool {
        now - self.end() > MARGIN
    }

    /// So many days, this one first and then back in time.
    pub(crate) fn and_before(self, count: i64) -> impl Iterator<Item = Self> {
        (0..count).map(move |ago| Self(self.0 - ago))
    }
}

/// As in `2026-11-27`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years that begin in March have their leap day at the end, and repeat every 400.
        let days = self.0 + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        let year = era * 400 + year + next;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named_as_the_database_names_them() {
        let db = rusqlite::Connection::open_in_memory().expect("it needs nothing");
        let mut date = db
            .prepare("SELECT date(?1, 'unixepoch')")
            .expect("it is SQL");
        for number in (-200_000..200_000).step_by(37).chain(10_950..11_050) {
            let day = Day(number);
            for time in [day.start(), day.end() - 1] {
                assert_eq!(Day::of(time), day);
                let named: String = date.query_row([time], |row| row.get(0)).expect("a date");
                assert_eq!(day.to_string(), named);
            }
        }
    }

    #[test]
    fn a_day_is_finished_when_it_is_over_for_more_than_an_hour() {
        let day = Day::of(1_795_737_600);
        for (now, is_finished) in [
            (day.start(), false),
            (day.end(), false),
            (day.end() + 3600, false),
            (day.end() + 3601, true),
            (day.start() - 1, false),
        ] {
            assert_eq!(day.is_finished(now), is_finished, "{now}");
        }
    }

    #[test]
    fn two_weeks_go_back_from_today() {
        let days: Vec<_> = Day::of(1_795_737_600)
            .and_before(3)
            .map(|day| day.to_string())
            .collect();
        assert_eq!(days, ["2026-11-27", "2026-11-26", "2026-11-25"]);
    }
}
