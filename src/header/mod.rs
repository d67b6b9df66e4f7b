//! Header fields as types: what a field says is read once, here, and the rest of the crate decides on values.

pub(crate) mod directives;
pub(crate) mod list;
pub(crate) mod seconds;

#[cfg(test)]
mod arbitrary;

