//! What answers tell of quotas, read by a parser that the API does not write with.

use reqwest::header::HeaderValue;
use sfv::{BareItem, List, ListEntry, Parser};

use crate::client::Answer;

/// A member of `RateLimit`: the policy, what is left, and the seconds until there is more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) policy: String,
    pub(crate) left: i64,
    pub(crate) next: Option<i64>,
}

/// A member of `RateLimit-Policy`: its name, the amount, and the window in seconds.
pub(crate) type Policy = (String, i64, Option<i64>);

impl Answer {
    /// Empty where there is no field.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let members = self.members("ratelimit").into_iter();
        let limits = members.map(|(policy, number)| Limit {
            policy,
            left: number("r").expect("what is left is required"),
            next: number("t"),
        });
        limits.collect()
    }

    /// What is left of the one policy that it tells of.
    pub(crate) fn left(&self) -> i64 {
        let limits = self.limits();
        assert_eq!(limits.len(), 1, "{limits:?}");
        limits[0].left
    }

    pub(crate) fn policies(&self) -> Vec<Policy> {
        let members = self.members("ratelimit-policy").into_iter();
        let policies = members.map(|(name, number)| {
            let amount = number("q").expect("the amount is required");
            (name, amount, number("w"))
        });
        policies.collect()
    }

    fn members(&self, field: &str) -> Vec<(String, impl Fn(&str) -> Option<i64> + use<>)> {
        let lines = self.headers.get_all(field).iter();
        let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
        let list: List = Parser::new(&lines.join(&b", "[..]))
            .parse()
            .unwrap_or_else(|error| panic!("{field}: {error}: {:?}", self.headers));
        let members = list.into_iter().map(|member| {
            let ListEntry::Item(item) = member else {
                panic!("{field} has an inner list: {:?}", self.headers);
            };
            let name = item.bare_item.as_string().expect("names are strings");
            let name = name.as_str().to_owned();
            let number = move |key: &str| {
                let value = item.params.get(key)?;
                let number = BareItem::as_integer(value).expect("a number");
                Some(number.into())
            };
            (name, number)
        });
        members.collect()
    }

    /// The problem document of a refusal: its status is that of the answer, and nobody stores it.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.field("content-type"), Some("application/problem+json"));
        assert_eq!(self.field("cache-control"), Some("no-store"));
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("it is JSON");
        assert_eq!(problem["status"], self.status.as_u16());
        problem
    }
}
