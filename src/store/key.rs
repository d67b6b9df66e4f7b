//! The full keys of records, borrowed and owned.

/// The full key of a record: opaque bytes that start with those of its namespace.
///
/// A store may file records under a digest of it, but compares the whole key on every read. A key that a person gave ends in that person's
/// words, its [`name`](Self::name): a store whose keys people look at shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    bytes: &'a [u8],
    /// Where the name begins; the length of the key where it has none.
    name_at: usize,
}

impl<'a> Key<'a> {
    /// The key made of these bytes, without a name.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            name_at: usize::MAX,
        }
    }

    /// The key made of these bytes, of which those from `name_at` on are its name.
    pub const fn named(bytes: &'a [u8], name_at: usize) -> Self {
        Self { bytes, name_at }
    }

    /// The bytes it is made of.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What a person called it, where one did.
    pub fn name(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.name_at..)
    }

    /// The same key with bytes of its own.
    pub fn to_buf(&self) -> KeyBuf {
        KeyBuf {
            bytes: self.bytes.into(),
            name_at: self.name_at,
        }
    }
}

/// A [`Key`] with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyBuf {
    bytes: Box<[u8]>,
    name_at: usize,
}

impl KeyBuf {
    /// The key made of these bytes, without a name.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self::named(bytes, usize::MAX)
    }

    /// The key made of these bytes, of which those from `name_at` on are its name.
    pub fn named(bytes: impl Into<Box<[u8]>>, name_at: usize) -> Self {
        Self {
            bytes: bytes.into(),
            name_at,
        }
    }

    /// The same key, borrowed.
    pub fn as_key(&self) -> Key<'_> {
        Key::named(&self.bytes, self.name_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_end_of_a_key() {
        assert_eq!(Key::new(b"spacemenu").name(), None);
        assert_eq!(Key::named(b"spacemenu", 5).name(), Some(&b"menu"[..]));
        assert_eq!(Key::named(b"space", 5).name(), Some(&b""[..]));
        assert_eq!(Key::named(b"space", 6).name(), None);
        let owned = Key::named(b"spacemenu", 5).to_buf();
        assert_eq!(owned.as_key(), Key::named(b"spacemenu", 5));
    }
}
