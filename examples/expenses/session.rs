//! Who is signed in: the session's cookie, and the guard that stands before the pages of a user.

use std::fmt::Write;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::COOKIE},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use crate::{App, db, queries, web::Failure};

/// Who is asking. It comes from the session alone, never from what a request says of itself.
#[derive(Clone, Debug)]
pub(crate) struct CurrentUser {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// Lets pass who is signed in, and says to what is inside who that is; shows others to the sign-in form.
///
/// It stands outside of the page layer: the cache answers on its own, so whoever may not see a page must not get as far as the cache.
/// And the page layer finds the user here: what a layer inside of it would add, it could not tell pages apart by.
pub(crate) async fn guard(State(app): State<App>, mut req: Request, next: Next) -> Response {
    match user_of(&app, req.headers()).await {
        Ok(Some(user)) => {
            req.extensions_mut().insert(user);
            next.run(req).await
        }
        Ok(None) => Redirect::to("/").into_response(),
        Err(failure) => failure.into_response(),
    }
}

fn user_of(
    app: &App,
    headers: &HeaderMap,
) -> impl Future<Output = Result<Option<CurrentUser>, Failure>> + Send + use<> {
    let (db, token) = (app.db.clone(), Token::of(headers));
    async move {
        let Some(token) = token else {
            return Ok(None);
        };
        let user = db.read(move |conn| queries::user_of(conn, &token.digest(), db::now()));
        Ok(user.await?)
    }
}

/// What a session is known by: 128 random bits, as hexadecimal digits. It stands in the cookie and nowhere else.
pub(crate) struct Token(String);

pub(crate) type TokenDigest = [u8; 32];

const NAME: &str = "session";
const BYTES: usize = 16;

/// No script reads it, and no other site's form sends it. `Secure` is missing, since this example speaks plain HTTP on loopback.
const ATTRIBUTES: &str = "HttpOnly; SameSite=Lax; Path=/";

impl Token {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        let mut digits = String::with_capacity(2 * BYTES);
        for byte in bytes {
            // Writing to a `String` does not fail.
            let _ = write!(digits, "{byte:02x}");
        }
        Ok(Self(digits))
    }

    /// The one session that a request names. Of two, none: which of them is meant is not for this side to guess.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let fields = headers.get_all(COOKIE).iter();
        let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
        let mut values = pairs.filter_map(|pair| {
            let pair = pair.trim_ascii().strip_prefix(NAME.as_bytes())?;
            Some(pair.trim_ascii_start().strip_prefix(b"=")?.trim_ascii())
        });
        match (values.next(), values.next()) {
            (Some(value), None) => Self::read(value),
            _ => None,
        }
    }

    fn read(value: &[u8]) -> Option<Self> {
        let digits = value
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let text = std::str::from_utf8(value).ok()?;
        (digits && text.len() == 2 * BYTES).then(|| Self(text.to_owned()))
    }

    /// How the database knows it.
    pub(crate) fn digest(&self) -> TokenDigest {
        blake3::hash(self.0.as_bytes()).into()
    }

    /// A `Set-Cookie` that lasts until the browser is closed.
    pub(crate) fn cookie(&self) -> String {
        format!("{NAME}={}; {ATTRIBUTES}", self.0)
    }
}

/// A `Set-Cookie` that takes the session away.
pub(crate) fn no_cookie() -> String {
    format!("{NAME}=; Max-Age=0; {ATTRIBUTES}")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const ONE: &str = "00112233445566778899aabbccddeeff";
    const OTHER: &str = "ffeeddccbbaa99887766554433221100";

    fn token_in(fields: &[&str]) -> Option<String> {
        let fields = fields.iter().map(|field| {
            let value = HeaderValue::from_bytes(field.as_bytes()).expect("a field's value");
            (COOKIE, value)
        });
        Token::of(&fields.collect()).map(|token| token.0)
    }

    #[test]
    fn a_token_is_found_among_other_cookies() {
        for fields in [
            &[&*format!("session={ONE}")] as &[&str],
            &[&format!("a=b; session={ONE}; c")],
            &[&format!(";;session = {ONE} ;=")],
            &["a=b", &format!("session={ONE}"), "sessions=x; xsession=y"],
        ] {
            assert_eq!(token_in(fields).as_deref(), Some(ONE), "{fields:?}");
        }
    }

    #[test]
    fn what_is_not_one_token_is_none() {
        for fields in [
            &[] as &[&str],
            &["session"],
            &["session="],
            &["session=; session="],
            &["Session=00112233445566778899aabbccddeeff"],
            &["session=00112233445566778899AABBCCDDEEFF"],
            &["session=00112233445566778899aabbccddeef"],
            &["session=00112233445566778899aabbccddeeff0"],
            &["session=\"00112233445566778899aabbccddeeff\""],
            &["session=é112233445566778899aabbccddeeff"],
            &[&format!("session={ONE}; session={OTHER}")],
            &[&format!("session={ONE}; session={ONE}")],
            &[&format!("session={ONE}"), &format!("session={OTHER}")],
            &[&format!("session={ONE}; session=")],
        ] {
            assert_eq!(token_in(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let tokens: std::collections::HashSet<_> = (0..1000)
            .map(|_| Token::random().expect("the system has random bytes").0)
            .collect();
        assert_eq!(tokens.len(), 1000);
        for token in tokens {
            assert!(Token::read(token.as_bytes()).is_some(), "{token}");
        }
    }
}
