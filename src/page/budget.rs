//! One budget for all bodies that are being recorded, or read before they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes all recordings together may still take.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    left: Arc<AtomicUsize>,
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    taken: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    pub(crate) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            taken: 0,
        }
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Grows to `bytes`, or stays as it is when the budget is used up.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.taken);
        let granted = self
            .budget
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(more)
            })
            .is_ok();
        if granted {
            self.taken += more;
        }
        granted
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_granted_while_they_fit_and_given_back() {
        let budget = Budget::new(100);
        let mut one = budget.share();
        let mut other = budget.share();
        assert!(one.grow_to(60) && !other.grow_to(50) && other.grow_to(40));
        assert!(one.grow_to(60), "no growth needs no room");
        drop(one);
        assert_eq!(budget.left(), 60);
        drop(other);
        assert_eq!(budget.left(), 100);
    }
}
