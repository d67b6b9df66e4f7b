//! Tags that a handler gives its page.

use http::Extensions;

/// The tags of a page, given by the handler that made it; [`Cache::purge_tag`](crate::Cache::purge_tag) frees all pages of a tag.
///
/// A part of an axum response, or an extension of any [`http::Response`]. Tags given in several places add up, and with those of the
/// layer.
///
/// ```
/// use axum::response::IntoResponse;
/// use larder::CacheTags;
///
/// async fn dish() -> impl IntoResponse {
///     (CacheTags::new(["dish:5", "menu"]), "soup")
/// }
/// # let _ = dish;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheTags(Vec<String>);

impl CacheTags {
    /// These tags.
    pub fn new<T: Into<String>>(tags: impl IntoIterator<Item = T>) -> Self {
        Self(tags.into_iter().map(Into::into).collect())
    }

    /// The tags, as given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Adds these tags to a response with these extensions.
    pub fn add_to(self, extensions: &mut Extensions) {
        match extensions.get_mut::<Self>() {
            Some(there) => there.0.extend(self.0),
            None => {
                extensions.insert(self);
            }
        }
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponseParts for CacheTags {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum_core::response::ResponseParts,
    ) -> Result<axum_core::response::ResponseParts, Self::Error> {
        self.add_to(parts.extensions_mut());
        Ok(parts)
    }
}
