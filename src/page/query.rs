//! Which part of a query belongs to the key.

use std::borrow::Cow;

/// Which part of the query tells pages apart.
///
/// What is dropped or sorted here is so for the handler too: the forwarded request carries the query of the key, so that no page can depend
/// on what its key leaves out. Names are compared as sent, byte by byte.
///
/// ```
/// use larder::{Cache, NullStore, QueryRule, minutes};
///
/// # let cache = Cache::builder(NullStore).build().unwrap();
/// let page = cache.page(minutes(5)).query(QueryRule::except(["utm_*", "gclid"]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryRule {
    /// All of it, as sent. The default.
    #[default]
    AsSent,
    /// All of it, sorted by name; parameters of one name keep their order.
    Sorted,
    /// Only the parameters of these names, sorted.
    Only(Vec<String>),
    /// All but the parameters of these names, sorted; `utm_*` stands for all that begin so.
    Except(Vec<String>),
    /// None of it.
    Nothing,
}

impl QueryRule {
    /// Only the parameters of these names.
    pub fn only<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::Only(names.into_iter().map(Into::into).collect())
    }

    /// All but the parameters of these names; `utm_*` stands for all that begin so.
    pub fn except<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::Except(names.into_iter().map(Into::into).collect())
    }

    /// The query of the key; absent and empty stay apart where nothing was dropped.
    pub(super) fn apply<'a>(&self, query: Option<&'a str>) -> Option<Cow<'a, str>> {
        let query = query?;
        let keeps: &dyn Fn(&str) -> bool = match self {
            Self::AsSent => return Some(Cow::Borrowed(query)),
            Self::Nothing => return None,
            Self::Sorted => &|_| true,
            Self::Only(names) => &|name| names.iter().any(|kept| kept == name),
            Self::Except(names) => &|name| !names.iter().any(|dropped| matches(dropped, name)),
        };
        let mut pairs: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.is_empty() && keeps(name_of(pair)))
            .collect();
        pairs.sort_by_key(|pair| name_of(pair));
        (!pairs.is_empty()).then(|| Cow::Owned(pairs.join("&")))
    }

    /// Keeps these parameters, beside those that were named before.
    pub(super) fn keep_also(&mut self, names: Vec<String>) {
        match self {
            Self::Only(kept) => kept.extend(names),
            _ => *self = Self::Only(names),
        }
    }

    pub(super) fn is_as_sent(&self) -> bool {
        matches!(self, Self::AsSent)
    }
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_keeps_its_part() {
        let query = Some("b=2&utm_source=x&a=1&a=0&&gclid");
        let table = [
            (QueryRule::AsSent, query),
            (QueryRule::Sorted, Some("a=1&a=0&b=2&gclid&utm_source=x")),
            (QueryRule::only(["a", "c"]), Some("a=1&a=0")),
            (QueryRule::except(["utm_*", "gclid"]), Some("a=1&a=0&b=2")),
            (QueryRule::except(["*"]), None),
            (QueryRule::Nothing, None),
        ];
        for (rule, kept) in table {
            assert_eq!(rule.apply(query).as_deref(), kept, "{rule:?}");
        }
    }

    #[test]
    fn as_sent_tells_absent_from_empty_and_keeps_semicolons_whole() {
        assert_eq!(QueryRule::AsSent.apply(None), None);
        assert_eq!(QueryRule::AsSent.apply(Some("")).as_deref(), Some(""));
        // Not a separator: the handler's parser does not split there either (CVE-2021-23336).
        assert_eq!(
            QueryRule::only(["a"])
                .apply(Some("a=1;utm=x&b=2"))
                .as_deref(),
            Some("a=1;utm=x")
        );
    }
}
