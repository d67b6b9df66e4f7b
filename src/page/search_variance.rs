//! Telling caches outside which differences between queries a page does not depend on (draft-ietf-httpbis-no-vary-search-10).
//!
//! What is said must hold for those caches too: a difference that the rule counts and the field ignores would hand one page out for
//! another. So the field says less than the rule wherever it cannot say the same.

use http::HeaderValue;
use sfv::{DictSerializer, KeyRef, StringRef, key_ref};

use super::QueryRule;

/// The value of `No-Vary-Search` for the pages of a rule; `None` where there is nothing to say.
///
/// It may stand on an answer only where [`holds_for`] the query that was asked with.
pub(super) fn emit(rule: &QueryRule) -> Option<HeaderValue> {
    match rule {
        QueryRule::AsSent => None,
        QueryRule::Sorted => field(true, None),
        QueryRule::Only(names) => {
            // One that is left out would be ignored, and counts.
            let names: Vec<_> = names
                .iter()
                .map(|name| exact(name))
                .collect::<Option<_>>()?;
            field(true, Some((key_ref("except"), names)))
        }
        QueryRule::Except(names) => {
            // One that is left out counts out there and is ignored here, which costs them a request.
            let names: Vec<_> = names
                .iter()
                .filter(|name| !name.ends_with('*'))
                .filter_map(|name| exact(name))
                .collect();
            let params = (!names.is_empty()).then(|| (key_ref("params"), names));
            field(true, params)
        }
        QueryRule::Nothing => field(false, Some((key_ref("except"), Vec::new()))),
    }
}

/// Whether the field and the rule see the same names in this query, as the client sent it: the field decodes names and the rule does not.
///
/// Where `a` is ignored, `?%61=x` is a page of its own to the rule and the handler, yet the field would hand it out for every `a`. The
/// spelling of a value does no such harm: a handler that reads parameters cannot see it.
pub(super) fn holds_for(rule: &QueryRule, query: Option<&str>) -> bool {
    *rule == QueryRule::Nothing
        || query
            .unwrap_or_default()
            .split('&')
            .all(|pair| !pair.split('=').next().is_some_and(is_spelled))
}

/// Whether the name may mean another one once it is decoded.
fn is_spelled(name: &str) -> bool {
    name.contains(['%', '+'])
}

/// The name as a String, if a decoded name is this one exactly where the name as sent is.
///
/// It is so for printable ASCII, less what means something in a query: other characters come escaped, and the rule sees the escapes.
fn exact(name: &str) -> Option<&StringRef> {
    let exact = name
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"%+&=#".contains(&byte));
    exact.then(|| StringRef::from_str(name).ok()).flatten()
}

