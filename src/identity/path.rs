//! Identity by the path of a route.

use super::identify::Identify;
use super::value::Identity;
use crate::request::{RequestHead, matched_path};

/// Whatever a parameter of the matched route's path says: a tenant. It is an identity of no person.
///
/// The value is decoded as axum's `Path` decodes it, so that `/a%62c` and `/abc` are one. Under `nest` the parameters of the prefix count too.
/// Where no route has matched, as outside the router, or the route has no such parameter, a request is anonymous; so it is in what
/// `nest_service` holds, unless that is a router, and where a layer has rewritten the path since.
///
/// ```
/// use larder::identity;
///
/// // As in Router::new().route("/{tenant}/report", …)
/// let by_tenant = identity::path_param("tenant");
/// # let _ = by_tenant;
/// ```
pub fn path_param(name: impl Into<String>) -> PathParam {
    PathParam { name: name.into() }
}

/// See [`path_param`].
#[derive(Clone, Debug)]
pub struct PathParam {
    name: String,
}

impl Identify for PathParam {
    fn identify(&self, request: &RequestHead<'_>) -> Identity {
        let path = request.target().path();
        let value =
            matched_path(request.extensions).and_then(|route| param(route, path, &self.name));
        let identity = match value {
            Some(value) => Identity::known(self.name(), decoded(value)),
            None => Identity::anonymous(self.name()),
        };
        identity.of_no_person()
    }

    fn name(&self) -> String {
        format!("path parameter {}", self.name)
    }
}

/// The value of a parameter of `template` in `path`, as it stands there. A template is what axum's routes are made of: `{name}` to the next
/// `/`, `{*name}` to the end, `{{` and `}}` for the braces themselves. `None` where it has no such parameter or is not the path's.
fn param<'a>(template: &str, path: &'a str, name: &str) -> Option<&'a [u8]> {
    let mut template = template.as_bytes();
    let mut path = path.as_bytes();
    let mut found = None;

    loop {
        template = match template {
            // A router within a service has a route `/` of its own for what has no slash at its end.
            [] | [b'/'] if path.is_empty() => return found,
            [] => return None,
            [byte @ b'{', b'{', after @ ..] | [byte @ b'}', b'}', after @ ..] => {
                path = path.strip_prefix(&[*byte])?;
                after
            }
            [b'{', after @ ..] => {
                let end = end_of_name(after)?;
                let (is_rest, of) = match &after[..end] {
                    [b'*', name @ ..] => (true, name),
                    name => (false, name),
                };
                let slash = path.iter().position(|byte| *byte == b'/' && !is_rest);
                let (value, behind) = path.split_at(slash.unwrap_or(path.len()));
                if value.is_empty() {
                    return None;
                }
                if is_named(of, name) {
                    found = found.or(Some(value));
                }
                path = behind;
                &after[end + 1..]
            }
            [byte, after @ ..] => {
                path = path.strip_prefix(&[*byte])?;
                after
            }
        };
    }
}

/// Where the brace stands that closes a parameter; a doubled one is a letter of its name.
fn end_of_name(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at..)? {
            [b'}', b'}', ..] => at += 2,
            [b'}', ..] => return Some(at),
            [] => return None,
            _ => at += 1,
        }
    }
}

/// Is this the name, with its braces doubled?
fn is_named(escaped: &[u8], name: &str) -> bool {
    let mut rest = escaped;
    for byte in name.bytes() {
        let own: &[u8] = match byte {
            b'{' => b"{{",
            b'}' => b"}}",
            _ => &[byte],
        };
        let Some(after) = rest.strip_prefix(own) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

/// With every `%` and two digits as one byte; a `%` that escapes nothing stands for itself.
fn decoded(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match (byte, after) {
            (b'%', [high, low, behind @ ..]) => {
                let byte = digit(*high).zip(digit(*low));
                byte.map(|(high, low)| (high << 4 | low, behind))
            }
            _ => None,
        };
        let (byte, behind) = escaped.unwrap_or((byte, after));
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
