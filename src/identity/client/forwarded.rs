//! `Forwarded` (RFC 7239 §4), read from the right.
//!
//! From the right, because the left is the client's: an opening quote that never closes there would, read from the left, take what the proxies
//! have appended into a string. Read from the right, nothing to the left of a member changes it. Of what follows the grammar both ways give the
//! same members.

use std::borrow::Cow;
use std::net::IpAddr;

use super::node::node;
use crate::header::list::is_tchar;

/// The most parameters of one element. Four are defined; an element with more is none, so that looking for repeats stays cheap.
const MOST_PARAMETERS: usize = 16;

/// The elements of one line, the rightmost first, without the whitespace round them, empty ones included.
pub(super) fn elements_from_right(line: &[u8]) -> ElementsFromRight<'_> {
    ElementsFromRight { rest: Some(line) }
}

pub(super) struct ElementsFromRight<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for ElementsFromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut quoted = false;
        for (at, byte) in rest.iter().enumerate().rev() {
            match byte {
                b'"' if quoted && is_escaped(&rest[..at]) => {}
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    self.rest = Some(&rest[..at]);
                    return Some(rest[at + 1..].trim_ascii());
                }
                _ => {}
            }
        }
        Some(rest.trim_ascii())
    }
}

/// Does what stands before a byte escape it? Each run of backslashes is counted for the one byte behind it.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

/// The address in the `for` of an element. `None` where there is none, or no element: its parameters are `token "=" value` with no space
/// round the sign, a name stands once, in whatever case, and a value is a token or a quoted string. Whitespace round a `;`, which the
/// grammar does not have, does no harm.
pub(super) fn address(element: &[u8]) -> Option<IpAddr> {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut client = None;
    let mut rest = element.trim_ascii();

    while !rest.is_empty() {
        // Between two signs may stand nothing.
        if let Some(after) = rest.strip_prefix(b";") {
            rest = after.trim_ascii_start();
            continue;
        }
        let (name, after) = token(rest)?;
        let (value, after) = value(after.strip_prefix(b"=")?)?;
        if names.iter().any(|other| other.eq_ignore_ascii_case(name))
            || names.len() == MOST_PARAMETERS
        {
            return None;
        }
        names.push(name);
        if name.eq_ignore_ascii_case(b"for") {
            client = Some(value);
        }
        rest = after.trim_ascii_start();
        if !(rest.is_empty() || rest.starts_with(b";")) {
            return None;
        }
    }
    node(&client?)
}

fn value(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    match text.strip_prefix(b"\"") {
        Some(quoted) => {
            let (value, after) = quoted_string(quoted)?;
            Some((Cow::Owned(value), after))
        }
        None => {
            let (value, after) = token(text)?;
            Some((Cow::Borrowed(value), after))
        }
    }
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !is_tchar(*byte));
    let (token, after) = text.split_at(end.unwrap_or(text.len()));
    (!token.is_empty()).then_some((token, after))
}

/// What stands in quotes, of which the first has been read, without its backslashes; and what follows the last.
fn quoted_string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                value.push(*byte);
                after
            }
            [] => return None,
        };
    }
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
