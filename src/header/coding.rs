//! `Accept-Encoding` (RFC 9110 §12.5.3): which content codings a request takes.

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};

use super::list::{is_tchar, non_empty_members};
use super::quality::{self, Preferences, Quality, Weighted};

/// The most codings that one response may be wrapped in.
const MOST_CODINGS: usize = 16;

const IDENTITY: &str = "identity";

/// Whether the request takes the codings of a stored response, all of them.
///
/// Without `Accept-Encoding` any will do. Where one of the two fields cannot be read, only a response without codings will.
pub(crate) fn accepts(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let accepted = match Preferences::parse(request, &ACCEPT_ENCODING, coding) {
        Preferences::Absent => return true,
        Preferences::Unreadable => Vec::new(),
        Preferences::Members(members) => members,
    };
    match content_codings(stored) {
        Some(codings) if codings.is_empty() => is_accepted(&accepted, IDENTITY),
        Some(codings) => codings.iter().all(|coding| is_accepted(&accepted, coding)),
        None => false,
    }
}

/// The form of a request's `Accept-Encoding` in which two requests are compared, or `None` if it has none.
///
/// It is a value of the field with the same effect, so that a request may be forwarded with it.
pub(crate) fn normal(headers: &HeaderMap) -> Option<Vec<u8>> {
    quality::normal(headers, &ACCEPT_ENCODING, coding)
}

/// What an answer is best wrapped in, of what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The place of the coding; `None` is an answer without any.
    pub(crate) coding: Option<usize>,
    /// Does the request refuse an answer without any?
    pub(crate) identity_refused: bool,
}

/// The coding that the request wants most among those offered, and of those of one weight the first.
///
/// `identity` that the field does not mention is acceptable, but least (RFC 9110 §12.5.3). So it is for a request without the field, or with
/// one that cannot be read: it is best served without a coding.
pub(crate) fn choose(request: &HeaderMap, offered: &[impl AsRef<str>]) -> Chosen {
    let accepted = match Preferences::parse(request, &ACCEPT_ENCODING, coding) {
        Preferences::Absent | Preferences::Unreadable => Vec::new(),
        Preferences::Members(members) => members,
    };
    let identity = weight(&accepted, IDENTITY);
    let best = offered
        .iter()
        .enumerate()
        .filter_map(|(place, name)| Some((weight(&accepted, name.as_ref())?, place)))
        .filter(|(quality, _)| *quality > Quality::NONE)
        .max_by_key(|(quality, place)| (*quality, Reverse(*place)));
    Chosen {
        coding: best
            .filter(|(quality, _)| identity.is_none_or(|identity| identity <= *quality))
            .map(|(_, place)| place),
        identity_refused: identity == Some(Quality::NONE),
    }
}

/// The weight that the field gives a coding; of several the lowest, which comes last.
fn weight(accepted: &[Weighted], coding: &str) -> Option<Quality> {
    let listed = |name: &str| accepted.iter().rfind(|member| member.name == name);
    let member = listed(coding).or_else(|| listed("*"))?;
    Some(member.quality)
}

fn is_accepted(accepted: &[Weighted], coding: &str) -> bool {
    match weight(accepted, coding) {
        Some(quality) => quality > Quality::NONE,
        // Not listed: it takes a refusal to do without `identity`, and a permission to do with another.
        None => coding == IDENTITY,
    }
}

/// The codings of a response; `None` if one cannot be read or there are too many.
fn content_codings(headers: &HeaderMap) -> Option<Vec<String>> {
    let members = headers
        .get_all(CONTENT_ENCODING)
        .into_iter()
        .flat_map(|line| non_empty_members(line.as_bytes()));

    let mut codings = Vec::new();
    for member in members {
        if codings.len() == MOST_CODINGS {
            return None;
        }
        codings.push(coding(member).filter(|coding| coding != "*")?);
    }
    Some(codings)
}

/// The name of a coding in lower case, and of two names for one the newer (RFC 9110 §8.4.1).
pub(crate) fn coding(text: &[u8]) -> Option<String> {
    if text.is_empty() || !text.iter().copied().all(is_tchar) {
        return None;
    }
    let name = String::from_utf8_lossy(text).to_ascii_lowercase();
    Some(match name.as_str() {
        "x-gzip" => "gzip".to_owned(),
        "x-compress" => "compress".to_owned(),
        _ => name,
    })
}

#[cfg(test)]
#[path = "coding_tests.rs"]
mod tests;
