//! A change of one entry, as the script takes it, and what the script answers.

use deadpool_redis::redis::Value;

use super::entry::{self, Compression};
use super::reply;
use crate::clock::Now;
use crate::store::{Done, If, Key, Op, Record, RecordId, When};

/// A change as the script takes it.
pub(super) struct Change {
    what: &'static str,
    how: &'static str,
    id: Vec<u8>,
    ttl: String,
    epoch: Vec<u8>,
    seq: Vec<u8>,
    marks: Vec<u8>,
    value: Vec<u8>,
    number: String,
}

impl Change {
    /// `None` where it is about a record that cannot be written elsewhere.
    pub(super) fn of(key: Key<'_>, op: &Op, compression: Compression, now: Now) -> Option<Self> {
        let bare = |what, how| Self {
            what,
            how,
            id: Vec::new(),
            ttl: String::new(),
            epoch: Vec::new(),
            seq: Vec::new(),
            marks: Vec::new(),
            value: Vec::new(),
            number: String::new(),
        };
        let of = |of: &If| match of {
            If::Any => ("any", Vec::new()),
            If::Same(id) => ("same", id.to_bits().to_be_bytes().to_vec()),
        };
        Some(match op {
            Op::Put(record, when) => {
                let mut change = bare("put", "").filed(key, record, compression, now)?;
                change.how = match when {
                    When::Fenced => "fenced",
                    When::Always => "always",
                    When::Absent => "absent",
                    When::Same(id) => {
                        change.id = id.to_bits().to_be_bytes().to_vec();
                        "same"
                    }
                };
                change
            }
            Op::Remove(condition) => {
                let (how, id) = of(condition);
                Self {
                    id,
                    ..bare("remove", how)
                }
            }
            Op::Count { by, create } => {
                let mut change = match create {
                    None => bare("count", ""),
                    Some(record) => bare("count", "create").filed(key, record, compression, now)?,
                };
                change.id = RecordId::next().to_bits().to_be_bytes().to_vec();
                change.number = by.to_string();
                change
            }
            Op::Life {
                fresh_until,
                keep_until,
                of: condition,
            } => {
                let (how, id) = of(condition);
                let times = [
                    fresh_until.as_millis().to_be_bytes(),
                    keep_until.as_millis().to_be_bytes(),
                ];
                Self {
                    id,
                    ttl: ttl(*keep_until, now),
                    value: times.concat(),
                    ..bare("life", how)
                }
            }
        })
    }

    fn filed(
        mut self,
        key: Key<'_>,
        record: &Record,
        compression: Compression,
        now: Now,
    ) -> Option<Self> {
        self.value = entry::encode(key, record, compression)?;
        self.ttl = ttl(record.times.keep_until, now);
        self.epoch = record.stamp.epoch.to_be_bytes().to_vec();
        self.seq = record.stamp.seq.to_be_bytes().to_vec();
        let digests = record.marks.iter().map(|mark| mark.digest().to_be_bytes());
        self.marks = digests.flatten().collect();
        Some(self)
    }

    /// About how many bytes it takes on its way.
    pub(super) fn weight(&self) -> usize {
        self.value.len() + self.marks.len() + 64
    }

    pub(super) fn arguments(&self) -> [&[u8]; 9] {
        [
            self.what.as_bytes(),
            self.how.as_bytes(),
            &self.id,
            self.ttl.as_bytes(),
            &self.epoch,
            &self.seq,
            &self.marks,
            &self.value,
            self.number.as_bytes(),
        ]
    }
}

/// The server's expiry, in milliseconds from now on: its clock may be another. Empty for ever.
fn ttl(keep_until: Now, now: Now) -> String {
    /// About 280 years, which the server can add to its clock.
    const LONGEST: u128 = 1 << 43;
    match keep_until {
        Now::NEVER => String::new(),
        until => until.since(now).as_millis().min(LONGEST).to_string(),
    }
}

/// What the script says of a change.
pub(super) fn done(answer: Value) -> Option<Done> {
    let answer = reply::bulk(answer)?;
    Some(match answer.as_slice() {
        b"stored" => Done::Stored,
        b"removed" => Done::Removed,
        b"nothing" => Done::Nothing,
        b"outlawed" => Done::Outlawed,
        b"refused" => Done::Refused,
        b"nan" => Done::NotANumber,
        b"overflow" => Done::Overflow,
        number => Done::Counted(std::str::from_utf8(number).ok()?.parse().ok()?),
    })
}
