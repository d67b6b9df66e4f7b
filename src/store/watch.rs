//! Streams of what happens in a store.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::{Notice, Removal};

/// How far behind a watcher may fall.
const NOTICES: usize = 1_024;

/// A stream of what an iterator has at hand.
#[cfg(feature = "memory")]
pub(super) struct Ready<I>(pub(super) I);

#[cfg(feature = "memory")]
impl<I: Iterator + Unpin> Stream for Ready<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

/// What happens from the call of [`Watchers::watch`] on.
pub(super) struct Watching(mpsc::Receiver<Notice>);

impl Stream for Watching {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.0.poll_recv(cx)
    }
}

/// Who is told what goes away.
#[derive(Default)]
pub(super) struct Watchers {
    count: AtomicU64,
    senders: Mutex<Vec<mpsc::Sender<Notice>>>,
}

impl Watchers {
    pub(super) fn watch(&self) -> Watching {
        let (sender, receiver) = mpsc::channel(NOTICES);
        let mut senders = self.lock();
        senders.push(sender);
        self.count.store(senders.len() as u64, Ordering::Relaxed);
        Watching(receiver)
    }

    pub(super) fn removed(&self, key: &[u8], why: Removal) {
        self.notify(|| Notice::Removed {
            key: key.into(),
            why,
        });
    }

    pub(super) fn notify(&self, notice: impl Fn() -> Notice) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut senders = self.lock();
        senders.retain(|sender| !sender.is_closed());
        for sender in senders.iter() {
            // A full channel belongs to a watcher that sleeps; it misses this notice.
            let _ = sender.try_send(notice());
        }
        self.count.store(senders.len() as u64, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Notice>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
