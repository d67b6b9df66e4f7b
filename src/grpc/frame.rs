//! The framing of messages (gRPC over HTTP/2, Length-Prefixed-Message): a flag, four bytes of length, and so many bytes.

/// The flag and the length before each message.
pub(super) const PREFIX: usize = 5;

/// What the beginning of a stream of messages tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Not even the prefix is there.
    Short,
    /// The first message, with its prefix, ends after so many bytes.
    Until { end: u64, compressed: bool },
    /// A flag that is neither 0 nor 1.
    Malformed,
}

/// Reads the prefix of the first message.
pub(super) fn framing(beginning: &[u8]) -> Framing {
    let Some(&[flag, a, b, c, d]) = beginning.first_chunk::<PREFIX>() else {
        return match beginning.first() {
            Some(2..) => Framing::Malformed,
            _ => Framing::Short,
        };
    };
    match flag {
        0 | 1 => Framing::Until {
            end: PREFIX as u64 + u64::from(u32::from_be_bytes([a, b, c, d])),
            compressed: flag == 1,
        },
        _ => Framing::Malformed,
    }
}

/// Is this exactly one message, and is that compressed?
pub(super) fn one_message(content: &[u8]) -> Option<Compressed> {
    match framing(content) {
        Framing::Until { end, compressed } if end == content.len() as u64 => {
            Some(Compressed(compressed))
        }
        _ => None,
    }
}

/// Is a message compressed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compressed(pub(super) bool);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_message_is_one() {
        assert_eq!(one_message(&[0, 0, 0, 0, 0]), Some(Compressed(false)));
        assert_eq!(one_message(&[1, 0, 0, 0, 2, 7, 7]), Some(Compressed(true)));
        for malformed in [
            &[][..],
            &[0, 0, 0, 0],
            &[0, 0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 255, 255, 255, 255, 1],
        ] {
            assert_eq!(one_message(malformed), None, "{malformed:?}");
        }
    }
}
