//! One cookie of the request, as it is or one of a list.

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::choice::Choice;
use crate::header::cookie::{pairs, split, write};
use crate::header::{Cookie, cookie};
use crate::monitor::Bypass;

/// A cookie in the key. Made by [`KeyPart::cookie`](crate::KeyPart::cookie).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookiePart {
    name: String,
    choice: Choice,
}

impl CookiePart {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            choice: Choice::Any,
        }
    }

    pub(super) fn of_zones(name: String, zones: impl IntoIterator<Item = String>) -> Self {
        Self {
            name,
            choice: Choice::zones(zones),
        }
    }

    /// Lets only these values count, byte by byte. A cookie with any other is as good as none, for the key and for the handler, which does
    /// not see it. Default: any value counts.
    #[must_use]
    pub fn one_of<V: AsRef<[u8]>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.choice = Choice::one_of(values);
        self
    }

    pub(super) fn value<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a [u8]>, Bypass> {
        match cookie(headers, &self.name) {
            Cookie::Absent => Ok(None),
            Cookie::Value(value) => Ok(Some(value)),
            Cookie::Ambiguous => Err(Bypass::KeyPart),
        }
    }

    /// Writes the cookie in one spelling, and leaves the others as they are.
    pub(super) fn rewrite(&self, headers: &mut HeaderMap) -> Result<(), Bypass> {
        rewrite(&[self], Others::Kept, headers);
        Ok(())
    }
}

/// Leaves of all cookies only these.
pub(super) fn keep(declared: &[&CookiePart], headers: &mut HeaderMap) {
    rewrite(declared, Others::Dropped, headers);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Kept,
    Dropped,
}

/// Writes the field anew, as one line, and each declared cookie as it is keyed. On their own they stand in the order of the parts, since the
/// key does not hold that in which they were sent.
fn rewrite(declared: &[&CookiePart], others: Others, headers: &mut HeaderMap) {
    let Some(first_line) = headers.get(COOKIE) else {
        return;
    };
    let is_sensitive = first_line.is_sensitive();
    let mut kept: Vec<(usize, Cow<'_, [u8]>)> = Vec::new();
    let mut first: Vec<Option<&[u8]>> = vec![None; declared.len()];
    for pair in pairs(headers).filter(|pair| !pair.is_empty()) {
        let named = split(pair).and_then(|(name, value)| {
            let mut parts = declared.iter();
            let at = parts.position(|part| part.name.as_bytes() == name)?;
            Some((at, name, value))
        });
        let Some((at, name, value)) = named else {
            if others == Others::Kept {
                kept.push((0, pair.into()));
            }
            continue;
        };
        // What is said twice is said once. Another value stays beside it, and makes the request ambiguous.
        if let Some(value) = declared[at].choice.normal(value)
            && first[at] != Some(value)
        {
            first[at].get_or_insert(value);
            let mut pair = Vec::new();
            write(&mut pair, name, value);
            kept.push((at, pair.into()));
        }
    }
    if others == Others::Dropped {
        kept.sort_by_key(|(at, _)| *at);
    }
    let kept: Vec<_> = kept.into_iter().map(|(_, pair)| pair).collect();
    // What a list holds that no field can, no client has sent.
    match HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
        Ok(mut value) if !kept.is_empty() => {
            value.set_sensitive(is_sensitive);
            headers.insert(COOKIE, value);
        }
        _ => {
            headers.remove(COOKIE);
        }
    }
}
