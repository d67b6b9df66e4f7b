//! `Cache-Status` (RFC 9211): how this cache handled a request, after what the caches nearer to the origin say.

mod append;
mod member;
mod name;

pub(crate) use append::append;
pub(crate) use member::{Collapsed, Forwarded, Fwd, Member};
pub(crate) use name::CacheName;
