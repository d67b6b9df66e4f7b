//! Between HTTP and the pages: where a form comes from, what it says, what an error looks like.

use std::fmt;

use axum::{
    Form,
    extract::{Request, rejection::FormRejection},
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, HOST, ORIGIN},
    },
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use larder::PurgeError;

use crate::{db::DbError, money::Money, pages, queries::NewExpense};

/// Refuses what another site's page lets its visitor's browser send.
///
/// Not by a secret in the form: the page that holds the form is stored, and shown to every session of its user.
pub(crate) async fn same_origin(req: Request, next: Next) -> Response {
    if req.method().is_safe() || comes_from_here(req.headers()) {
        next.run(req).await
    } else {
        Failure::Foreign.into_response()
    }
}

/// Browsers say where a request comes from, and no script can change that. What says nothing is no browser, and has no cookies but those
/// it was given.
fn comes_from_here(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        // `same-site` is not enough: all ports of localhost are one site.
        return site == "same-origin" || site == "none";
    }
    match (headers.get(ORIGIN), headers.get(HOST)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(origin), Some(host)) => {
            let origin = origin.as_bytes();
            let authority = [&b"http://"[..], b"https://"]
                .iter()
                .find_map(|scheme| origin.strip_prefix(*scheme));
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
        }
    }
}

/// Why there is no page to show.
#[derive(Debug)]
pub(crate) enum Failure {
    NotFound,
    MethodNotAllowed,
    /// The form was sent by another site.
    Foreign,
    /// The form cannot be read at all.
    Unreadable(StatusCode, String),
    /// The form can be read, and asks for what cannot be done.
    Invalid(String),
    /// The database or a task failed; the log says how.
    Internal,
    /// The expense is in the database, but a page made before it may still be stored.
    Purge,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Unreadable(status, _) => *status,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal | Self::Purge => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn internal(error: &impl fmt::Display) -> Self {
        crate::log::error(error);
        Self::Internal
    }
}

/// The sentence for the client. What went wrong inside goes to the log, not to strangers.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such page"),
            Self::MethodNotAllowed => f.write_str("this page does not answer to that method"),
            Self::Foreign => f.write_str("this form was sent by the page of another site"),
            Self::Unreadable(_, why) | Self::Invalid(why) => f.write_str(why),
            Self::Internal => f.write_str("something is out of order, please try again"),
            Self::Purge => {
                f.write_str("the expense is stored, but the dashboard may lack it for a while")
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let page = pages::failure(self.status(), &self.to_string());
        let no_store = [(CACHE_CONTROL, "no-store")];
        (self.status(), no_store, Html(page.into_string())).into_response()
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::internal(&error)
    }
}

impl From<getrandom::Error> for Failure {
    fn from(error: getrandom::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(&error)
    }
}

impl From<PurgeError> for Failure {
    fn from(error: PurgeError) -> Self {
        crate::log::error(&error);
        Self::Purge
    }
}

pub(crate) type AnyForm = Result<Form<Vec<(String, String)>>, FormRejection>;

/// A form as it came. Fields are looked up by name, so that each error can name its field.
pub(crate) struct Fields(Vec<(String, String)>);

const MAX_USER_CHARS: usize = 64;
const MAX_CATEGORY_CHARS: usize = 40;
const MAX_DESCRIPTION_CHARS: usize = 200;
/// 999,999.99 is more than an example should be trusted with.
const MAX_AMOUNT: Money = Money(99_999_999);

