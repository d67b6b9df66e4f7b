//! An HTTP client, and what its answers say.

use std::collections::BTreeMap;

use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{HOST, HeaderMap, HeaderValue},
    redirect,
};
use sfv::{BareItem, List, ListEntry, Parser};

use crate::{
    raw::{self, within},
    server::Server,
};

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// The one member of a `Cache-Status`, by an independent parser.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheStatus(BTreeMap<String, String>);

impl Client {
    pub(crate) fn new() -> Self {
        let http = reqwest::Client::builder()
            // A 303 is looked at, not followed; and no proxy of this machine stands in between.
            .redirect(redirect::Policy::none())
            .no_proxy()
            // One host for all, since it is a part of the key.
            .default_headers(HeaderMap::from_iter([(
                HOST,
                HeaderValue::from_static(raw::HOST),
            )]))
            .build();
        Self {
            http: http.expect("a client without TLS needs nothing"),
        }
    }

    pub(crate) fn ask(&self, method: Method, server: &Server, path: &str) -> RequestBuilder {
        self.http.request(method, server.url(path))
    }

    pub(crate) async fn get(&self, server: &Server, path: &str) -> Answer {
        send(self.ask(Method::GET, server, path)).await
    }

    pub(crate) async fn json(&self, server: &Server, path: &str) -> serde_json::Value {
        let ask = self.ask(Method::GET, server, path);
        let answer = send(ask.header("accept", "application/json")).await;
        assert_eq!(
            answer.field("content-type"),
            Some("application/json"),
            "{path}"
        );
        serde_json::from_str(&answer.body).expect("the body is JSON")
    }

    /// Posts a form and answers where it leads.
    pub(crate) async fn post(&self, server: &Server, path: &str, form: &[(&str, &str)]) -> String {
        let answer = send(self.ask(Method::POST, server, path).form(form)).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{path} {form:?}: {}",
            answer.body
        );
        answer
            .field("location")
            .expect("a 303 leads somewhere")
            .to_owned()
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    Answer::read(
        within("the server answers", request.send())
            .await
            .expect("an answer"),
    )
    .await
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = within("the body ends", response.text()).await;
        Self {
            status,
            headers,
            body: body.expect("the body is complete"),
        }
    }

    /// The value of a field that stands there at most once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values
            .next()
            .map(|value| value.to_str().expect("fields are text"));
        assert!(
            values.next().is_none(),
            "{name} stands there twice: {:?}",
            self.headers
        );
        value
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        let value = self
            .field(name)
            .unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        value.parse().unwrap_or_else(|_| panic!("{name}: {value}"))
    }

    pub(crate) fn cache(&self) -> CacheStatus {
        CacheStatus::parse(
            self.field("cache-status")
                .unwrap_or_else(|| panic!("no Cache-Status: {:?}", self.headers)),
        )
    }

    #[track_caller]
    pub(crate) fn assert_stored_after(&self, why: &str) {
        let expected = CacheStatus::of(&[("fwd", why), ("stored", "?1")]);
        assert_eq!((self.status, self.cache()), (StatusCode::OK, expected));
        assert_eq!(self.field("age"), None, "what was just made has no age");
    }

    #[track_caller]
    pub(crate) fn assert_hit(&self) {
        assert!(
            self.status == StatusCode::OK && self.cache().is_hit(),
            "{self:?}"
        );
    }
}

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
