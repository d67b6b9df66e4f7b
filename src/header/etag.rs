//! Entity-tags, and the lists of them that a request is conditional on (RFC 9110 §8.8.3, §13.1.1, §13.1.2).

use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};

/// How many tags of one request are compared. No client has that many copies, and the work for one request stays bounded.
const MAX_TAGS: usize = 1_000;

/// One `[W/]"…"`, as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntityTag<'a>(&'a [u8]);

impl<'a> EntityTag<'a> {
    /// The tag of a response; `None` without one, with one that cannot be read, and with several.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(ETAG).into_iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => Self::parse(line),
            _ => None,
        }
    }

    /// Reads a value that is one tag and nothing else.
    pub(crate) fn parse(value: &'a HeaderValue) -> Option<Self> {
        match Self::split(value.as_bytes().trim_ascii()) {
            Some((tag, [])) => Some(tag),
            _ => None,
        }
    }

    /// Takes the tag that the text begins with. A backslash is a byte like others, unlike in a quoted string.
    fn split(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let quoted = text.strip_prefix(b"W/").unwrap_or(text);
        let opaque = quoted.strip_prefix(b"\"")?;
        let length = opaque.iter().position(|&byte| !is_etagc(byte))?;
        if opaque.get(length) != Some(&b'"') {
            return None;
        }
        let quotes = 2;
        let (tag, rest) = text.split_at_checked(text.len() - quoted.len() + length + quotes)?;
        Some((Self(tag), rest))
    }

    /// May two representations with this tag differ in their bytes?
    pub(crate) fn is_weak(self) -> bool {
        self.0.starts_with(b"W/")
    }

    /// The tag with its quotes and its `W/`, as it stands in a field.
    #[cfg(test)]
    fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Do both mean the same bytes (§8.8.3.2)?
    pub(crate) fn strong_eq(self, other: EntityTag<'_>) -> bool {
        !self.is_weak() && self.0 == other.0
    }

    /// Do both mean the same content (§8.8.3.2)?
    pub(crate) fn weak_eq(self, other: EntityTag<'_>) -> bool {
        self.quoted() == other.quoted()
    }

    fn quoted(self) -> &'a [u8] {
        self.0.strip_prefix(b"W/").unwrap_or(self.0)
    }
}

/// What `If-None-Match` or `If-Match` names.
#[derive(Clone, Debug)]
pub(crate) enum TagList<'a> {
    Absent,
    /// `*`: whatever there is.
    Any,
    /// These, in their order; none if the field is there and empty.
    Tags(Vec<EntityTag<'a>>),
    /// No list of tags, or one too long to be meant. It matches nothing, so that the answer is the whole response; and it
    /// is not absent, so that `If-Modified-Since` stays ignored.
    Malformed,
}

impl<'a> TagList<'a> {
    pub(crate) fn if_none_match(headers: &'a HeaderMap) -> Self {
        Self::parse(headers, &IF_NONE_MATCH)
    }

    /// Reads all lines. A tag cannot go on in the next one: the `, ` that joins them has a space, and a tag has none.
    pub(crate) fn parse(headers: &'a HeaderMap, field: &HeaderName) -> Self {
        let mut lines = headers.get_all(field).into_iter();
        let Some(first) = lines.next() else {
            return Self::Absent;
        };
        if first.as_bytes().trim_ascii() == b"*" {
            return match lines.next() {
                None => Self::Any,
                Some(_) => Self::Malformed,
            };
        }
        let mut tags = Vec::new();
        for line in std::iter::once(first).chain(lines) {
            if read_tags(line.as_bytes(), &mut tags).is_none() {
                return Self::Malformed;
            }
        }
        Self::Tags(tags)
    }

    /// Does it name the current representation, by weak comparison? `current` is its tag, if it has one.
    pub(crate) fn matches_weakly(&self, current: Option<EntityTag<'_>>) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => {
                current.is_some_and(|current| tags.iter().any(|tag| tag.weak_eq(current)))
            }
            Self::Absent | Self::Malformed => false,
        }
    }

    /// Does it name the current representation byte for byte, by strong comparison?
    pub(crate) fn matches_strongly(&self, current: Option<EntityTag<'_>>) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => {
                current.is_some_and(|current| tags.iter().any(|tag| tag.strong_eq(current)))
            }
            Self::Absent | Self::Malformed => false,
        }
    }
}

