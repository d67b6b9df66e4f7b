//! Who asks, what each of them would not tell the others, and how the site knows them.

use http::header::{AUTHORIZATION, COOKIE};
use http::{Extensions, HeaderMap};

use super::super::*;
use crate::header::cookie::cookies;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Person {
    Alice,
    Bob,
    /// Nobody whom the site knows, with a cookie that a script of somebody else's has set.
    Visitor,
    /// Nobody whom the site knows.
    Stranger,
}

impl Person {
    pub(super) const ALL: [Self; 4] = [Self::Alice, Self::Bob, Self::Visitor, Self::Stranger];

    /// Letters that stand in no other secret, and in nothing else that is ever answered: one byte of a secret tells whose it is.
    const fn letters(self) -> &'static [u8] {
        match self {
            Self::Alice => b"QXZ",
            Self::Bob => b"KVY",
            Self::Visitor => b"BHU",
            Self::Stranger => b"",
        }
    }

    /// A secret of this person, drawn from the token.
    pub(super) fn secret(self, token: u64) -> String {
        let letters = self.letters();
        let drawn = (0..12).map(|place| letters[(token >> (5 * place)) as usize % letters.len()]);
        match letters.is_empty() {
            true => String::new(),
            false => drawn.map(char::from).collect(),
        }
    }

    /// Those whose secrets stand in this text, be it in part.
    pub(super) fn told_by(text: &[u8]) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|person| text.iter().any(|byte| person.letters().contains(byte)))
    }

    /// The ways in which this person can be known.
    pub(super) const fn ways(self) -> &'static [Way] {
        match self {
            Self::Alice | Self::Bob => &Way::ALL,
            Self::Visitor => &[Way::Analytics],
            Self::Stranger => &[],
        }
    }
}

/// What the application's own authentication adds to a request.
#[derive(Clone)]
pub(super) struct User(pub(super) String);

/// A way to be known. The credential is the secret itself, as handlers that echo what they read show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Extension,
    Session,
    Key,
    Authorization,
    Analytics,
}

impl Way {
    pub(super) const ALL: [Self; 5] = [
        Self::Extension,
        Self::Session,
        Self::Key,
        Self::Authorization,
        Self::Analytics,
    ];

    pub(super) fn add_to(self, request: &mut Request<Body>, secret: &str) {
        let (name, value) = match self {
            Self::Extension => {
                request.extensions_mut().insert(User(secret.to_owned()));
                return;
            }
            Self::Session => (COOKIE, format!("session={secret}")),
            Self::Analytics => (COOKIE, format!("_ga={secret}")),
            Self::Key => (HeaderName::from_static("x-api-key"), secret.to_owned()),
            Self::Authorization => (AUTHORIZATION, format!("Bearer {secret}")),
        };
        let value = HeaderValue::try_from(value).unwrap();
        request.headers_mut().append(name, value);
    }

    /// Whom a handler sees so.
    pub(super) fn seen(self, headers: &HeaderMap, extensions: &Extensions) -> Option<String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let field = |name: &str| headers.get(name).map(|value| text(value.as_bytes()));
        // Of two, a handler takes one.
        let in_cookie = |name: &str| {
            let mut all = cookies(headers);
            all.find(|(other, _)| *other == name.as_bytes())
                .map(|(_, value)| text(value))
        };
        match self {
            Self::Extension => extensions.get::<User>().map(|user| user.0.clone()),
            Self::Session => in_cookie("session"),
            Self::Analytics => in_cookie("_ga"),
            Self::Key => field("x-api-key"),
            Self::Authorization => {
                let value = field("authorization")?;
                Some(value.strip_prefix("Bearer ")?.to_owned())
            }
        }
    }
}
