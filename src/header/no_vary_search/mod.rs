//! `No-Vary-Search` (draft-ietf-httpbis-no-vary-search-10): which differences between queries a response does not depend on.
//!
//! ```text
//! field ─► parse ─► NoVarySearch ─┬─► canonical(query)   two queries are equivalent if theirs are equal
//!                                 └─► to_bytes ─► from_bytes   for the record of a stored response
//! ```
//!
//! The default config says that every difference counts. It stands for a field that is absent, and for one that cannot be
//! read or says more than a cache is ready to keep: then no two queries are merged.

mod bytes;
mod canonical;
mod parse;
pub(crate) mod urlencoded;

use http::HeaderName;

/// The field's name.
pub(crate) const NO_VARY_SEARCH: HeaderName = HeaderName::from_static("no-vary-search");

/// Which parameters count, and whether their order does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NoVarySearch {
    counts: Counts,
    order: Order,
}

/// The parameters that count. Names are decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counts {
    AllBut(Names),
    Only(Names),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Order {
    Counts,
    Ignored,
}

/// Sorted and each once, so that equal sets are equal values and looking one up is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Names(Vec<String>);

impl Default for NoVarySearch {
    fn default() -> Self {
        Self {
            counts: Counts::AllBut(Names::default()),
            order: Order::Counts,
        }
    }
}

impl NoVarySearch {
    /// Whether every difference counts, be it the spelling: then queries are compared as raw text (§6).
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The same config, except that parameters of these names always count: tokens and signatures, whatever a response says
    /// about them (§8). The names are meant decoded.
    #[must_use]
    pub(crate) fn without_ignoring(mut self, never: &[String]) -> Self {
        match &mut self.counts {
            Counts::AllBut(Names(ignored)) => ignored.retain(|name| !never.contains(name)),
            Counts::Only(names) => {
                let counted = std::mem::take(&mut names.0);
                *names = counted.into_iter().chain(never.iter().cloned()).collect();
            }
        }
        self
    }

    fn counts(&self, name: &str) -> bool {
        match &self.counts {
            Counts::AllBut(names) => !names.contain(name),
            Counts::Only(names) => names.contain(name),
        }
    }
}

impl Names {
    fn contain(&self, name: &str) -> bool {
        self.0
            .binary_search_by(|own| own.as_str().cmp(name))
            .is_ok()
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

#[cfg(test)]
mod arbitrary {
    //! Configs and queries whose parts meet often.

    use proptest::prelude::*;

    use super::{Counts, NoVarySearch, Order};

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(
                [
                    "",
                    "a",
                    "b",
                    "é 気",
                    "\u{fffd}",
                    "\u{10000}",
                    "\u{ffff}",
                    "a=b&c",
                    "%61"
                ]
                .as_slice()
            )
            .prop_map(str::to_owned),
            any::<String>(),
        ]
    }

    pub(super) fn config() -> impl Strategy<Value = NoVarySearch> {
        let names = prop::collection::vec(name(), 0..5);
        (names, any::<bool>(), any::<bool>()).prop_map(|(names, only, ignored)| NoVarySearch {
            counts: match only {
                true => Counts::Only(names.into_iter().collect()),
                false => Counts::AllBut(names.into_iter().collect()),
            },
            order: match ignored {
                true => Order::Ignored,
                false => Order::Counts,
            },
        })
    }

    pub(super) fn query() -> impl Strategy<Value = Option<String>> {
        let part = prop_oneof![
            8 => prop::sample::select(
                ["a", "b", "=", "&", "&", "%61", "+", "%20", "%C3%A9+%E6%B0%97", "%FF", "%", "%4", "%F0%90%80%80",
                    "%EF%BF%BF", "1", "2", "é", "%26", "%3D", "%2B", "%00"].as_slice()
            ).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        prop::option::of(prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn config(counts: fn(Names) -> Counts, listed: &[&str]) -> NoVarySearch {
        NoVarySearch {
            counts: counts(names(listed).into_iter().collect()),
            order: Order::Counts,
        }
    }

    #[test]
    fn a_name_that_must_count_is_never_ignored() {
        let never = names(&["token", "sig"]);
        assert_eq!(
            config(Counts::AllBut, &["a", "token"]).without_ignoring(&never),
            config(Counts::AllBut, &["a"])
        );
        assert_eq!(
            config(Counts::Only, &["z", "token"]).without_ignoring(&never),
            config(Counts::Only, &["sig", "token", "z"])
        );
        assert!(
            config(Counts::AllBut, &["sig"])
                .without_ignoring(&never)
                .is_default()
        );
        assert!(
            NoVarySearch::default()
                .without_ignoring(&never)
                .is_default()
        );
    }

    #[test]
    fn only_the_config_that_ignores_nothing_is_the_default() {
        assert!(config(Counts::AllBut, &[]).is_default());
        assert!(!config(Counts::Only, &[]).is_default());
        assert!(!config(Counts::AllBut, &["a"]).is_default());
        let sorted = NoVarySearch {
            order: Order::Ignored,
            ..NoVarySearch::default()
        };
        assert!(!sorted.is_default());
    }
}
