//! How values become bytes.
//!
//! ```text
//! Kind::Number   the integer in decimal digits, whatever the codec
//! Kind::Value    one byte that says how the rest is written: 0 nothing is there, 1 MessagePack, 2 JSON
//! ```

use std::error::Error;
use std::io::Cursor;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::CacheError;
use super::integer;
use crate::store::{Kind, Record};

/// How a cache writes its values. It reads all of these at any time, so the choice may change between two deploys.
///
/// Integers that fit an `i64` are written as decimal digits by each of them, so that [`Cache::incr`](crate::Cache::incr) can count them.
///
/// ```
/// use larder::{Cache, Codec, MIB, MemoryStore};
///
/// let cache = Cache::builder(MemoryStore::new(MIB)).codec(Codec::Json).build()?;
/// # Ok::<(), larder::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// MessagePack with the names of fields: compact, and a field that is added with a default reads what was written without it.
    #[default]
    MessagePack,
    /// JSON, which other programs read. It has no numbers that are not finite, and its maps have strings for keys.
    Json,
}

/// The first byte of a value's body.
const ABSENT: u8 = 0;
const MESSAGE_PACK: u8 = 1;
const JSON: u8 = 2;

/// A value as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) kind: Kind,
    pub(super) body: Bytes,
}

impl Encoded {
    pub(super) fn of<T: Serialize + ?Sized>(
        value: &T,
        codec: Codec,
        key: &str,
    ) -> Result<Self, CacheError> {
        if let Some(number) = integer::of(value) {
            return Ok(Self::number(number));
        }
        let written: Result<Vec<u8>, Box<dyn Error + Send + Sync>> = match codec {
            Codec::MessagePack => {
                let mut body = vec![MESSAGE_PACK];
                let mut serializer = rmp_serde::Serializer::new(&mut body).with_struct_map();
                let written = value.serialize(&mut serializer);
                written.map(|()| body).map_err(Into::into)
            }
            Codec::Json => {
                let mut body = vec![JSON];
                let written = serde_json::to_writer(&mut body, value);
                written.map(|()| body).map_err(Into::into)
            }
        };
        // The exact allocation: a vector may be twice as large as what it holds.
        let body = written.map_err(|source| CacheError::Encode {
            key: key.to_owned(),
            source,
        })?;
        Ok(Self {
            kind: Kind::Value,
            body: body.into_boxed_slice().into(),
        })
    }

    pub(super) fn number(number: i64) -> Self {
        Self {
            kind: Kind::Number,
            body: number.to_string().into(),
        }
    }

    /// The word that nothing is there, so that it need not be looked for again.
    pub(super) fn absent() -> Self {
        Self {
            kind: Kind::Value,
            body: Bytes::from_static(&[ABSENT]),
        }
    }
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Value,
    /// The word that nothing is there.
    Absent,
    /// What this version of the library does not read.
    Foreign,
}

pub(super) fn held(record: &Record) -> Held {
    match (record.kind, record.body.first()) {
        (Kind::Number, Some(_)) | (Kind::Value, Some(&(MESSAGE_PACK | JSON))) => Held::Value,
        (Kind::Value, Some(&ABSENT)) => Held::Absent,
        _ => Held::Foreign,
    }
}

/// The value in a record that [holds](held) one.
pub(super) fn decode<T: DeserializeOwned>(record: &Record, key: &str) -> Result<T, CacheError> {
    let read: Result<T, Box<dyn Error + Send + Sync>> =
        match (record.kind, record.body.split_first()) {
            (Kind::Number, _) => integer::read(&record.body).map_err(Into::into),
            (_, Some((&JSON, json))) => serde_json::from_slice(json).map_err(Into::into),
            (_, Some((&MESSAGE_PACK, packed))) => unpack(packed),
            _ => Err("it is in no format that is known".into()),
        };
    read.map_err(|error| CacheError::WrongType {
        key: key.to_owned(),
        wanted: std::any::type_name::<T>(),
        source: without_value(&error.to_string()).into(),
    })
}

/// The most characters of what a type says of itself.
const LONGEST_REASON: usize = 200;

/// What serde says, less the value that it shows: that may be anybody's name, or long.
fn without_value(why: &str) -> String {
    const SHOWN: [&str; 4] = [
        "invalid type: ",
        "invalid value: ",
        "unknown variant ",
        "unknown field ",
    ];
    let ends = [", expected ", ", there are "].map(|end| why.rfind(end));
    let end = ends.into_iter().max().flatten();
    let end = end.filter(|_| SHOWN.iter().any(|kind| why.starts_with(kind)));
    let begin = why.find(['`', '"']);
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {
            let found = why[..begin].trim_end();
            let why = found.chars().chain(why[end..].chars());
            why.take(LONGEST_REASON).collect()
        }
        _ => why.chars().take(LONGEST_REASON).collect(),
    }
}

fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T, Box<dyn Error + Send + Sync>> {
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(packed));
    let value = T::deserialize(&mut deserializer)?;
    // A list of three read as one of two leaves something over.
    if deserializer.position() != packed.len() as u64 {
        return Err("there is more of it than the type takes".into());
    }
    Ok(value)
}