fn field(key_order: bool, names: Option<(&KeyRef, Vec<&StringRef>)>) -> Option<HeaderValue> {
    let mut members = DictSerializer::new();
    if key_order {
        let _ = members.bare_item(key_ref("key-order"), true);
    }
    if let Some((key, names)) = names {
        let mut list = members.inner_list(key);
        for name in names {
            let _ = list.bare_item(name);
        }
        let _ = list.finish();
    }
    HeaderValue::try_from(members.finish()?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;
    use crate::header::no_vary_search::{NO_VARY_SEARCH, NoVarySearch};

    fn text(rule: &QueryRule) -> Option<String> {
        emit(rule).map(|value| value.to_str().unwrap().to_owned())
    }

    fn config(value: HeaderValue) -> NoVarySearch {
        NoVarySearch::parse(&HeaderMap::from_iter([(NO_VARY_SEARCH, value)]))
    }

    #[test]
    fn each_rule_says_what_it_ignores() {
        let table = [
            (QueryRule::AsSent, None),
            (QueryRule::Sorted, Some("key-order")),
            (
                QueryRule::only(["a", "b"]),
                Some("key-order, except=(\"a\" \"b\")"),
            ),
            (
                QueryRule::only(["a*", ""]),
                Some("key-order, except=(\"a*\" \"\")"),
            ),
            (QueryRule::only([""; 0]), Some("key-order, except=()")),
            (
                QueryRule::except(["a", "b"]),
                Some("key-order, params=(\"a\" \"b\")"),
            ),
            (
                QueryRule::except(["q\"\\"]),
                Some("key-order, params=(\"q\\\"\\\\\")"),
            ),
            (QueryRule::except([""; 0]), Some("key-order")),
            (QueryRule::Nothing, Some("except=()")),
        ];
        for (rule, value) in table {
            assert_eq!(text(&rule).as_deref(), value, "{rule:?}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_said_is_never_ignored() {
        for name in [
            "é", "a%62", "a+b", "a b", "a=b", "a&b", "a#", "\0", "\u{7f}",
        ] {
            assert_eq!(text(&QueryRule::only(["a", name])), None, "{name:?}");
            assert_eq!(
                text(&QueryRule::except([name, "a"])).as_deref(),
                Some("key-order, params=(\"a\")"),
                "{name:?}"
            );
        }
        assert_eq!(
            text(&QueryRule::except(["utm_*", "gclid", "*"])).as_deref(),
            Some("key-order, params=(\"gclid\")")
        );
        assert_eq!(
            text(&QueryRule::except(["utm_*"])).as_deref(),
            Some("key-order")
        );
    }

    #[test]
    fn nothing_is_said_of_a_query_whose_names_are_spelled_another_way() {
        let rule = QueryRule::except(["a"]);
        for query in [
            None,
            Some(""),
            Some("a=1&b"),
            Some("b=%61+&c=="),
            Some("é=1"),
        ] {
            assert!(holds_for(&rule, query), "{query:?}");
        }
        for query in ["%61=1", "b=1&%61", "a+b", "b&+=1"] {
            assert!(!holds_for(&rule, Some(query)), "{query}");
            assert!(holds_for(&QueryRule::Nothing, Some(query)), "{query}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => prop::sample::select(["a", "b", "A", "utm_*", "utm_x", "é", "%61", "a+", "", "*", "\"", "a=b"].as_slice())
                .prop_map(str::to_owned),
            1 => any::<String>(),
        ]
    }

    fn rule() -> impl Strategy<Value = QueryRule> {
        let names = || prop::collection::vec(name(), 0..4);
        prop_oneof![
            Just(QueryRule::AsSent),
            Just(QueryRule::Sorted),
            Just(QueryRule::Nothing),
            names().prop_map(QueryRule::Only),
            names().prop_map(QueryRule::Except),
        ]
    }

    fn query() -> impl Strategy<Value = String> {
        let part = prop::sample::select(
            [
                "a=1", "a=2", "b=1", "A=1", "utm_x=1", "é=1", "=1", "*=1", "\"=1", "%61=1",
                "%C3%A9=1", "a+=1", "a%2B=2",
            ]
            .as_slice(),
        );
        prop::collection::vec(part, 0..5).prop_map(|parts| parts.join("&"))
    }

    proptest! {
        #[test]
        fn what_is_said_can_be_read(rule in rule()) {
            if let Some(value) = emit(&rule) {
                // Only what says no more than the default reads as the default.
                prop_assert!(!config(value).is_default());
            }
        }

        #[test]
        fn queries_that_the_field_merges_are_one_page(rule in rule(), one in query(), other in query()) {
            let (one, other) = (Some(&*one), Some(&*other));
            if let Some(value) = emit(&rule)
                && holds_for(&rule, one)
                && holds_for(&rule, other)
                && config(value.clone()).canonical(one) == config(value).canonical(other)
            {
                prop_assert_eq!(rule.apply(one), rule.apply(other));
            }
        }

        #[test]
        fn where_all_names_can_be_said_the_field_says_the_rule(rule in rule(), one in query(), other in query()) {
            let (one, other) = (Some(&*one), Some(&*other));
            let said = match &rule {
                QueryRule::Except(names) => names.iter().all(|name| !name.ends_with('*') && exact(name).is_some()),
                _ => true,
            };
            if let Some(value) = emit(&rule)
                && said
                && holds_for(&rule, one)
                && holds_for(&rule, other)
            {
                let config = config(value);
                prop_assert_eq!(config.canonical(one) == config.canonical(other), rule.apply(one) == rule.apply(other));
            }
        }
    }
}
