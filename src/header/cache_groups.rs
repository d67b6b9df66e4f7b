//! `Cache-Groups` and `Cache-Group-Invalidation` (RFC 9875): Lists of Strings.

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, ListEntry};

use super::structured::list;

const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// Both fields, for scopes that may not have them.
pub(crate) const GROUP_FIELDS: [HeaderName; 2] = [CACHE_GROUPS, CACHE_GROUP_INVALIDATION];

/// A name that no cache group can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name of a cache group: printable ASCII alone is (RFC 9875 §2)")]
pub struct GroupNameError(String);

/// Defines the type of one field; both are the same but for their names.
macro_rules! groups {
    ($(#[$doc:meta])* $name:ident, $field:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name(Vec<String>);

        impl $name {
            /// The groups of these names.
            ///
            /// # Errors
            ///
            /// For a name that holds anything but printable ASCII.
            pub fn new<T: Into<String>>(
                names: impl IntoIterator<Item = T>,
            ) -> Result<Self, GroupNameError> {
                names.into_iter().map(named).collect::<Result<_, _>>().map(Self)
            }

            /// Those that the fields of a response name, in all lines together. A field that cannot be read, or that has a member which is
            /// not a String, names none (RFC 9651 §4.2); parameters are ignored.
            pub fn of(response: &HeaderMap) -> Self {
                Self(read(response, &$field))
            }

            /// The names, in their order.
            pub fn iter(&self) -> impl Iterator<Item = &str> {
                self.0.iter().map(String::as_str)
            }

            /// Adds the groups to those that the fields of a response name already.
            pub fn add_to(&self, response: &mut HeaderMap) {
                write(&self.0, response, &$field);
            }
        }

        #[cfg(feature = "axum")]
        impl axum_core::response::IntoResponseParts for $name {
            type Error = std::convert::Infallible;

            fn into_response_parts(
                self,
                mut parts: axum_core::response::ResponseParts,
            ) -> Result<axum_core::response::ResponseParts, Self::Error> {
                self.add_to(parts.headers_mut());
                Ok(parts)
            }
        }
    };
}

groups! {
    /// The groups that a response belongs to, as its `Cache-Groups` field names them (RFC 9875 §2).
    ///
    /// Page layers read the field of what they store: all of a group goes at once, by a [`CacheGroupInvalidation`] or by
    /// [`Cache::purge_group`](crate::Cache::purge_group). Other caches on the way that know the RFC do so too; that is what they have
    /// before [`CacheTags`](crate::CacheTags), which stay in this server. A group is of one origin: scheme, host and port.
    ///
    /// It is a part of an axum response, or [added to](Self::add_to) the fields of any. A response may name at least 32 groups; larder
    /// stores none that has more than 1,000 groups and tags together.
    ///
    /// ```
    /// use axum::response::IntoResponse;
    /// use larder::CacheGroups;
    ///
    /// async fn scores() -> Result<impl IntoResponse, String> {
    ///     let groups = CacheGroups::new(["scores", "australia"]).map_err(|error| error.to_string())?;
    ///     Ok((groups, "2:1"))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let response = scores().await.into_response();
    /// assert_eq!(response.headers()["cache-groups"], r#""scores", "australia""#);
    /// # });
    /// ```
    CacheGroups, CACHE_GROUPS
}

groups! {
    /// The groups that an unsafe request has changed, as the `Cache-Group-Invalidation` field of its response names them (RFC 9875 §3).
    ///
    /// An [`InvalidationLayer`](crate::InvalidationLayer) frees them before a 2xx or 3xx answer leaves, and so may caches between this
    /// server and its clients. On answers to safe methods the field means nothing. larder frees the first 1,000 groups of an answer.
    ///
    /// ```
    /// use axum::response::{IntoResponse, Redirect};
    /// use larder::CacheGroupInvalidation;
    ///
    /// async fn goal() -> Result<impl IntoResponse, String> {
    ///     let freed = CacheGroupInvalidation::new(["scores"]).map_err(|error| error.to_string())?;
    ///     Ok((freed, Redirect::to("/scores")))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let response = goal().await.into_response();
    /// assert_eq!(response.headers()["cache-group-invalidation"], r#""scores""#);
    /// # });
    /// ```
    CacheGroupInvalidation, CACHE_GROUP_INVALIDATION
}

fn named(name: impl Into<String>) -> Result<String, GroupNameError> {
    let name = name.into();
    // What a String can hold (RFC 9651 §3.3.3).
    match name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        true => Ok(name),
        false => Err(GroupNameError(name)),
    }
}

