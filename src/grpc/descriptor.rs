//! What the descriptors of a service say of its methods (`google.protobuf.FileDescriptorSet`).

use std::collections::BTreeMap;

use prost::Message;
use prost_types::FileDescriptorSet;
use prost_types::method_options::IdempotencyLevel;

/// The most names that an error lists.
const MOST_NEAR: usize = 12;

type Part = for<'a> fn((&'a str, &'a str)) -> &'a str;

/// What is known of each method, by its path.
#[derive(Debug, Default)]
pub(super) struct Described(BTreeMap<String, Kind>);

/// What a method is, the more harmless first: where sets differ, the worst is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Its `idempotency_level` is `NO_SIDE_EFFECTS`.
    Safe,
    Unsafe,
    Streaming,
}

impl Described {
    /// Adds what a set says, as protoc and its like write it.
    pub(super) fn add(&mut self, set: &[u8]) -> Result<(), prost::DecodeError> {
        for file in FileDescriptorSet::decode(set)?.file {
            let package = file.package().to_owned();
            for service in &file.service {
                for method in &service.method {
                    let dot = if package.is_empty() { "" } else { "." };
                    let path = format!("/{package}{dot}{}/{}", service.name(), method.name());
                    let level = method.options.as_ref().map(|it| it.idempotency_level());
                    let kind = if method.client_streaming() || method.server_streaming() {
                        Kind::Streaming
                    } else if level == Some(IdempotencyLevel::NoSideEffects) {
                        Kind::Safe
                    } else {
                        Kind::Unsafe
                    };
                    let known = self.0.entry(path).or_insert(kind);
                    *known = kind.max(*known);
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn kind(&self, path: &str) -> Option<Kind> {
        self.0.get(path).copied()
    }

    /// The paths that one may have meant by this one: of the same service, of the same method of another, or else all.
    pub(super) fn near(&self, path: &str) -> Vec<&str> {
        let alike = |part: Part| -> Vec<&str> {
            let Some(given) = path.rsplit_once('/').map(part) else {
                return Vec::new();
            };
            let paths = self.0.keys().map(String::as_str);
            paths
                .filter(|known| {
                    let known = known.rsplit_once('/').map(part);
                    known.is_some_and(|known| known.eq_ignore_ascii_case(given))
                })
                .collect()
        };
        let parts: [Part; 2] = [|(service, _)| service, |(_, method)| method];
        let mut near: Vec<&str> = parts.into_iter().flat_map(alike).collect();
        if near.is_empty() {
            near.extend(self.0.keys().map(String::as_str));
        }
        near.truncate(MOST_NEAR);
        near
    }

    /// The unary methods without side effects.
    pub(super) fn safe(&self) -> impl Iterator<Item = &str> {
        let safe = self.0.iter().filter(|(_, kind)| **kind == Kind::Safe);
        safe.map(|(path, _)| path.as_str())
    }
}
