//! Names of time zones, as cookies hold them.

/// Does a cookie of this value name this zone? Scripts that write cookies often escape the slash and the plus.
pub(super) fn is(zone: &[u8], value: &[u8]) -> bool {
    let mut rest = value;
    let unescaped = std::iter::from_fn(|| {
        let (byte, after) = match rest {
            [b'%', b'2', b'F' | b'f', after @ ..] => (b'/', after),
            [b'%', b'2', b'B' | b'b', after @ ..] => (b'+', after),
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte.to_ascii_lowercase())
    });
    unescaped.eq(zone.iter().map(u8::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_named_in_several_spellings() {
        for value in ["Europe/Berlin", "Europe%2FBerlin", "europe%2fBERLIN"] {
            assert!(is(b"Europe/Berlin", value.as_bytes()), "{value}");
        }
        assert!(is(b"Etc/GMT+5", b"Etc%2FGMT%2B5"));
        for value in [
            "",
            "Europe",
            "Europe/Berlin/",
            "Europe%252FBerlin",
            "Europe%2",
            "Europe Berlin",
        ] {
            assert!(!is(b"Europe/Berlin", value.as_bytes()), "{value}");
        }
    }
}
