//! The index of a page's variants as bytes. Layout, version 1 (see [`wire`](crate::page::wire)):
//!
//! ```text
//! version │ selections: (names │ newest date: u64 │ variants: (key │ kept until: moment │ negotiated?)…)…
//! ```

use super::super::negotiate::Negotiated;
use super::super::wire::{Reader, Writer};
use super::{Kept, Selection, Variants};

const VERSION: u8 = 1;

/// What the parts of lists take at least: a name its length and one byte, the others the lengths and numbers in them.
const LEAST_NAME: usize = 4 + 1;
const LEAST_KEPT: usize = 4 + 8 + 1;
const LEAST_SELECTION: usize = 4 + 8 + 4;

impl Variants {
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        let mut writer = Writer::new(VERSION);
        writer.count(self.selections.len());
        for selection in &self.selections {
            writer.count(selection.names.len());
            for name in &selection.names {
                writer.name(name);
            }
            writer.u64(selection.date);
            writer.count(selection.kept.len());
            for kept in &selection.kept {
                writer.bytes(&kept.key);
                writer.moment(kept.until);
                writer.u8(kept.negotiated.is_some().into());
                if let Some(negotiated) = &kept.negotiated {
                    negotiated.write(&mut writer);
                }
            }
        }
        writer.finish()
    }

    pub(in crate::page) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.version(VERSION)?;
        let selections = 0..reader.count(LEAST_SELECTION)?;
        let selections = selections.map(|_| read_selection(reader));
        Some(Self {
            selections: selections.collect::<Option<_>>()?,
        })
    }
}

fn read_selection(reader: &mut Reader<'_>) -> Option<Selection> {
    let names = 0..reader.count(LEAST_NAME)?;
    Some(Selection {
        names: names.map(|_| reader.name()).collect::<Option<_>>()?,
        date: reader.u64()?,
        kept: {
            let kept = 0..reader.count(LEAST_KEPT)?;
            kept.map(|_| read_kept(reader)).collect::<Option<_>>()?
        },
    })
}

fn read_kept(reader: &mut Reader<'_>) -> Option<Kept> {
    Some(Kept {
        key: reader.bytes()?.into(),
        until: reader.moment()?,
        negotiated: match reader.u8()? {
            0 => None,
            1 => Some(Box::new(Negotiated::read(reader)?)),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests;
