//! Adding to a `Cache-Control` that stands.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};

use super::directives::Directives;
use super::merge::{Conflict, Merged, There, merge};
use crate::header::directives::{Malformed, directive};
use crate::header::list::non_empty_members;
use crate::header::replace;

/// Whether `Cache-Control` has a member.
pub(super) fn is_present(headers: &HeaderMap) -> bool {
    headers
        .get_all(CACHE_CONTROL)
        .into_iter()
        .any(|line| non_empty_members(line.as_bytes()).next().is_some())
}

/// Says this too, in one line: what is there keeps its order and its arguments, its names become lower case.
pub(super) fn patch(headers: &mut HeaderMap, said: &Directives, conflict: Conflict) {
    if said.is_empty() {
        return;
    }
    let merged = merge(&There::in_cache_control(headers), said, conflict);
    // Members of field values and what is written here, joined by a comma and a space, are a field value.
    if let Ok(value) = HeaderValue::from_bytes(&line(headers, &merged)) {
        replace(headers, &CACHE_CONTROL, value);
    }
}

fn line(headers: &HeaderMap, merged: &Merged) -> Vec<u8> {
    let mut line = Vec::new();
    let mut due: Vec<_> = merged.written.entries().map(Some).collect();
    let names: Vec<_> = merged.written.entries().map(|entry| entry.name).collect();

    let members = headers
        .get_all(CACHE_CONTROL)
        .into_iter()
        .flat_map(|line| non_empty_members(line.as_bytes()));
    for member in members {
        let (name, argument) = match directive(member) {
            Ok(directive) => (directive.name, argument_as_written(member)),
            Err(Malformed) => ("no-store".into(), None),
        };
        if let Some(index) = names.iter().position(|written| *written == name) {
            // The first one gives the place, and repeats are gone.
            if let Some(entry) = due[index].take() {
                push(&mut line, entry.to_string().as_bytes(), None);
            }
        } else if !merged.dropped.contains(&&*name) {
            push(&mut line, name.as_bytes(), argument);
        }
    }
    for entry in due.into_iter().flatten() {
        push(&mut line, entry.to_string().as_bytes(), None);
    }
    line
}

/// What stands behind the first `=`, which no name contains.
fn argument_as_written(member: &[u8]) -> Option<&[u8]> {
    let mut parts = member.splitn(2, |&byte| byte == b'=');
    parts.nth(1).map(<[u8]>::trim_ascii)
}

fn push(line: &mut Vec<u8>, directive: &[u8], argument: Option<&[u8]>) {
    if !line.is_empty() {
        line.extend_from_slice(b", ");
    }
    line.extend_from_slice(directive);
    if let Some(argument) = argument {
        line.push(b'=');
        line.extend_from_slice(argument);
    }
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
