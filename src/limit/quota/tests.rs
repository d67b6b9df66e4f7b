use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

fn seconds(amount: u64, seconds: u64) -> Quota {
    Quota::new(amount, Duration::from_secs(seconds)).unwrap()
}

fn problem(text: &str) -> String {
    let error = text.parse::<Quota>().unwrap_err();
    error.to_string()
}

const fn nonzero(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

#[test]
fn rates_are_read_from_text() {
    for (text, amount, window) in [
        ("100/m", 100, 60),
        ("20/5m", 20, 300),
        ("1000/day", 1_000, DAY),
        ("100/300", 100, 300),
        ("5/s", 5, 1),
        ("5/sec", 5, 1),
        ("5/10seconds", 5, 10),
        ("5/min", 5, 60),
        ("5/minute", 5, 60),
        ("5/2minutes", 5, 120),
        ("10/h", 10, HOUR),
        ("10/hour", 10, HOUR),
        ("10/12hours", 10, 12 * HOUR),
        ("7/d", 7, DAY),
        ("7/30days", 7, 30 * DAY),
        ("1000000000000/3660d", 1_000_000_000_000, 3_660 * DAY),
        ("007/01m", 7, 60),
    ] {
        assert_eq!(text.parse(), Ok(seconds(amount, window)), "{text}");
        assert_eq!(Quota::try_from(text), Ok(seconds(amount, window)), "{text}");
    }
    let five = NonZeroU32::new(5).unwrap();
    assert_eq!("5/s".parse(), Ok(Quota::per_second(five)));
    assert_eq!("5/m".parse(), Ok(Quota::per_minute(five)));
    assert_eq!("5/h".parse(), Ok(Quota::per_hour(five)));
    assert_eq!("5/d".parse(), Ok(Quota::per_day(five)));
}

#[test]
fn what_is_no_rate_is_refused_with_what_is_wrong() {
    for text in [
        "",
        "/",
        "100",
        "100/",
        "/m",
        "m",
        "100 / m",
        " 100/m",
        "100/m ",
        "100/ m",
        "-1/m",
        "+1/m",
        "1/-1m",
        "1.5/m",
        "1/1.5m",
        "1e3/m",
        "100/x",
        "100/M",
        "100/month",
        "100/ms",
        "100/m/h",
        "100//m",
        "100/5m5",
        "100/mm",
        "١٠٠/m",
        "100/５m",
        "100/m\0",
        "100/µs",
        "0x10/m",
        "100/week",
        "99999999999999999999/m",
        "1/99999999999999999999s",
        "100,000/m",
    ] {
        let told = problem(text);
        assert!(
            told.contains("is no rate") && told.contains("100/m"),
            "{text:?}: {told}"
        );
        assert!(told.contains(&format!("{text:?}")), "{text:?}: {told}");
    }
}

#[test]
fn zero_and_what_is_absurd_is_refused() {
    for text in ["0/m", "0/0", "1000000000001/m", "18446744073709551615/d"] {
        assert!(
            matches!(text.parse::<Quota>(), Err(QuotaError::Amount(_))),
            "{text}"
        );
    }
    for text in [
        "1/0",
        "1/0m",
        "1/3661d",
        "1/18446744073709551615d",
        "1/400000000",
    ] {
        assert!(
            matches!(text.parse::<Quota>(), Err(QuotaError::Window(_))),
            "{text}"
        );
    }
    assert!(problem("0/m").contains("deny_all"));
    for window in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        assert_eq!(Quota::new(1, window), Err(QuotaError::Window(window)));
    }
    assert!(Quota::new(1, Duration::from_millis(1)).is_ok());
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let quota = || seconds(10, 60);
    let by = |algorithm| quota().algorithm(algorithm);
    assert_eq!(quota().check(), Ok(()));
    assert_eq!(quota().strict().burst(nonzero(10)).check(), Ok(()));
    let error = QuotaError::StrictBurst {
        amount: 10,
        burst: 11,
    };
    assert_eq!(quota().strict().burst(nonzero(11)).check(), Err(error));
    for algorithm in [
        Algorithm::FixedWindow,
        Algorithm::FixedWindowFromFirst,
        Algorithm::FixedWindowStaggered,
        Algorithm::SlidingCounter,
    ] {
        assert_eq!(by(algorithm).check(), Ok(()));
        assert_eq!(
            by(algorithm).strict().check(),
            Err(QuotaError::TokenBucketOnly("strict"))
        );
        let burst = by(algorithm).burst(nonzero(2));
        assert_eq!(burst.check(), Err(QuotaError::TokenBucketOnly("burst")));
    }
    assert_eq!(by(Algorithm::SlidingLog).strict().check(), Ok(()));
    assert_eq!(seconds(10_000, 60).strict().check(), Ok(()));
    assert_eq!(
        seconds(10_001, 60).strict().check(),
        Err(QuotaError::LongLog(10_001))
    );
    assert_eq!(
        seconds(10_001, 60).strict().burst(nonzero(9)).check(),
        Ok(())
    );
    // A hundred years until the burst is there again, and a little more.
    let slow = || seconds(1, 366 * DAY);
    assert_eq!(slow().burst(nonzero(100)).check(), Ok(()));
    assert_eq!(
        slow().burst(nonzero(101)).check(),
        Err(QuotaError::Burst(101))
    );
    assert_eq!(
        quota().burst(NonZeroU64::MAX).check(),
        Err(QuotaError::Burst(u64::MAX))
    );
}

