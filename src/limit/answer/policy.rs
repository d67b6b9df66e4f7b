//! Quotas as they are told.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::limit::quota::{Quota, Unit};
use crate::limit::rule::Rule;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// A quota as it is told. Its name was checked when the limit was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) name: Cow<'static, str>,
    /// What may be used in a window; for a token bucket with a larger burst the burst.
    pub(crate) amount: u64,
    /// In microseconds; none for what is counted in flight, and where nothing is ever allowed.
    pub(crate) window: Option<u64>,
    pub(crate) unit: Unit,
    pub(crate) is_in_flight: bool,
}

/// Why a policy cannot have its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PolicyNameError {
    /// No structured field can hold it, or nobody would want to read it.
    #[error("the name {0:?} is empty, longer than 64 bytes, or not printable ASCII")]
    Unprintable(String),
    /// Another quota of the limit has it.
    #[error("two quotas of one limit have the name {0:?}")]
    Twice(String),
}

impl Policy {
    /// How a quota is told. None for one that limits nothing, or that [`Quota::check`] refuses.
    pub(crate) fn of(name: impl Into<Cow<'static, str>>, quota: &Quota) -> Option<Self> {
        let (amount, window, is_in_flight) = match quota.rule().ok()? {
            Rule::Unlimited => return None,
            Rule::Denied => (0, None, false),
            Rule::InFlight(rule) => (rule.most, None, true),
            rule => {
                let (amount, window) = quota.told()?;
                let (amount, window) = told_rate(amount, window, rule.capacity());
                (amount, Some(window), false)
            }
        };
        Some(Self {
            name: name.into(),
            amount,
            window,
            unit: quota.counts(),
            is_in_flight,
        })
    }
}

/// The amount and window of a rate with this burst.
///
/// A client must not read of more left than the amount, so a larger burst stands for it, over the time the rate takes for it.
fn told_rate(amount: u64, window: u64, burst: u64) -> (u64, u64) {
    if burst <= amount {
        return (amount, window);
    }
    let refill = (u128::from(burst) * u128::from(window)).div_ceil(u128::from(amount));
    (burst, u64::try_from(refill).unwrap_or(u64::MAX))
}

/// The names of the quotas of a limit, in their order; a quota that is made for each request is `None`.
///
/// They are those that the quotas were given, or that of the limit, with the window behind it where there are several, and a
/// number where that is not enough.
///
/// # Errors
///
/// A name that is empty, longer than 64 bytes or not printable ASCII, or that was given twice.
pub(crate) fn policy_names(
    limit: &str,
    quotas: &[Option<&Quota>],
) -> Result<Vec<Cow<'static, str>>, PolicyNameError> {
    check(limit)?;
    let mut taken = HashSet::new();
    for name in quotas
        .iter()
        .flatten()
        .filter_map(|quota| quota.given_name())
    {
        check(name)?;
        if !taken.insert(name.to_owned()) {
            return Err(PolicyNameError::Twice(name.to_owned()));
        }
    }

    let mut names = Vec::with_capacity(quotas.len());
    for quota in quotas {
        let given = quota.and_then(Quota::given_name);
        names.push(Cow::Owned(match given {
            Some(name) => name.to_owned(),
            None => {
                let name = free(&default_name(limit, *quota, quotas.len()), &taken);
                taken.insert(name.clone());
                name
            }
        }));
    }
    Ok(names)
}

fn check(name: &str) -> Result<(), PolicyNameError> {
    let is_printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_printable && (1..=LONGEST_NAME).contains(&name.len()) {
        Ok(())
    } else {
        Err(PolicyNameError::Unprintable(name.to_owned()))
    }
}

fn default_name(limit: &str, quota: Option<&Quota>, quotas: usize) -> String {
    let Some(quota) = quota.filter(|_| quotas > 1) else {
        return limit.to_owned();
    };
    match (quota.rule(), quota.told()) {
        (Ok(Rule::InFlight(_)), _) => format!("{limit}-in-flight"),
        (_, Some((_, window))) => format!("{limit}-{}", window_name(window)),
        _ => limit.to_owned(),
    }
}

/// `1m`, `90s`, `1d`: the largest unit that divides the window.
fn window_name(micros: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
    ];
    let unit = UNITS
        .iter()
        .find(|(length, _)| micros.is_multiple_of(*length));
    match unit {
        Some((length, unit)) => format!("{}{unit}", micros / length),
        None => format!("{micros}us"),
    }
}

