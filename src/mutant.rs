//! Mechanisms that the library's unit tests can switch off, to show (`tests/mutants`) that the tests of a promise fail without them.

/// Is this mechanism switched off? Never, but in the library's own unit tests: there by `LARDER_MUTANT`.
#[cfg(test)]
pub(crate) fn is_off(mechanism: &str) -> bool {
    static OFF: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let off = OFF.get_or_init(|| std::env::var("LARDER_MUTANT").ok());
    off.as_deref() == Some(mechanism)
}

/// Is this mechanism switched off? Never.
#[cfg(not(test))]
pub(crate) const fn is_off(_: &str) -> bool {
    false
}
