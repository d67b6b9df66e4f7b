//! A config as bytes, for the record of a stored response.
//!
//! ```text
//! flags: u8 │ (length: u32, name)*        flags: bit 0 = the names are those that count, bit 1 = the order is ignored
//! ```

use super::{Counts, Names, NoVarySearch, Order};

const ONLY: u8 = 1;
const ORDER_IGNORED: u8 = 2;

impl NoVarySearch {
    /// The same bytes for equal configs and for no others, in this and in every later version.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (only, Names(names)) = match &self.counts {
            Counts::AllBut(names) => (0, names),
            Counts::Only(names) => (ONLY, names),
        };
        let order = match self.order {
            Order::Counts => 0,
            Order::Ignored => ORDER_IGNORED,
        };

        let mut bytes = vec![only | order];
        for name in names {
            let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, to its end: proof that no two configs are written alike. `None` is anything else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (flags, mut rest) = bytes.split_first()?;
        let order = match flags & ORDER_IGNORED {
            0 => Order::Counts,
            _ => Order::Ignored,
        };
        let counts = match flags & !ORDER_IGNORED {
            0 => Counts::AllBut,
            ONLY => Counts::Only,
            _ => return None,
        };

        let mut names: Vec<String> = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (name, after) = after.split_at_checked(length)?;
            let name = std::str::from_utf8(name).ok()?;
            // Only the order in which they are written makes equal configs equal bytes.
            if names.last().is_some_and(|last| last.as_str() >= name) {
                return None;
            }
            names.push(name.to_owned());
            rest = after;
        }
        rest.is_empty().then(|| Self {
            counts: counts(Names(names)),
            order,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary;
    use super::*;

    #[test]
    fn the_bytes_are_the_ones_written_before() {
        let config = NoVarySearch {
            counts: Counts::Only(["b".to_owned(), "aé".to_owned()].into_iter().collect()),
            order: Order::Ignored,
        };
        assert_eq!(config.to_bytes(), b"\x03\0\0\0\x03a\xc3\xa9\0\0\0\x01b");
        assert_eq!(NoVarySearch::default().to_bytes(), b"\0");
    }

    #[test]
    fn other_bytes_are_none() {
        for bytes in [
            b"".as_slice(),
            b"\x04",
            b"\x80",
            b"\0\0",
            b"\0\0\0\0",
            b"\0\0\0\0\x02a",
            b"\0\xff\xff\xff\xffa",
            b"\0\0\0\0\x01\xff",
            b"\0\0\0\0\x01b\0\0\0\x01a",
            b"\0\0\0\0\x01a\0\0\0\x01a",
            b"\0\0\0\0\x01a\0",
        ] {
            assert_eq!(NoVarySearch::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(config in arbitrary::config()) {
            prop_assert_eq!(NoVarySearch::from_bytes(&config.to_bytes()), Some(config));
        }

        #[test]
        fn what_is_read_is_written_so(bytes in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..24)) {
            if let Some(config) = NoVarySearch::from_bytes(&bytes) {
                prop_assert_eq!(config.to_bytes(), bytes);
            }
        }
    }
}
