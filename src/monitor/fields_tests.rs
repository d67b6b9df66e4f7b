//! How counts and times are written.

use proptest::prelude::*;

use super::super::reason::{Absence, Bypass, StaleUse};
use super::*;

fn told_rate(hits: u64, misses: u64) -> String {
    let told = HitRate { hits, misses };
    assert_eq!(rate(told).unwrap(), told.to_string());
    told.to_string()
}

#[test]
fn a_rate_has_one_decimal() {
    for (hits, misses, told) in [
        (0, 0, "0.0%"),
        (0, 1, "0.0%"),
        (1, 0, "100.0%"),
        (3, 1, "75.0%"),
        (1, 2, "33.3%"),
        (2, 1, "66.7%"),
        (1, 1, "50.0%"),
        (1, 999, "0.1%"),
        (1, 1_999, "0.1%"),
        (1, 2_001, "0.0%"),
        (u64::MAX, 0, "100.0%"),
        (u64::MAX, u64::MAX, "50.0%"),
        (0, u64::MAX, "0.0%"),
    ] {
        assert_eq!(told_rate(hits, misses), told, "{hits} of {hits} + {misses}");
    }
}

#[test]
fn a_time_has_three_decimals_of_a_second() {
    for (nanos, told) in [
        (0, "0.000s"),
        (499_999, "0.000s"),
        (500_000, "0.001s"),
        (1_000_000, "0.001s"),
        (123_000_000, "0.123s"),
        (123_499_999, "0.123s"),
        (999_499_999, "0.999s"),
        (999_500_000, "1.000s"),
        (61_001_000_000, "61.001s"),
    ] {
        let span = Duration::from_nanos(nanos);
        assert_eq!(Seconds(span).to_string(), told, "{nanos} ns");
    }
}

#[test]
fn server_timing_has_one_decimal_of_a_millisecond() {
    let timing = |cache, micros| {
        let total = Duration::from_micros(micros);
        Timing { cache, total }.to_string()
    };
    assert_eq!(timing(None, 0), "total;dur=0.0");
    assert_eq!(timing(Some("hit"), 49), "cache;desc=hit, total;dur=0.0");
    assert_eq!(timing(Some("miss"), 50), "cache;desc=miss, total;dur=0.1");
    assert_eq!(
        timing(Some("stale"), 12_345),
        "cache;desc=stale, total;dur=12.3"
    );
}

#[test]
fn a_word_tells_what_became_of_the_page_or_else_of_the_values() {
    for (reason, hits, misses, word) in [
        (None, 0, 0, None),
        (None, 2, 0, Some("hit")),
        (None, 0, 2, Some("miss")),
        (None, 1, 2, Some("mixed")),
        (Some(Reason::Hit), 1, 2, Some("hit")),
        (Some(Reason::Stored(Absence::Uri)), 4, 1, Some("miss")),
        (
            Some(Reason::StaleHit(StaleUse::Accepted)),
            1,
            0,
            Some("stale"),
        ),
        (Some(Reason::Bypassed(Bypass::Method)), 0, 0, Some("bypass")),
    ] {
        assert_eq!(cache_word(reason, hits, misses), word, "{reason:?}");
    }
    // A metric's description is a token: no quotes are needed.
    for reason in Reason::all() {
        let word = cache_word(Some(reason), 0, 0).expect("every reason has a word");
        assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()));
    }
}

#[test]
fn the_longest_values_have_room() {
    let longest = Timing {
        cache: Some("validated"),
        total: Duration::MAX,
    };
    assert!(value(longest).is_some());
    assert!(value(Seconds(Duration::MAX)).is_some());
    assert!(
        value(HitRate {
            hits: u64::MAX,
            misses: 0
        })
        .is_some()
    );
    assert!(value("x".repeat(97)).is_none());
    assert!(value("a\nb").is_none());
}

#[test]
fn what_a_client_sent_cannot_break_a_line() {
    for (sent, told) in [
        ("/menu", "/menu"),
        ("/a b", r"/a\u{20}b"),
        ("/a\r\nINFO forged", r"/a\u{d}\u{a}INFO\u{20}forged"),
        ("/\u{1b}[31m", r"/\u{1b}[31m"),
        ("/caf\u{e9}", r"/caf\u{e9}"),
        ("/\u{202e}txt", r"/\u{202e}txt"),
        (r"/\u{d}", r"/\\u{d}"),
        ("", ""),
    ] {
        assert_eq!(printable(sent), told);
    }
}

proptest! {
    #[test]
    fn a_rate_is_within_half_a_tenth(hits: u64, misses: u64) {
        let told = told_rate(hits, misses);
        let number = told.strip_suffix('%').unwrap();
        let (whole, tenth) = number.split_once('.').unwrap();
        prop_assert!(!whole.is_empty() && tenth.len() == 1);
        let percent: f64 = number.parse().unwrap();
        let exact = match (hits, misses) {
            (0, 0) => 0.0,
            _ => hits as f64 / (hits as f64 + misses as f64) * 100.0,
        };
        prop_assert!((0.0..=100.0).contains(&percent));
        prop_assert!((percent - exact).abs() < 0.0501, "{} for {}", told, exact);
    }

    #[test]
    fn a_time_is_within_half_a_millisecond(nanos in 0_u64..1 << 50) {
        let span = Duration::from_nanos(nanos);
        let told = Seconds(span).to_string();
        let number = told.strip_suffix('s').unwrap();
        prop_assert_eq!(number.split_once('.').unwrap().1.len(), 3);
        let seconds: f64 = number.parse().unwrap();
        prop_assert!((seconds - span.as_secs_f64()).abs() < 0.000_501);
    }

    #[test]
    fn a_count_is_the_number(number: u64) {
        for number in [number, number % 100] {
            prop_assert_eq!(count(number), number.to_string());
        }
    }

    #[test]
    fn what_is_logged_is_short_and_visible(sent in any::<String>(), times in 1_usize..50) {
        let told = printable(&sent.repeat(times));
        let longest = LONGEST + "\\u{10ffff}...".len();
        prop_assert!(told.len() <= longest);
        prop_assert!(told.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
