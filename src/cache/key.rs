//! The keys of values: the cache's space, one byte that says what stands there, and the name as it was given.

use super::error::CacheError;
use super::{Cache, Shared};
use crate::store::{KeyBuf, Mark};

/// What a name stands for. A page's key goes on with a byte above all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Role {
    Value = 1,
    Lock = 2,
    Health = 3,
}

/// How much of a key that is too long an error shows.
const SHOWN: usize = 40;

impl Cache {
    /// The longest key of a value, in bytes.
    pub const LONGEST_KEY: usize = 4_096;
}

impl Shared {
    /// The key of the value that is called `name`.
    pub(super) fn value_key(&self, name: &str) -> Result<KeyBuf, CacheError> {
        self.key_of(Role::Value, name)
    }

    /// The key of what is called `name` in this role. Only values show their names to stores: two keys of one name would share a place there.
    pub(super) fn key_of(&self, role: Role, name: &str) -> Result<KeyBuf, CacheError> {
        check(name)?;
        let bytes = self.key_bytes(role, name.as_bytes());
        Ok(match role {
            Role::Value => KeyBuf::named(bytes, self.space.len() + 1),
            Role::Lock | Role::Health => KeyBuf::new(bytes),
        })
    }

    /// What the keys of all values start with whose names start with `prefix`.
    pub(super) fn value_prefix(&self, prefix: &[u8]) -> KeyBuf {
        KeyBuf::named(self.key_bytes(Role::Value, prefix), self.space.len() + 1)
    }

    /// The name in the full key of a value of this cache.
    pub(super) fn name_in<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        name_after(key.strip_prefix(&*self.space)?)
    }

    /// The marks that every value under this key carries: a purge of the key, and of the whole cache, strikes it.
    pub(super) fn own_marks(&self, key: &KeyBuf) -> [Mark; 3] {
        let [version, all_versions] = self.space_marks();
        [version, all_versions, self.mark_of(key)]
    }

    pub(super) fn mark_of(&self, key: &KeyBuf) -> Mark {
        self.key_mark(key.as_key().as_bytes())
    }

    fn key_bytes(&self, role: Role, name: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.space.len() + 1 + name.len());
        bytes.extend_from_slice(&self.space);
        bytes.push(role as u8);
        bytes.extend_from_slice(name);
        bytes
    }
}

/// The name of the value with this full key, whose space takes so many bytes.
pub(crate) fn value_name(key: &[u8], space: usize) -> Option<&str> {
    std::str::from_utf8(name_after(key.get(space..)?)?).ok()
}

fn name_after(space: &[u8]) -> Option<&[u8]> {
    space.strip_prefix(&[Role::Value as u8])
}

fn check(name: &str) -> Result<(), CacheError> {
    if name.is_empty() {
        return Err(CacheError::EmptyKey);
    }
    if name.len() > Cache::LONGEST_KEY {
        return Err(CacheError::LongKey {
            key: name.chars().take(SHOWN).collect(),
            bytes: name.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::NullStore;

    fn shared(namespace: &str, version: u32) -> std::sync::Arc<Shared> {
        let builder = Cache::builder(NullStore).namespace(namespace);
        builder.version(version).build().unwrap().shared
    }

    #[test]
    fn a_key_must_have_a_letter_and_not_too_many() {
        let shared = shared("shop", 1);
        assert!(matches!(shared.value_key(""), Err(CacheError::EmptyKey)));
        let longest = "ä".repeat(Cache::LONGEST_KEY / 2);
        assert!(shared.value_key(&longest).is_ok());
        let error = shared.value_key(&format!("{longest}x")).unwrap_err();
        assert!(matches!(error, CacheError::LongKey { bytes: 4_097, .. }));
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[test]
    fn a_lock_and_a_value_of_one_name_are_two() {
        let shared = shared("shop", 1);
        let (value, lock) = (
            shared.value_key("a").unwrap(),
            shared.key_of(Role::Lock, "a").unwrap(),
        );
        assert_ne!(value, lock);
        assert_eq!(value.as_key().name(), Some(&b"a"[..]));
        assert_eq!(lock.as_key().name(), None);
        assert_ne!(shared.mark_of(&value), shared.mark_of(&lock));
    }

    #[test]
    fn no_page_has_the_key_of_a_value() {
        let shared = shared("shop", 1);
        let cache = Cache {
            shared: shared.clone(),
        };
        for tag in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let layer = cache.page(crate::minutes(5)).named(tag);
            let request = http::Request::get("/menu").header("host", "shop.example");
            let request = request.body(()).unwrap();
            let head = crate::RequestHead::of(&request);
            let key = layer.key(&head).unwrap();
            let rest = key.as_bytes().strip_prefix(&*shared.space).unwrap();
            assert!(rest[0] >= 0x80);
        }
    }

    proptest! {
        #[test]
        fn names_round_trip_and_no_two_share_a_key(
            one in "\\PC{1,60}|[\\x00-\\x20]{1,9}", other in "\\PC{1,60}|[\\x00-\\x20]{1,9}",
            space in "[a-z:]{1,6}", version in 0_u32..3,
        ) {
            let (here, there) = (shared("shop", 1), shared(&space, version));
            let key = here.value_key(&one).unwrap();
            prop_assert_eq!(here.name_in(key.as_key().as_bytes()), Some(one.as_bytes()));
            prop_assert_eq!(key.as_key().name(), Some(one.as_bytes()));
            let prefix = here.value_prefix(&one.as_bytes()[..1]);
            prop_assert!(key.as_key().as_bytes().starts_with(prefix.as_key().as_bytes()));
            let second = there.value_key(&other).unwrap();
            let is_same = one == other && space == "shop" && version == 1;
            prop_assert_eq!(key == second, is_same);
            prop_assert_eq!(here.mark_of(&key) == there.mark_of(&second), is_same);
        }
    }
}
