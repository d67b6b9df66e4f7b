//! What a `Cache-Status` says.

use std::collections::BTreeMap;

use sfv::{BareItem, List, ListEntry, Parser};

/// The one member of a `Cache-Status`, by an independent parser.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheStatus(BTreeMap<String, String>);

impl CacheStatus {
    /// Exactly one member, `larder`, with parameters that stand there once.
    pub(crate) fn parse(value: &str) -> Self {
        let list: List = Parser::new(value)
            .parse()
            .unwrap_or_else(|error| panic!("{value:?} is no structured field: {error}"));
        let [ListEntry::Item(item)] = list.as_slice() else {
            panic!("{value:?} has more than one plain member");
        };
        let named = matches!(&item.bare_item, BareItem::Token(name) if name.as_str() == "larder");
        assert!(named, "{value:?} is of another cache");
        let parameters = item.params.iter().map(|(name, value)| {
            let value = match value {
                BareItem::Boolean(true) => "?1".to_owned(),
                BareItem::Boolean(false) => "?0".to_owned(),
                BareItem::Token(token) => token.as_str().to_owned(),
                BareItem::Integer(integer) => i64::from(*integer).to_string(),
                other => panic!("{name} is no token, boolean or integer: {other:?}"),
            };
            (name.as_str().to_owned(), value)
        });
        Self(parameters.collect())
    }

    pub(crate) fn of(parameters: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| (String::from(*name), String::from(*value));
        Self(parameters.iter().map(own).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.get("hit") == Some("?1") && self.get("fwd").is_none()
    }

    pub(crate) fn ttl(&self) -> u64 {
        let ttl = self
            .get("ttl")
            .unwrap_or_else(|| panic!("no ttl: {self:?}"));
        ttl.parse().expect("a fresh page has time left")
    }
}
