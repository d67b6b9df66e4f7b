//! Names of any length in as many bytes.

use std::borrow::Cow;

/// The longest name that is kept as it is.
const INLINE: usize = 47;
/// In place of a length.
const DIGEST: u8 = 0xFF;

/// A name, or of a long one its digest. No two names are taken for one another: to find two with one BLAKE3 digest is infeasible.
///
/// The last byte is the length.
#[derive(Clone, Copy)]
pub(super) struct Name([u8; INLINE + 1]);

/// A name that is looked up: borrowed, or of a long one its digest.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sought<'a>(Cow<'a, [u8]>);

impl<'a> Sought<'a> {
    #[inline]
    pub(super) fn of(name: &'a [u8]) -> Self {
        match name.len() {
            ..=INLINE => Self(Cow::Borrowed(name)),
            _ => Self(Cow::Owned(blake3::hash(name).as_bytes().to_vec())),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn last(&self) -> u8 {
        match &self.0 {
            Cow::Borrowed(name) => name.len() as u8,
            Cow::Owned(_) => DIGEST,
        }
    }
}

impl Name {
    pub(super) fn of(sought: &Sought<'_>) -> Self {
        let mut bytes = [0; INLINE + 1];
        let name = sought.bytes();
        bytes[..name.len()].copy_from_slice(name);
        bytes[INLINE] = sought.last();
        Self(bytes)
    }

    #[inline]
    pub(super) fn is(&self, sought: &Sought<'_>) -> bool {
        self.0[INLINE] == sought.last() && self.0.starts_with(sought.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_their_length_and_every_byte() {
        let mut names: Vec<Vec<u8>> = (0..200).map(|length| vec![0; length]).collect();
        for length in [46, 47, 48, 1 << 20] {
            for place in [0, length / 2, length - 1] {
                let mut name = vec![0; length];
                name[place] = 1;
                names.push(name);
            }
        }
        // What the digest of a long name looks like.
        names.push(blake3::hash(&[0; 100]).as_bytes().to_vec());
        let sought: Vec<_> = names.iter().map(|name| Sought::of(name)).collect();
        let kept: Vec<_> = sought.iter().map(Name::of).collect();
        for (nth, kept) in kept.iter().enumerate() {
            for (other, sought) in sought.iter().enumerate() {
                assert_eq!(kept.is(sought), nth == other);
            }
        }
    }
}
