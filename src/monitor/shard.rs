//! Which of a counter's places is a thread's: so that threads do not meet, and the owner of a place need not even lock the bus.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads have a place of their own.
const OWNED: usize = 12;

/// How many places all other threads take turns in.
const SHARED: usize = 4;

pub(crate) const PLACES: usize = OWNED + SHARED;

/// Which places are owned, by bits.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

const UNKNOWN: usize = usize::MAX;

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(UNKNOWN) };
    static OWNER: Cell<Option<Owner>> = const { Cell::new(None) };
}

/// Gives a thread's place to others when it ends.
struct Owner(usize);

impl Drop for Owner {
    fn drop(&mut self) {
        // What this thread still counts, it counts as those do that own none.
        MINE.set(OWNED);
        // Whoever takes the place next sees all that was counted in it.
        TAKEN.fetch_and(!(1 << self.0), Ordering::Release);
    }
}

/// A thread's place among those of a counter.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    index: usize,
}

impl Place {
    /// This thread's.
    #[inline]
    pub(crate) fn mine() -> Self {
        match MINE.get() {
            UNKNOWN => Self::settle(),
            index => Self { index },
        }
    }

    #[cold]
    fn settle() -> Self {
        // A thread that ends already has nobody left to give a place back.
        let is_owner = |owned| OWNER.try_with(|owner| owner.set(Some(Owner(owned))));
        let index = match take() {
            Some(owned) if is_owner(owned).is_ok() => owned,
            _ => shared(),
        };
        MINE.set(index);
        Self { index }
    }

    pub(crate) const fn index(self) -> usize {
        self.index
    }

    /// Raises what stands in this place of a counter.
    #[inline]
    pub(crate) fn add(self, counter: &AtomicU64, by: u64) {
        if self.index < OWNED {
            // Nobody else writes here.
            let count = counter.load(Ordering::Relaxed);
            counter.store(count.wrapping_add(by), Ordering::Relaxed);
        } else {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }
}

fn take() -> Option<usize> {
    let mut owned = None;
    TAKEN
        .fetch_update(Ordering::Acquire, Ordering::Relaxed, |taken| {
            let free = (!taken).trailing_zeros() as usize;
            owned = Some(free).filter(|free| *free < OWNED);
            owned.map(|free| taken | 1 << free)
        })
        .ok()?;
    owned
}

fn shared() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    OWNED + NEXT.fetch_add(1, Ordering::Relaxed) % SHARED
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn nothing_is_lost_by_more_threads_than_there_are_places() {
        const THREADS: usize = 3 * PLACES;
        let counters: [AtomicU64; PLACES] = Default::default();
        // Some at once, and then others that take over what the first have left.
        for _ in 0..3 {
            let together = Barrier::new(THREADS);
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        together.wait();
                        for _ in 0..1_000 {
                            let place = Place::mine();
                            place.add(&counters[place.index()], 1);
                        }
                    });
                }
            });
        }
        let total: u64 = counters
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed))
            .sum();
        assert_eq!(total, 3 * THREADS as u64 * 1_000);
    }

    #[test]
    fn no_two_threads_own_one_place() {
        let together = Barrier::new(PLACES);
        let owned: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..PLACES)
                .map(|_| {
                    scope.spawn(|| {
                        let index = Place::mine().index();
                        together.wait();
                        index
                    })
                })
                .collect();
            let indexes = threads.into_iter().map(|thread| thread.join().unwrap());
            indexes.filter(|index| *index < OWNED).collect()
        });
        for (place, index) in owned.iter().enumerate() {
            assert!(!owned[place + 1..].contains(index), "{owned:?}");
        }
    }
}
