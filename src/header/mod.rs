//! Header fields as types: what a field says is read once, here, and the rest of the crate decides on values.

pub(crate) mod age;
pub(crate) mod cache_control;
pub(crate) mod connection;
pub(crate) mod date;
pub(crate) mod directives;
pub(crate) mod expires;
pub(crate) mod length;
pub(crate) mod list;
pub(crate) mod seconds;
pub(crate) mod vary;

#[cfg(test)]
mod arbitrary;

pub(crate) use age::Age;
pub(crate) use cache_control::{Lifetime, RequestDirectives, ResponseDirectives, Scope};
pub(crate) use connection::{has_token, strip_hop_by_hop};
pub(crate) use expires::Expires;
pub(crate) use length::ContentLength;
pub(crate) use vary::{Vary, selecting_value};
