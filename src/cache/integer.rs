//! Values that are integers and fit an `i64`, whatever type they are of: telling them, and reading them back.

use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::ser::{self, Impossible, Serializer};
use serde::{Serialize, forward_to_deserialize_any};

/// The integer that `value` is, if it is one and fits. Options and newtypes are what they hold; `true` and `'1'` are no integers.
pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Option<i64> {
    value.serialize(Probe).ok()
}

/// The value of another type that the decimal digits of an `i64` stand for.
pub(super) fn read<T: DeserializeOwned>(digits: &[u8]) -> Result<T, de::value::Error> {
    let digits = std::str::from_utf8(digits).ok();
    let number = digits.and_then(|digits| digits.parse().ok());
    let number = number.ok_or_else(|| de::Error::custom("it is no integer of 64 bits"))?;
    T::deserialize(Number(number))
}

/// Reads as what [`Probe`] has found: both are formats that no person reads.
struct Number(i64);

impl<'de> Deserializer<'de> for Number {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match u64::try_from(self.0) {
            Ok(natural) => visitor.visit_u64(natural),
            Err(_) => visitor.visit_i64(self.0),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct enum identifier ignored_any
    }
}

struct Probe;

/// It is something else.
#[derive(Debug)]
struct Other;

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no integer of 64 bits")
    }
}

impl std::error::Error for Other {}

impl ser::Error for Other {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Answer = Result<i64, Other>;

impl Serializer for Probe {
    type Ok = i64;
    type Error = Other;
    type SerializeSeq = Impossible<i64, Other>;
    type SerializeTuple = Impossible<i64, Other>;
    type SerializeTupleStruct = Impossible<i64, Other>;
    type SerializeTupleVariant = Impossible<i64, Other>;
    type SerializeMap = Impossible<i64, Other>;
    type SerializeStruct = Impossible<i64, Other>;
    type SerializeStructVariant = Impossible<i64, Other>;

    fn serialize_i8(self, v: i8) -> Answer {
        Ok(v.into())
    }

    fn serialize_i16(self, v: i16) -> Answer {
        Ok(v.into())
    }

    fn serialize_i32(self, v: i32) -> Answer {
        Ok(v.into())
    }

    fn serialize_i64(self, v: i64) -> Answer {
        Ok(v)
    }

    fn serialize_i128(self, v: i128) -> Answer {
        v.try_into().map_err(|_| Other)
    }

    fn serialize_u8(self, v: u8) -> Answer {
        Ok(v.into())
    }

    fn serialize_u16(self, v: u16) -> Answer {
        Ok(v.into())
    }

    fn serialize_u32(self, v: u32) -> Answer {
        Ok(v.into())
    }

    fn serialize_u64(self, v: u64) -> Answer {
        v.try_into().map_err(|_| Other)
    }

    fn serialize_u128(self, v: u128) -> Answer {
        v.try_into().map_err(|_| Other)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Answer {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Answer {
        value.serialize(self)
    }

    fn serialize_bool(self, _: bool) -> Answer {
        Err(Other)
    }

    fn serialize_f32(self, _: f32) -> Answer {
        Err(Other)
    }

    fn serialize_f64(self, _: f64) -> Answer {
        Err(Other)
    }

    fn serialize_char(self, _: char) -> Answer {
        Err(Other)
    }

    fn serialize_str(self, _: &str) -> Answer {
        Err(Other)
    }

    fn serialize_bytes(self, _: &[u8]) -> Answer {
        Err(Other)
    }

    fn serialize_none(self) -> Answer {
        Err(Other)
    }

    fn serialize_unit(self) -> Answer {
        Err(Other)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Answer {
        Err(Other)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Answer {
        Err(Other)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Answer {
        Err(Other)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Other> {
        Err(Other)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Other> {
        Err(Other)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Other> {
        Err(Other)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Other> {
        Err(Other)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Other> {
        Err(Other)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Other> {
        Err(Other)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Other> {
        Err(Other)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Id(u64);

    #[derive(Serialize)]
    enum Choice {
        One,
        Two(i64),
    }

    #[test]
    fn integers_of_any_type_are_found_if_they_fit() {
        assert_eq!(of(&7_u8), Some(7));
        assert_eq!(of(&-7_i16), Some(-7));
        assert_eq!(of(&i64::MIN), Some(i64::MIN));
        assert_eq!(of(&(i64::MAX as u64)), Some(i64::MAX));
        assert_eq!(of(&(i64::MAX as u64 + 1)), None);
        assert_eq!(of(&(i128::from(i64::MIN) - 1)), None);
        assert_eq!(of(&5_u128), Some(5));
        assert_eq!(of(&Id(5)), Some(5));
        assert_eq!(of(&Some(5)), Some(5));
    }

    #[test]
    fn what_only_looks_like_an_integer_is_none() {
        assert_eq!(of(&true), None);
        assert_eq!(of(&5.0), None);
        assert_eq!(of("5"), None);
        assert_eq!(of(&'5'), None);
        assert_eq!(of(&()), None);
        assert_eq!(of(&None::<i64>), None);
        assert_eq!(of(&[5]), None);
        assert_eq!(of(&(5, 6)), None);
        assert_eq!(of(&Choice::One), None);
        assert_eq!(of(&Choice::Two(2)), None);
    }
}
