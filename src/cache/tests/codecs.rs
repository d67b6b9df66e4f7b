use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::cache::codec::{Codec, Encoded, Held, decode, held};
use crate::cache::set::record_of;
use crate::cache::{CacheError, Lookup};
use crate::clock::Now;
use crate::store::{Key, Kind, Op, Record, Stamp, Times, When};

const CODECS: [Codec; 2] = [Codec::MessagePack, Codec::Json];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u64, height: i64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    total: i64,
    name: String,
    shapes: Vec<Shape>,
    by: BTreeMap<String, Option<bool>>,
    from: Option<IpAddr>,
    pair: (u8, char),
}

fn record(encoded: Encoded) -> std::sync::Arc<Record> {
    let times = Times {
        born: Now::from_millis(0),
        fresh_until: Now::NEVER,
        keep_until: Now::NEVER,
    };
    let stamp = Stamp { epoch: 1, seq: 1 };
    record_of(encoded.kind, encoded.body, stamp, times, [])
}

fn through<T: Serialize, U: DeserializeOwned>(value: &T, codec: Codec) -> Result<U, CacheError> {
    let record = record(Encoded::of(value, codec, "key")?);
    assert_eq!(held(&record), Held::Value);
    decode(&record, "key")
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Point),
        (-1e9..1e9).prop_map(Shape::Circle),
        (any::<u64>(), any::<i64>()).prop_map(|(width, height)| Shape::Box { width, height }),
    ]
}

prop_compose! {
    fn orders()(
        id: u64, total: i64, name in ".*", shapes in prop::collection::vec(shapes(), 0..4),
        by in prop::collection::btree_map(".{0,4}", any::<Option<bool>>(), 0..4),
        from: Option<IpAddr>, pair: (u8, char),
    ) -> Order {
        Order { id, total, name, shapes, by, from, pair }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(order in orders(), number: i64, natural: u64, text in ".*") {
        for codec in CODECS {
            prop_assert_eq!(&through::<_, Order>(&order, codec).unwrap(), &order);
            prop_assert_eq!(through::<_, Option<Order>>(&Some(&order), codec).unwrap(), Some(order.clone()));
            prop_assert_eq!(through::<_, i64>(&number, codec).unwrap(), number);
            prop_assert_eq!(through::<_, u64>(&natural, codec).unwrap(), natural);
            prop_assert_eq!(through::<_, String>(&text, codec).unwrap(), text.as_str());
        }
    }

    #[test]
    fn an_integer_reads_as_the_types_that_it_fits_and_no_other(number: i64) {
        for codec in CODECS {
            prop_assert_eq!(through::<_, i32>(&number, codec).ok(), i32::try_from(number).ok());
            prop_assert_eq!(through::<_, u8>(&number, codec).ok(), u8::try_from(number).ok());
            prop_assert_eq!(through::<_, u64>(&number, codec).ok(), u64::try_from(number).ok());
            prop_assert_eq!(through::<_, i128>(&number, codec).unwrap(), i128::from(number));
            prop_assert!(through::<_, String>(&number, codec).is_err());
            prop_assert!(through::<_, bool>(&number, codec).is_err());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..64), is_number: bool) {
        let kind = if is_number { Kind::Number } else { Kind::Value };
        let record = record(Encoded { kind, body: body.into() });
        if held(&record) == Held::Value {
            let _ = decode::<Order>(&record, "key");
            let _ = decode::<Vec<Vec<u8>>>(&record, "key");
            let _ = decode::<Option<i64>>(&record, "key");
        }
    }
}

#[test]
fn a_list_is_not_read_as_a_shorter_one() {
    for codec in CODECS {
        assert!(through::<_, (u8, u8)>(&(1, 2, 3), codec).is_err());
        assert_eq!(
            through::<_, (u8, u8, u8)>(&(1, 2, 3), codec).unwrap(),
            (1, 2, 3)
        );
    }
}

/// Errors are logged. The values that they are about may be anybody's.
#[test]
fn an_error_says_what_is_wrong_and_shows_no_value() {
    fn refused<T: Serialize, U: DeserializeOwned>(value: &T) -> Vec<String> {
        let errors = CODECS.map(|codec| through::<T, U>(value, codec).err().unwrap());
        let source = |error: &CacheError| std::error::Error::source(error).unwrap().to_string();
        errors
            .iter()
            .map(|e| format!("{e}: {} {e:?}", source(e)))
            .collect()
    }
    let long = "Ali Baba \" ` , expected nobody".repeat(1_000);
    // As JSON says it; MessagePack has words of its own for some.
    let table = [
        (refused::<_, u8>(&long), "string, expected u8"),
        (
            refused::<_, Vec<u8>>(&[long.as_str()]),
            "string, expected u8",
        ),
        (
            refused::<_, Shape>(&long),
            "unknown variant, expected one of",
        ),
        (refused::<_, IpAddr>(&"Ali Baba"), ""),
        (refused::<_, bool>(&77_001), "integer, expected a boolean"),
        (refused::<_, u8>(&77_001), "integer, expected u8"),
    ];
    for (texts, reason) in table {
        assert!(texts[1].contains(reason), "{texts:?}");
        for text in texts {
            assert!(text.starts_with("the value under \"key\" is no "), "{text}");
            let is_told = ["Ali", "Baba", "nobody", "77001"].map(|word| text.contains(word));
            assert_eq!(is_told, [false; 4], "{text}");
        }
    }
}

#[test]
fn fields_are_written_with_their_names() {
    #[derive(Serialize)]
    struct Before {
        name: &'static str,
        gone: bool,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct After {
        #[serde(default)]
        added: Vec<u8>,
        name: String,
    }
    for codec in CODECS {
        let before = Before {
            name: "soup",
            gone: true,
        };
        let after = After {
            added: Vec::new(),
            name: "soup".to_owned(),
        };
        assert_eq!(through::<_, After>(&before, codec).unwrap(), after);
    }
}

#[test]
fn what_one_writes_looks_like_this() {
    let body = |value: &dyn Fn(Codec) -> Encoded| {
        CODECS.map(|codec| (value(codec).kind, value(codec).body))
    };
    let [packed, json] = body(&|codec| Encoded::of("soup", codec, "key").unwrap());
    assert_eq!(packed, (Kind::Value, (&b"\x01\xa4soup"[..]).into()));
    assert_eq!(json, (Kind::Value, (&b"\x02\"soup\""[..]).into()));
    for number in body(&|codec| Encoded::of(&-12_i8, codec, "key").unwrap()) {
        assert_eq!(number, (Kind::Number, (&b"-12"[..]).into()));
    }
    let [packed, json] = body(&|codec| Encoded::of(&true, codec, "key").unwrap());
    assert_eq!(packed.0, Kind::Value);
    assert_eq!(json.1, &b"\x02true"[..]);
}

#[test]
fn a_type_that_is_written_as_a_number_is_read_as_one_by_every_codec() {
    /// As types of dates and ids do: a number for programs, a text for people.
    #[derive(Debug, PartialEq)]
    struct Moment(i64);

    impl Serialize for Moment {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match serializer.is_human_readable() {
                true => serializer.serialize_str(&format!("@{}", self.0)),
                false => serializer.serialize_i64(self.0),
            }
        }
    }

    impl<'de> Deserialize<'de> for Moment {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            if !deserializer.is_human_readable() {
                return i64::deserialize(deserializer).map(Self);
            }
            let text = String::deserialize(deserializer)?;
            let digits = text
                .strip_prefix('@')
                .and_then(|digits| digits.parse().ok());
            digits
                .map(Self)
                .ok_or(serde::de::Error::custom("no moment"))
        }
    }

    for codec in CODECS {
        assert_eq!(through::<_, Moment>(&Moment(7), codec).unwrap(), Moment(7));
        let listed = vec![Moment(7), Moment(-8)];
        assert_eq!(through::<_, Vec<Moment>>(&listed, codec).unwrap(), listed);
    }
}