impl Fields {
    pub(crate) fn read(form: AnyForm) -> Result<Self, Failure> {
        match form {
            Ok(Form(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(Failure::Unreadable(
                rejection.status(),
                rejection.body_text(),
            )),
        }
    }

    /// `user` of the sign-in form.
    pub(crate) fn user(&self) -> Result<String, Failure> {
        self.text("user", MAX_USER_CHARS)
    }

    /// `amount`, `category` and `description` of an expense.
    pub(crate) fn expense(&self) -> Result<NewExpense, Failure> {
        let amount =
            Money::parse("amount", self.one("amount")?.trim(), MAX_AMOUNT).map_err(invalid)?;
        if amount == Money(0) {
            return Err(invalid("the amount must be above 0"));
        }
        Ok(NewExpense {
            amount,
            category: self.text("category", MAX_CATEGORY_CHARS)?,
            description: self.text("description", MAX_DESCRIPTION_CHARS)?,
        })
    }

    /// A line of text, without the blanks around it and otherwise as it was typed: pages escape it where they show it.
    fn text(&self, name: &str, most: usize) -> Result<String, Failure> {
        let text = self.one(name)?.trim();
        if text.is_empty() {
            return Err(invalid(format!("the field `{name}` must not be empty")));
        }
        if text.chars().count() > most {
            return Err(invalid(format!(
                "the field `{name}` must not be longer than {most} characters"
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the field `{name}` must not contain control characters"
            )));
        }
        Ok(text.to_owned())
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
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_form_comes_from_here_or_from_no_browser() {
        let comes_from_here = |fields: &[(&'static str, &'static str)]| {
            let own = |(name, value): &(&'static str, &'static str)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            };
            comes_from_here(&fields.iter().map(own).collect())
        };
        const HERE: (&str, &str) = ("host", "127.0.0.1:3002");
        for fields in [
            &[HERE] as &[_],
            &[HERE, ("origin", "http://127.0.0.1:3002")],
            &[HERE, ("sec-fetch-site", "same-origin")],
            &[HERE, ("sec-fetch-site", "none")],
            // A proxy may rewrite `Host`; what the browser has compared itself counts more.
            &[
                HERE,
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://expenses.example"),
            ],
            &[
                ("host", "Expenses.example"),
                ("origin", "https://expenses.example"),
            ],
        ] {
            assert!(comes_from_here(fields), "{fields:?}");
        }
        for fields in [
            &[HERE, ("origin", "null")] as &[_],
            &[HERE, ("origin", "http://127.0.0.1:3000")],
            &[HERE, ("origin", "http://127.0.0.1:3002.evil.example")],
            &[HERE, ("origin", "127.0.0.1:3002")],
            &[HERE, ("origin", "")],
            &[("origin", "http://127.0.0.1:3002")],
            &[HERE, ("sec-fetch-site", "same-site")],
            &[HERE, ("sec-fetch-site", "cross-site")],
            &[
                HERE,
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://127.0.0.1:3002"),
            ],
        ] {
            assert!(!comes_from_here(fields), "{fields:?}");
        }
    }

    fn expense(amount: &str, category: &str, description: &str) -> Result<NewExpense, Failure> {
        let fields = [
            ("amount", amount),
            ("category", category),
            ("description", description),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Fields(fields.map(own).into()).expense()
    }

    #[test]
    fn an_expense_has_an_amount_above_zero_and_two_texts() {
        let taken = expense(" 12.5 ", " food ", "two <b>pears</b>").expect("it is fine");
        assert_eq!(taken.amount, Money(1250));
        assert_eq!(taken.category, "food");
        assert_eq!(taken.description, "two <b>pears</b>");
        assert!(expense("999999.99", &"ü".repeat(40), &"ü".repeat(200)).is_ok());

        for amount in [
            "", "0", "0.00", "-1", "1.234", "1,5", "1e3", "NaN", "1000000",
        ] {
            assert!(expense(amount, "food", "pears").is_err(), "{amount:?}");
        }
        for text in ["", "  ", "a\nb", "a\0", &*"x".repeat(201)] {
            assert!(expense("1", "food", text).is_err(), "{text:?}");
            assert!(expense("1", text, "pears").is_err(), "{text:?}");
        }
        assert!(expense("1", &"x".repeat(41), "pears").is_err());
    }
}
