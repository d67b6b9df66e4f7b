//! What a closure says of a request.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::monitor::Bypass;
use crate::request::RequestHead;

/// `None` is a value of its own.
type Compute = dyn Fn(&RequestHead<'_>) -> Option<Vec<u8>> + Send + Sync;

#[derive(Clone)]
pub(super) struct Computed {
    name: String,
    of_extension: bool,
    compute: Arc<Compute>,
}

impl Computed {
    pub(super) fn new(
        name: String,
        compute: impl Fn(&RequestHead<'_>) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            of_extension: false,
            compute: Arc::new(compute),
        }
    }

    pub(super) fn extension(
        name: String,
        compute: impl Fn(&RequestHead<'_>) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            of_extension: true,
            ..Self::new(name, compute)
        }
    }

    pub(super) fn value(&self, head: &RequestHead<'_>) -> Result<Option<Vec<u8>>, Bypass> {
        guarded(|| (self.compute)(head))
    }

    pub(super) fn digest(&self, hasher: &mut impl Hasher) {
        (self.of_extension, &self.name).hash(hasher);
    }
}

/// What a closure of the application says. One that panics tells nothing; what it has left behind is its own.
pub(super) fn guarded<T>(tell: impl FnOnce() -> T) -> Result<T, Bypass> {
    catch_unwind(AssertUnwindSafe(tell)).map_err(|_| Bypass::KeyPart)
}

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.of_extension {
            "extension"
        } else {
            "computed"
        };
        write!(f, "{kind} {}", self.name)
    }
}
