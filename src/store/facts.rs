//! What a store says of itself.

use serde::Serialize;

/// What a store says of itself. Each fact is `None` where the store does not know it.
///
/// As JSON the fields have the names that they have here, and what is unknown is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreFacts {
    /// How many records it holds, expired and outlawed ones that nobody has asked for since among them.
    pub entries: Option<u64>,
    /// The bytes that they take, keys and book-keeping included.
    pub bytes: Option<u64>,
    /// The most bytes that it holds.
    pub capacity: Option<u64>,
    /// How many records were taken away to make room.
    pub evictions: Option<u64>,
    /// How many records were taken away since their time was over, as far as that was noticed.
    pub expirations: Option<u64>,
    /// Is it asked at all, where it is elsewhere? Not while it is left alone after failures.
    pub asked: Option<bool>,
    /// How many purges this node owes it, where it is elsewhere.
    pub undelivered: Option<u64>,
    /// How many entries this node could not read, and removed, where entries are read from elsewhere: torn, foreign, or of another format.
    pub unreadable: Option<u64>,
    /// What the server behind it says, where there is one.
    pub server: Option<ServerFacts>,
}

/// What the server behind a store says of itself, about everyone who uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerFacts {
    /// The bytes of memory in use.
    pub memory_used: Option<u64>,
    /// The most that were ever in use.
    pub memory_peak: Option<u64>,
    /// How many clients are connected.
    pub clients: Option<u64>,
    /// How many commands it has carried out.
    pub commands: Option<u64>,
    /// Look-ups that found a key.
    pub keyspace_hits: Option<u64>,
    /// Look-ups that found none.
    pub keyspace_misses: Option<u64>,
}

impl StoreFacts {
    /// The share of its capacity that is in use; `None` where either is unknown, or there is no capacity.
    pub fn used(&self) -> Option<f64> {
        share(self.bytes?, self.capacity?)
    }
}

impl ServerFacts {
    /// The share of look-ups that found a key; `None` where that is unknown, or there were none.
    pub fn hit_rate(&self) -> Option<f64> {
        let (hits, misses) = (self.keyspace_hits?, self.keyspace_misses?);
        share(hits, hits.saturating_add(misses))
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_divided_by_nothing() {
        let server = |hits, misses| ServerFacts {
            keyspace_hits: hits,
            keyspace_misses: misses,
            ..ServerFacts::default()
        };
        let table = [
            (server(None, None), None),
            (server(Some(1), None), None),
            (server(Some(0), Some(0)), None),
            (server(Some(3), Some(1)), Some(0.75)),
            (server(Some(u64::MAX), Some(u64::MAX)), Some(1.0)),
        ];
        for (facts, rate) in table {
            assert_eq!(facts.hit_rate(), rate, "{facts:?}");
        }
        let facts = |bytes, capacity| StoreFacts {
            bytes,
            capacity,
            ..StoreFacts::default()
        };
        assert_eq!(facts(Some(1), None).used(), None);
        assert_eq!(facts(Some(0), Some(0)).used(), None);
        assert_eq!(facts(Some(1), Some(4)).used(), Some(0.25));
    }
}
