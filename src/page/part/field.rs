//! A field of the request, as it is or one of a list.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::choice::Choice;
use super::insert;
use crate::monitor::Bypass;

/// A field in the key. Made by [`KeyPart::header`](crate::KeyPart::header).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPart {
    pub(super) name: HeaderName,
    choice: Choice,
}

impl FieldPart {
    pub(super) fn new(name: HeaderName) -> Self {
        Self {
            name,
            choice: Choice::Any,
        }
    }

    /// Lets only these values count, byte by byte. Any other is as good as no field, for the key and for the handler, which does not see it;
    /// and so is a field that was sent more than once. Default: any value counts.
    #[must_use]
    pub fn one_of<V: AsRef<[u8]>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.choice = Choice::one_of(values);
        self
    }

    pub(super) fn rewrite(&self, headers: &mut HeaderMap) -> Result<(), Bypass> {
        if self.choice == Choice::Any {
            return Ok(());
        }
        let sent = only(headers, &self.name).map(HeaderValue::as_bytes);
        let value = sent.and_then(|sent| self.choice.normal(sent.trim_ascii()));
        match value {
            Some(value) if sent == Some(value) => Ok(()),
            Some(value) => {
                let value = HeaderValue::from_bytes(value).map_err(|_| Bypass::KeyPart)?;
                insert(headers, (self.name.clone(), value))
            }
            None => {
                headers.remove(&self.name);
                Ok(())
            }
        }
    }
}

/// The value of a field that was sent once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => Some(line),
        _ => None,
    }
}

/// All lines of a field, apart from one another.
pub(super) fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let first = lines.next()?;
    let mut value = Cow::Borrowed(first);
    for line in lines {
        let value = value.to_mut();
        // No value holds it.
        value.push(b'\n');
        value.extend_from_slice(line);
    }
    Some(value)
}
