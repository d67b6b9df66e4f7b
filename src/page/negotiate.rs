//! Selection by what a request accepts rather than by how it says so (RFC 9110 §12.5): languages and content codings.

use std::mem::size_of;

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::variants::variant_key;
use super::wire::{Reader, Writer};
use crate::header::{coding, language, selecting_value};

/// The value of a field in the form in which two requests are compared. Order, letter case, blanks and the spelling of weights say nothing
/// in these two fields.
pub(super) fn selecting(request: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    match *name {
        ACCEPT_LANGUAGE => language::normal(request),
        ACCEPT_ENCODING => coding::normal(request),
        _ => selecting_value(request, name),
    }
}

/// Gives the handler of a fill for everyone the form that selects, so that its page cannot depend on what that leaves out
/// (RFC 9110 §12.5.3).
pub(super) fn normalise(request: &mut HeaderMap) {
    for name in [ACCEPT_LANGUAGE, ACCEPT_ENCODING] {
        if let Some(mut normal) = selecting(request, &name)
            && let Ok(normal) = HeaderValue::from_bytes(match name {
                ACCEPT_LANGUAGE => spell(&mut normal),
                _ => &normal,
            })
        {
            request.insert(name, normal);
        }
    }
}

/// Spells languages as they are commonly written, `zh-Hant-TW` (RFC 5646 §2.1.1): some handlers look for that.
pub(super) fn spell(languages: &mut [u8]) -> &[u8] {
    for member in languages.split_mut(|byte| *byte == b',') {
        let end = member.iter().position(|byte| *byte == b';');
        let range = &mut member[..end.unwrap_or_default()];
        spell_range(range);
        if end.is_none() {
            spell_range(member);
        }
    }
    languages
}

fn spell_range(range: &mut [u8]) {
    let start = range.iter().take_while(|byte| **byte == b' ').count();
    let subtags = range[start..].split_mut(|byte| *byte == b'-').skip(1);
    for subtag in subtags.filter(|subtag| subtag.iter().all(u8::is_ascii_alphabetic)) {
        match subtag.len() {
            2 => subtag.make_ascii_uppercase(),
            4 => subtag[..1].make_ascii_uppercase(),
            _ => {}
        }
    }
}

/// What a stored variant was negotiated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Negotiated {
    /// Its key without the fields that were negotiated by.
    rest: Box<[u8]>,
    /// Its `Content-Language` and `Content-Encoding`.
    answer: HeaderMap,
}

impl Negotiated {
    /// What an answer with these fields was negotiated to; `None` if that cannot be told from it.
    pub(super) fn of(
        base: &[u8],
        names: &[HeaderName],
        request: &HeaderMap,
        answer: &HeaderMap,
    ) -> Option<Self> {
        let mut kept = HeaderMap::new();
        for name in [CONTENT_LANGUAGE, CONTENT_ENCODING] {
            for line in answer.get_all(&name) {
                kept.append(name.clone(), HeaderValue::from_bytes(line.as_bytes()).ok()?);
            }
        }
        let by_language = names.contains(&ACCEPT_LANGUAGE);
        let by_coding = names.contains(&ACCEPT_ENCODING);
        // A page that says nothing of its language was perhaps a last resort, and one without a coding is acceptable but seldom the best.
        let tells_all = (!by_language || kept.contains_key(CONTENT_LANGUAGE))
            && (!by_coding || kept.contains_key(CONTENT_ENCODING));
        ((by_language || by_coding) && tells_all).then_some(Self {
            rest: rest(base, names, request)?,
            answer: kept,
        })
    }

    /// Would this request be answered with it?
    pub(super) fn suits(&self, base: &[u8], names: &[HeaderName], request: &HeaderMap) -> bool {
        let by_language = names.contains(&ACCEPT_LANGUAGE);
        let by_coding = names.contains(&ACCEPT_ENCODING);
        let in_language = || {
            let languages = language::content_languages(&self.answer);
            let accepted = language::AcceptLanguage::parse(request);
            matches!((languages, accepted), (Some(languages), Some(accepted)) if accepted.selects(&languages))
        };
        // Who says nothing of codings is best served without any.
        let in_coding =
            || request.contains_key(ACCEPT_ENCODING) && coding::accepts(request, &self.answer);
        (!by_language || in_language())
            && (!by_coding || in_coding())
            && rest(base, names, request).is_some_and(|rest| rest == self.rest)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.rest);
        writer.fields(&self.answer);
    }

    /// What [`write`](Self::write) wrote.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            rest: reader.bytes()?.into(),
            answer: reader.fields()?,
        })
    }

    pub(super) fn weight(&self) -> usize {
        let values: usize = self.answer.values().map(HeaderValue::len).sum();
        size_of::<Self>() + self.rest.len() + values + 2 * size_of::<(HeaderName, HeaderValue)>()
    }
}

