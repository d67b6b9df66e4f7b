//! The head of a stored response as bytes. Layout, version 1 (see [`wire`](crate::page::wire)):
//!
//! ```text
//! version │ status: u16 │ flags: u8 │ lifetime, seconds: u64 │ stale while revalidate, stale if error: span each
//!         │ asked: moment │ took, microseconds: u32 │ owner │ fields │ trailers? │ client's lifetime? │ what was said?
//! ```

use std::sync::Mutex;

use http::{HeaderValue, StatusCode};

use super::super::asker::Owner;
use super::super::complete::{ClientTtl, Completed};
use super::super::terms::Terms;
use super::super::wire::{LEAST_FIELD, Reader, Writer};
use super::StoredPage;
use crate::identity::IdentityDigest;

const VERSION: u8 = 1;

const NO_CACHE: u8 = 1;
const MUST_REVALIDATE: u8 = 2;
const NO_STALE: u8 = 4;
const IMMUTABLE: u8 = 8;
const SAYS_STALE: u8 = 16;
const INNER_STATUS: u8 = 32;
const ALL: u8 = 63;

impl StoredPage {
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        let mut writer = Writer::new(VERSION);
        writer.u16(self.status.as_u16());
        writer.u8(self.flags());
        writer.u64(self.lifetime);
        writer.span(self.terms.while_revalidate);
        writer.span(self.terms.if_error);
        writer.moment(self.asked);
        writer.u32(self.took);
        write_owner(&mut writer, self.owner);
        writer.fields(&self.headers);
        writer.u8(self.trailers.is_some().into());
        if let Some(trailers) = &self.trailers {
            writer.fields(trailers);
        }
        write_completed(&mut writer, &self.completed);
        writer.finish()
    }

    pub(in crate::page) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.version(VERSION)?;
        // A response that is stored is a final one.
        let status = StatusCode::from_u16(reader.u16()?)
            .ok()
            .filter(|status| !status.is_informational())?;
        let flags = Some(reader.u8()?).filter(|flags| flags & !ALL == 0)?;
        let has = |flag| flags & flag != 0;
        Some(Self {
            status,
            lifetime: reader.u64()?,
            terms: Terms {
                no_cache: has(NO_CACHE),
                must_revalidate: has(MUST_REVALIDATE),
                no_stale: has(NO_STALE),
                while_revalidate: reader.span()?,
                if_error: reader.span()?,
                immutable: has(IMMUTABLE),
                says_stale: has(SAYS_STALE),
            },
            asked: reader.moment()?,
            took: reader.u32()?,
            owner: read_owner(reader)?,
            headers: reader.fields()?,
            trailers: match reader.u8()? {
                0 => None,
                1 => Some(Box::new(reader.fields()?)),
                _ => return None,
            },
            completed: read_completed(reader)?,
            inner_status: has(INNER_STATUS),
            last: Mutex::default(),
        })
    }

    fn flags(&self) -> u8 {
        let terms = &self.terms;
        [
            (terms.no_cache, NO_CACHE),
            (terms.must_revalidate, MUST_REVALIDATE),
            (terms.no_stale, NO_STALE),
            (terms.immutable, IMMUTABLE),
            (terms.says_stale, SAYS_STALE),
            (self.inner_status, INNER_STATUS),
        ]
        .into_iter()
        .filter_map(|(is_set, flag)| is_set.then_some(flag))
        .sum()
    }
}

fn write_owner(writer: &mut Writer, owner: Owner) {
    match owner {
        Owner::Everyone => writer.u8(0),
        Owner::Some(digest) => {
            writer.u8(1);
            writer.raw(&digest.0);
        }
        Owner::Person(digest) => {
            writer.u8(2);
            writer.raw(&digest.0);
        }
    }
}

fn read_owner(reader: &mut Reader<'_>) -> Option<Owner> {
    Some(match reader.u8()? {
        0 => Owner::Everyone,
        1 => Owner::Some(IdentityDigest(reader.array()?)),
        2 => Owner::Person(IdentityDigest(reader.array()?)),
        _ => return None,
    })
}

fn write_completed(writer: &mut Writer, completed: &Completed) {
    writer.u8(completed.client.is_some().into());
    if let Some(client) = &completed.client {
        writer.bytes(client.before.as_bytes());
        writer.u64(client.seconds);
    }
    writer.u8(completed.said.is_some().into());
    if let Some(said) = &completed.said {
        writer.count(said.len());
        for (name, line) in said {
            writer.field(name, line);
        }
    }
}

fn read_completed(reader: &mut Reader<'_>) -> Option<Completed> {
    let client = match reader.u8()? {
        0 => None,
        1 => Some(ClientTtl {
            before: read_directives(reader.bytes()?)?,
            seconds: reader.u64()?,
        }),
        _ => return None,
    };
    let said = match reader.u8()? {
        0 => None,
        1 => {
            let lines = 0..reader.count(LEAST_FIELD)?;
            Some(lines.map(|_| reader.field()).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(Completed { client, said })
}

/// The beginning of a field's value.
fn read_directives(bytes: &[u8]) -> Option<String> {
    let value = HeaderValue::from_bytes(bytes).ok()?;
    value.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests;
