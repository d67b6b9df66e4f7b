//! Scripts that the server runs.

/// A script and its digest.
#[derive(Debug)]
pub(super) struct Script {
    source: &'static str,
}

impl Script {
    /// The script with this text.
    pub(super) const fn new(source: &'static str) -> Self {
        Self { source }
    }

    /// Its text.
    pub(super) const fn source(&self) -> &'static str {
        self.source
    }
}
