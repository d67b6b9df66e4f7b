//! What rules ask for, collected.

use std::fmt;

use crate::cache::Cache;
use crate::identity::Identity;
use crate::page::PageKey;
use crate::store::{Mark, Purge, PurgeError};

/// What a rule asks to be freed. All that the rules of one emit ask for is freed in one step.
pub struct Purges {
    cache: Cache,
    marks: Vec<Mark>,
    /// The first thing that cannot be purged, since it is none.
    wrong: Option<PurgeError>,
}

impl Purges {
    pub(super) fn new(cache: Cache) -> Self {
        Self {
            cache,
            marks: Vec::new(),
            wrong: None,
        }
    }

    /// Everything that carries this tag. See [`Cache::purge_tag`].
    pub fn tag(&mut self, tag: impl AsRef<str>) {
        self.marks.push(self.cache.shared.tag_mark(tag.as_ref()));
    }

    /// Everything that carries one of these tags.
    pub fn tags<T: AsRef<str>>(&mut self, tags: impl IntoIterator<Item = T>) {
        for tag in tags {
            self.tag(tag);
        }
    }

    /// A page with all its variants and queries; one query of it where `address` has one. See [`Cache::purge_page`]. An address that is none
    /// is a failure of the rule.
    pub fn page(&mut self, address: &str) {
        let mark = self.cache.shared.address_mark(address);
        self.add(
            mark.map(|mark| vec![mark])
                .ok_or_else(|| PurgeError::Address(address.to_owned())),
        );
    }

    /// The page of one address and query, with all its variants. See [`Cache::purge_key`].
    pub fn key(&mut self, key: &PageKey) {
        self.marks.push(self.cache.shared.key_mark(key.as_bytes()));
    }

    /// All pages that are kept for this identity. See [`Cache::purge_identity`].
    pub fn identity(&mut self, identity: &Identity) {
        let shared = &self.cache.shared;
        let digest = shared.secret.digest(identity);
        self.marks.push(shared.identity_mark(digest));
    }

    /// Everything of this origin that belongs to this group (RFC 9875). See [`Cache::purge_group`]. An origin that is none is a failure of
    /// the rule.
    pub fn group(&mut self, origin: &str, name: &str) {
        let marks = self.cache.group_marks(origin, name);
        self.add(marks);
    }

    /// Everything of the cache's namespace and version. See [`Cache::clear`].
    pub fn everything(&mut self) {
        self.marks.push(self.cache.shared.namespace_mark);
    }

    fn add(&mut self, marks: Result<Vec<Mark>, PurgeError>) {
        match marks {
            Ok(marks) => self.marks.extend(marks),
            Err(wrong) => {
                self.wrong.get_or_insert(wrong);
            }
        }
    }

    pub(super) fn take_wrong(&mut self) -> Option<PurgeError> {
        self.wrong.take()
    }

    /// All of it as one purge, if there is any.
    pub(super) fn into_purge(mut self) -> Option<Purge> {
        self.marks.sort_unstable();
        self.marks.dedup();
        (!self.marks.is_empty()).then_some(Purge::Marks(self.marks))
    }
}

impl fmt::Debug for Purges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purges")
            .field("marks", &self.marks.len())
            .finish_non_exhaustive()
    }
}
