//! Names of any length in as many bytes.

/// The longest name that is kept as it is.
const INLINE: usize = 47;
/// In place of a length.
const DIGEST: u8 = u8::MAX;

/// A name, or of a long one its digest. No two names are taken for one another: to find two with one BLAKE3 digest is infeasible.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name([u8; INLINE + 1]);

impl Name {
    pub(super) fn of(name: &[u8]) -> Self {
        let mut bytes = [0; INLINE + 1];
        match bytes.get_mut(..name.len()) {
            Some(place) if name.len() <= INLINE => {
                place.copy_from_slice(name);
                // No longer than 47.
                bytes[INLINE] = name.len() as u8;
            }
            _ => {
                bytes[..blake3::OUT_LEN].copy_from_slice(blake3::hash(name).as_bytes());
                bytes[INLINE] = DIGEST;
            }
        }
        Self(bytes)
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
        let kept: std::collections::HashSet<_> =
            names.iter().map(|name| Name::of(name).0).collect();
        assert_eq!(kept.len(), names.len());
    }
}
