//! Mechanisms that a build for `tests/mutants` can switch off, to show that the tests of a promise fail without them.

/// Is this mechanism switched off? Never, but in a build with `--cfg larder_mutants`, which no feature can set: there by `LARDER_MUTANT`.
#[cfg(larder_mutants)]
pub(crate) fn is_off(mechanism: &str) -> bool {
    static OFF: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let off = OFF.get_or_init(|| std::env::var("LARDER_MUTANT").ok());
    off.as_deref() == Some(mechanism)
}

/// Is this mechanism switched off? Never.
#[cfg(not(larder_mutants))]
pub(crate) const fn is_off(_: &str) -> bool {
    false
}