fn rest(base: &[u8], names: &[HeaderName], request: &HeaderMap) -> Option<Box<[u8]>> {
    let others: Vec<HeaderName> = names
        .iter()
        .filter(|name| **name != ACCEPT_LANGUAGE && **name != ACCEPT_ENCODING)
        .cloned()
        .collect();
    variant_key(base, &others, request).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGE: [HeaderName; 1] = [ACCEPT_LANGUAGE];

    fn fields(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let fields = fields.iter().cloned();
        fields
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    fn suits(
        names: &[HeaderName],
        answer: &[(HeaderName, &'static str)],
        asked: &[(HeaderName, &'static str)],
        asks: &[(HeaderName, &'static str)],
    ) -> bool {
        Negotiated::of(b"base", names, &fields(asked), &fields(answer))
            .is_some_and(|negotiated| negotiated.suits(b"base", names, &fields(asks)))
    }

    #[test]
    fn a_handler_is_asked_in_the_form_that_selects_in_its_usual_spelling() {
        let mut request = fields(&[
            (ACCEPT_LANGUAGE, "DE;q=0.50,zh-hant-tw , en-us;q=0.9"),
            (ACCEPT_ENCODING, "GZIP,br"),
        ]);
        let before = [ACCEPT_LANGUAGE, ACCEPT_ENCODING].map(|name| selecting(&request, &name));
        normalise(&mut request);
        assert_eq!(
            request[ACCEPT_LANGUAGE],
            "zh-Hant-TW, en-US;q=0.9, de;q=0.5"
        );
        assert_eq!(request[ACCEPT_ENCODING], "br, gzip");
        let after = [ACCEPT_LANGUAGE, ACCEPT_ENCODING].map(|name| selecting(&request, &name));
        assert_eq!(before, after);
        let mut none = HeaderMap::new();
        normalise(&mut none);
        assert!(none.is_empty());
    }

    #[test]
    fn a_language_is_selected_by_what_is_wanted_most() {
        let german = [(CONTENT_LANGUAGE, "de")];
        let asked = [(ACCEPT_LANGUAGE, "de-AT, de;q=0.9")];
        let by = |asks| suits(&LANGUAGE, &german, &asked, &[(ACCEPT_LANGUAGE, asks)]);
        assert!(by("en;q=0.5, de"));
        assert!(by("DE"));
        assert!(!by("en, de;q=0.5"));
        assert!(!by("de;q=0"));
        assert!(!suits(&LANGUAGE, &german, &asked, &[]));
        assert!(!suits(&LANGUAGE, &[], &asked, &[(ACCEPT_LANGUAGE, "de")]));
    }

    #[test]
    fn a_coding_is_selected_where_it_is_accepted() {
        let names = [ACCEPT_ENCODING];
        let gzip = [(CONTENT_ENCODING, "gzip")];
        let asked = [(ACCEPT_ENCODING, "gzip")];
        let by = |asks| suits(&names, &gzip, &asked, &[(ACCEPT_ENCODING, asks)]);
        assert!(by("br, gzip;q=0.5"));
        assert!(by("*"));
        assert!(!by("br"));
        assert!(!by("gzip;q=0"));
        assert!(!by(""));
        assert!(
            !suits(&names, &gzip, &asked, &[]),
            "absent says no coding is known to be taken"
        );
        assert!(!suits(&names, &[], &asked, &[(ACCEPT_ENCODING, "br")]));
    }

    #[test]
    fn other_selecting_fields_still_match_exactly() {
        let other = HeaderName::from_static("x-a");
        let names = [ACCEPT_LANGUAGE, other.clone()];
        let german = [(CONTENT_LANGUAGE, "de")];
        let with = |value| [(ACCEPT_LANGUAGE, "de"), (other.clone(), value)];
        assert!(suits(&names, &german, &with("1"), &with("1")));
        assert!(!suits(&names, &german, &with("1"), &with("2")));
        assert!(!suits(
            &names,
            &german,
            &with("1"),
            &[(ACCEPT_LANGUAGE, "de")]
        ));
    }
}
