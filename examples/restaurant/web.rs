//! Between HTTP and the pages: which format a client wants, what a form says, what an error looks like.

use std::{convert::Infallible, fmt, time::Duration};

use axum::{
    Form, Json, Router,
    extract::{FromRequestParts, Path, rejection::FormRejection},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{ACCEPT, CACHE_CONTROL, VARY},
        request::Parts,
    },
    middleware,
    response::{Html, IntoResponse, Redirect, Response},
};
use larder::KeyPart;
use maud::Markup;
use serde_json::Value;

use crate::{db::DbError, money::Money, pages};

/// `routes`, each answer of which names the process that it comes from. The field is written outside the cache: a stored page says who answers
/// with it, not who made it.
pub(crate) fn signed(routes: Router, node: Option<HeaderValue>) -> Router {
    const NODE: HeaderName = HeaderName::from_static("x-node");

    match node {
        None => routes,
        Some(node) => routes.layer(middleware::map_response(move |mut res: Response| {
            res.headers_mut().insert(NODE, node.clone());
            std::future::ready(res)
        })),
    }
}

/// What can be shown in both formats.
pub(crate) trait Page {
    fn html(&self) -> Markup;
    fn json(&self) -> Value;
}

const HTML: &str = "text/html";
const JSON: &str = "application/json";

/// The format that the request's `Accept` prefers; HTML unless JSON is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

impl Format {
    pub(crate) fn answer<P: Page>(self, page: Result<P, Failure>) -> Response {
        match page {
            Ok(page) => self.show(&page),
            Err(failure) => self.fail(&failure),
        }
    }

    /// 303: the browser follows with GET, and a reload does not post again.
    pub(crate) fn see_other(self, to: Result<String, Failure>) -> Response {
        match to {
            Ok(path) => Redirect::to(&path).into_response(),
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(self, failure: &Failure) -> Response {
        // Errors are not kept. Anybody can make up URLs that do not exist, and a page for each would push out the pages
        // that do.
        let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (failure.status(), no_store, self.show(failure)).into_response()
    }

    fn show(self, page: &impl Page) -> Response {
        let mut res = match self {
            Self::Html => Html(page.html().into_string()).into_response(),
            Self::Json => Json(page.json()).into_response(),
        };
        // One URL, two representations: without this line a cache hands the first one out to everybody.
        res.headers_mut()
            .insert(VARY, HeaderValue::from_static("accept"));
        res
    }

    /// What tells the pages of one address apart: every browser has an `Accept` of its own, and there are but two forms.
    pub(crate) fn key_part() -> KeyPart {
        KeyPart::classes(ACCEPT, |accept| match Self::of(accept.into_iter()) {
            Self::Html => HTML,
            Self::Json => JSON,
        })
    }

    /// JSON needs a higher weight than HTML, or the same weight by a more specific range: `application/json, */*` is
    /// JSON; `*/*`, and no or an unreadable `Accept`, are HTML.
    pub(crate) fn preferred(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(ACCEPT).iter();
        Self::of(fields.filter_map(|field| field.to_str().ok()))
    }

    fn of<'a>(fields: impl Iterator<Item = &'a str>) -> Self {
        let (mut html, mut json) = (Match::NONE, Match::NONE);
        for range in fields.flat_map(|field| field.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            html.learn(HTML, &name, weight);
            json.learn(JSON, &name, weight);
        }
        if json.weight > 0.0 && (json.weight, json.specific) > (html.weight, html.specific) {
            Self::Json
        } else {
            Self::Html
        }
    }
}

/// The most specific range that names a media type, and its weight.
#[derive(Clone, Copy)]
struct Match {
    specific: u8,
    weight: f32,
}

impl Match {
    const NONE: Self = Self {
        specific: 0,
        weight: 0.0,
    };

    fn learn(&mut self, media_type: &str, range: &str, weight: f32) {
        let specific = match range.split_once('/') {
            _ if range == media_type => 3,
            Some((kind, "*")) if media_type.split('/').next() == Some(kind) => 2,
            Some(("*", "*")) => 1,
            _ => 0,
        };
        if specific > self.specific {
            *self = Self { specific, weight };
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::preferred(&parts.headers))
    }
}

/// The variable part of a path. What cannot be decoded names nothing, so it is empty and the page is not found.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map_or_else(|_| String::new(), |Path(text)| text)))
    }
}

