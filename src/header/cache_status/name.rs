//! The name under which a cache speaks of itself.

use sfv::{RefBareItem, StringRef, Token, TokenRef};

/// The name of a cache, valid in `Cache-Status`: a Token where its letters allow, else a String (RFC 9211 §2).
#[derive(Clone, Debug)]
pub(crate) struct CacheName(Item);

#[derive(Clone, Debug)]
enum Item {
    Token(Token),
    String(sfv::String),
}

/// A name that cannot stand in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cache name is one or more printable ASCII characters")]
pub(crate) struct InvalidName(());

impl CacheName {
    /// Takes a name of printable ASCII characters.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] if the name is empty or has any other character.
    pub(crate) fn new(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            return Err(InvalidName(()));
        }
        if let Ok(token) = TokenRef::from_str(name) {
            return Ok(Self(Item::Token(token.to_owned())));
        }
        StringRef::from_str(name)
            .map(|string| Self(Item::String(string.to_owned())))
            .map_err(|_| InvalidName(()))
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Item::Token(token) => token.as_str(),
            Item::String(string) => string.as_str(),
        }
    }

    pub(super) fn item(&self) -> RefBareItem<'_> {
        match &self.0 {
            Item::Token(token) => RefBareItem::Token(token),
            Item::String(string) => RefBareItem::String(string),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_stay_bare_and_the_rest_is_quoted() {
        let is_token = |name| matches!(CacheName::new(name).unwrap().item(), RefBareItem::Token(_));
        assert!(is_token("larder"));
        assert!(is_token("*"));
        assert!(is_token("Edge/eu-1:a"));
        assert!(!is_token("1st"));
        assert!(!is_token("my cache"));
        assert!(!is_token("a\"b\\c"));
    }

    #[test]
    fn names_that_a_field_cannot_carry_are_refused() {
        for name in ["", "caf\u{e9}", "a\nb", "a\tb", "\u{7f}"] {
            assert!(CacheName::new(name).is_err(), "{name:?}");
        }
        assert_eq!(
            InvalidName(()).to_string(),
            "a cache name is one or more printable ASCII characters"
        );
    }

    proptest! {
        #[test]
        fn a_name_is_kept_or_refused(name in any::<String>()) {
            let valid = !name.is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            let kept = CacheName::new(&name).ok();
            prop_assert_eq!(kept.as_ref().map(CacheName::as_str), valid.then_some(&*name));
        }
    }
}