fn free(name: &str, taken: &HashSet<String>) -> String {
    if !taken.contains(name) {
        return name.to_owned();
    }
    (2_u64..)
        .map(|number| format!("{name}-{number}"))
        .find(|name| !taken.contains(name))
        .expect("fewer names are taken than there are numbers")
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64};

    use super::*;
    use crate::limit::Algorithm;

    fn quota(text: &str) -> Quota {
        text.parse().unwrap()
    }

    fn told(quota: &Quota) -> (u64, Option<u64>) {
        let policy = Policy::of("a", quota).unwrap();
        (policy.amount, policy.window.map(|micros| micros / 1_000))
    }

    #[test]
    fn a_policy_tells_the_amount_and_the_window_as_they_were_written() {
        let five = NonZeroU64::new(5).unwrap();
        assert_eq!(told(&quota("100/m")), (100, Some(60_000)));
        assert_eq!(told(&quota("100/m").burst(five)), (100, Some(60_000)));
        assert_eq!(told(&quota("100/m").strict()), (100, Some(60_000)));
        assert_eq!(
            told(&quota("100/m").strict().burst(five)),
            (100, Some(60_000))
        );
        let counted = quota("7/2h").algorithm(Algorithm::SlidingCounter);
        assert_eq!(told(&counted), (7, Some(7_200_000)));
    }

    #[test]
    fn a_burst_above_the_amount_is_told_with_the_time_it_takes() {
        let most = |burst| NonZeroU64::new(burst).unwrap();
        assert_eq!(told(&quota("100/m").burst(most(250))), (250, Some(150_000)));
        assert_eq!(told(&quota("3/s").burst(most(4))), (4, Some(1_333)));
    }

    #[test]
    fn what_has_no_window_is_told_without_one() {
        assert_eq!(Policy::of("a", &Quota::unlimited()), None);
        assert_eq!(told(&Quota::deny_all()), (0, None));
        let policy = Policy::of("a", &Quota::in_flight(NonZeroU32::MIN)).unwrap();
        assert_eq!(
            (policy.amount, policy.window, policy.is_in_flight),
            (1, None, true)
        );
    }

    fn names(limit: &str, quotas: &[Option<&Quota>]) -> Result<Vec<String>, PolicyNameError> {
        let names = policy_names(limit, quotas)?;
        Ok(names.into_iter().map(Cow::into_owned).collect())
    }

    #[test]
    fn names_are_those_of_the_limit_and_the_window_unless_given() {
        let (minute, hour) = (quota("5/m"), quota("10/h"));
        assert_eq!(names("a", &[Some(&minute)]).unwrap(), ["a"]);
        assert_eq!(names("a", &[None]).unwrap(), ["a"]);
        assert_eq!(
            names("a", &[Some(&minute), Some(&hour), Some(&minute), None]).unwrap(),
            ["a-1m", "a-1h", "a-1m-2", "a"]
        );
        let given = quota("5/m").name("a-1h");
        let in_flight = Quota::in_flight(NonZeroU32::MIN);
        assert_eq!(
            names("a", &[Some(&hour), Some(&given), Some(&in_flight)]).unwrap(),
            ["a-1h-2", "a-1h", "a-in-flight"]
        );
        assert_eq!(window_name(90_000_000), "90s");
        assert_eq!(window_name(1_500_000), "1500ms");
        assert_eq!(window_name(1_500), "1500us");
    }

    #[test]
    fn names_that_no_field_can_hold_or_that_are_given_twice_are_refused() {
        let quota = quota("5/m");
        for name in ["", "\u{e9}", "a\nb", "\u{7f}", &"a".repeat(65)] {
            let error = PolicyNameError::Unprintable(name.to_owned());
            assert_eq!(names(name, &[Some(&quota)]), Err(error));
        }
        let named = quota.clone().name("a \"b\" \\");
        assert_eq!(names("c", &[Some(&named)]).unwrap(), ["a \"b\" \\"]);
        assert_eq!(
            names("c", &[Some(&named), Some(&named)]),
            Err(PolicyNameError::Twice("a \"b\" \\".to_owned()))
        );
    }
}
