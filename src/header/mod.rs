//! Header fields as types: what a field says is read once, here, and the rest of the crate decides on values.
//!
//! ```text
//! HeaderMap ─► lines ─► list members ─► directives ─┬─► ResponseDirectives, RequestDirectives   Cache-Control
//!                  │               ├────────────────┼─► Vary, selecting_value                   Vary and what it names
//!                  │               ├────────────────┼─► strip_hop_by_hop, has_token             Connection
//!                  │               ├────────────────┼─► ContentLength, Ranges                   Content-Length, Range
//!                  │               └─► weights ─────┼─► AcceptLanguage, coding, accept          Accept-Language, -Encoding, Accept
//!                  ├─► dictionary ──────────────────┼─► ResponseDirectives, NoVarySearch        targeted fields, No-Vary-Search
//!                  ├────────────────────────────────┼─► EntityTag, TagList                      ETag and the lists of tags
//!                  └────────────────────────────────┴─► Expires, Age, date, ContentRange        single values
//! ```
//!
//! The way back is narrower, since a cache says little: [`cache_control::append`] adds a directive, [`cache_status`]
//! writes this cache's member, [`date::format`] writes a date, and [`content_range`] says which part a part is.
//!
//! Everything is pure: no I/O and no clock, so a rule that depends on the time takes `now`. Everything is total: any
//! bytes give a value, in time linear in their number. And *absent* is never the same as *unreadable*: a field that
//! cannot be read gets a variant of its own (`Invalid`, `Any`, `malformed`), because RFC 9111 wants it taken for the
//! strictest thing it could have said and not for nothing. Only a dictionary that cannot be read is an absent one, as the
//! documents that define these fields want it.

pub(crate) mod accept;
pub(crate) mod age;
pub(crate) mod cache_control;
mod cache_groups;
pub(crate) mod cache_status;
pub(crate) mod coding;
pub(crate) mod connection;
pub(crate) mod content_range;
pub(crate) mod cookie;
pub(crate) mod date;
pub(crate) mod directives;
pub(crate) mod etag;
mod etag_value;
pub(crate) mod expires;
pub(crate) mod language;
pub(crate) mod length;
pub(crate) mod list;
pub(crate) mod no_vary_search;
mod quality;
pub(crate) mod range;
pub(crate) mod reference;
mod replace;
pub(crate) mod seconds;
mod structured;
pub(crate) mod vary;

#[cfg(test)]
pub(crate) mod arbitrary;

pub(crate) use age::Age;
pub(crate) use cache_control::{Lifetime, RequestDirectives, ResponseDirectives, Scope};
pub(crate) use cache_groups::GROUP_FIELDS;
pub use cache_groups::{CacheGroupInvalidation, CacheGroups, GroupNameError};
pub(crate) use cache_status::{CacheName, Collapsed, Forwarded, Fwd, Member};
pub(crate) use connection::{has_token, strip_hop_by_hop};
pub(crate) use content_range::ContentRange;
pub(crate) use cookie::{Cookie, cookie};
pub(crate) use etag::{EntityTag, TagList};
pub use etag_value::{ETag, ETagError};
pub(crate) use expires::Expires;
pub(crate) use length::ContentLength;
pub(crate) use range::RangeSpec;
pub(crate) use reference::Reference;
pub(crate) use replace::replace;
pub(crate) use structured::{dictionary, list as structured_list};
pub(crate) use vary::{Vary, selecting_value};
