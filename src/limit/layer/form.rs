//! Who is asking, as a field of a small form says.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};

use crate::header::no_vary_search::urlencoded;
use crate::identity::{Identify, Identity};
use crate::request::RequestHead;

/// How many fields of a form are looked at.
const MOST_FIELDS: usize = 256;

/// Whoever stands in this field of a form (`application/x-www-form-urlencoded`) that the request sends: an account at sign-in.
///
/// The layer reads forms of up to [`form_limit`](super::RateLimitBuilder::form_limit) bytes ahead of the handler, which gets every byte of
/// them. A form that is longer, of another type, compressed, or broken off names nobody
/// ([`missing`](super::RateLimitBuilder::missing)), and so does an empty field; a field that stands there twice, or is no UTF-8, is unclear.
///
/// Anybody may write any account there. So such a quota shields accounts against guessing, and needs one by address beside it that shields
/// the server; and whoever uses up the quota of somebody else's account keeps that one out, which is why it should count failures only.
///
/// ```
/// use http::StatusCode;
/// use larder::limit::{RateLimiter, form_field};
/// use larder::{MemoryLimiter, identity};
///
/// let limiter = RateLimiter::new(MemoryLimiter::new());
/// let sign_in = limiter
///     .layer("sign-in")
///     .quota("5/m", identity::client_ip())
///     .quota("10/h", form_field("account"))
///     .unsafe_methods()
///     .count_only(|answer| answer.status() == StatusCode::UNAUTHORIZED)
///     .build()?;
/// # drop(sign_in);
/// # Ok::<(), larder::limit::RateLimitError>(())
/// ```
pub fn form_field(name: impl Into<Cow<'static, str>>) -> FormField {
    FormField { name: name.into() }
}

/// See [`form_field`].
#[derive(Clone, Debug)]
pub struct FormField {
    name: Cow<'static, str>,
}

/// The form that a layer has read, for as long as it asks who sent it.
#[derive(Clone, Debug)]
pub(super) struct Form(pub(super) Bytes);

impl Identify for FormField {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let kind = self.name();
        let Some(Form(form)) = request.extensions.get::<Form>() else {
            return Identity::anonymous(kind);
        };
        match self.value(form) {
            Found::None => Identity::anonymous(kind),
            Found::One(value) => Identity::known(kind, value),
            Found::Unclear => Identity::unclear(kind),
        }
    }

    fn name(&self) -> String {
        format!("form field {}", self.name)
    }

    fn reads_form(&self) -> bool {
        true
    }
}

enum Found {
    None,
    One(String),
    Unclear,
}

impl FormField {
    fn value(&self, form: &[u8]) -> Found {
        let Ok(form) = std::str::from_utf8(form) else {
            return Found::Unclear;
        };
        let mut found = Found::None;
        let mut pairs = urlencoded::pairs(form);
        for (name, value) in pairs.by_ref().take(MOST_FIELDS) {
            if urlencoded::decode(name) != self.name {
                continue;
            }
            let value = urlencoded::decode(value);
            let is_text = !value.contains(char::REPLACEMENT_CHARACTER);
            found = match found {
                Found::None if is_text => Found::One(value),
                _ => return Found::Unclear,
            };
        }
        match found {
            // Behind so many fields it may stand once more.
            _ if pairs.next().is_some() => Found::Unclear,
            Found::One(value) if value.is_empty() => Found::None,
            found => found,
        }
    }
}

/// Does the head announce a form that may be read?
pub(super) fn announces_form(method: &Method, headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_form = types.next().is_some_and(|value| {
        let value = value.as_bytes();
        let end = value.iter().position(|byte| *byte == b';');
        let essence = value[..end.unwrap_or(value.len())].trim_ascii();
        essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    });
    is_form
        && types.next().is_none()
        && !headers.contains_key(CONTENT_ENCODING)
        && *method != Method::HEAD
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn of(form: &[u8]) -> Identity {
        let request = Request::builder()
            .extension(Form(Bytes::copy_from_slice(form)))
            .body(())
            .unwrap();
        form_field("account").identify(&RequestHead::of(&request))
    }

    #[test]
    fn the_value_is_what_the_field_says_however_it_is_written() {
        let alice = of(b"account=alice&password=x");
        assert!(alice.is_known());
        for form in [
            &b"password=x&account=alice"[..],
            b"acc%6Funt=%61lice",
            b"&&account=alice",
        ] {
            assert_eq!(of(form), alice);
        }
        assert_eq!(of(b"account=a+b"), of(b"account=a%20b"));
        assert_ne!(of(b"account=bob"), alice);
    }

    #[test]
    fn what_names_nobody_or_two_is_no_identity() {
        for form in [
            &b""[..],
            b"account",
            b"account=",
            b"Account=x",
            b"x=account",
        ] {
            let nobody = of(form);
            assert!(!nobody.is_known() && !nobody.is_unclear(), "{form:?}");
        }
        let long = [&b"account=a"[..], &b"&x=1".repeat(MOST_FIELDS)].concat();
        for form in [
            &b"account=a&account=b"[..],
            b"account=a&account=a",
            b"account=%ff",
            b"\xff\xfe",
            &long,
        ] {
            assert!(of(form).is_unclear(), "{form:?}");
        }
    }

    #[test]
    fn only_plain_forms_are_read() {
        let announced = |fields: &[(http::HeaderName, &'static [u8])]| {
            let headers = fields
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value).unwrap()));
            let mut map = HeaderMap::new();
            headers.for_each(|(name, value)| {
                map.append(name, value);
            });
            announces_form(&Method::POST, &map)
        };
        let form = (CONTENT_TYPE, &b"application/x-www-form-urlencoded"[..]);
        assert!(announced(std::slice::from_ref(&form)));
        assert!(announced(&[(
            CONTENT_TYPE,
            b"Application/X-WWW-form-urlencoded ; charset=utf-8"
        )]));
        assert!(!announced(&[]));
        assert!(!announced(&[(CONTENT_TYPE, b"application/json")]));
        assert!(!announced(&[(CONTENT_TYPE, b"\xff")]));
        assert!(!announced(&[form.clone(), form.clone()]));
        assert!(!announced(&[form, (CONTENT_ENCODING, b"gzip")]));
    }
}