/// Why there is no page to show.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    NotFound(&'static str),
    MethodNotAllowed,
    /// The request cannot be read at all.
    Unreadable(StatusCode, String),
    /// The request can be read, and asks for what cannot be done.
    Invalid(String),
    /// A limit stands before it: the status, and how long to wait.
    Refused(StatusCode, Option<Duration>),
    /// The database or a task failed; the log says how.
    Internal,
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unreadable(status, _) | Self::Refused(status, _) => *status,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The sentence for the client. What went wrong inside goes to the log, not to strangers.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(what) => f.write_str(what),
            Self::MethodNotAllowed => f.write_str("this page does not answer to that method"),
            Self::Unreadable(_, why) | Self::Invalid(why) => f.write_str(why),
            Self::Refused(_, Some(wait)) => write!(
                f,
                "there are too many orders from here, please try again in {} s",
                wait.as_secs()
            ),
            Self::Refused(_, None) => f.write_str("orders are not taken from here"),
            Self::Internal => f.write_str("the kitchen is in disorder, please try again"),
        }
    }
}

impl Page for Failure {
    fn html(&self) -> Markup {
        pages::failure(self.status(), &self.to_string())
    }

    fn json(&self) -> Value {
        serde_json::json!({ "status": self.status().as_u16(), "error": self.to_string() })
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        crate::log::error(&error);
        Self::Internal
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        crate::log::error(&error);
        Self::Internal
    }
}

/// A form as it came. Fields are looked up by name, so that each error can name its field.
pub(crate) struct Fields(Vec<(String, String)>);

const MAX_QUANTITY: i64 = 99;
const MAX_NAME_CHARS: usize = 120;
/// No dish costs more than 9999.99.
const MAX_PRICE: Money = Money(999_999);

impl Fields {
    pub(crate) fn read(
        form: Result<Form<Vec<(String, String)>>, FormRejection>,
    ) -> Result<Self, Failure> {
        match form {
            Ok(Form(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(Failure::Unreadable(
                rejection.status(),
                rejection.body_text(),
            )),
        }
    }

    /// `item` and `quantity` of an order.
    pub(crate) fn order(&self) -> Result<(i64, i64), Failure> {
        let item = self
            .one("item")?
            .parse()
            .map_err(|_| invalid("the item must be the number of a menu item, such as 3"))?;
        let quantity = self
            .one("quantity")?
            .parse()
            .ok()
            .filter(|quantity| (1..=MAX_QUANTITY).contains(quantity))
            .ok_or_else(|| {
                invalid(format!(
                    "the quantity must be a whole number from 1 to {MAX_QUANTITY}"
                ))
            })?;
        Ok((item, quantity))
    }

    /// `name` and `price` of a menu item. The name stays as it was typed: pages escape it where they show it.
    pub(crate) fn item(&self) -> Result<(String, Money), Failure> {
        let name = self.one("name")?;
        if name.trim().is_empty() {
            return Err(invalid("the name must not be empty"));
        }
        if name.chars().count() > MAX_NAME_CHARS {
            return Err(invalid(format!(
                "the name must not be longer than {MAX_NAME_CHARS} characters"
            )));
        }
        if name.chars().any(char::is_control) {
            return Err(invalid("the name must not contain control characters"));
        }
        let price = Money::parse("price", self.one("price")?.trim(), MAX_PRICE).map_err(invalid)?;
        Ok((name.to_owned(), price))
    }

    fn one(&self, name: &str) -> Result<&str, Failure> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            (None, _) => Err(invalid(format!("the form has no field `{name}`"))),
            (Some(_), Some(_)) => Err(invalid(format!("the form has the field `{name}` twice"))),
        }
    }
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::Invalid(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_prefer_it() {
        use Format::{Html, Json};

        for (accept, format) in [
            ("", Html),
            ("*/*", Html),
            ("text/html", Html),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Html,
            ),
            ("application/json", Json),
            ("Application/JSON; charset=utf-8", Json),
            ("application/json, text/plain, */*", Json),
            ("application/json;q=0.5, text/html", Html),
            ("application/json, text/html", Html),
            ("application/json;q=0", Html),
            ("text/html;q=0.2, application/*", Json),
            (";;q=,,/;q=x", Html),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Format::preferred(&headers), format, "{accept:?}");
        }
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let form = |fields: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| (String::from(*name), String::from(*value));
            Fields(fields.iter().map(own).collect())
        };
        assert!(form(&[("item", "3"), ("quantity", "2")]).order().is_ok());
        assert!(
            form(&[("item", "3"), ("quantity", "2"), ("item", "4")])
                .order()
                .is_err()
        );
        assert!(form(&[("item", "3")]).order().is_err());
    }

    #[test]
    fn a_quantity_is_a_small_number_above_zero() {
        for quantity in ["0", "-1", "100", "1.5", "", "two", "99999999999999999999"] {
            let form = Fields(vec![
                ("item".to_owned(), "3".to_owned()),
                ("quantity".to_owned(), quantity.to_owned()),
            ]);
            assert!(form.order().is_err(), "{quantity:?}");
        }
    }
}
