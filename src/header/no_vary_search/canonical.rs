//! The form in which a config compares queries (§6).

use std::borrow::Cow;

use super::urlencoded::{decode, encode, pairs};
use super::{NoVarySearch, Order};

impl NoVarySearch {
    /// The form of a query that is equal for equivalent queries and for no others. It is its own canonical form.
    ///
    /// The default config compares raw text, and an absent query is not an empty one. Any other compares the decoded pairs that
    /// count, so an empty query is an absent one, and neither is told from one of which nothing counts.
    pub(crate) fn canonical<'a>(&self, query: Option<&'a str>) -> Option<Cow<'a, str>> {
        let query = query?;
        if self.is_default() {
            return Some(Cow::Borrowed(query));
        }

        let mut remaining: Vec<(String, &str)> = pairs(query)
            .map(|(name, value)| (decode(name), value))
            .filter(|(name, _)| self.counts(name))
            .collect();
        if self.order == Order::Ignored {
            // Stable, as values of one name keep their order. The draft sorts by UTF-16 code units; any other order of the
            // names makes the same queries equal, and that of the bytes is the cheapest.
            remaining.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        (!remaining.is_empty()).then(|| Cow::Owned(join(&remaining)))
    }
}

fn join(pairs: &[(String, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, &mut text);
        // Always there, since `a` and `a=` are the same pair.
        text.push('=');
        encode(&decode(value), &mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary;
    use super::*;
    use crate::header::no_vary_search::Counts;

    fn config(counts: Counts, order: Order) -> NoVarySearch {
        NoVarySearch { counts, order }
    }

    fn names(names: &[&str]) -> super::super::Names {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn all_but(ignored: &[&str]) -> NoVarySearch {
        config(Counts::AllBut(names(ignored)), Order::Counts)
    }

    fn only(counted: &[&str]) -> NoVarySearch {
        config(Counts::Only(names(counted)), Order::Counts)
    }

    fn sorted() -> NoVarySearch {
        config(Counts::AllBut(names(&[])), Order::Ignored)
    }

    /// What the draft says, word by word: the remaining pairs in their order.
    fn reference(config: &NoVarySearch, query: Option<&str>) -> Vec<(String, String)> {
        let mut list: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or("").split('&') {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = match pair.find('=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, ""),
            };
            list.push((decode(name), decode(value)));
        }
        list.retain(|(name, _)| match &config.counts {
            Counts::AllBut(names) => !names.0.contains(name),
            Counts::Only(names) => names.0.contains(name),
        });
        if config.order == Order::Ignored {
            list.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<u16>>());
        }
        list
    }

    #[test]
    fn the_default_compares_raw_text() {
        let default = NoVarySearch::default();
        assert_eq!(default.canonical(None), None);
        for query in ["", "&", "b=2&a=1", "%61=1", "a", "a="] {
            assert_eq!(default.canonical(Some(query)).as_deref(), Some(query));
        }
    }

    #[test]
    fn equivalent_queries_have_one_canonical_form() {
        let table = [
            (sorted(), "b=2&a=1", "a=1&b=2"),
            (sorted(), "a=x&&", "a=x"),
            (sorted(), "%61=%78", "a=x"),
            (sorted(), "%C3%A9+%E6%B0%97=1", "é%20気=1"),
            (sorted(), "a", "a="),
            (sorted(), "a=%FF", "a=%FE"),
            (all_but(&["x"]), "a=1&x=2", "x=3&a=1"),
            (all_but(&["é 気"]), "a=1&%C3%A9+%E6%B0%97=2", "a=1"),
            (all_but(&["x"]), "a=1&%78=2", "a=1"),
            (only(&["id"]), "id=1&utm=2", "id=1"),
            (only(&[]), "a=1", "b"),
        ];
        for (config, one, other) in table {
            assert_eq!(
                config.canonical(Some(one)),
                config.canonical(Some(other)),
                "{config:?}: {one} / {other}"
            );
        }
    }

    #[test]
    fn different_queries_have_different_canonical_forms() {
        let table = [
            (sorted(), "a=2&a=1", "a=1&a=2"),
            (sorted(), "a=1", "a=1&a=1"),
            (sorted(), "a=1&b=2", "a=1%26b=2"),
            (sorted(), "a=1=2", "a%3D1=2"),
            (sorted(), "e%CC%81=1", "%C3%A9=1"),
            (sorted(), "A=1", "a=1"),
            (sorted(), "%00=1", "=1"),
            (all_but(&["x"]), "a=1&b=2", "b=2&a=1"),
            (only(&["a"]), "a=1&b", "a=2&b"),
        ];
        for (config, one, other) in table {
            assert_ne!(
                config.canonical(Some(one)),
                config.canonical(Some(other)),
                "{config:?}: {one} / {other}"
            );
        }
    }

    #[test]
    fn without_remaining_pairs_empty_is_absent() {
        for (config, query) in [
            (sorted(), ""),
            (sorted(), "&&"),
            (all_but(&["a"]), "a=1&a"),
            (only(&[]), "a=1"),
        ] {
            assert_eq!(config.canonical(Some(query)), None, "{query}");
            assert_eq!(config.canonical(None), None);
        }
        // A pair without letters is a pair.
        assert_eq!(sorted().canonical(Some("=")).as_deref(), Some("="));
    }

    #[test]
    fn a_million_pairs_are_compared_in_linear_time() {
        let query = "a=1&".repeat(1_000_000);
        assert_eq!(all_but(&["a"]).canonical(Some(&query)), None);
    }

    proptest! {
        #[test]
        fn canonical_forms_are_equal_where_the_draft_has_queries_equivalent(
            config in arbitrary::config(), one in arbitrary::query(), other in arbitrary::query(),
        ) {
            let (one, other) = (one.as_deref(), other.as_deref());
            let expected = match config.is_default() {
                true => one == other,
                false => reference(&config, one) == reference(&config, other),
            };
            prop_assert_eq!(config.canonical(one) == config.canonical(other), expected);
        }

        #[test]
        fn reordered_pairs_are_compared_as_the_draft_compares_them(
            config in arbitrary::config(),
            (pairs, shuffled) in prop::collection::vec(
                prop::sample::select(["a=1", "%61=2", "b", "%F0%90%80%80=1", "%EF%BF%BF=1", "a=1"].as_slice()), 0..6,
            ).prop_flat_map(|pairs| (Just(pairs.clone()), Just(pairs).prop_shuffle())),
        ) {
            let (one, other) = (pairs.join("&"), shuffled.join("&&"));
            let expected = match config.is_default() {
                true => one == other,
                false => reference(&config, Some(&one)) == reference(&config, Some(&other)),
            };
            prop_assert_eq!(config.canonical(Some(&one)) == config.canonical(Some(&other)), expected);
        }

        #[test]
        fn a_canonical_form_is_its_own(config in arbitrary::config(), query in arbitrary::query()) {
            let canonical = config.canonical(query.as_deref());
            prop_assert_eq!(config.canonical(canonical.as_deref()), canonical.clone());
        }
    }
}
