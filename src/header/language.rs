//! `Accept-Language` (RFC 9110 §12.5.4) and what it selects among stored responses by their `Content-Language` (§8.5).

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE};

use super::list::non_empty_members;
use super::quality::{self, Preferences, Quality, Weighted};

/// The most languages that one response may be written for.
const MOST_LANGUAGES: usize = 16;

/// The language ranges of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AcceptLanguage(Vec<Weighted>);

impl AcceptLanguage {
    /// Reads all lines; `None` if the field is absent, cannot be read, or has more ranges than a cache is ready to compare.
    pub(crate) fn parse(headers: &HeaderMap) -> Option<Self> {
        match Preferences::parse(headers, &ACCEPT_LANGUAGE, range) {
            Preferences::Members(ranges) => Some(Self(ranges)),
            Preferences::Absent | Preferences::Unreadable => None,
        }
    }

    /// Whether a stored response in these languages is the best that the request can get, as far as a cache can tell, which
    /// does not know what else there is.
    ///
    /// So it must be in what the request wants most: each range of the highest weight matches, and none of a lower weight
    /// describes the language better. A response that is also in a language the request refuses is not selected.
    pub(crate) fn selects(&self, languages: &[impl AsRef<str>]) -> bool {
        let Some(top) = self.0.first().map(|range| range.quality) else {
            return false; // No preference to meet.
        };
        let best: Vec<&str> = languages
            .iter()
            .map(AsRef::as_ref)
            .filter(|language| self.quality_of(language) == top)
            .collect();

        top > Quality::NONE
            && self
                .0
                .iter()
                .take_while(|range| range.quality == top)
                .all(|range| best.iter().any(|language| matches(&range.name, language)))
            && languages
                .iter()
                .all(|language| !self.refuses(language.as_ref()))
    }

    /// The language that the request wants most among those offered, by its place: lookup (RFC 4647 §3.4) for each range, the weightiest
    /// first, and of ranges of one weight what is offered first. `None` if it wants none of them.
    ///
    /// A range that lookup finds nothing for means what is more special, too: `pt` where only `pt-BR` is offered.
    pub(crate) fn choose(&self, offered: &[impl AsRef<str>]) -> Option<usize> {
        self.0
            .chunk_by(|one, other| one.quality == other.quality)
            .take_while(|level| level[0].quality > Quality::NONE)
            .find_map(|level| {
                let found = level.iter().filter_map(|range| self.find(range, offered));
                found.min()
            })
    }

    /// The first of these languages that the request does not refuse.
    pub(crate) fn first_bearable(&self, offered: &[impl AsRef<str>]) -> Option<usize> {
        offered.iter().position(|tag| !self.refuses(tag.as_ref()))
    }

    fn find(&self, range: &Weighted, offered: &[impl AsRef<str>]) -> Option<usize> {
        let first = |is_meant: &dyn Fn(&str) -> bool| {
            let mut tags = offered.iter().map(AsRef::as_ref);
            tags.position(|tag| is_meant(tag) && !self.refuses(tag))
        };
        let name = range.name.as_str();
        if name == "*" {
            // Whatever no other range speaks of.
            return first(&|tag| {
                let range = self.most_specific(tag);
                range.is_some_and(|range| range.name == "*")
            });
        }
        std::iter::successors(Some(name), |range| shorter(range))
            .find_map(|range| first(&|tag| tag.eq_ignore_ascii_case(range)))
            .or_else(|| first(&|tag| matches(name, tag)))
    }

    /// A range that names more of the language says more of it, and `*` says the least.
    fn quality_of(&self, language: &str) -> Quality {
        self.most_specific(language)
            .map_or(Quality::NONE, |range| range.quality)
    }

    /// Refused is what has no weight. What no range matches is not asked for, which is less.
    fn refuses(&self, language: &str) -> bool {
        self.most_specific(language)
            .is_some_and(|range| range.quality == Quality::NONE)
    }

    /// Of equal ranges it is the last, whose weight is the lowest.
    fn most_specific(&self, language: &str) -> Option<&Weighted> {
        self.0
            .iter()
            .filter(|range| matches(&range.name, language))
            .max_by_key(|range| match range.name.as_str() {
                "*" => 0,
                name => name.len(),
            })
    }
}

/// The form of a request's `Accept-Language` in which two requests are compared, or `None` if it has none.
///
/// The order of ranges does not count: what differs in preference differs in weight, and RFC 9110 §12.5.4 says of recipients
/// that take the order of equal weights for a preference that this cannot be relied upon.
pub(crate) fn normal(headers: &HeaderMap) -> Option<Vec<u8>> {
    quality::normal(headers, &ACCEPT_LANGUAGE, range)
}

/// The languages of a response, in lower case; `None` if one cannot be read or there are too many.
pub(crate) fn content_languages(headers: &HeaderMap) -> Option<Vec<String>> {
    let members = headers
        .get_all(CONTENT_LANGUAGE)
        .into_iter()
        .flat_map(|line| non_empty_members(line.as_bytes()));

    let mut languages = Vec::new();
    for member in members {
        if languages.len() == MOST_LANGUAGES {
            return None;
        }
        languages.push(range(member).filter(|language| language != "*")?);
    }
    Some(languages)
}

/// Basic filtering (RFC 4647 §3.3.1): the range is the language, or its beginning up to a `-`.
fn matches(range: &str, language: &str) -> bool {
    let (range, language) = (range.as_bytes(), language.as_bytes());
    range == b"*"
        || language
            .split_at_checked(range.len())
            .is_some_and(|(beginning, rest)| {
                beginning.eq_ignore_ascii_case(range) && matches!(rest, [] | [b'-', ..])
            })
}

/// The range without its last subtag, nor what only introduces that.
fn shorter(range: &str) -> Option<&str> {
    let (rest, _) = range.rsplit_once('-')?;
    match rest.rsplit_once('-') {
        Some((rest, introducing)) if introducing.len() == 1 => Some(rest),
        _ => Some(rest),
    }
}

/// A basic language range (RFC 4647 §2.1) in lower case.
pub(crate) fn range(text: &[u8]) -> Option<String> {
    let mut subtags = text.split(|byte| *byte == b'-');
    let first = subtags.next()?;
    let fits = |subtag: &[u8]| (1..=8).contains(&subtag.len());

    let primary = fits(first) && first.iter().all(u8::is_ascii_alphabetic);
    let rest = subtags.all(|subtag| fits(subtag) && subtag.iter().all(u8::is_ascii_alphanumeric));
    (text == b"*" || primary && rest).then(|| String::from_utf8_lossy(text).to_ascii_lowercase())
}

#[cfg(test)]
#[path = "language_tests.rs"]
mod tests;