/// Adds the tags of one line; `None` if it is no list of them, or if they become too many.
///
/// The members are not those of [`members`](super::list::members), for which a backslash would hide the closing quote.
fn read_tags<'a>(line: &'a [u8], tags: &mut Vec<EntityTag<'a>>) -> Option<()> {
    let mut rest = line;
    loop {
        // Empty members are ignored (§5.6.1.2).
        rest = skip(rest, |byte| matches!(byte, b',' | b' ' | b'\t'));
        if rest.is_empty() {
            return Some(());
        }
        let (tag, after) = EntityTag::split(rest)?;
        if tags.len() >= MAX_TAGS {
            return None;
        }
        tags.push(tag);
        rest = skip(after, |byte| matches!(byte, b' ' | b'\t'));
        if !matches!(rest, [] | [b',', ..]) {
            return None;
        }
    }
}

fn skip(text: &[u8], skipped: impl Fn(u8) -> bool) -> &[u8] {
    let start = text.iter().position(|&byte| !skipped(byte));
    start
        .and_then(|start| text.get(start..))
        .unwrap_or_default()
}

/// Whether the byte may stand between the quotes: no whitespace, no control, no quote.
pub(super) fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

#[cfg(test)]
mod tests {
    use http::header::IF_MATCH;
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn parsed(text: &[u8]) -> Option<Vec<u8>> {
        let value = HeaderValue::from_bytes(text).unwrap();
        EntityTag::parse(&value).map(|tag| tag.as_bytes().to_vec())
    }

