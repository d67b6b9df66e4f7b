//! The site's languages, and which of them a request is answered in (RFC 4647 §3.4).

use http::{HeaderMap, HeaderValue};

use crate::header::language::{AcceptLanguage, range};
use crate::page::negotiate::spell;
use crate::page::policy::PolicyError;

/// As the handler sees them, the default first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Languages(Box<[Box<str>]>);

impl Languages {
    pub(super) fn new<L: AsRef<str>>(
        languages: impl IntoIterator<Item = L>,
    ) -> Result<Self, PolicyError> {
        let languages = languages.into_iter().map(|language| {
            let language = language.as_ref();
            range(language.as_bytes())
                .filter(|range| range != "*")
                .map(|range| spelled(&range))
                .ok_or_else(|| PolicyError::Language(language.to_owned()))
        });
        let languages: Box<[_]> = languages.collect::<Result<_, _>>()?;
        match languages.is_empty() {
            true => Err(PolicyError::NoLanguages),
            false => Ok(Self(languages)),
        }
    }

    /// The language of a request.
    pub(super) fn normal(&self, headers: &HeaderMap) -> HeaderValue {
        let chosen = AcceptLanguage::parse(headers).and_then(|accepted| {
            let chosen = accepted.choose(&self.0);
            // A default that is refused is worse than anything else.
            chosen.or_else(|| accepted.first_bearable(&self.0))
        });
        let language = self.0.get(chosen.unwrap_or(0));
        language
            .and_then(|language| HeaderValue::from_str(language).ok())
            .expect("there is a first, and tags are letters, digits and hyphens")
    }
}

/// As it is commonly written, and as the handler of a fill for everyone would see it anyway.
fn spelled(language: &str) -> Box<str> {
    let mut bytes = language.as_bytes().to_vec();
    String::from_utf8_lossy(spell(&mut bytes)).into()
}
