//! `Cache-Control` (RFC 9111 §5.2): what a response allows, what a request asks for, and adding a directive.
//!
//! Where a field contradicts itself, the more restrictive reading wins (§4.2.1).

mod append;
mod lifetime;
mod private;
mod request;
mod response;
mod scope;
mod targeted;

pub(crate) use append::append;
pub(crate) use lifetime::Lifetime;
pub(crate) use private::{is_targeted, keep_private};
pub(crate) use request::RequestDirectives;
pub(crate) use response::ResponseDirectives;
pub(crate) use scope::{MAX_FIELDS, Scope};
