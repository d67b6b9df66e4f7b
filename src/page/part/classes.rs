//! Classes of the values of a field.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::computed::guarded;
use super::field::only;
use crate::monitor::Bypass;

type Classify = dyn Fn(Option<&str>) -> &'static str + Send + Sync;

#[derive(Clone)]
pub(super) struct Classes {
    pub(super) name: HeaderName,
    classify: Arc<Classify>,
}

impl Classes {
    pub(super) fn new(
        name: HeaderName,
        classify: impl Fn(Option<&str>) -> &'static str + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            classify: Arc::new(classify),
        }
    }

    /// The class of a request.
    pub(super) fn normal(&self, headers: &HeaderMap) -> Result<HeaderValue, Bypass> {
        let value = only(headers, &self.name);
        let text = value.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let class = guarded(|| (self.classify)(text))?;
        HeaderValue::from_str(class).map_err(|_| Bypass::KeyPart)
    }
}
