//! A key as people read it: host, path and query as they were keyed; the rest as short digests.

use std::fmt::Write;

use xxhash_rust::xxh3::xxh3_64;

use super::key::Part;

/// The longest text of a key, in bytes.
const LONGEST: usize = 200;

/// What a layer puts after the cache's space: its policy's fingerprint.
const FINGERPRINT: usize = 8;

/// What follows the parts of a page's key begins with one of these: variants, parts of pages, contents, and the indexes of a path.
const FIRST_SUFFIX: u8 = u8::MAX - 15;

/// The parts of a page's key that people ask for.
///
/// The text is `host/path?query`, and, where the key has more parts, ` ~` and a digest of those, and, where it is one person's or one group's,
/// ` @` and the beginning of their digest, which is made under the cache's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyText<'a> {
    host: &'a [u8],
    path: &'a [u8],
    query: Option<&'a [u8]>,
    /// Of a key without other parts, nothing.
    others: Option<u64>,
    identity: Option<&'a [u8]>,
}

impl<'a> KeyText<'a> {
    /// Reads the key of a page, a variant, or an index, that starts with a space of this length; `None` for keys of another make.
    pub(crate) fn of(key: &'a [u8], space: usize) -> Option<Self> {
        const HTTP: u8 = Part::Http as u8;
        const HTTPS: u8 = Part::Https as u8;
        const HOST: u8 = Part::Host as u8;
        const PATH: u8 = Part::Path as u8;
        const QUERY: u8 = Part::Query as u8;
        const NO_INNER_QUERY: u8 = Part::NoInnerQuery as u8;
        const ABSENT: u8 = Part::Absent as u8;
        const DEPTH: u8 = Part::Depth as u8;

        let mut rest = key.get(space + FINGERPRINT..)?;
        let (mut host, mut path, mut query) = (None, None, None);
        let mut identity = None;
        let mut others = Vec::new();
        while let [kind, after @ ..] = rest {
            match *kind {
                HTTP | HTTPS => rest = after,
                NO_INNER_QUERY | ABSENT => {
                    others.push(*kind);
                    rest = after;
                }
                FIRST_SUFFIX.. => {
                    others.extend_from_slice(rest);
                    break;
                }
                kind => {
                    let (length, after) = after.split_first_chunk::<4>()?;
                    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
                    let (bytes, after) = after.split_at_checked(length)?;
                    match kind {
                        HOST => host = Some(bytes),
                        PATH => path = Some(bytes),
                        QUERY => query = Some(bytes),
                        // Whose page it is stands after all that the request says.
                        DEPTH.. if kind != DEPTH => identity = Some(bytes),
                        _ => others.extend_from_slice(&rest[..rest.len() - after.len()]),
                    }
                    rest = after;
                }
            }
        }
        Some(Self {
            host: host?,
            path: path?,
            query,
            others: (!others.is_empty()).then(|| xxh3_64(&others)),
            identity,
        })
    }

    /// The host, as it is keyed.
    pub(crate) fn host(&self) -> &'a [u8] {
        self.host
    }

    /// The path, as the client sent it.
    pub(crate) fn path(&self) -> &'a [u8] {
        self.path
    }

    /// The text with the query, which can hold secrets.
    pub(crate) fn with_query(&self) -> String {
        self.text(self.query, self.others)
    }

    /// The text with a digest in place of the query.
    pub(crate) fn without_query(&self) -> String {
        let others = match (self.query, self.others) {
            (None, others) => others,
            (Some(query), None) => Some(xxh3_64(query)),
            (Some(query), Some(others)) => Some(xxh3_64(query) ^ others.rotate_left(1)),
        };
        self.text(None, others)
    }

    /// The first segment of the path, with the slash before it.
    pub(crate) fn prefix(&self) -> String {
        let within = self.path.strip_prefix(b"/").unwrap_or(self.path);
        let segment = within.split(|byte| *byte == b'/').next();
        let mut text = "/".to_owned();
        encode(&mut text, segment.unwrap_or_default());
        shorten(text, LONGEST)
    }

    fn text(&self, query: Option<&[u8]>, others: Option<u64>) -> String {
        let mut text = String::with_capacity(LONGEST);
        encode(&mut text, self.host);
        encode(&mut text, self.path);
        if let Some(query) = query {
            text.push('?');
            encode(&mut text, query);
        }
        let mut marks = String::new();
        if let Some(others) = others {
            let _ = write!(marks, " ~{:08x}", others >> 32);
        }
        if let Some(identity) = self.identity {
            marks.push_str(" @");
            for byte in identity.iter().take(4) {
                let _ = write!(marks, "{byte:02x}");
            }
        }
        let mut text = shorten(text, LONGEST - marks.len());
        text.push_str(&marks);
        text
    }
}

/// Printable ASCII as it is, all else percent-encoded.
fn encode(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
}