    /// The tags of a list; the outer `None` is [`TagList::Malformed`].
    fn listed(lines: &[&str]) -> Option<Vec<String>> {
        let headers = arbitrary::map(&IF_NONE_MATCH, lines);
        match TagList::if_none_match(&headers) {
            TagList::Tags(tags) => Some(
                tags.iter()
                    .map(|tag| String::from_utf8(tag.as_bytes().to_vec()).unwrap())
                    .collect(),
            ),
            TagList::Malformed => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_tag_is_quoted_and_may_be_weak() {
        for text in [
            r#""""#,
            r#""a""#,
            r#"W/"""#,
            r#"W/"a""#,
            r#""a,b;c""#,
            r#""W/""#,
            r#""\""#,
            r#""a\b""#,
            "\"\u{e4}\"",
            r#""!#~""#,
        ] {
            assert_eq!(parsed(text.as_bytes()).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(parsed(b" \"a\"\t").as_deref(), Some(br#""a""#.as_slice()));
        assert_eq!(parsed(b"\"\xff\"").as_deref(), Some(b"\"\xff\"".as_slice()));
    }

    #[test]
    fn anything_else_is_no_tag() {
        for text in [
            "",
            "a",
            "W/a",
            "\"",
            "\"a",
            "a\"",
            "W/",
            "W",
            "w/\"a\"",
            "W /\"a\"",
            "W/ \"a\"",
            "\"a b\"",
            "\"a\tb\"",
            "\"a\" x",
            "\"a\"\"b\"",
            "\"a\", \"b\"",
            "\"a\\\"b\"",
            "'a'",
            "*",
        ] {
            assert_eq!(parsed(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_response_has_one_tag_or_none() {
        let of = |lines: &[&str]| EntityTag::of(&arbitrary::map(&ETAG, lines)).is_some();
        assert!(of(&["\"a\""]));
        assert!(!of(&[]));
        assert!(!of(&["a"]));
        assert!(!of(&["\"a\"", "\"a\""]));
    }

    #[test]
    fn strong_comparison_wants_both_strong_and_weak_only_the_same_text() {
        for (one, other, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
            (r#""1""#, r#""2""#, false, false),
            (r#""a""#, r#""A""#, false, false),
        ] {
            let values = [one, other].map(|text| HeaderValue::from_str(text).unwrap());
            let [a, b] = [0, 1].map(|index| EntityTag::parse(&values[index]).unwrap());
            assert_eq!((a.strong_eq(b), b.strong_eq(a)), (strong, strong));
            assert_eq!((a.weak_eq(b), b.weak_eq(a)), (weak, weak));
        }
    }

    #[test]
    fn a_list_is_all_lines_and_commas_in_quotes_do_not_divide_it() {
        assert_eq!(
            listed(&[r#""a", W/"b""#, r#""c,d""#]).unwrap(),
            [r#""a""#, r#"W/"b""#, r#""c,d""#]
        );
        assert_eq!(listed(&[r#",, "a" ,	,"b","#]).unwrap().len(), 2);
        assert_eq!(listed(&[r#""\","a""#]).unwrap(), [r#""\""#, r#""a""#]);
        assert_eq!(listed(&["", " , "]).unwrap().len(), 0);
    }

    #[test]
    fn a_star_stands_alone() {
        let star = arbitrary::map(&IF_NONE_MATCH, [" * "]);
        assert!(matches!(TagList::if_none_match(&star), TagList::Any));
        assert!(matches!(TagList::parse(&star, &IF_MATCH), TagList::Absent));
        for lines in [
            &[r#"*, "a""#][..],
            &[r#""a", *"#],
            &["*", "\"a\""],
            &["\"a\"", "*"],
            &["*", "*"],
            &["*, *"],
        ] {
            assert_eq!(listed(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn one_unreadable_member_spoils_the_list() {
        for lines in [
            &["a"][..],
            &["\"a\", b"],
            &["\"a\"", "b"],
            &["\"a\" \"b\""],
            &["\"a\"b"],
            &["\"a"],
            &["\"a", "b\""],
            &["w/\"a\""],
        ] {
            assert_eq!(listed(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn more_tags_than_the_limit_are_no_list() {
        let tags = |count| vec!["\"a\""; count].join(",");
        assert_eq!(listed(&[&tags(MAX_TAGS)]).unwrap().len(), MAX_TAGS);
        assert_eq!(listed(&[&tags(MAX_TAGS + 1)]), None);
        assert_eq!(listed(&[&tags(MAX_TAGS), "\"b\""]), None);
        assert_eq!(listed(&[&",".repeat(1_000_000)]).unwrap().len(), 0);
        assert_eq!(listed(&[&"\"a".repeat(500_000)]), None);
    }

    #[test]
    fn a_list_matches_what_it_names() {
        let matches = |list: &[&str], current: &[&str]| {
            let current = arbitrary::map(&ETAG, current);
            let list = arbitrary::map(&IF_NONE_MATCH, list);
            TagList::if_none_match(&list).matches_weakly(EntityTag::of(&current))
        };
        assert!(matches(&[r#""b", W/"a""#], &[r#""a""#]));
        assert!(matches(&["*"], &[]));
        assert!(!matches(&["\"a\""], &[]));
        assert!(!matches(&[], &["\"a\""]));
        assert!(!matches(&[r#"*, "a""#], &[r#""a""#]));
    }

    #[test]
    fn a_list_matches_strongly_what_it_names_byte_for_byte() {
        let matches = |list: &[&str], current: &[&str]| {
            let current = arbitrary::map(&ETAG, current);
            let list = arbitrary::map(&IF_MATCH, list);
            TagList::parse(&list, &IF_MATCH).matches_strongly(EntityTag::of(&current))
        };
        assert!(matches(&[r#"W/"a", "a""#], &[r#""a""#]));
        assert!(matches(&["*"], &[]));
        assert!(!matches(&[r#"W/"a""#], &[r#"W/"a""#]));
        assert!(!matches(&[r#""a""#], &[r#"W/"a""#]));
        assert!(!matches(&[r#"W/"a""#], &[r#""a""#]));
        assert!(!matches(&["\"a\""], &[]));
        assert!(!matches(&["a"], &["\"a\""]));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(IF_NONE_MATCH)) {
            let list = TagList::if_none_match(&headers);
            prop_assert_eq!(matches!(list, TagList::Absent), headers.is_empty());
        }

        #[test]
        fn any_value_is_no_tag_or_one_as_written(value in arbitrary::value()) {
            if let Some(tag) = EntityTag::parse(&value) {
                prop_assert_eq!(tag.as_bytes(), value.as_bytes().trim_ascii());
                prop_assert!(tag.weak_eq(tag));
            }
        }

        #[test]
        fn tags_that_are_written_are_read(texts in prop::collection::vec("(W/)?\"[!#-~]{0,9}\"", 0..6)) {
            prop_assert_eq!(listed(&[&texts.join(" ,, ")]).unwrap(), texts);
        }
    }
}
