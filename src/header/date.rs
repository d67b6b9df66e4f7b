//! HTTP dates (RFC 9110 §5.6.7).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Fifty mean Gregorian years.
const FIFTY_YEARS: Duration = Duration::from_secs(50 * 31_556_952);

/// The longest date is `Wednesday, 06-Nov-94 08:49:37 GMT`; what is longer is not worth a copy.
const MAX_LEN: usize = 33;

/// The first second that has no date, since a year has four digits: 10000-01-01.
const END_OF_DATES: Duration = Duration::from_secs(253_402_300_800);

/// The date of a field with one line; several are not one date, even if they are equal.
pub(crate) fn only(headers: &HeaderMap, name: &HeaderName, now: SystemTime) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => parse(line, now),
        _ => None,
    }
}

/// Reads an IMF-fixdate, RFC 850 or asctime date. `now` places the two-digit years of RFC 850.
///
/// The date must exist and its weekday must fit. Second 60 is read as 59: the leap second has no time of its own here,
/// and RFC 9111 §4.2 wants `Expires` rounded down.
pub(crate) fn parse(value: &HeaderValue, now: SystemTime) -> Option<SystemTime> {
    let text = normalise(value)?;

    if text.contains('-') {
        parse_rfc850(&text, now)
    } else {
        httpdate::parse_http_date(&text).ok()
    }
}

/// Writes the IMF-fixdate of a time; `None` before 1970 and after 9999, which have none.
pub(crate) fn format(time: SystemTime) -> Option<HeaderValue> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    if since_epoch >= END_OF_DATES {
        return None;
    }
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

/// Brings the text to the letter case and the seconds that `httpdate` knows: RFC 9111 §4.2 asks for any letter case.
fn normalise(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim_ascii();
    if text.len() > MAX_LEN {
        return None;
    }

    let mut inside_word = false;
    let mut text: String = text
        .chars()
        .map(|char| {
            let first = !std::mem::replace(&mut inside_word, char.is_ascii_alphabetic());
            if first {
                char.to_ascii_uppercase()
            } else {
                char.to_ascii_lowercase()
            }
        })
        .collect();

    // GMT is the only zone there is: all others keep their wrong case and fail, as §4.2 of RFC 9111 wants.
    if text.ends_with(" Gmt") {
        text.truncate(text.len() - "Gmt".len());
        text.push_str("GMT");
    }
    if let Some((minutes, seconds)) = text.rsplit_once(':')
        && let Some(zone) = seconds.strip_prefix("60")
    {
        text = format!("{minutes}:59{zone}");
    }
    Some(text)
}

/// Reads `Sunday, 06-Nov-94 08:49:37 GMT` by trying the IMF-fixdate of the possible centuries, latest first.
///
/// A year that looks more than 50 years ahead belongs to the past century. A weekday fits at most one of two
/// neighbouring centuries, so it cannot contradict the rule without making the date invalid.
fn parse_rfc850(text: &str, now: SystemTime) -> Option<SystemTime> {
    let (weekday, date) = text.split_once(", ")?;
    let weekday = short_weekday(weekday)?;
    let (day, date) = date.split_once('-')?;
    let (month, date) = date.split_once('-')?;
    let (year, time) = date.split_once(' ')?;
    if (day.len(), month.len(), year.len()) != (2, 3, 2) {
        return None;
    }

    let limit = now.checked_add(FIFTY_YEARS)?;
    let latest = century(limit)?;
    [Some(latest), latest.checked_sub(1)]
        .into_iter()
        .flatten()
        .find_map(|century| {
            let date = format!("{weekday}, {day} {month} {century:02}{year} {time}");
            httpdate::parse_http_date(&date)
                .ok()
                .filter(|time| *time <= limit)
        })
}

/// The first two digits of the year.
fn century(time: SystemTime) -> Option<u8> {
    let date = format(time)?;
    date.to_str().ok()?.get(12..14)?.parse().ok()
}

