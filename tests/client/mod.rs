//! An HTTP client, and what its answers say.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{HOST, HeaderMap, HeaderValue},
    redirect,
};

use crate::{
    cache_status::CacheStatus,
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

impl Client {
    pub(crate) fn new() -> Self {
        Self::from(Ipv4Addr::LOCALHOST)
    }

    /// One that connects from this address, which must be one of this machine: on Linux all of 127.0.0.0/8 are.
    pub(crate) fn from(address: Ipv4Addr) -> Self {
        let http = reqwest::Client::builder()
            .local_address(IpAddr::V4(address))
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