#[tokio::test]
async fn a_cache_reads_what_another_codec_has_written() {
    let store = MemoryStore::new(MIB);
    let [packed, json] =
        CODECS.map(|codec| Cache::builder(store.clone()).codec(codec).build().unwrap());
    for (writer, reader) in [(&packed, &json), (&json, &packed)] {
        let shape = Shape::Box {
            width: 1,
            height: -1,
        };
        writer.set("shape", &shape, SECOND).await.unwrap();
        writer.set("n", &5, SECOND).await.unwrap();
        assert_eq!(reader.get("shape").await.unwrap(), Some(shape));
        assert_eq!(reader.incr("n", 1).await.unwrap(), 6);
        assert_eq!(writer.get::<u8>("n").await.unwrap(), Some(6));
    }
}

/// A later version of the library may write what this one does not read.
#[tokio::test]
async fn what_is_in_no_known_format_is_a_miss_that_is_counted() {
    let World { cache, .. } = World::new();
    cache.set("a", "there", SECOND).await.unwrap();
    let shared = &cache.shared;
    let key = shared.value_key("a").unwrap();
    let now = shared.clock.now();
    for body in [&b"\xffwhatever"[..], b""] {
        let stamp = shared.look_up(&key, now).await.unwrap().stamp;
        let times = Times {
            born: now,
            fresh_until: Now::NEVER,
            keep_until: Now::NEVER,
        };
        let record = record_of(
            Kind::Value,
            body.into(),
            stamp,
            times,
            shared.own_marks(&key),
        );
        let op = Op::Put(record, When::Always);
        let named: Key<'_> = key.as_key();
        shared.apply(named, op, now).await.unwrap();
        let before = cache.stats().foreign;
        assert_eq!(cache.get::<String>("a").await.unwrap(), None);
        assert!(cache.stats().foreign > before);
        assert!(matches!(
            cache.lookup::<u8>("a").await.unwrap(),
            Lookup::Miss(_)
        ));
        let loaded = cache.get_or_set("a", SECOND, async || "made".to_owned());
        assert_eq!(loaded.await.unwrap(), "made");
        assert_eq!(
            cache.get::<String>("a").await.unwrap().as_deref(),
            Some("made")
        );
    }
}

#[tokio::test]
async fn json_has_only_maps_with_texts_for_keys() {
    let World { cache, .. } = World::new();
    let map = BTreeMap::from([((1, 2), 3)]);
    cache.set("map", &map, SECOND).await.unwrap();
    assert_eq!(cache.get("map").await.unwrap(), Some(map.clone()));
    let json = Cache::builder(MemoryStore::new(MIB)).codec(Codec::Json);
    let error = json.build().unwrap().set("map", &map, SECOND).await;
    assert!(matches!(error, Err(CacheError::Encode { key, .. }) if key == "map"));
}
