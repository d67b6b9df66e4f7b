//! The codings offered, and which of them a request is answered in (RFC 9110 §12.5.3).

use http::{HeaderMap, HeaderValue};

use crate::header::coding::{self, Chosen, coding};
use crate::page::policy::PolicyError;

/// The preferred first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Codings(Box<[String]>);

impl Codings {
    pub(super) fn new<C: AsRef<str>>(
        codings: impl IntoIterator<Item = C>,
    ) -> Result<Self, PolicyError> {
        let codings = codings.into_iter().map(|name| {
            let name = name.as_ref();
            coding(name.as_bytes())
                .filter(|coding| coding != "*" && coding != "identity")
                .ok_or_else(|| PolicyError::Coding(name.to_owned()))
        });
        let codings: Box<[_]> = codings.collect::<Result<_, _>>()?;
        match codings.is_empty() {
            true => Err(PolicyError::NoCodings),
            false => Ok(Self(codings)),
        }
    }

    /// The coding of a request, and whether it can do without.
    pub(super) fn normal(&self, headers: &HeaderMap) -> HeaderValue {
        let Chosen {
            coding,
            identity_refused,
        } = coding::choose(headers, &self.0);
        let coding = coding.and_then(|place| self.0.get(place));
        let field = match (coding, identity_refused) {
            (None, false) => "identity".to_owned(),
            (None, true) => "identity;q=0".to_owned(),
            (Some(coding), false) => coding.clone(),
            (Some(coding), true) => format!("{coding}, identity;q=0"),
        };
        HeaderValue::try_from(field).expect("codings are tokens")
    }
}