fn read(headers: &HeaderMap, field: &HeaderName) -> Vec<String> {
    let Some(members) = list(headers, field) else {
        return Vec::new();
    };
    let names = members.into_iter().map(|member| match member {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::String(name) => Some(name.into()),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    });
    names.collect::<Option<_>>().unwrap_or_default()
}

fn write(names: &[String], headers: &mut HeaderMap, field: &HeaderName) {
    let mut line = String::new();
    for name in names {
        let separator = if line.is_empty() { "" } else { ", " };
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(line, "{separator}\"{escaped}\"");
    }
    if line.is_empty() {
        return;
    }
    // Names are printable, so that this is a value; a map that is full is too large to be sent.
    if let Ok(value) = HeaderValue::try_from(line) {
        let _ = headers.try_append(field, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::arbitrary;

    fn groups(lines: &[&str]) -> Vec<String> {
        let headers = arbitrary::map(&CACHE_GROUPS, lines);
        CacheGroups::of(&headers).0
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn each_string_is_a_group_whatever_its_parameters() {
        assert_eq!(groups(&[r#""a";x=1, "b""#]), ["a", "b"]);
        assert_eq!(groups(&[r#""a";x;y="z""#, r#""b", "c""#]), ["a", "b", "c"]);
        assert_eq!(
            groups(&[r#""a \"b\" \\", "", " ""#]),
            ["a \"b\" \\", "", " "]
        );
        assert_eq!(groups(&[r#""A", "a""#]), ["A", "a"]);
    }

    #[test]
    fn what_is_not_a_list_of_strings_names_none() {
        for lines in [
            &[][..],
            &[""],
            &["a"],
            &[r#""a", b"#],
            &[r#""a", 1"#],
            &[r#""a", 1.5"#],
            &[r#""a", ?1"#],
            &[r#""a", :YQ==:"#],
            &[r#""a", @1"#],
            &[r#""a", %"b""#],
            &[r#""a", ("b")"#],
            &[r#"("a" "b")"#],
            &[r#""a",, "b""#],
            &[r#""a","#],
            &[r#""a"#],
            &[r#""a" "b""#],
            &["\"\u{e9}\""],
            &["\"a\tb\""],
            &[r#""a\n""#],
            &[r#"g="a""#],
            &[r#""a""#, "b"],
            &[r#""a""#, ""],
        ] {
            assert_eq!(groups(lines), NONE, "{lines:?}");
        }
    }

    #[test]
    fn far_more_than_32_groups_of_32_characters_are_read() {
        let names: Vec<String> = (0..500).map(|n| format!("{n:0>300}")).collect();
        let mut headers = HeaderMap::new();
        CacheGroups::new(&names).unwrap().add_to(&mut headers);
        assert_eq!(CacheGroups::of(&headers).0, names);
    }

    #[test]
    fn the_two_fields_are_told_apart() {
        let mut headers = HeaderMap::new();
        let freed = CacheGroupInvalidation::new(["a"]).unwrap();
        freed.add_to(&mut headers);
        assert_eq!(CacheGroupInvalidation::of(&headers), freed);
        assert_eq!(CacheGroups::of(&headers).iter().count(), 0);
    }

    #[test]
    fn none_leave_no_field() {
        let mut headers = HeaderMap::new();
        CacheGroups::default().add_to(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn a_name_is_printable_ascii() {
        for name in ["gr\u{fc}n", "a\nb", "\0", "\u{7f}"] {
            let error = CacheGroups::new(["a", name]).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("{name:?} is not")),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(headers in arbitrary::lines(CACHE_GROUPS)) {
            for name in CacheGroups::of(&headers).iter() {
                prop_assert!(name.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            }
        }

        #[test]
        fn what_is_written_is_read(names in proptest::collection::vec("[ -~]{0,40}", 0..40), more in "[ -~]{0,40}") {
            let mut headers = HeaderMap::new();
            CacheGroups::new(&names).unwrap().add_to(&mut headers);
            CacheGroups::new([more.as_str()]).unwrap().add_to(&mut headers);
            let read = CacheGroups::of(&headers);
            prop_assert!(read.iter().eq(names.iter().map(String::as_str).chain([more.as_str()])));
        }
    }
}
