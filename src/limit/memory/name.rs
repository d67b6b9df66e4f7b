//! Names of any length in as many bytes.

/// The longest name that is kept as it is.
const INLINE: usize = 47;
/// In place of a length.
const DIGEST: u64 = 0xFF;

/// A name, or of a long one its digest. No two names are taken for one another: to find two with one BLAKE3 digest is infeasible.
///
/// The last byte is the length. As words, since what is written as bytes and read as words at once makes the processor wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name([u64; (INLINE + 1) / 8]);

impl Name {
    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        match name.len() {
            ..=INLINE => Self(words(name, name.len() as u64)),
            _ => Self(words(blake3::hash(name).as_bytes(), DIGEST)),
        }
    }

    /// Whole, and without a call.
    #[inline]
    pub(super) fn is(&self, other: &Self) -> bool {
        let differ = self.0.iter().zip(&other.0);
        differ.fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

#[inline]
fn words(bytes: &[u8], last: u64) -> [u64; 6] {
    let mut words = [0; 6];
    let (whole, rest) = bytes.as_chunks::<8>();
    for (word, bytes) in words.iter_mut().zip(whole) {
        *word = u64::from_le_bytes(*bytes);
    }
    let mut part = 0;
    for byte in rest.iter().rev() {
        part = part << 8 | u64::from(*byte);
    }
    if let Some(word) = words.get_mut(whole.len()) {
        *word = part;
    }
    words[5] |= last << 56;
    words
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
        let kept: std::collections::HashSet<_> =
            names.iter().map(|name| Name::of(name).0).collect();
        assert_eq!(kept.len(), names.len());
    }
}