/// What is too long ends in a digest of the whole.
fn shorten(mut text: String, most: usize) -> String {
    const END: usize = 2 + 16;
    if text.len() > most {
        let digest = xxh3_64(text.as_bytes());
        text.truncate(most - END);
        let _ = write!(text, "..{digest:016x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::super::screen::{Content, screen};
    use super::super::variants::variant_key;
    use super::*;
    use crate::{Cache, CacheLayer, NullStore, RequestHead, minutes};

    fn cache() -> Cache {
        Cache::builder(NullStore).build().unwrap()
    }

    fn key(layer: &CacheLayer, request: &Request<()>, depth: u8) -> Vec<u8> {
        let head = RequestHead::of(request);
        let seen = screen(&head, Content::Absent, &[]).unwrap();
        layer.key_at(&head, &seen, depth).unwrap().as_bytes().into()
    }

    fn asked(target: &str) -> Request<()> {
        Request::get(target)
            .header("host", "Shop.example:80")
            .header("accept-language", "de")
            .body(())
            .unwrap()
    }

    #[test]
    fn a_key_reads_as_what_was_keyed() {
        let cache = cache();
        let space = cache.shared.space.len();
        let page = || cache.page(minutes(5));
        let text = |key: &[u8]| KeyText::of(key, space).unwrap().with_query();
        let plain = key(&page(), &asked("/menu?page=2&a=1"), 0);
        assert_eq!(text(&plain), "shop.example/menu?page=2&a=1");
        let table = [
            ("/", "shop.example/"),
            ("/menu", "shop.example/menu"),
            ("/a%0d%0ab\"x\\", "shop.example/a%0d%0ab\"x\\"),
        ];
        for (target, expected) in table {
            assert_eq!(text(&key(&page(), &asked(target), 0)), expected);
        }
        let german = page().vary_on_header(http::header::ACCEPT_LANGUAGE);
        let by_language = text(&key(&german, &asked("/menu"), 0));
        let (address, digest) = by_language.split_once(" ~").unwrap();
        assert_eq!((address, digest.len()), ("shop.example/menu", 8));
        let deeper = text(&key(&page(), &asked("/menu"), 1));
        assert!(deeper.starts_with("shop.example/menu ~"), "{deeper}");
        let variant = variant_key(
            &plain,
            &["accept".parse().unwrap()],
            &http::HeaderMap::new(),
        );
        let variant = text(&variant.unwrap());
        assert!(variant.starts_with("shop.example/menu?page=2&a=1 ~"));
    }

    #[test]
    fn what_no_field_can_carry_is_percent_encoded() {
        let mut text = String::new();
        encode(&mut text, "caf\u{e9} \r\n\0\u{7f}\"~!".as_bytes());
        assert_eq!(text, "caf%C3%A9%20%0D%0A%00%7F\"~!");
    }

    #[test]
    fn whose_page_it_is_shows_as_the_beginning_of_a_digest() {
        let cache = cache();
        let mut key = key(&cache.page(minutes(5)), &asked("/menu"), 0);
        key.push(Part::Depth as u8 + 1);
        key.extend_from_slice(&16_u32.to_be_bytes());
        key.extend_from_slice(&[0xab; 16]);
        let text = KeyText::of(&key, cache.shared.space.len()).unwrap();
        assert_eq!(text.with_query(), "shop.example/menu @abababab");
    }

    #[test]
    fn without_its_query_a_key_still_differs_from_others() {
        let cache = cache();
        let space = cache.shared.space.len();
        let text = |target: &str| {
            let key = key(&cache.page(minutes(5)), &asked(target), 0);
            KeyText::of(&key, space).unwrap().without_query()
        };
        assert_eq!(text("/menu"), "shop.example/menu");
        let (one, other) = (text("/menu?token=secret"), text("/menu?token=other"));
        assert!(one.starts_with("shop.example/menu ~"), "{one}");
        assert!(!one.contains("secret"));
        assert_ne!(one, other);
    }

    #[test]
    fn a_long_key_ends_in_a_digest() {
        let cache = cache();
        let space = cache.shared.space.len();
        let text = |last: &str| {
            let target = format!("/{}{last}", "a".repeat(1_000));
            let key = key(&cache.page(minutes(5)), &asked(&target), 1);
            KeyText::of(&key, space).unwrap().with_query()
        };
        let (one, other) = (text("b"), text("c"));
        assert_eq!(one.len(), LONGEST);
        assert!(one.contains("aaa.."), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn the_prefix_is_the_first_segment() {
        let cache = cache();
        let table = [
            ("/", "/"),
            ("/menu", "/menu"),
            ("/menu/soups?x=/y", "/menu"),
            ("//x", "/"),
        ];
        for (target, prefix) in table {
            let key = key(&cache.page(minutes(5)), &asked(target), 0);
            let text = KeyText::of(&key, cache.shared.space.len()).unwrap();
            assert_eq!(text.prefix(), prefix, "{target}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(key in prop::collection::vec(any::<u8>(), 0..300), space in 0_usize..20) {
            if let Some(text) = KeyText::of(&key, space) {
                for text in [text.with_query(), text.without_query(), text.prefix()] {
                    prop_assert!(text.len() <= LONGEST);
                    prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                }
            }
        }

        #[test]
        fn the_beginning_of_a_key_is_no_key_of_another_address(cut in 0_usize..100) {
            let cache = cache();
            let key = key(&cache.page(minutes(5)), &asked("/menu?page=2"), 0);
            let whole = KeyText::of(&key, cache.shared.space.len()).unwrap();
            if let Some(text) = KeyText::of(&key[..cut.min(key.len())], cache.shared.space.len()) {
                prop_assert_eq!((text.host, text.path), (whole.host, whole.path));
            }
        }
    }
}
