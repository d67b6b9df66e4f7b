//! Numbers that are counted: records whose body is an `i64` in decimal digits.

use bytes::Bytes;

use super::{Kind, Record};

impl Record {
    /// The number that it is, if it is one.
    pub fn number(&self) -> Option<i64> {
        if self.kind != Kind::Number {
            return None;
        }
        std::str::from_utf8(&self.body).ok()?.parse().ok()
    }

    /// Another writing of it, which says this number; its lifetimes, stamp and marks stay.
    #[must_use]
    pub fn counted_to(&self, number: i64) -> Self {
        Self::new(
            self.kind,
            self.stamp,
            self.times,
            self.marks.clone(),
            self.head.clone(),
            Bytes::from(number.to_string()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::store::{Head, Stamp, Times};

    fn record(kind: Kind, body: &'static str) -> Record {
        let stamp = Stamp { epoch: 1, seq: 2 };
        let times = Times {
            born: Now::from_millis(1),
            fresh_until: Now::NEVER,
            keep_until: Now::NEVER,
        };
        let head = Head::Wire(Bytes::new());
        Record::new(
            kind,
            stamp,
            times,
            [],
            head,
            Bytes::from_static(body.as_bytes()),
        )
    }

    #[test]
    fn only_digits_under_their_own_kind_are_a_number() {
        for (body, number) in [
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("", None),
            (" 1", None),
            ("1.0", None),
        ] {
            assert_eq!(record(Kind::Number, body).number(), number, "{body:?}");
            assert_eq!(record(Kind::Value, body).number(), None);
        }
    }

    #[test]
    fn a_count_is_another_writing_of_the_same_record() {
        let one = record(Kind::Number, "1");
        let other = one.counted_to(i64::MIN);
        assert_eq!(other.number(), Some(i64::MIN));
        assert_eq!((other.stamp, other.times), (one.stamp, one.times));
        assert_ne!(other.id, one.id);
    }
}