fn short_weekday(long: &str) -> Option<&'static str> {
    [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ]
    .into_iter()
    .find(|weekday| *weekday == long)
    .and_then(|weekday| weekday.get(..3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// 2026-11-20.
    fn now() -> SystemTime {
        at(1_795_132_800)
    }

    fn date(text: &str) -> Option<SystemTime> {
        parse(&HeaderValue::from_str(text).unwrap(), now())
    }

    #[test]
    fn the_three_forms_are_one_time() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "sun, 06 nov 1994 08:49:37 gmt",
            "SUNDAY, 06-NOV-94 08:49:37 GMT",
            "sUn nOV  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT\t",
        ] {
            assert_eq!(date(text), Some(at(784_111_777)), "{text}");
        }
        assert_eq!(
            date("Wednesday, 09-Nov-94 08:49:37 GMT"),
            Some(at(784_111_777 + 3 * 86_400))
        );
    }

    #[test]
    fn second_60_is_valid_and_rounded_down() {
        assert_eq!(
            date("Sat, 31 Dec 2016 23:59:60 GMT"),
            Some(at(1_483_228_799))
        );
        assert_eq!(
            date("Saturday, 31-Dec-16 23:59:60 GMT"),
            Some(at(1_483_228_799))
        );
        assert_eq!(date("Sat Dec 31 23:59:60 2016"), Some(at(1_483_228_799)));
        assert_eq!(date("Sat, 31 Dec 2016 23:59:61 GMT"), None);
        assert_eq!(date("Sat, 31 Dec 2016 23:60:00 GMT"), None);
    }

    #[test]
    fn other_zones_and_other_forms_are_invalid() {
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994  08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 UTC",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
            "784111777",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!(date(&"9".repeat(100_000)), None);
        assert_eq!(
            parse(&HeaderValue::from_bytes(b"\xff").unwrap(), now()),
            None
        );
    }

    #[test]
    fn two_digit_years_lie_at_most_fifty_years_ahead() {
        let year = |text| {
            let date = format(date(text)?)?;
            Some(date.to_str().unwrap()[12..16].to_owned())
        };
        assert_eq!(
            year("Tuesday, 06-Nov-29 08:49:37 GMT").as_deref(),
            Some("2029")
        );
        assert_eq!(
            year("Friday, 06-Nov-76 08:49:37 GMT").as_deref(),
            Some("2076")
        );
        assert_eq!(
            year("Sunday, 06-Nov-77 08:49:37 GMT").as_deref(),
            Some("1977")
        );
        // The year is the fiftieth, the day is past it: 1976, which the weekday of 2076 does not fit.
        assert_eq!(
            year("Monday, 06-Dec-76 08:49:37 GMT").as_deref(),
            Some("1976")
        );
        assert_eq!(year("Sunday, 06-Dec-76 08:49:37 GMT"), None);
    }

    #[test]
    fn the_window_moves_with_now() {
        let value = HeaderValue::from_static("Saturday, 06-Nov-77 08:49:37 GMT");
        let in_2077 = parse(&value, at(3_000_000_000)).unwrap();
        assert_eq!(format(in_2077).unwrap(), "Sat, 06 Nov 2077 08:49:37 GMT");
    }

    #[test]
    fn an_absurd_now_makes_two_digit_years_invalid_and_nothing_else() {
        let before = UNIX_EPOCH - Duration::from_secs(1 << 40);
        let after = at(1 << 40);
        for now in [before, after] {
            let rfc850 = HeaderValue::from_static("Sunday, 06-Nov-94 08:49:37 GMT");
            assert_eq!(parse(&rfc850, now), None);
            let fixed = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
            assert_eq!(parse(&fixed, now), Some(at(784_111_777)));
        }
    }

    #[test]
    fn times_are_written_as_imf_fixdate_if_they_have_one() {
        assert_eq!(
            format(at(784_111_777)).unwrap(),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(
            format(at(253_402_300_799)).unwrap(),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
        assert_eq!(format(at(253_402_300_800)), None);
        assert_eq!(format(UNIX_EPOCH - Duration::from_nanos(1)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(value in arbitrary::value(), now in 0..300_000_000_000u64) {
            let _ = parse(&value, at(now));
        }

        #[test]
        fn a_written_date_reads_back_to_its_second(seconds in 0..253_402_300_800u64, nanos in 0..1_000_000_000u32) {
            let value = format(at(seconds) + Duration::from_nanos(u64::from(nanos))).unwrap();
            prop_assert_eq!(parse(&value, now()), Some(at(seconds)));
        }
    }
}
