//! Limits that are switched off while the program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Turns limits on and off at run time; clones are one switch. While it is off, nothing is counted, and nothing is refused.
///
/// A [`RateLimiter`](super::RateLimiter) has one for all that it decides, and a layer can have one of its own.
///
/// ```
/// use larder::limit::Switch;
///
/// let switch = Switch::default();
/// assert!(switch.is_on());
/// switch.off();
/// assert!(!switch.clone().is_on());
/// ```
#[derive(Clone, Debug)]
pub struct Switch {
    on: Arc<AtomicBool>,
}

impl Switch {
    /// A switch that is on, or off.
    pub fn new(is_on: bool) -> Self {
        Self {
            on: Arc::new(AtomicBool::new(is_on)),
        }
    }

    /// Turns the limits on.
    pub fn on(&self) {
        self.set(true);
    }

    /// Turns the limits off.
    pub fn off(&self) {
        self.set(false);
    }

    /// Turns the limits on or off.
    pub fn set(&self, is_on: bool) {
        self.on.store(is_on, Ordering::Relaxed);
    }

    /// Are the limits on?
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }
}

/// On.
impl Default for Switch {
    fn default() -> Self {
        Self::new(true)
    }
}
