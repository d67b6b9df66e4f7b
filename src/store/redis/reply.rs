//! Reading what the server answers.

use deadpool_redis::redis::Value;

use crate::store::StoreError;

pub(super) fn unexpected(action: &'static str) -> StoreError {
    StoreError::new(action, "the server's answer is of another form")
}

pub(super) fn bulk(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

pub(super) fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// Zero for what is none.
pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        _ => 0,
    }
}

/// The members of a sorted set with their scores, without those that are none of ours.
pub(super) fn scored<K>(
    value: Value,
    member: impl Fn(&[u8]) -> Option<K>,
) -> Option<Vec<(K, u64)>> {
    let flat = array(value)?;
    let mut scored = Vec::with_capacity(flat.len() / 2);
    let mut flat = flat.into_iter();
    while let (Some(name), Some(score)) = (flat.next(), flat.next()) {
        let (Some(name), Some(score)) = (bulk(name), bulk(score)) else {
            return None;
        };
        let score: f64 = std::str::from_utf8(&score).ok()?.parse().ok()?;
        if let Some(name) = member(&name) {
            // Scores are whole numbers below 2^53.
            scored.push((name, score as u64));
        }
    }
    Some(scored)
}
