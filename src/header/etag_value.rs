//! An entity-tag to send: what a handler or a layer says of its own representation (RFC 9110 §8.8.3).

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

#[cfg(any(feature = "axum", test))]
use super::etag::EntityTag;
use super::etag::is_etagc;

/// An entity-tag: the name of one version of what a URI answers (RFC 9110 §8.8.3).
///
/// A strong one changes with every byte; a weak one may stay while the meaning does, and is of no use for `If-Match` and for ranges.
///
/// ```
/// use larder::ETag;
///
/// # fn main() -> Result<(), larder::ETagError> {
/// assert_eq!(ETag::strong("v7")?.to_string(), "\"v7\"");
/// assert_eq!(ETag::weak("v7")?.to_string(), "W/\"v7\"");
/// assert_eq!(ETag::of("soup of the day"), ETag::of(b"soup of the day"));
/// // Text from elsewhere is quoted where it is not.
/// assert_eq!("v7".parse::<ETag>()?, "\"v7\"".parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ETag(HeaderValue);

impl ETag {
    /// The tag `"text"`, of a version with these very bytes.
    ///
    /// # Errors
    /// [`ETagError`] for whitespace, quotes and control characters, which no tag can have.
    pub fn strong(text: impl AsRef<str>) -> Result<Self, ETagError> {
        quoted("", text.as_ref())
    }

    /// The tag `W/"text"`, of all versions that mean the same.
    ///
    /// # Errors
    /// As of [`strong`](Self::strong).
    pub fn weak(text: impl AsRef<str>) -> Result<Self, ETagError> {
        quoted("W/", text.as_ref())
    }

    /// The strong tag of these bytes: their xxh3 of 128 bits, the same on every machine.
    ///
    /// The digest is no cryptographic one. Two versions with one tag do not happen by chance, but whoever writes both can make them; a
    /// client may then keep the first of them.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self::of_digest(xxh3_128(bytes.as_ref()))
    }

    /// The same of bytes in pieces.
    pub(crate) fn of_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut digest = Xxh3::new();
        pieces.for_each(|piece| digest.update(piece));
        Self::of_digest(digest.digest128())
    }

    fn of_digest(digest: u128) -> Self {
        let tag = format!("\"{digest:032x}\"");
        Self(HeaderValue::try_from(tag).expect("quotes and hexadecimal digits are a field value"))
    }

    /// The weak tag with the same text.
    #[must_use]
    pub fn weakened(self) -> Self {
        if self.is_weak() {
            return self;
        }
        let weak = [b"W/", self.0.as_bytes()].concat();
        Self(HeaderValue::try_from(weak).expect("a tag with W/ before it is a field value"))
    }

    /// May two versions with this tag differ in their bytes?
    pub fn is_weak(&self) -> bool {
        self.0.as_bytes().starts_with(b"W/")
    }

    /// The tag as tags of requests are compared with it.
    #[cfg(any(feature = "axum", test))]
    pub(crate) fn as_entity_tag(&self) -> Option<EntityTag<'_>> {
        EntityTag::parse(&self.0)
    }
}

/// Text between quotes, behind this.
fn quoted(before: &str, text: &str) -> Result<ETag, ETagError> {
    if let Some((position, char)) = text.char_indices().find(|(_, char)| !may_stand(*char)) {
        return Err(ETagError { position, char });
    }
    let tag = HeaderValue::try_from(format!("{before}\"{text}\""));
    Ok(ETag(
        tag.expect("what may stand in a tag may stand in a field"),
    ))
}

/// All beyond ASCII is `obs-text`.
fn may_stand(char: char) -> bool {
    u8::try_from(char).map_or(true, is_etagc)
}

/// Reads a tag as it stands in a field, `"v7"` or `W/"v7"`; any other text gets quotes and is strong.
impl FromStr for ETag {
    type Err = ETagError;

    fn from_str(text: &str) -> Result<Self, ETagError> {
        let weak = text.strip_prefix("W/");
        let inside = weak
            .unwrap_or(text)
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        match (inside, weak) {
            (Some(inside), None) => Self::strong(inside),
            (Some(inside), Some(_)) => Self::weak(inside),
            (None, _) => Self::strong(text),
        }
    }
}

impl From<ETag> for HeaderValue {
    fn from(tag: ETag) -> Self {
        tag.0
    }
}

/// The tag as it stands in a field, quotes included.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ETag({self})")
    }
}

/// Text that cannot stand in an entity-tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{char:?} at byte {position} cannot stand in an entity-tag: leave out whitespace, quotes and control characters"
)]
pub struct ETagError {
    position: usize,
    char: char,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_quoted_and_weak_by_choice() {
        for text in ["", "v7", "a,b;c", "W/", "\\", "ä", "!#~"] {
            let strong = ETag::strong(text).unwrap();
            assert_eq!(strong.to_string(), format!("\"{text}\""));
            assert!(!strong.is_weak());
            let weak = ETag::weak(text).unwrap();
            assert_eq!(weak.to_string(), format!("W/\"{text}\""));
            assert!(weak.is_weak());
            assert_eq!(strong.weakened(), weak);
            assert_eq!(weak.clone().weakened(), weak);
        }
    }

    #[test]
    fn what_no_tag_can_have_is_refused_with_its_place() {
        for (text, position, char) in [
            ("a b", 1, ' '),
            ("ä\"", 2, '"'),
            ("\t", 0, '\t'),
            ("a\r\nset-cookie: x", 1, '\r'),
            ("\u{7f}", 0, '\u{7f}'),
            ("\0", 0, '\0'),
        ] {
            let error = ETagError { position, char };
            assert_eq!(ETag::strong(text), Err(error));
            assert_eq!(ETag::weak(text), Err(error));
        }
        assert_eq!(
            ETag::strong("a b").unwrap_err().to_string(),
            "' ' at byte 1 cannot stand in an entity-tag: leave out whitespace, quotes and control characters"
        );
    }

    /// CO-08: an unquoted tag is quoted.
    #[test]
    fn text_from_elsewhere_is_read_as_a_tag_or_quoted() {
        for (text, tag) in [
            ("v7", "\"v7\""),
            ("\"v7\"", "\"v7\""),
            ("W/\"v7\"", "W/\"v7\""),
            ("W/v7", "\"W/v7\""),
            ("w/v7", "\"w/v7\""),
            ("", "\"\""),
            ("\"\"", "\"\""),
            ("*", "\"*\""),
        ] {
            assert_eq!(text.parse::<ETag>().unwrap().to_string(), tag, "{text}");
        }
        for text in [
            "\"",
            "\"a",
            "a\"",
            "W/\"",
            "w/\"a\"",
            "\"a\", \"b\"",
            "\"a\"\"b\"",
        ] {
            assert!(text.parse::<ETag>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_one_tag(text in ".{0,12}") {
            for tag in [ETag::strong(&text), ETag::weak(&text), text.parse()].into_iter().flatten() {
                let read = tag.as_entity_tag();
                prop_assert!(read.is_some_and(|read| read.weak_eq(read)));
                prop_assert_eq!(tag.to_string().parse::<ETag>().unwrap(), tag);
            }
        }

        #[test]
        fn the_tag_of_bytes_does_not_depend_on_their_pieces(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..6),
        ) {
            let whole = ETag::of(pieces.concat());
            prop_assert_eq!(ETag::of_pieces(pieces.iter().map(Vec::as_slice)), whole.clone());
            prop_assert!(whole.as_entity_tag().is_some() && !whole.is_weak());
        }
    }
}