#[test]
fn names_are_those_of_structured_fields() {
    let named = |name: &str| seconds(1, 1).name(name.to_owned()).check();
    for name in ["search", "a \"b\" \\c", &"x".repeat(64)] {
        assert_eq!(named(name), Ok(()));
    }
    for name in ["", "é", "a\nb", "\u{7f}", &"x".repeat(65)] {
        assert_eq!(named(name), Err(QuotaError::Name(name.to_owned())));
    }
}

#[test]
fn a_share_is_at_least_one() {
    let among = |nodes| NonZeroU32::new(nodes).unwrap();
    let quota = seconds(100, 60).burst(nonzero(10));
    assert_eq!(quota.share(among(1)), quota);
    assert_eq!(quota.share(among(3)), seconds(33, 60).burst(nonzero(3)));
    assert_eq!(quota.share(among(1_000)), seconds(1, 60).burst(nonzero(1)));
    let in_flight = Quota::in_flight(among(7));
    assert_eq!(in_flight.share(among(2)), Quota::in_flight(among(3)));
    assert_eq!(Quota::deny_all().share(among(2)), Quota::deny_all());
    assert_eq!(Quota::unlimited().share(among(2)), Quota::unlimited());
    let strict = seconds(10, 60).burst(nonzero(10)).strict();
    assert_eq!(strict.share(among(4)).check(), Ok(()));
}

#[test]
fn quotas_are_shown_as_they_are_written() {
    for (text, shown) in [
        ("100/minute", "100/m"),
        ("20/5m", "20/300s"),
        ("1000/24h", "1000/d"),
        ("1/60minutes", "1/h"),
        ("3/1", "3/s"),
    ] {
        assert_eq!(text.parse::<Quota>().unwrap().to_string(), shown);
    }
    assert_eq!(
        Quota::new(5, Duration::from_millis(1_500))
            .unwrap()
            .to_string(),
        "5/1.5s"
    );
    assert_eq!(Quota::deny_all().to_string(), "nothing");
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*") {
        let _ = text.parse::<Quota>();
    }

    #[test]
    fn what_looks_like_a_rate_is_read_or_refused(text in "[0-9 +-]{0,22}/?[0-9]{0,22}[smhdxSM ./]{0,7}") {
        if let Ok(quota) = text.parse::<Quota>() {
            prop_assert_eq!(quota.check(), Ok(()));
        }
    }

    #[test]
    fn what_is_shown_is_read_again(amount in 1..=LARGEST_AMOUNT, window in 1..=3_660 * DAY) {
        let quota = seconds(amount, window);
        prop_assert_eq!(quota.to_string().parse(), Ok(quota));
    }

    #[test]
    fn a_share_can_be_where_the_whole_can(amount in 1..=20_000_u64, burst in 1..30_000_u64, strict: bool, nodes in 1..100_u32) {
        let quota = seconds(amount, 60).burst(nonzero(burst));
        let quota = if strict { quota.strict() } else { quota };
        let share = quota.share(NonZeroU32::new(nodes).unwrap());
        prop_assert!(quota.check().is_err() || share.check().is_ok());
    }
}
